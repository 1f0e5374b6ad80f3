"""Nearest neighbours judge a pre-trained encoder on the synthetic set.

    python -m skeljax.main --config configs/synthetic_knn.py:skelemixclr,joint \
        --config.init_from=runs/pre --workdir runs/knn

After the colon: the pre-training (skelemixclr_plus, skelemixclr, skeletonclr, crosclr or crosclr3:
it fixes frames and graph), a stream, and `published` or `cpu`.
Without init_from it judges a random encoder. The pre-training does the same every few epochs.
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.protocol("synthetic", "knn", text)
