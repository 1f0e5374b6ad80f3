"""BRL and its baselines on long-tailed Northwestern-UCLA: 403 training clips, 100 to 10 a class.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_brl.py:all --workdir runs/nwucla_brl

After the colon, one word of a group: a stream, or `all` for six and their fusions; the backbone
(`ctrgcn` if none is named); method, loss and slips as of ntu60_brl.py; the imbalance `lt10` or
`full`; and `published` or `cpu`: a quarter of the width, half the frames and two passes an epoch in
place of five, at a learning rate of 0.05.

BRL's authors give no number for this set and ship no config; clips are prepared, turned and sampled
here as CTR-GCN's code does (recipe `ucla`), and the training is that of BRL's other sets.
"""

from skeljax import papers, presets


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        stream=(*presets.STREAMS, "all"),
        imbalance=("lt10", "full"),
        scale=("published", "cpu"),
        **papers.LONG_TAIL | {"backbone": ("ctrgcn", *papers.LONG_TAIL["backbone"])},
    )
    config = presets.base()
    config.scale = chosen["scale"]
    config.data.dataset = "nw_ucla"
    config.data.train = papers.training_split(chosen["imbalance"])
    papers.use_long_tail(config, chosen)
    presets.use_recipe(config, "ucla")
    if config.scale == "cpu":
        config.recipe.frames = 26
        config.model.width = 16
        config.data.repeat = 2
        config.optim.base_batch = 32
        config.train.validate_every = 8
        config.train.test_best = False
    papers.use_streams(config, chosen["stream"], papers.SIX_STREAMS)
    return config
