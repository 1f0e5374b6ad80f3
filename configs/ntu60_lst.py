"""LST (CTR-GCN with language supervision) on NTU RGB+D 60.

    skeljax prepare ntu60/xsub --source nturgbd_skeletons_s001_to_s017.zip
    python -m skeljax.main --config configs/ntu60_lst.py:xsub,joint --workdir runs/ntu60_lst
    python -m skeljax.main --config configs/ntu60_lst.py:xsub,row --workdir runs/ntu60_lst_row

After the colon: a protocol; a stream, or `row` for all four and their fusions by .8 .8 .2 .2 and
(without bone motion) .6 .6 .4; `k1` to `k8`, the k of the bone streams, which are InfoGCN's; a
backbone; `all`, `global` or `parts`, the text terms; `parts_by_joint` or `parts_by_bone`, the lists
of body parts (the second is the public code's for bones); and `corrected` or `public_code`, which
has the slips of the public code and trains CLIP ViT-B/32 along: `--config.method.weights=FOLDER`,
with its merges in it. Frozen MiniLM embeddings of our own descriptions are the default text:
docs/language.md has the other encoders.

Published for four streams with CLIP: x-sub 92.9, x-view 97.0.
"""

from skeljax import papers


def get_config(text: str = ""):
    return papers.lst("ntu60", text)
