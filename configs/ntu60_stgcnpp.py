"""ST-GCN++ on NTU RGB+D 60 by PYSKL's practice, all training clips.

    skeljax prepare ntu60/xsub_pyskl --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_stgcnpp.py:strong_aug,all --workdir runs/stgcnpp

After the colon, one word of a group: the protocol `xsub` or `xview`; a stream, or `all` for four
and their fusions; and `strong_aug` (random scale and rotation, 24 epochs) or `plain` (16 epochs).

Published top-1, ten clips, streams j b jm bm, then two and four of them fused:

    strong_aug  xsub  90.3 90.8 88.3 87.8   92.2 92.6    xview  96.6 95.9 95.1 93.7   97.1 97.4
    plain       xsub  89.3 90.1 87.5 87.3   91.4 92.1    xview  95.6 95.5 94.3 93.8   96.7 97.0
"""

from skeljax import presets
from skeljax.fuse import PRESETS


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        protocol=("xsub", "xview"),
        stream=("joint", "bone", "joint_motion", "bone_motion", "all"),
        recipe=("strong_aug", "plain"),
    )
    config = presets.base()
    config.data.dataset = f"ntu60/{chosen['protocol']}_pyskl"
    config.data.layout = "ntu25_pyskl"
    config.data.prepare = "prenorm3d"
    presets.use_model(config, "stgcnpp")
    presets.use_method(config, "supervised", head_std=0.01)
    presets.use_pyskl_training(config)
    if chosen["recipe"] == "strong_aug":
        presets.use_recipe(config, "brl", length=100, flip=0.0)
        config.train.epochs = 24
    else:
        presets.use_recipe(config, "pyskl")
        config.train.epochs = 16
    config.train.batch = 128
    if chosen["stream"] == "all":
        weights = {"two": PRESETS["brl-2"].weights, "four": PRESETS["brl-4"].weights}
        presets.use_row(config, PRESETS["brl-4"].weights, weights, rule="probabilities")
    else:
        config.stream = chosen["stream"]
    return config
