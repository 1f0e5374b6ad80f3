"""CTR-GCN with FR-Head on Northwestern-UCLA.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_frhead.py:joint --workdir runs/nwucla_frhead
    python -m skeljax.main --config configs/nwucla_frhead.py:row --workdir runs/nwucla_row

After the colon: a stream, or `row` for all four and their fusion by .6 .6 .4 .4; a backbone; and
`published`, `readme` (the command of its README, which here is the same: V0, 65 epochs) or `cpu`
(half the width and frames, as in nwucla_ctrgcn.py, to be compared with that alone).

Published, the best epoch on the test clips: joint 94.40, bone 93.10, joint motion 92.89, bone
motion 89.44, fused 96.77.
"""

from skeljax import fuse, presets

BACKBONES = ("ctrgcn", "aagcn", "tcagcn", "stgcn_frhead")


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        stream=(*presets.STREAMS, "row"),
        backbone=BACKBONES,
        scale=("published", "readme", "cpu"),
    )
    config = presets.base()
    config.data.dataset = "nw_ucla"
    presets.use_recipe(config, "ucla")
    presets.use_model(config, chosen["backbone"])
    presets.use_method(config, "frhead", version="V0")
    config.train.batch = 16
    config.train.test_best = True
    if chosen["scale"] == "cpu":
        config.scale = "cpu"
        config.train.epochs = 100
        config.train.validate_every = 5
        config.model.width = 32
        config.recipe.frames = 26
        config.optim.weight_decay = 2e-4
        config.optim.schedule.name = "cosine"
        config.optim.schedule.per_step = True
        config.optim.schedule.warmup_epochs = 3
    else:
        long = chosen["backbone"] == "tcagcn" and chosen["scale"] == "published"
        config.train.epochs = 75 if long else 65
        config.data.repeat = 5
        config.optim.weight_decay = 1e-4
        config.optim.schedule.warmup_epochs = 5
        config.optim.schedule.milestones = (50,)
    if chosen["stream"] == "row":
        weights = fuse.PRESETS["frhead-ucla"].weights
        presets.use_row(config, tuple(weights), {"four": weights})
    else:
        config.stream = chosen["stream"]
    return config
