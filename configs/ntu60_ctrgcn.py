"""CTR-GCN on NTU RGB+D 60: FR-Head's backbone without the head.

    skeljax prepare ntu60/xsub --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_ctrgcn.py:xsub,joint --workdir runs/ntu60_ctrgcn
    python -m skeljax.main --config configs/ntu60_ctrgcn.py:xview,row --workdir runs/ntu60_xview_row

After the colon: a protocol; a stream, or `row` for all four and their fusion by .6 .6 .4 .4; a
backbone; and `bone_scale` (bones are lengthened at random, as FR-Head trains: its baseline) or
`no_bone_scale` (CTR-GCN's own recipe); for long tails as in ntu60_frhead.py. 65 epochs, as its
authors train; `--config.train.epochs=80` for as many as the head's
published runs (bones on x-view: 70).

Published, four streams, without bone scaling: x-sub 92.4, x-view 96.8.
"""

from skeljax import papers


def get_config(text: str = ""):
    return papers.ctrgcn("ntu60", text)
