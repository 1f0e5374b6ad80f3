"""A small LST on the embedded synthetic set: minutes on two CPU cores, nothing to download.

    python -m skeljax.main --config configs/synthetic_lst.py --workdir runs/lst

After the colon: a stream (`:bone`), `all`, `global` or `parts` (the text terms) and the skeleton
(`:coco17`). The rest is synthetic_ctrgcn.py's, so that the two compare. For recognition by text
alone, hold classes out (docs/language.md):

    skeljax zeroshot split synthetic/ntu25 --unseen 5 --out seen.txt
    python -m skeljax.main --config configs/synthetic_lst.py --config.data.train=seen.txt \
        --workdir runs/seen
    skeljax zeroshot test runs/seen
"""

from skeljax import presets


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        stream=presets.STREAMS,
        terms=("all", "global", "parts"),
        layout=("ntu25", "coco17"),
    )
    config = presets.base()
    config.scale = "demo"
    config.stream = chosen["stream"]
    config.data.dataset = f"synthetic/{chosen['layout']}"
    config.data.prepare = "unit"
    config.data.bodies = 1  # the first of two is enough here, and half the work
    presets.use_recipe(config, "generic", window=24, rotation=0.0)
    presets.use_model(config, "ctrgcn", width=16, depth=6, grow=(3, 5))
    presets.use_method(config, "lst", descriptions="synthetic", terms=chosen["terms"])
    config.optim.weight_decay = 4e-4
    config.optim.schedule.name = "cosine"
    config.optim.schedule.per_step = True
    config.optim.schedule.warmup_epochs = 1
    config.train.epochs = 18
    config.train.batch = 32
    config.train.validate_every = 6
    return config
