"""A small LST on the embedded synthetic set: minutes on two CPU cores, nothing to download.

    python -m skeljax.main --config configs/synthetic_lst.py --workdir runs/lst

After the colon: a stream (`:bone`), `all`, `global` or `parts` (the text terms) and the skeleton
(`:coco17`). The rest is synthetic_ctrgcn.py's, so that the two compare. For recognition by text
alone, hold classes out (docs/language.md):

    skeljax zeroshot split synthetic/ntu25 --unseen 5 --out seen.txt
    python -m skeljax.main --config configs/synthetic_lst.py --config.data.train=seen.txt \
        --workdir runs/seen
    skeljax zeroshot test runs/seen
"""

from skeljax import papers, presets


def get_config(text: str = ""):
    chosen = presets.options(
        text,
        stream=presets.STREAMS,
        terms=papers.LST["terms"],
        layout=("ntu25", "coco17"),
    )
    config = papers.synthetic(chosen["layout"], "ctrgcn", width=16, depth=6, grow=(3, 5))
    config.stream = chosen["stream"]
    presets.use_method(config, "lst", descriptions="synthetic", terms=chosen["terms"])
    return config
