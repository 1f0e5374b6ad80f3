"""CTR-GCN on NTU RGB+D 120: FR-Head's backbone without the head.

    skeljax prepare ntu120/xsub --source FOLDER        # that holds both zips
    python -m skeljax.main --config configs/ntu120_ctrgcn.py:xsub,joint --workdir runs/ntu120_ctrgcn
    python -m skeljax.main --config configs/ntu120_ctrgcn.py:xset,row --workdir runs/ntu120_xset_row

After the colon: a protocol; a stream, or `row` for all four and their fusion by .6 .6 .4 .4; a
backbone; and `bone_scale` (bones are lengthened at random, as FR-Head trains: its baseline) or
`no_bone_scale` (CTR-GCN's own recipe); for long tails as in ntu120_frhead.py. 65 epochs, as its
authors train; `--config.train.epochs=80` for as many as the head's
published runs (x-set: 70).

Published, four streams, without bone scaling: x-sub 88.9, x-set 90.6; x-sub joint alone 83.7.
"""

from skeljax import papers


def get_config(text: str = ""):
    return papers.ctrgcn("ntu120", text)
