"""Configs of the self-supervised bench: pre-training on each dataset, and what is made of it after.

The files in configs/ name a dataset and one of `PRETRAINING` or `PROTOCOLS`; what they share is
here. A pre-training folder serves every protocol: ``--config.init_from=RUN``.
"""

from __future__ import annotations

import dataclasses

from ml_collections import ConfigDict

from skeljax import presets
from skeljax.errors import ConfigError
from skeljax.methods.crosclr import check_joints

PRETRAINING = ("skelemixclr_plus", "skelemixclr", "skeletonclr", "crosclr", "crosclr3")
PROTOCOLS = ("linear", "finetune", "semi", "knn")
TABLE = ("skeletonclr", "skelemixclr", "skelemixclr_plus")  # rows of :all
PUBLISHED = {  # joint stream, linear evaluation, top-1 in percent
    ("ntu60/xsub_listed", "skeletonclr"): 68.3,
    ("ntu60/xsub_listed", "skelemixclr"): 79.6,
    ("ntu60/xsub_listed", "skelemixclr_plus"): 80.7,
    ("ntu60/xview_listed", "skeletonclr"): 76.4,
    ("ntu60/xview_listed", "skelemixclr"): 84.4,
    ("ntu60/xview_listed", "skelemixclr_plus"): 85.5,
    ("ntu120/xsub_listed", "skeletonclr"): 56.8,
    ("ntu120/xsub_listed", "skelemixclr"): 67.4,
    ("ntu120/xsub_listed", "skelemixclr_plus"): 69.0,
    ("ntu120/xset_listed", "skeletonclr"): 55.9,
    ("ntu120/xset_listed", "skelemixclr"): 69.6,
    ("ntu120/xset_listed", "skelemixclr_plus"): 68.2,
}

# SkeleMixCLR's rows: parts, sixteenths of the clip, mixes, weight; of one crop
ONE_MIX, THREE_MIXES = ((2, 3, 7, 11, 1, 1.0),), ((2, 3, 7, 11, 3, 1.0),)
CROSS = {"crosclr": ("joint", "motion"), "crosclr3": ("joint", "motion", "bone")}
SCALES = ("published", "cpu")
THREE = ("joint", "bone", "joint_motion")  # :3s
WEIGHTS = {"3s": {"joint": 0.6, "bone": 0.6, "joint_motion": 0.4}}
PERCENT = {"semi10": 0.1, "semi5": 0.05, "semi1": 0.01}


@dataclasses.dataclass(frozen=True)
class Source:
    """A dataset as the bench takes it.

    Attributes:
      name: TFDS name; ``{}`` stands for the protocol.
      protocols: of its splits, the first the default.
      bodies: M, 0 = as prepared.
      batch: of all but the semi-supervised runs.
      queue: K keys.
      labelled_batch: of a semi-supervised run, by its part of the labels.
    """

    name: str
    protocols: tuple[str, ...] = ("default",)
    bodies: int = 0
    batch: int = 128
    queue: int = 32768
    labelled_batch: tuple[tuple[str, int], ...] = (("semi10", 128), ("semi5", 128), ("semi1", 128))


_FEW = (("semi10", 32), ("semi5", 16), ("semi1", 8))
SOURCES = {
    "ntu60": Source("ntu60/{}_listed", ("xsub", "xview")),
    "ntu120": Source("ntu120/{}_listed", ("xsub", "xset")),
    "nwucla": Source("nw_ucla", queue=1024, labelled_batch=_FEW),
    "synthetic": Source("synthetic/ntu25", bodies=1, batch=64, queue=512, labelled_batch=_FEW),
}


def pretraining(source: str, method: str, text: str = "") -> ConfigDict:
    """Pre-training config: after the colon a protocol, a stream, and `published` or `cpu`; for
    CrosSCLR `crosclr3` in place of a stream, which takes bone besides joint and motion.

    The stream `3s` trains three and fuses them; `all` makes the whole table (pretraining_table).

    Args:
      source: one of `SOURCES`.
      method: one of `PRETRAINING`.
    """
    words = [word.strip() for word in text.split(",")]
    if "all" in words:
        words.remove("all")
        if "3s" in words:
            raise ConfigError(
                "the table is of one stream", where="the text after the colon of --config",
                found=text, do="leave 3s out, or name one of " + ", ".join(presets.STREAMS),
            )  # fmt: skip
        config = pretraining(source, TABLE[-1], ",".join(words))
        config.row.table = f"{source}:{','.join(words)}"
        return config
    more = {"method": tuple(CROSS)} if method == "crosclr" else {}
    chosen, of = _options(source, text, **more), SOURCES[source]
    method = chosen.get("method", method)
    config = _base(source, method, chosen)
    if method in CROSS:
        presets.use_method(config, "crosclr", queue=of.queue, streams=CROSS[method])
        if chosen["scale"] == "cpu":
            config.method.cross_epoch = 30
    elif method == "skeletonclr":
        presets.use_method(config, "skeletonclr", queue=of.queue)
    else:
        swaps = THREE_MIXES if method == "skelemixclr_plus" else ONE_MIX
        presets.use_method(config, "skelemixclr", queue=of.queue, swaps=swaps)
    config.optim.base_lr = 0.1
    config.optim.weight_decay = 1e-4
    if method in (*CROSS, "skeletonclr"):  # CrosSCLR's recipe
        config.optim.schedule.milestones = (250,)
    config.train.epochs = 300
    config.train.validate_every = 5
    config.train.save_every = 5
    if chosen["scale"] == "cpu":  # 420 steps of NW-UCLA: SGD would not leave its first plateau
        config.train.epochs = 60
        config.train.validate_every = 10
        config.method.momentum = 0.99  # keys follow sooner
        config.optim.name, config.optim.base_lr = "adamw", 0.002
        config.optim.schedule.milestones = (50,)
    return _streams(config, chosen, "probabilities")


