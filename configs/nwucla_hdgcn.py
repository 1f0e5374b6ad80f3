"""HD-GCN on Northwestern-UCLA.

    skeljax prepare nw_ucla --source all_sqe.zip
    python -m skeljax.main --config configs/nwucla_hdgcn.py:bone,spine --workdir runs/hdgcn_bone_2

After the colon: the stream `joint` or `bone`; and the centre of mass from which the hierarchy of
the joints grows: `hips`, `spine` or `shoulders` (the paper's 1, 2 and 3). The paper fuses the six:
every score vector divided by its own length, then a plain sum (`skeljax.metrics.fuse_l2`).

Published, six fused: 97.2.
"""

from skeljax import presets

CENTRES = {"hips": 1, "spine": 2, "shoulders": 3}


def get_config(text: str = ""):
    chosen = presets.options(text, stream=("joint", "bone"), centre=tuple(CENTRES))
    config = presets.base()
    config.stream = chosen["stream"]
    config.data.dataset = "nw_ucla"
    config.data.repeat = 5
    presets.use_recipe(config, "ucla")
    presets.use_model(config, "hdgcn", centre_of_mass=CENTRES[chosen["centre"]])
    presets.use_method(config, "supervised")
    config.train.batch = 64
    config.train.epochs = 90
    config.optim.weight_decay = 4e-4
    config.optim.schedule.name = "cosine"
    config.optim.schedule.per_step = True
    config.optim.schedule.final = 1e-3
    config.optim.schedule.warmup_epochs = 5
    return config
