"""InfoGCN on Northwestern-UCLA.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_infogcn.py:bone --workdir runs/infogcn_bone

After the colon: what of a joint the network sees: `bone` (minus its parent, the paper's k = 1),
`skip` (minus its grandparent, k = 2) or `joint` (k = 8), each also with `_motion`; and `corrected`
or `as_published`: the public code subtracts from a joint the sum of its children (grandchildren)
instead, and its number and checkpoints rest on that. Fuse six runs with weight 1.5 for a position
and 1 for a motion (`skeljax fuse`).

Published, six fused: 97.0. The README gives the schedule of NTU, which is used here.
"""

from skeljax import presets

HOPS = {"bone": 1, "skip": 2}


def get_config(text: str = ""):
    chosen = presets.options(text, stream=presets.STREAMS, matrix=("corrected", "as_published"))
    base, _, motion = chosen["stream"].partition("_")
    config = presets.base()
    config.stream = chosen["stream"]
    if base in HOPS:
        kind = "infogcn" if chosen["matrix"] == "corrected" else "lst"  # the same public matrix
        config.stream = f"{kind}{HOPS[base]}" + ("_motion" if motion else "")
    config.data.dataset = "nw_ucla"
    config.data.repeat = 5
    presets.use_recipe(config, "ucla")
    presets.use_model(config, "infogcn")
    presets.use_method(config, "infogcn")
    config.train.batch = 16
    config.train.epochs = 110
    config.optim.weight_decay = 5e-4
    config.optim.schedule.warmup_epochs = 5
    config.optim.schedule.milestones = (90, 100)
    return config
