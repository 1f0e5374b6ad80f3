"""Linear evaluation of a pre-trained encoder on Northwestern-UCLA.

    python -m skeljax.main --config configs/nwucla_linear.py:skelemixclr,joint \
        --config.init_from=runs/pre --workdir runs/linear

After the colon: the pre-training (skelemixclr_plus, skelemixclr, skeletonclr, crosclr or crosclr3:
it fixes frames and graph), a stream, and `published` or `cpu`.
Published numbers stand in the configs of the pre-training; they are the best epoch on the test set
(result_best_test.json here; result.json is the last epoch).
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.protocol("nwucla", "linear", text)
