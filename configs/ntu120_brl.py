"""BRL and its baselines on long-tailed NTU RGB+D 120.

    skeljax prepare ntu120/xsub_pyskl --source nturgbd_skeletons_s001_to_s017.zip \
        --source nturgbd_skeletons_s018_to_s032.zip
    python -m skeljax.main --config configs/ntu120_brl.py:all --workdir runs/ntu120_brl

After the colon, one word of a group: the protocol `xsub` or `xset`; the imbalance `lt100`, `lt50`,
`lt10` or `full`; a stream, or `all` for the six of the published row, fused; the backbone
`stgcnpp`, `stgcn`, `aagcn`, `ctrgcn`, `msg3d`, `tcagcn`, `dgstgcn`, `infogcn`, `hdgcn` or
`protogcn`; `corrected` or `as_published` (BRL's slips, see docs/long_tail.md); `brl`, `bfl`
(class-balanced weights in the second stage) or `plain` (the published baselines); and a loss such
as `ldam`: with `brl` in place of its own, alone without BRL's mixing and resampling.
For example `:xset,lt100,skip,msg3d`, `:brl,ldam`.

Published top-1 at lt100, the best epoch on the test clips, ten clips, streams j b k jm bm km, then
two, four and six of them fused:

    stgcnpp, brl   xsub  65.3 65.3 64.2 59.7 59.8 59.6   68.7 69.4 69.7
                   xset  66.8 66.6 65.9 63.5 62.2 61.6   69.7 71.0 71.3

and `plain`, streams j b jm bm, then two and four:

    stgcn          xsub  54.9 54.8 49.4 50.4   57.7 59.1    xset  57.6 56.7 55.6 55.2   60.3 62.3
    aagcn          xsub  56.6 57.0 49.4 50.9   60.0 61.1    xset  58.7 57.6 56.6 55.1   61.3 63.2
    msg3d          xsub  59.4 56.7 56.6 52.3   61.0 62.7    xset  61.0 57.8 59.4 54.6   62.2 64.6
    ctrgcn         xsub  57.7 58.7 54.8 54.8   61.6 63.2    xset  61.6 60.2 58.2 56.2   64.3 66.0
"""

from skeljax import papers


def get_config(text: str = ""):
    return papers.long_tail("ntu120", text)
