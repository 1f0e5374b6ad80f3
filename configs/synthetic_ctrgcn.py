"""A small CTR-GCN on the embedded synthetic set: the first run, minutes on two CPU cores.

    python -m skeljax.main --config configs/synthetic_ctrgcn.py --workdir runs/first

After the colon: a stream (`:bone`) and the skeleton (`:coco17`).
"""

from skeljax import papers, presets


def get_config(text: str = ""):
    chosen = presets.options(text, stream=presets.STREAMS, layout=("ntu25", "coco17"))
    config = papers.synthetic(chosen["layout"], "ctrgcn", width=16, depth=6, grow=(3, 5))
    config.stream = chosen["stream"]
    presets.use_method(config, "supervised")
    return config
