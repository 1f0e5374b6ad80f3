"""The config and facts of a run that is made of a public checkpoint."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
from ml_collections import ConfigDict

from skeljax import presets
from skeljax.data.prepare_clip import PREPARATIONS
from skeljax.errors import ConfigError, choose
from skeljax.interop.known import Checkpoint, graph_of
from skeljax.layouts import get_layout
from skeljax.methods import Facts
from skeljax.readers import ntu_classes, nw_ucla

# How the public code bases feed their networks, by their number of joints (0: any other):
# layout, whole-clip preparation, recipe and its arguments.
PRACTICES = {
    "ctrgcn": {
        25: ("ntu25", "trim", "ctrgcn_ntu", {}),
        20: ("ucla20", "none", "ucla", {}),
        0: ("", "unit", "generic", {}),
    },
    "pyskl": {
        25: ("ntu25_pyskl", "prenorm3d", "pyskl", {}),
        20: ("ucla20", "none", "ucla", {}),
        17: ("coco17", "prenorm2d", "pyskl", {}),
        18: ("openpose18", "none", "pyskl", {}),
        21: ("hand21", "prenorm2d_auto", "pyskl", {"length": 10, "test_clips": 1}),
        0: ("", "unit", "pyskl", {}),
    },
    "contrastive": {
        25: ("ntu25", "contrastive50", "contrastive", {}),
        0: ("", "unit", "contrastive", {"frames": 50}),
    },
}
# ST-GCN's authors feed coordinates as they are, with zeros up to 300 frames
_PADDED = {"window": 300, "amplitude": 0.0, "ratio": 0}
PRACTICES["stgcn"] = {
    25: ("ntu25", "none", "contrastive", _PADDED),
    18: ("openpose18", "none", "contrastive", _PADDED),
    0: ("", "unit", "contrastive", _PADDED),
}
# DG-STGCN and ProtoGCN saw skeletons that are not turned upright, and none of NW-UCLA
PRACTICES["pyskl_no_spine"] = {n: PRACTICES["pyskl"][n] for n in (17, 18, 21, 0)} | {
    25: ("ntu25_pyskl", "prenorm3d_no_spine", "pyskl", {})
}
# Joints of NTU, COCO and OpenPose: the code bases pad a lone person with a body of zeros, and it
# counts in the mean over persons
_PAIRS = (25, 17, 18)
_HAND = 21  # whatever its joints are called, it is fed like PYSKL's demo
# endings of NTU configs
_CLEANED = {
    "ctrgcn": "",
    "pyskl": "_pyskl",
    "pyskl_no_spine": "_pyskl",
    "contrastive": "_listed",
    "stgcn": "_listed",
}


@dataclasses.dataclass(frozen=True)
class Given:
    """What the tensors do not tell, as the user says it; empty where the practice decides.

    Attributes:
      family: of the names; found by them.
      layout: name, or TOML file, of the joints.
      classes: text file, one name a line.
      stream: joint, bone, ...
      bodies: M, where the bodies share all tensors; 0 = as usual.
      recipe, prepare, dataset: see docs/config.md.
      fields: further fields of the config, ``{"recipe.length": 10}``.
    """

    family: str = ""
    layout: str = ""
    classes: str = ""
    stream: str = ""
    bodies: int = 0
    recipe: str = ""
    prepare: str = ""
    dataset: str = ""
    fields: dict = dataclasses.field(default_factory=dict)


def settings(found: Checkpoint, given: Given, source) -> tuple[ConfigDict, Facts, dict]:
    """Config and Facts of the run, and what of them nobody said, {option: value}.

    Raises:
      ConfigError: something is not told by the tensors and not given, or does not fit them.
    """
    practice = PRACTICES[found.known.practice]
    usual, prepare, recipe, options = practice.get(found.joints, practice[0])
    if usual and get_layout(usual).channels != found.channels:
        usual, prepare, recipe, options = practice[0]
    if not (given.layout or usual):
        raise ConfigError(
            f"which {found.joints} joints are these?", where=source,
            do="--layout FILE.toml (docs/own_data.md says how to write one)",
        )  # fmt: skip
    layout = get_layout(given.layout or usual)
    if (layout.num_joints, layout.channels) != (found.joints, found.channels):
        raise ConfigError(
            "the layout does not fit the checkpoint", where=given.layout or usual,
            found=f"{layout.num_joints} joints x {layout.channels} values",
            expected=f"{found.joints} joints x {found.channels} values",
            do="--layout NAME or FILE.toml with the joints it was trained on",
        )  # fmt: skip
    theirs = bool(usual) and layout.joints == get_layout(usual).joints
    if not theirs and found.joints != _HAND:
        _, prepare, recipe, options = practice[0]
    if given.bodies not in (0, found.bodies or given.bodies):
        raise ConfigError(
            "the number of bodies does not fit the checkpoint", where="--bodies",
            found=given.bodies, expected=f"{found.bodies}, as many as its data norm has",
        )  # fmt: skip
    bodies = found.bodies or given.bodies or (2 if theirs and found.joints in _PAIRS else 1)
    names = _classes(found, given, source, theirs)
    graph = graph_of(found, layout)
    if found.known.practice == "contrastive" and graph.get("graph") == "direction":
        prepare = prepare.replace("50", "64")  # SkeleMixCLR's code, CrosSCLR's is the other
    config = presets.base()
    config.stream = given.stream or "joint"
    config.data.dataset = given.dataset or (_dataset(found) if theirs else "")
    if prepare == "trim" and config.data.dataset.startswith("ntu120"):
        prepare = "trim_copy"  # these code bases have someone who is alone in NTU 120 twice
    config.data.prepare = given.prepare or prepare
    chosen = given.recipe or recipe
    presets.use_recipe(config, chosen, **(options if chosen == recipe else {}))
    for argument in found.known.asks:
        if f"model.{argument}" not in given.fields:
            raise ConfigError(
                f"the tensors do not tell {argument}", where=source,
                do=f"--set model.{argument}=..., see docs/config.md, {found.known.family}",
            )  # fmt: skip
    presets.use_model(config, found.known.family, **found.arguments | graph)
    presets.use_method(config, "supervised")
    for field, value in given.fields.items():
        _set(config, field, value)
    choose("preparation", config.data.prepare, PREPARATIONS, where="--prepare")
    facts = Facts(
        classes=names,
        class_counts=np.zeros(len(names), np.int64),
        layout=layout,
        num_bodies=bodies,
        channels=layout.channels,
        batch=config.train.batch,
        steps_per_epoch=1,
        epochs=config.train.epochs,
    )
    assumed = {
        "layout": (given.layout, f"{layout.name}"),
        "bodies": (given.bodies or found.bodies, bodies),
        "stream": (given.stream, config.stream),
        "prepare": (given.prepare, config.data.prepare),
        "recipe": (given.recipe, chosen),
        "dataset": (given.dataset, config.data.dataset or "none"),
        "classes": (given.classes, f"{names[0]}, {names[1]}, ..." if len(names) > 1 else names[0]),
    }
    return config, facts, {name: value for name, (said, value) in assumed.items() if not said}


def _dataset(found: Checkpoint) -> str:
    if (found.joints, found.classes) == (20, 10):
        return "nw_ucla"
    split = {60: "ntu60/xsub", 120: "ntu120/xsub"}.get(found.classes)
    return split + _CLEANED[found.known.practice] if split and found.joints == 25 else ""


def _classes(found: Checkpoint, given: Given, source, theirs: bool) -> tuple[str, ...]:
    """K names: of the file, of the data set if the joints are `theirs`, or numbers."""
    if given.classes:
        try:
            text = pathlib.Path(given.classes).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                "cannot read the class names", where=given.classes, found=error
            ) from None
        names = tuple(line.strip() for line in text.splitlines() if line.strip())
        if not names or found.classes not in (None, len(names)):
            raise ConfigError(
                "the class names do not fit the checkpoint", where=given.classes,
                found=f"{len(names)} names", expected=f"{found.classes or 'some'}, one a line",
            )  # fmt: skip
        return names
    if found.classes is None:
        raise ConfigError(
            "the checkpoint has no classifier", where=source, expected=found.known.head,
            do="--classes FILE.txt, the names of the classes that you will fine-tune it for",
        )  # fmt: skip
    if theirs and (found.joints, found.classes) == (20, 10):
        return nw_ucla.CLASSES
    if theirs and found.joints == 25 and found.classes in (60, 120):
        return ntu_classes.CLASSES[: found.classes]
    return tuple(map(str, range(found.classes)))


def _set(config, field: str, value) -> None:
    *path, name = field.split(".")
    node = config
    for part in path:
        node = node[choose("field", part, node, where="--set")]
        if not isinstance(node, ConfigDict):
            raise ConfigError(f"{part!r} has no fields of its own", where=f"--set {field}")
    choose("field", name, node, where=f"--set {field}")
    try:
        node[name] = value
    except (TypeError, ValueError) as error:
        raise ConfigError("the value does not fit", where=f"--set {field}", found=error) from None
