"""BRL and any other loss on the long-tailed synthetic set, 36 to 3 clips a class: no download.

    python -m skeljax.main --config configs/synthetic_brl.py:brl --workdir runs/synthetic_brl
    python -m skeljax.main --config configs/synthetic_brl.py:ce --workdir runs/synthetic_ce
    skeljax report runs/synthetic_brl --baseline runs/synthetic_ce

After the colon: a stream, or `all`; backbone, method, loss and slips as of ntu60_brl.py.
`benchmarks/ablation.py brl` runs the whole ablation, sized for five minutes on two cores.
"""

from skeljax import papers, presets


def get_config(text: str = ""):
    chosen = presets.options(text, stream=(*presets.STREAMS, "all"), **papers.LONG_TAIL)
    config = presets.base()
    config.scale = "demo"
    config.data.dataset = "synthetic/ntu25"
    config.data.train = "train_lt10"
    config.data.prepare = "unit"
    config.data.bodies = 1
    papers.use_long_tail(config, chosen)
    presets.use_recipe(config, "generic", window=16)
    config.data.repeat = 1
    config.train.epochs = 12
    config.train.validate_every = 4
    config.train.test_best = False
    config.optim.base_batch = 32
    if "width" in config.model:
        config.model.width = 16
    if "depth" in config.model:
        config.model.depth, config.model.grow = 6, (3, 5)
    papers.use_streams(config, chosen["stream"], papers.SIX_STREAMS)
    return config
