"""Any backbone on the synthetic set, at a quarter of its width, in minutes.

    python -m skeljax.main --config configs/synthetic_backbone.py:dgstgcn --workdir runs/dgstgcn

After the colon: a backbone, and `float32` or `bfloat16`. A demonstration; there is no published
number for this set.
"""

from skeljax import papers, presets
from skeljax.models import BACKBONES


def get_config(text: str = ""):
    chosen = presets.options(text, model=tuple(BACKBONES), dtype=("float32", "bfloat16"))
    config = papers.synthetic("ntu25", chosen["model"], dtype=chosen["dtype"])
    config.model.width //= 4
    presets.use_method(config, "supervised")
    return config
