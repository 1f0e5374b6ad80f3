"""CTR-GCN with FR-Head on Northwestern-UCLA.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_frhead.py:joint --workdir runs/nwucla_frhead
    python -m skeljax.main --config configs/nwucla_frhead.py:row --workdir runs/nwucla_row

After the colon: a stream, or `row` for all four and their fusion by .6 .6 .4 .4; a backbone; and
`published`, `readme` (the command of its README, which here is the same: V0, 65 epochs; but
TCA-GCN's `published` 75) or `cpu` (half the width and frames, as in nwucla_ctrgcn.py, to be
compared with that alone). For the long tail `lt10`, `class_specific` (BRL's sampling) and a loss,
as in `:lt10,class_specific,ldam`.

Published, the best epoch on the test clips: joint 94.40, bone 93.10, joint motion 92.89, bone
motion 89.44, fused 96.77.
"""

from skeljax import papers, presets


def get_config(text: str = ""):
    chosen = papers.frhead_options(
        text, imbalance=("full", "lt10"), scale=("published", "readme", "cpu")
    )
    scale = "cpu" if chosen["scale"] == "cpu" else "published"
    config = papers.ucla(chosen["backbone"], scale)
    smoothing = papers.UCLA_SMOOTHING[scale]
    presets.use_method(config, "frhead", version="V0", label_smoothing=smoothing)
    papers.use_tail(config, chosen)
    config.train.test_best = True
    if chosen["scale"] == "readme":
        config.train.epochs = 65
    papers.use_streams(config, chosen["stream"], {"four": "frhead-ucla"})
    return config
