"""Fine-tuning of a pre-trained encoder on a part of the labels of the synthetic set.

    python -m skeljax.main --config configs/synthetic_semi.py:skelemixclr,joint,semi10 \
        --config.init_from=runs/pre --workdir runs/semi

After the colon: the pre-training (skelemixclr_plus, skelemixclr, skeletonclr, crosclr or crosclr3:
it fixes frames and graph), `semi10`, `semi5` or `semi1` (percent of the labels), a stream,
and `published` or `cpu`.
The published recipe evaluates on the test set and takes the best epoch (result_best_test.json
here; result.json is the last epoch).
"""

from skeljax import self_supervised


def get_config(text: str = ""):
    return self_supervised.protocol("synthetic", "semi", text)
