"""Any backbone on the synthetic set, at a quarter of its width, in minutes.

    python -m skeljax.main --config configs/synthetic_backbone.py:dgstgcn --workdir runs/dgstgcn

After the colon: a backbone, and `float32` or `bfloat16`. A demonstration; there is no published
number for this set.
"""

from skeljax import presets
from skeljax.models import BACKBONES


def get_config(text: str = ""):
    chosen = presets.options(text, model=tuple(BACKBONES), dtype=("float32", "bfloat16"))
    config = presets.base()
    config.scale = "demo"
    config.data.dataset = "synthetic/ntu25"
    config.data.prepare = "unit"
    config.data.bodies = 1  # the first of two is enough here, and half the work
    presets.use_recipe(config, "generic", window=24, rotation=0.0)
    presets.use_model(config, chosen["model"], dtype=chosen["dtype"])
    presets.use_method(config, "supervised")
    config.model.width //= 4
    config.train.epochs = 18
    config.train.batch = 32
    config.train.validate_every = 6
    config.optim.weight_decay = 4e-4
    config.optim.schedule.name = "cosine"
    config.optim.schedule.per_step = True
    config.optim.schedule.warmup_epochs = 1
    return config
