"""SkeleMixCLR+, three mixes a batch: pre-training on Northwestern-UCLA.

    python -m skeljax.main --config configs/nwucla_skelemixclr_plus.py:joint --workdir runs/pre
    python -m skeljax.main --config configs/nwucla_linear.py:skelemixclr_plus,joint \
        --config.init_from=runs/pre --workdir runs/linear

After the colon: a stream, and `published` or `cpu` (small, 60 epochs).
No published number; ours, of the size `cpu`: docs/experiments.md.
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.pretraining("nwucla", "skelemixclr_plus", text)
