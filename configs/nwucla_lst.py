"""LST (CTR-GCN with language supervision) on Northwestern-UCLA.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_lst.py:joint --workdir runs/nwucla_lst
    python -m skeljax.main --config configs/nwucla_lst.py:row,cpu --workdir runs/nwucla_lst_row

After the colon: a stream, or `row` for all four and their fusions by .8 .8 .2 .2 and (without bone
motion) .6 .6 .4; `k1` to `k8`, the k of the bone streams, which are InfoGCN's; a backbone
(`stgcn_frhead` is the original's baseline); `all`, `global` or `parts`, the text terms;
`parts_by_joint` or `parts_by_bone`, the lists of body parts (the second is the public code's for
bones); `corrected` or `public_code`, which has the slips of the public code (joints and bones by
its transposed matrix among them) and trains CLIP ViT-B/32 along (`--config.method.weights=FOLDER`,
its merges in it); and `published` or `cpu` (half the width and frames, as in nwucla_ctrgcn.py, to
be compared with that alone). `--config.method.shuffle_text=True` is the control: every class with
another's text.

Published for four streams with CLIP: 97.2.
"""

from skeljax import papers, presets

PUBLIC = {"joint": "lst6", "bone": "lst"}  # streams by the transposed matrix


def get_config(text: str = ""):
    chosen = presets.options(text, **papers.LST, scale=("published", "cpu"))
    config = papers.ucla(chosen["backbone"], chosen["scale"])
    smoothing = papers.UCLA_SMOOTHING[config.scale]
    papers.use_lst(
        config, chosen, descriptions="nw_ucla", alpha=1.0, public=PUBLIC, label_smoothing=smoothing
    )
    if config.scale == "cpu":
        return config
    config.train.batch = 64
    config.train.epochs = 110
    config.train.test_best = True
    config.optim.base_lr = 0.2
    config.optim.weight_decay = 4e-4
    config.optim.schedule.milestones = (90, 100)
    return config
