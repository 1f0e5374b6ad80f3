"""CrosSCLR, joint and motion teach each other: pre-training on NTU RGB+D 120.

    python -m skeljax.main --config configs/ntu120_crosclr.py:xsub,joint --workdir runs/pre
    python -m skeljax.main --config configs/ntu120_linear.py:crosclr,xsub,joint \
        --config.init_from=runs/pre --workdir runs/linear

After the colon: `xsub` or `xset`, and `published` or `cpu` (small, 60 epochs), and
`crosclr3` to take bone too, here and in the evaluation. config.stream stays joint.
Published, linear evaluation of `crosclr3`: xsub 67.9, xset 66.7.
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.pretraining("ntu120", "crosclr", text)
