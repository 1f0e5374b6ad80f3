"""SkeletonCLR, momentum contrast of two views: pre-training on NTU RGB+D 120.

    python -m skeljax.main --config configs/ntu120_skeletonclr.py:xsub,joint --workdir runs/pre
    python -m skeljax.main --config configs/ntu120_linear.py:skeletonclr,xsub,joint \
        --config.init_from=runs/pre --workdir runs/linear

After the colon: `xsub` or `xset`, a stream, and `published` or `cpu` (small, 60 epochs).
Published, joint stream, linear evaluation: xsub 56.8, xset 55.9.
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.pretraining("ntu120", "skeletonclr", text)
