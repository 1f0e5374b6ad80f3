"""LST (CTR-GCN with language supervision) on NTU RGB+D 60.

    skeljax prepare ntu60 --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_lst.py:xsub,joint --workdir runs/ntu60_lst
    python -m skeljax.main --config configs/ntu60_lst.py:xsub,row --workdir runs/ntu60_lst_row

After the colon: a protocol; a stream, or `row` for all four and their fusions by .8 .8 .2 .2 and
(without bone motion) .6 .6 .4; a backbone; `all`, `global` or `parts`, the text terms; and
`corrected` or `public_code`, which has the slips of the public code and trains CLIP ViT-B/32 along:
`--config.method.weights=FOLDER`, with its merges in it. The bone streams are InfoGCN's with k = 1;
`--config.stream=infogcn2` takes another k. Frozen MiniLM embeddings of our own descriptions are the
default text: docs/language.md has the other encoders.

Published for four streams with CLIP: x-sub 92.9, x-view 97.0.
"""

from skeljax import fuse, presets
from skeljax.errors import ConfigError

STREAMS = {
    "joint": "joint",
    "bone": "infogcn1",
    "joint_motion": "joint_motion",
    "bone_motion": "infogcn1_motion",
}
BACKBONES = ("ctrgcn", "stgcnpp", "aagcn", "msg3d", "tcagcn")


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        protocol=("xsub", "xview"),
        stream=(*STREAMS, "row"),
        backbone=BACKBONES,
        terms=("all", "global", "parts"),
        slips=("corrected", "public_code"),
    )
    config = presets.base()
    config.data.dataset = f"ntu60/{chosen['protocol']}"
    config.data.prepare = "trim"
    presets.use_recipe(config, "ctrgcn_ntu")
    presets.use_model(config, chosen["backbone"])
    presets.use_method(config, "lst", descriptions="ntu120", terms=chosen["terms"], alpha=0.8)
    config.train.batch = 200
    config.train.epochs = 110
    config.train.test_best = True
    config.optim.weight_decay = 5e-4
    config.optim.schedule.warmup_epochs = 5
    config.optim.schedule.milestones = (90, 100)
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
    config.method.update(encoder="clip", train_text=True, raw_scale=True, fused_names=True)
    config.method.bone_parts = stream.startswith("bone")
    config.optim.groups = {"text": {"lr_ratio": 1.0}}
