"""CTR-GCN on Northwestern-UCLA.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_ctrgcn.py:joint --workdir runs/nwucla_joint

After the colon: a stream, or `row` for all four and their fusion; a backbone; `published` (65
epochs of 5 passes, TCA-GCN 75 as with FR-Head; its authors report 94.6 for the joint stream) or
`cpu`: what two cores finish in under an hour; and for the long tail as in nwucla_frhead.py. In
`cpu` width and frames are halved, which makes a step four times cheaper, so that 180 passes fit,
with smoothed labels and more weight decay. Ours, joint, `cpu`, last epoch: 93.97, in 50 minutes.
"""

from skeljax import papers, presets


def get_config(text: str = ""):
    streams = (*presets.STREAMS, "row")
    tail = papers.FRHEAD | {"imbalance": ("full", "lt10")}
    chosen = presets.options(text, stream=streams, scale=("published", "cpu"), **tail)
    config = papers.ucla(chosen["backbone"], chosen["scale"])
    smoothing = papers.UCLA_SMOOTHING[config.scale]
    presets.use_method(config, "supervised", label_smoothing=smoothing)
    papers.use_tail(config, chosen)
    config.train.test_best = True
    papers.use_streams(config, chosen["stream"], {"four": "ctrgcn"})
    return config
