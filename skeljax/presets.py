"""Shared pieces of configs. A config file is loaded by path and cannot import a sibling; it
imports this: `base()` has every field with its meaning, `use_*` fill in a model, a method or a
recipe with all its arguments, `options` reads the text after the colon of `--config file.py:text`.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from skeljax.data.recipes import RECIPES
from skeljax.data.streams import STREAMS
from skeljax.errors import ConfigError, choose
from skeljax.losses import LOSSES
from skeljax.methods import METHODS
from skeljax.models import BACKBONES

__all__ = [
    "STREAMS", "base", "describe", "options", "use_loss", "use_method", "use_model", "use_recipe",
    "use_row",
]  # fmt: skip

# field: (default, meaning). The types of the defaults are the types of the fields.
FIELDS: dict[str, tuple[Any, str]] = {
    "seed": (0, "seed of the initial weights, the order of the clips and every random draw"),
    "scale": ("published", "published, cpu or demo: what kind of recipe this is (result.json)"),
    "stream": ("joint", "joint, bone, skip, joint_motion, bone_motion, skip_motion, ancestor3 ..."),
    "init_from": ("", "run folder whose weights are loaded where they fit; {stream} in a row"),
    "data.dataset": ("synthetic/ntu25", "TFDS name, name/config, or a folder of `skeljax pack`"),
    "data.train": ("train", "split that is trained on, or a text file of clip names in `train`"),
    "data.labelled": (1.0, "share of each class's clips that is trained on (semi-supervised)"),
    "data.test": ("test", "split that is tested on"),
    "data.dir": ("", "TFDS folder; empty = TFDS's own default"),
    "data.layout": ("", "other layout of the same joints, such as ntu25_pyskl; empty = the data's"),
    "data.prepare": ("none", "whole-clip preparation: none, unit, ...; packed data has its own"),
    "data.bodies": (0, "bodies a clip, M; 0 = as many as the training split has"),
    "data.storage": ("float32", "float32 or float16, of the coordinates; packed data has its own"),
    "data.val_by": ("", "part of train held out to choose the best epoch: subject, class or empty"),
    "data.val_fraction": (0.1, "share of train held out, with val_by"),
    "data.repeat": (1, "how often an epoch passes over the clips"),
    "data.sampler": ("uniform", "uniform, class_specific (BRL) or balanced"),
    "recipe.name": ("", "how a clip becomes the network's input"),
    "model.name": ("", "backbone"),
    "method.name": ("", "way of training"),
    "loss.name": ("", "loss of the classifier; empty = the method's own"),
    "optim.name": ("sgd", "sgd or adamw"),
    "optim.base_lr": (0.1, "learning rate at base_batch; the rate used is printed at the start"),
    "optim.base_batch": (0, "lr = base_lr * train.batch / base_batch; 0 = base_lr as it is"),
    "optim.momentum": (0.9, "of sgd"),
    "optim.nesterov": (True, "of sgd"),
    "optim.weight_decay": (0.0, "L2 (sgd) or decoupled (adamw) decay"),
    "optim.decay_all": (True, "False spares biases and batch norms"),
    "optim.clip_norm": (0.0, "largest global gradient norm; 0 = no limit"),
    "optim.groups": ({}, "per group of parameters: {'head': {'lr_ratio': 10.0}}"),
    "optim.schedule.name": ("step", "step, cosine or constant"),
    "optim.schedule.warmup_epochs": (0, "epochs of linear warm-up"),
    "optim.schedule.milestones": ((), "epochs at which the rate is multiplied by gamma (step)"),
    "optim.schedule.gamma": (0.1, "see milestones"),
    "optim.schedule.final": (0.0, "share of the rate that cosine ends at"),
    "optim.schedule.per_step": (False, "move the rate at every step, not once an epoch"),
    "train.epochs": (1, "epochs"),
    "train.batch": (16, "clips a step over all devices together"),
    "train.validate_every": (1, "epochs between two validations; 0 = none"),
    "train.save_every": (1, "epochs between two checkpoints"),
    "train.keep_every": (0, "epochs between checkpoints that are kept for good; 0 = none"),
    "train.log_every": (10.0, "seconds between two lines of progress, at most 10"),
    "train.test_last": (True, "test the last epoch at the end: result.json"),
    "train.test_best": (False, "also test the best epoch: result_best_*.json"),
    "test.batch": (64, "clips a step of a test"),
    "row.streams": ((), "streams that are trained one after the other and fused; empty = `stream`"),
    "row.fusions": ({}, "weights of the fused streams, by name: {'two': {'joint': 1, 'bone': 1}}"),
    "row.table": ("", "whole self-supervised table, as 'ntu60:xsub,joint'; empty = this run alone"),
    "row.epochs": ({}, "share of train.epochs of a stream that trains shorter: {'bone': 0.875}"),
    "row.rule": ("logits", "what is summed: logits or probabilities"),
}  # fmt: skip


def base() -> ConfigDict:
    """A config with every field at its default."""
    tree: dict = {}
    for path, (value, _) in FIELDS.items():
        *folders, name = path.split(".")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[name] = value
    return ConfigDict(tree)


def use_model(config: ConfigDict, name: str, **arguments) -> None:
    """Sets config.model to a backbone with all its arguments."""
    _use(config, "model", name, BACKBONES, arguments)


def use_method(config: ConfigDict, name: str, **arguments) -> None:
    """Sets config.method to a method with all its arguments."""
    _use(config, "method", name, METHODS, arguments)


def use_loss(config: ConfigDict, name: str, **arguments) -> None:
    """Sets config.loss to a loss with all its arguments."""
    _use(config, "loss", name, LOSSES, arguments)


def use_recipe(config: ConfigDict, name: str, **arguments) -> None:
    """Sets config.recipe to a recipe with all its arguments."""
    _use(config, "recipe", name, RECIPES, arguments)


def use_row(
    config: ConfigDict,
    streams: Sequence[str],
    fusions: Mapping[str, Mapping[str, float]],
    rule: str = "logits",
    epochs: Mapping[str, int] | None = None,
) -> None:
    """Makes the config a whole row of a table: `streams`, each trained alone, and their fusions.

    >>> use_row(config, ("joint", "bone"), {"two": {"joint": 1, "bone": 1}}, rule="probabilities")

    Args:
      fusions: weights by the name of the fusion; fuse.PRESETS has published ones.
      rule: ``logits`` or ``probabilities``, what is summed.
      epochs: of the streams that train shorter than config.train.epochs, which is set before: what
        is kept is their share of it, so that another train.epochs is one of all streams.
    """
    config.row.streams, config.row.rule = tuple(streams), rule
    shares = {stream: n / config.train.epochs for stream, n in (epochs or {}).items()}
    config.row.epochs = ConfigDict(shares)
    config.row.fusions = ConfigDict(
        {
            name: {stream: float(weight) for stream, weight in weights.items()}
            for name, weights in fusions.items()
        }
    )


def options(text: str, **groups: tuple[str, ...]) -> dict[str, str]:
    """Reads ``bone,cpu``: at most one word of each group, the first word of a group is its default;
    an empty one stands for none of them.

    >>> options("bone", stream=("joint", "bone"), scale=("published", "cpu"))
    {'stream': 'bone', 'scale': 'published'}

    Raises:
      ConfigError: an unknown word, or two of one group.
    """
    chosen = {}
    for word in filter(None, (w.strip() for w in (text or "").split(","))):
        every = [w for words in groups.values() for w in words if w]
        choose("option", word, every, where="the text after the colon of --config")
        group = next(g for g, words in groups.items() if word in words)
        if group in chosen:
            raise ConfigError(f"two values for {group}", found=f"{chosen[group]} and {word}")
        chosen[group] = word
    return {group: chosen.get(group, words[0]) for group, words in groups.items()}


def describe(config: ConfigDict) -> list[tuple[str, str, Any, str]]:
    """(field, type, value, meaning) of every field of a config, in order."""
    rows = []

    def walk(node, path):
        for name, value in node.items():
            field = f"{path}{name}"
            if isinstance(value, ConfigDict) and field not in FIELDS:
                walk(value, f"{field}.")
                continue
            value = value.to_dict() if isinstance(value, ConfigDict) else value
            rows.append((field, type(value).__name__, value, _meaning(config, field)))

    walk(config, "")
    return rows


def reference() -> str:
    """docs/config.md: every field, and the arguments of every model, method and recipe."""
    lines = [
        "# Config fields",
        "",
        "Made by `python -m skeljax.presets > docs/config.md`; a test keeps it true. Any field can",
        "be set on the command line: `--config.optim.base_lr=0.05`; `--print_config` shows those",
        "of one config with their values.",
    ]

    def table(title, rows):
        lines.extend(["", f"## {title}", "", "| field | type | default | meaning |"])
        lines.append("|---|---|---|---|")
        lines.extend(
            f"| `{field}` | {type(value).__name__} | `{value!r}` | {meaning} |"
            for field, value, meaning in rows
        )

    table("All configs", ((field, *about) for field, about in FIELDS.items()))
    for part, made in _PARTS.items():
        for name, make in made.items():
            known = _arguments(make)
            rows = ((f"{part}.{a}", v, _argument_meaning(make, a)) for a, v in known.items())
            table(f"{part}.name = {name}", rows)
    return "\n".join(lines) + "\n"


def _use(config, part, name, table, arguments):
    made = table[choose(part, name, table)]
    known = _arguments(made)
    for argument in arguments:
        choose(f"{part} argument", argument, known, where=f"{part} {name}")
    config[part] = ConfigDict({"name": name, **known, **arguments})


_PARTS = {"model": BACKBONES, "method": METHODS, "loss": LOSSES, "recipe": RECIPES}

# given by the trainer, not by a config
_GIVEN = {"layout", "num_person", "net", "facts", "loss", "name", "parent", "self"}


def _arguments(made) -> dict[str, Any]:
    """Arguments a config may set, with their defaults."""
    if dataclasses.is_dataclass(made):
        fields = ((f.name, f.default) for f in dataclasses.fields(made) if f.init)
    else:
        fields = ((p.name, p.default) for p in inspect.signature(made).parameters.values())
    known = {name: default for name, default in fields if name not in _GIVEN}
    return known | {"dtype": "float32"} if "dtype" in known else known


def _meaning(config, field: str) -> str:
    if field in FIELDS:
        return FIELDS[field][1]
    part, _, argument = field.partition(".")
    return _argument_meaning(_PARTS[part][config[part].name], argument)


def _argument_meaning(made, argument: str) -> str:
    """What the docstring's Args or Attributes say of an argument; several may share a line."""
    made = getattr(made, "func", made)  # a partial is its function's
    for owner in getattr(made, "__mro__", (made,)):  # a subclass tells only what it adds
        text = inspect.cleandoc(owner.__doc__ or "") if _ours(owner) else ""
        for names, meaning in re.findall(r"^ +([\w, ]+): (.+(?:\n {4,}\S.*)*)", text, re.MULTILINE):
            if argument in names.split(", "):
                return " ".join(meaning.split())
    return ""


def _ours(owner) -> bool:
    return owner.__module__.startswith("skeljax")


if __name__ == "__main__":
    print(reference(), end="")
