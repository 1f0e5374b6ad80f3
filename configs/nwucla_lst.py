"""LST (CTR-GCN with language supervision) on Northwestern-UCLA.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_lst.py:joint --workdir runs/nwucla_lst
    python -m skeljax.main --config configs/nwucla_lst.py:row,cpu --workdir runs/nwucla_lst_row

After the colon: a stream, or `row` for all four and their fusions by .8 .8 .2 .2 and (without bone
motion) .6 .6 .4; a backbone; `all`, `global` or `parts`, the text terms; `corrected` or
`public_code`, which has the slips of the public code (joints and bones by its transposed matrix
among them) and trains CLIP ViT-B/32 along (`--config.method.weights=FOLDER`, its merges in it); and
`published` or `cpu` (half the width and frames, as in nwucla_ctrgcn.py, to be compared with that
alone). `--config.method.shuffle_text=True` is the control: every class with another's text.

Published for four streams with CLIP: 97.2.
"""

from skeljax import fuse, presets
from skeljax.errors import ConfigError

STREAMS = {
    "joint": "joint",
    "bone": "infogcn1",
    "joint_motion": "joint_motion",
    "bone_motion": "infogcn1_motion",
}
PUBLIC = {
    "joint": "lst6",
    "bone": "lst1",
    "joint_motion": "lst6_motion",
    "bone_motion": "lst1_motion",
}
BACKBONES = ("ctrgcn", "stgcnpp", "aagcn", "msg3d", "tcagcn")


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        stream=(*STREAMS, "row"),
        backbone=BACKBONES,
        terms=("all", "global", "parts"),
        slips=("corrected", "public_code"),
        scale=("published", "cpu"),
    )
    config = presets.base()
    config.scale = chosen["scale"]
    config.data.dataset = "nw_ucla"
    presets.use_recipe(config, "ucla")
    presets.use_model(config, chosen["backbone"])
    presets.use_method(config, "lst", descriptions="nw_ucla", terms=chosen["terms"], alpha=1.0)
    if config.scale == "published":
        config.train.batch = 64
        config.train.epochs = 110
        config.train.test_best = True
        config.data.repeat = 5
        config.optim.base_lr = 0.2
        config.optim.weight_decay = 4e-4
        config.optim.schedule.warmup_epochs = 5
        config.optim.schedule.milestones = (90, 100)
    else:
        config.train.batch = 16
        config.train.epochs = 100
        config.train.validate_every = 5
        config.model.width = 32
        config.recipe.frames = 26
        config.optim.weight_decay = 2e-4
        config.optim.schedule.name = "cosine"
        config.optim.schedule.per_step = True
        config.optim.schedule.warmup_epochs = 3
    if chosen["stream"] != "row":
        config.stream = STREAMS[chosen["stream"]]
    if chosen["slips"] == "public_code":
        use_public_code(config, chosen["stream"])
    elif chosen["stream"] == "row":
        four, three = (fuse.PRESETS[name].weights for name in ("lst-4", "lst-3"))
        fusions = {"four": four, "three": three}
        named = {
            name: {STREAMS[stream]: weight for stream, weight in weights.items()}
            for name, weights in fusions.items()
        }
        presets.use_row(config, tuple(STREAMS.values()), named)
    return config


def use_public_code(config, stream: str) -> None:
    if stream == "row":
        raise ConfigError(
            "the public code takes other body parts for bones than for joints",
            where="the text after the colon of --config",
            do="train its four streams one by one, then skeljax fuse --preset lst-4",
        )
    config.stream = PUBLIC[stream]
    config.method.update(encoder="clip", train_text=True, raw_scale=True, fused_names=True)
    config.method.bone_parts = stream.startswith("bone")
    config.optim.groups = {"text": {"lr_ratio": 1.0}}
