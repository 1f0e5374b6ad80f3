"""CrosSCLR, joint and motion teach each other: pre-training on Northwestern-UCLA.

    python -m skeljax.main --config configs/nwucla_crosclr.py:joint --workdir runs/pre
    python -m skeljax.main --config configs/nwucla_linear.py:crosclr,joint \
        --config.init_from=runs/pre --workdir runs/linear

After the colon: `published` or `cpu` (small, 60 epochs), and `crosclr3` to take bone
too, here and in the evaluation. config.stream stays joint.
No published number; ours: owed.
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.pretraining("nwucla", "crosclr", text)
