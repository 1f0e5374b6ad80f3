"""BRL and its baselines on long-tailed NTU RGB+D 60.

    skeljax prepare ntu60/xsub_pyskl --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_brl.py:all --workdir runs/ntu60_brl

After the colon, one word of a group: the protocol `xsub` or `xview`; the imbalance `lt100`, `lt50`,
`lt10` or `full`; a stream, or `all` for the six of the published row, fused; the backbone
`stgcnpp`, `stgcn`, `aagcn`, `ctrgcn`, `msg3d`, `tcagcn`, `dgstgcn`, `infogcn`, `hdgcn` or
`protogcn`; `corrected` or `as_published` (BRL's slips, see docs/long_tail.md); `brl`, `bfl`
(class-balanced weights in the second stage) or `plain` (the published baselines); and a loss such
as `ldam`: with `brl` in place of its own, alone without BRL's mixing and resampling.
For example `:xview,lt100,skip,msg3d`, `:brl,ldam`.

Published top-1 at lt100, the best epoch on the test clips, ten clips, streams j b k jm bm km, then
two, four and six of them fused:

    stgcnpp, brl   xsub   76.7 76.1 77.7 75.0 72.8 73.4   79.6 81.0 81.8
                   xview  81.4 80.3 81.1 78.5 76.2 77.2   84.0 84.9 85.4
    ctrgcn, bfl    xsub   76.9 77.3 76.7 73.0 72.9 73.3   80.3 81.2 81.8
                   xview  80.7 79.8 79.9 78.9 75.9 77.2   83.1 84.7 85.0
    msg3d, bfl     xsub   78.0 77.0 78.9 75.4 73.9 73.8   80.7 81.8 82.4
                   xview  82.4 81.0 81.6 79.4 77.1 76.9   84.2 85.3 85.7

and `plain`, streams j b jm bm, then two and four:

    stgcn          xsub   67.9 65.0 64.7 64.2   70.6 73.3    xview  74.5 71.3 71.3 70.4   77.1 79.4
    aagcn          xsub   69.8 65.4 64.3 64.2   71.7 74.0    xview  75.2 72.0 71.9 69.6   76.7 78.9
    msg3d          xsub   69.8 65.7 66.3 65.5   72.1 74.8    xview  77.2 72.0 72.4 68.3   78.4 80.9
    ctrgcn         xsub   69.3 63.5 64.3 65.8   71.2 74.1    xview  75.6 72.6 73.0 71.9   77.5 80.4
"""

from skeljax import papers


def get_config(text: str = ""):
    return papers.long_tail("ntu60", text)
