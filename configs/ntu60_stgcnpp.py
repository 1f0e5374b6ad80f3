"""ST-GCN++ on NTU RGB+D 60 by PYSKL's practice, all training clips.

    skeljax prepare ntu60/xsub_pyskl --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_stgcnpp.py:strong_aug,all --workdir runs/stgcnpp

After the colon, one word of a group: the protocol `xsub` or `xview`; a stream, or `all` for four
and their fusions; and `strong_aug` (random scale and rotation, 24 epochs) or `plain` (16 epochs).

Published top-1, ten clips, streams j b jm bm, then two and four of them fused:

    strong_aug  xsub  90.3 90.8 88.3 87.8   92.2 92.6    xview  96.6 95.9 95.1 93.7   97.1 97.4
    plain       xsub  89.3 90.1 87.5 87.3   91.4 92.1    xview  95.6 95.5 94.3 93.8   96.7 97.0
"""

from skeljax import papers


def get_config(text: str = ""):
    return papers.stgcnpp("ntu60", text)
