"""ST-GCN++ on NTU RGB+D 120 by PYSKL's practice, all training clips.

    skeljax prepare ntu120/xsub_pyskl --source nturgbd_skeletons_s001_to_s017.zip \
        --source nturgbd_skeletons_s018_to_s032.zip
    python -m skeljax.main --config configs/ntu120_stgcnpp.py:strong_aug,all --workdir runs/stgcnpp

After the colon, one word of a group: the protocol `xsub` or `xset`; a stream, or `all` for four
and their fusions; and `strong_aug` (random scale and rotation, 24 epochs) or `plain` (16 epochs).

Published top-1, ten clips, streams j b jm bm, then two and four of them fused:

    strong_aug  xsub  84.3 87.0 82.2 81.9   88.2 88.6    xset  86.7 88.3 85.1 84.4   90.1 90.8
    plain       xsub  83.2 85.6 80.4 81.5   87.0 87.5    xset  85.6 87.5 84.3 83.0   89.1 89.8
"""

from skeljax import papers


def get_config(text: str = ""):
    return papers.stgcnpp("ntu120", text)
