"""CTR-GCN with FR-Head on NTU RGB+D 120.

    skeljax prepare ntu120 --source nturgbd_skeletons_s018_to_s032.zip
    python -m skeljax.main --config configs/ntu120_frhead.py:xsub,joint --workdir runs/ntu120_frhead
    python -m skeljax.main --config configs/ntu120_frhead.py:xset,row --workdir runs/ntu120_xset_row

After the colon: a protocol; a stream, or `row` for all four and their fusion; a backbone; and
`published` (version and epochs of the published runs) or `readme` (the command of its README: V0,
65 epochs, which is not how the published numbers were made).

Published, the best epoch on the test clips (joint, bone, joint motion, bone motion, fused):
x-sub 85.51 86.81 81.87 82.01 89.52; x-set 87.32 88.14 83.98 83.91 90.94.
"""

from skeljax import fuse, presets

BACKBONES = ("ctrgcn", "aagcn", "tcagcn", "stgcn_frhead")
# protocol: version, epochs and fusion of the published runs
RUNS = {"xsub": ("V1", 80, "frhead-120"), "xset": ("V1", 70, "frhead-120")}


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
    config.data.dataset = f"ntu120/{chosen['protocol']}"
    config.data.prepare = "trim"
    presets.use_recipe(config, "ctrgcn_ntu", bone_scale=True)
    presets.use_model(config, chosen["backbone"])
    presets.use_method(config, "frhead", version=version)
    config.train.batch = 64
    config.train.test_best = True
    config.optim.weight_decay = 4e-4
    config.optim.schedule.warmup_epochs = 5
    config.optim.schedule.milestones = (35, 55)
    config.train.epochs = epochs
    if chosen["stream"] == "row":
        weights = fuse.PRESETS[fusion].weights
        presets.use_row(config, tuple(weights), {"four": weights})
    else:
        config.stream = chosen["stream"]
    return config