def protocol(source: str, name: str, text: str = "") -> ConfigDict:
    """Config of a protocol: after the colon the pre-training that `init_from` names (for its
    frames and graph), a protocol of the dataset, a stream, and `published` or `cpu`.

    Args:
      source: one of `SOURCES`.
      name: one of `PROTOCOLS`. ``semi`` takes semi10, semi5 or semi1, percent of the labels.
    """
    more = {"pretraining": PRETRAINING}
    if name == "semi":
        more["labels"] = tuple(PERCENT)
    chosen = _options(source, text, **more)
    method = chosen["pretraining"]
    if name == "knn":
        left = ("protocol", "stream", "scale")
        config = pretraining(source, method, ",".join(chosen[group] for group in left))
        config.train.epochs = 0
        return config
    config = _base(source, method, chosen)
    config.recipe.amplitude, config.recipe.ratio = 0.0, 0  # no augmentation, as published
    config.train.test_best = True  # the published number is the best on the test set
    config.train.validate_every = 5
    config.train.epochs = 150
    config.optim.schedule.milestones = (80,)
    cross = method in CROSS and name == "linear"
    if cross:
        presets.use_method(config, "crosclr_linear", streams=CROSS[method])
    else:
        presets.use_method(config, "linear")
    if name == "linear":
        config.optim.base_lr = 3.0
        if cross:
            config.train.epochs = 100
    else:
        presets.use_method(config, "finetune")
        config.optim.base_lr = 0.1
        config.optim.weight_decay = 1e-4
    if name == "finetune":
        config.optim.nesterov = True
        config.optim.schedule.milestones = (50, 70, 90)
        config.optim.schedule.warmup_epochs = 10
        config.train.epochs = 110
    if name == "semi":
        config.data.labelled = PERCENT[chosen["labels"]]
        config.train.batch = dict(SOURCES[source].labelled_batch)[chosen["labels"]]
        if chosen["labels"] == "semi1":
            config.optim.base_lr, config.optim.weight_decay = 0.05, 0.0
            config.optim.schedule.milestones = (40,)
    if chosen["scale"] == "cpu":
        config.train.epochs = 40
        config.optim.schedule.milestones = (20,)
        config.optim.schedule.warmup_epochs = min(config.optim.schedule.warmup_epochs, 4)
    return _streams(config, chosen, "logits")


def _options(source: str, text: str, **more) -> dict[str, str]:
    return presets.options(
        text,
        protocol=SOURCES[source].protocols,
        stream=(*presets.STREAMS, "3s"),
        scale=SCALES,
        **more,
    )


def _streams(config: ConfigDict, chosen: dict[str, str], rule: str) -> ConfigDict:
    """The config, or with `3s` the row of three streams; {stream} in init_from is each one's."""
    if chosen["stream"] == "3s":
        config.stream = "joint"
        presets.use_row(config, THREE, WEIGHTS, rule=rule)
    return config


def _base(source: str, method: str, chosen: dict[str, str]) -> ConfigDict:
    """Data, recipe and backbone of a pre-training method, and of all that starts from it."""
    of, cross = SOURCES[source], method in (*CROSS, "skeletonclr")
    if method in CROSS:
        check_joints(chosen["stream"], where="the text after the colon of --config")
    config = presets.base()
    config.stream, config.scale = chosen["stream"], chosen["scale"]
    config.data.dataset = of.name.format(chosen["protocol"])
    config.data.prepare = "contrastive50" if cross else "contrastive64"
    config.data.bodies = of.bodies
    config.optim.nesterov = False
    config.train.batch = of.batch
    config.test.batch = 128
    presets.use_recipe(config, "contrastive", frames=50 if cross else 64)
    presets.use_model(config, "stgcn_crosclr" if cross else "stgcn_contrastive")
    if chosen["scale"] == "cpu":
        config.recipe.frames = 16
        # half of so narrow a network cannot be dropped: every clip would look the same
        config.model.update(width=8, depth=6, grow=(3, 5), last_width=64, dropout=0.0)
    if source == "synthetic":
        config.scale = "demo"
    return config
