"""CTR-GCN with FR-Head on NTU RGB+D 60.

    skeljax prepare ntu60/xsub --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_frhead.py:xsub,joint --workdir runs/ntu60_frhead
    python -m skeljax.main --config configs/ntu60_frhead.py:xview,row --workdir runs/ntu60_xview_row

After the colon: a protocol; a stream, or `row` for all four and their fusion; a backbone; and
`published` (version and epochs of the published runs) or `readme` (the command of its README: V0,
65 epochs, which is not how the published numbers were made). For long tails `lt100`, `lt50` or
`lt10`, `class_specific` (BRL's sampling) and a loss, as in `:lt100,class_specific,ldam`.

Published, the best epoch on the test clips (joint, bone, joint motion, bone motion, fused):
x-sub 90.33 91.08 88.68 87.56 92.80; x-view 95.26 95.01 93.59 92.55 96.78.
"""

from skeljax import papers

# protocol: version, epochs and fusion of the published runs, and other epochs of some streams
RUNS = {
    "xsub": ("V0", 80, "frhead-xsub", {}),
    "xview": ("V1", 80, "frhead-xview", {"bone": 70, "bone_motion": 70}),
}


def get_config(text: str = ""):
    return papers.frhead("ntu60", text, RUNS)
