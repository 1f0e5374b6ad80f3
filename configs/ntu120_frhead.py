"""CTR-GCN with FR-Head on NTU RGB+D 120.

    skeljax prepare ntu120/xsub --source FOLDER        # that holds both zips
    python -m skeljax.main --config configs/ntu120_frhead.py:xsub,joint --workdir runs/ntu120_frhead
    python -m skeljax.main --config configs/ntu120_frhead.py:xset,row --workdir runs/ntu120_xset_row

After the colon: a protocol; a stream, or `row` for all four and their fusion; a backbone; and
`published` (version and epochs of the published runs) or `readme` (the command of its README: V0,
65 epochs, which is not how the published numbers were made). For long tails `lt100`, `lt50` or
`lt10`, `class_specific` (BRL's sampling) and a loss, as in `:lt100,class_specific,ldam`.

Published, the best epoch on the test clips (joint, bone, joint motion, bone motion, fused):
x-sub 85.51 86.81 81.87 82.01 89.52; x-set 87.32 88.14 83.98 83.91 90.94.
"""

from skeljax import papers

# protocol: version, epochs and fusion of the published runs, and other epochs of some streams
RUNS = {"xsub": ("V1", 80, "frhead-120", {}), "xset": ("V1", 70, "frhead-120", {})}


def get_config(text: str = ""):
    return papers.frhead("ntu120", text, RUNS)
