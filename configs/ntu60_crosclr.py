"""CrosSCLR, joint and motion teach each other: pre-training on NTU RGB+D 60.

    python -m skeljax.main --config configs/ntu60_crosclr.py:xsub,joint --workdir runs/pre
    python -m skeljax.main --config configs/ntu60_linear.py:crosclr,xsub,joint \
        --config.init_from=runs/pre --workdir runs/linear

After the colon: `xsub` or `xview`, and `published` or `cpu` (small, 60 epochs), and
`crosclr3` to take bone too, here and in the evaluation. config.stream stays joint.
Published, linear evaluation of joint and motion together: xsub 74.5, xview 82.1. With bone too, by
`crosclr3`, 77.8 and 83.4.
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.pretraining("ntu60", "crosclr", text)
