"""CTR-GCN with FR-Head on NTU RGB+D 60.

    skeljax prepare ntu60 --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_frhead.py:xsub,joint --workdir runs/ntu60_frhead
    python -m skeljax.main --config configs/ntu60_frhead.py:xview,row --workdir runs/ntu60_xview_row

After the colon: a protocol; a stream, or `row` for all four and their fusion; a backbone; and
`published` (version and epochs of the published runs) or `readme` (the command of its README: V0,
65 epochs, which is not how the published numbers were made).

Published, the best epoch on the test clips (joint, bone, joint motion, bone motion, fused):
x-sub 90.33 91.08 88.68 87.56 92.80; x-view 95.26 95.01 93.59 92.55 96.78.
"""

from skeljax import fuse, presets

BACKBONES = ("ctrgcn", "aagcn", "tcagcn", "stgcn_frhead")
# protocol: version, epochs and fusion of the published runs
RUNS = {"xsub": ("V0", 80, "frhead-xsub"), "xview": ("V1", 80, "frhead-xview")}


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        protocol=tuple(RUNS),
        stream=(*presets.STREAMS, "row"),
        backbone=BACKBONES,
        run=("published", "readme"),
    )
    version, epochs, fusion = RUNS[chosen["protocol"]]
    if chosen["run"] == "readme":
        version, epochs = "V0", 65
    config = presets.base()
    config.data.dataset = f"ntu60/{chosen['protocol']}"
    config.data.prepare = "trim"
    presets.use_recipe(config, "ctrgcn_ntu", bone_scale=True)
    presets.use_model(config, chosen["backbone"])
    presets.use_method(config, "frhead", version=version)
    config.train.batch = 64
    config.train.test_best = True
    config.optim.weight_decay = 4e-4
    config.optim.schedule.warmup_epochs = 5
    config.optim.schedule.milestones = (35, 55)
    stream, short = chosen["stream"], {}
    if (chosen["protocol"], chosen["run"]) == ("xview", "published"):
        short = {"bone": 70, "bone_motion": 70}
    config.train.epochs = short.get(stream, epochs)
    if stream == "row":
        weights = fuse.PRESETS[fusion].weights
        presets.use_row(config, tuple(weights), {"four": weights}, epochs=short)
    else:
        config.stream = stream
    return config
