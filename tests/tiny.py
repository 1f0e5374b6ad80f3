"""A dataset and configs small enough to train in seconds, for the tests of the trainer.

`METHODS` names the methods that the device, process and resume tests run over: a new method joins
by a line here. All but `QUICK` take minutes and run by name only (`-m slow`).
"""

import pathlib

import numpy as np
import pytest

from skeljax import presets
from skeljax.data.store import Store
from skeljax.layouts import get_layout
from skeljax.readers import Clip

METHODS = {
    "supervised": {},
    "skeletonclr": {"queue": 32, "dim": 16},
    "skelemixclr": {"queue": 32, "dim": 16, "stride": 2, "swaps": ((2, 3, 7, 11, 2, 1.0),)},
    "crosclr": {"queue": 32, "dim": 16, "cross_epoch": 1},
    "linear": {},
    "finetune": {},
    "brl": {"ratio": 0.25},
    "frhead": {"embed_dim": 24},
    "lst": {"encoder": "hash", "descriptions": str(pathlib.Path(__file__).with_name("tiny.toml"))},
    "infogcn": {},
    "protogcn": {"embed_dim": 16},
    "crosclr_linear": {},
}

# These take many passes a step: a smaller backbone for them.
CONTRASTIVE = ("skeletonclr", "skelemixclr", "crosclr")
QUICK = {"supervised", "brl"}
TESTED = {"supervised", "skeletonclr"}  # the process tests test these: by logits, by neighbours


def methods(quick=QUICK) -> list:
    """All methods as test parameters; the quick suite leaves out all but `quick`."""
    return [pytest.param(m, marks=[] if m in quick else [pytest.mark.slow]) for m in METHODS]


def clips(count: int, *, first: int = 0, layout: str = "ucla20", classes: int = 4) -> list[Clip]:
    """Random walks around a pose that tells the class; `first` numbers them."""
    size = get_layout(layout)
    poses = np.random.default_rng(0).normal(size=(classes, size.num_joints, size.channels))
    made = []
    for number in range(first, first + count):
        draw = np.random.default_rng(number)
        label, frames = number % classes, int(draw.integers(9, 20))
        steps = draw.normal(scale=0.1, size=(1, frames, size.num_joints, size.channels))
        keypoints = (poses[label] + steps.cumsum(1)).astype(np.float32)
        facts = {"subject": number % 5}
        made.append(Clip(f"clip{number:03}", keypoints, label, layout, facts))
    return made


def store(count: int, split: str = "train", **kwargs) -> Store:
    made = clips(count, **kwargs)
    layout, classes = made[0].layout, kwargs.get("classes", 4)
    names = tuple(f"class{c}" for c in range(classes))
    return Store.from_clips(made, layout=layout, classes=names, dataset="tiny", split=split)


def dataset(folder, *, train: int = 40, test: int = 18, **kwargs):
    """A folder of Store files, and of a long-tailed list, tail.txt; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    all_of = store(train, "train", **kwargs)
    all_of.save(folder / "train.npz")
    classes = len(all_of.classes)
    kept = [n for i, n in enumerate(all_of.name) if i * classes < train * (classes - i % classes)]
    (folder / "tail.txt").write_text("\n".join(kept))
    store(test, "test", first=1000, **kwargs).save(folder / "test.npz")
    return folder


def small(config) -> None:
    """A backbone that compiles in seconds, with two levels to tap."""
    if config.method.name == "protogcn":  # it contrasts what no other backbone rebuilds
        presets.use_model(config, "protogcn", width=8, depth=2, grow=(2,), prototypes=8)
    else:
        presets.use_model(config, "stgcn_contrastive", width=8, depth=2, grow=(2,), last_width=16)


def config(folder, method: str = "supervised", **fields):
    """A config of `method` on `dataset(folder)`; `fields` like ``train__epochs=3`` override."""
    made = presets.base()
    made.data.dataset = str(folder)
    made.scale = "demo"
    presets.use_recipe(made, "ucla", frames=8)
    presets.use_model(made, "ctrgcn", width=8, depth=3, grow=(3,))
    if method in CONTRASTIVE:
        presets.use_model(made, "stgcn_contrastive", width=4, depth=1, grow=(1,), last_width=8)
    presets.use_method(made, method, **METHODS[method])
    if method == "protogcn":
        small(made)
    if method == "brl":  # a tail to rebalance and resample, and both stages in two epochs
        made.data.train, made.data.sampler = f"{folder}/tail.txt", "class_specific"
        presets.use_loss(made, "action_aware", switch=0.5)
    made.optim.base_lr = 0.02
    made.optim.weight_decay = 1e-4
    made.train.epochs = 2
    made.train.batch = 8
    made.test.batch = 8
    for field, value in fields.items():
        *path, name = field.split("__")
        node = made
        for part in path:
            node = node[part]
        node[name] = value
    return made
