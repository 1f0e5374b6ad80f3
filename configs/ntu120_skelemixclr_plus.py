"""SkeleMixCLR+, three mixes a batch: pre-training on NTU RGB+D 120.

    python -m skeljax.main --config configs/ntu120_skelemixclr_plus.py:xsub,joint --workdir runs/pre
    python -m skeljax.main --config configs/ntu120_linear.py:skelemixclr_plus,xsub,joint \
        --config.init_from=runs/pre --workdir runs/linear

After the colon: `xsub` or `xset`, a stream, and `published` or `cpu` (small, 60 epochs).
Published, joint stream, linear evaluation: xsub 69.0, xset 68.2. Ours: owed.
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.pretraining("ntu120", "skelemixclr_plus", text)
