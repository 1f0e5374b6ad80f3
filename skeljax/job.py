"""From a config to the things it names. Below this file no config travels."""

from __future__ import annotations

import dataclasses
import pathlib

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from skeljax.data.feeder import hold_out
from skeljax.data.longtail import labelled_subset, read_names
from skeljax.data.recipes import RECIPES
from skeljax.data.store import Store, check_disjoint
from skeljax.data.streams import Stream, stream
from skeljax.errors import ConfigError, DataError, check_number, choose
from skeljax.layouts import Layout, get_layout, layout_from_json
from skeljax.losses import LOSSES
from skeljax.methods import METHODS, Facts, Method
from skeljax.methods.crosclr import check_joints
from skeljax.models import BACKBONES
from skeljax.prepare import prepare


@dataclasses.dataclass(frozen=True)
class Stores:
    """The parts of a dataset a run uses; `val` is None where nothing is held out."""

    train: Store
    val: Store | None
    test: Store


@dataclasses.dataclass(frozen=True)
class Job:
    """What is trained or tested, built from a config and facts.

    `train_recipe` is one recipe, or one for each of some views of a method, the first of them for
    its other views too.
    """

    method: Method
    facts: Facts
    train_recipe: tuple | dict[str, tuple]
    test_recipe: tuple
    stream: Stream

    def recipe_of(self, view: str) -> tuple:
        """The training recipe of a view."""
        if isinstance(self.train_recipe, tuple):
            return self.train_recipe
        return self.train_recipe.get(view, next(iter(self.train_recipe.values())))

    @property
    def train_recipes(self) -> list[tuple]:
        """The training recipes, each once."""
        return list(dict.fromkeys(self.recipe_of(view) for view in self.method.views))


def load_stores(config: ConfigDict) -> Stores:
    """Train, held-out and test parts, checked against each other.

    Raises:
      DataError: a split is absent, empty, broken, or shares clips with another.
    """
    train, val = load_training(config)
    test = load_split(config, config.data.test)
    for part in filter(None, (train, val)):
        check_disjoint(part, test)
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes)) or ["the same in another order"]
        raise DataError(
            "train and test have different classes",
            where=config.data.dataset,
            found=f"{len(train.classes)} and {len(test.classes)}; {', '.join(odd[:5])}",
        )
    bodies = config.data.bodies or train.bodies
    parts = (None if part is None else part.with_bodies(bodies) for part in (train, val, test))
    return Stores(*parts)


def load_training(config: ConfigDict) -> tuple[Store, Store | None]:
    """The clips that are trained on, and those held out of them."""
    train = load_split(config, config.data.train)
    share = config.data.labelled
    check_number("data.labelled", share, 0 < share <= 1, "a share: more than 0, at most 1")
    if share < 1:
        train = train.select(labelled_subset(train.label, share, at_least=1))
    if not config.data.val_by:
        return train, None
    kept, held = hold_out(train, config.data.val_by, config.data.val_fraction, config.seed)
    return train.select(kept), train.select(held)


def load_split(config: ConfigDict, split: str) -> Store:
    """One split of config.data.dataset: of TFDS, of a folder of Store files, or a list of names.

    Raises:
      ConfigError: config.data.layout has other joints than the data, or no dataset is named.
    """
    store = _read_split(config, split)
    if not config.data.layout:
        return store
    wanted, found = get_layout(config.data.layout), get_layout(store.layout)
    if (wanted.joints, wanted.channels) != (found.joints, found.channels):
        raise ConfigError(
            "this layout does not describe the data",
            where="data.layout",
            found=_size(wanted),
            expected=f"the joints of {_size(found)}",
        )
    return dataclasses.replace(store, layout=config.data.layout)


def _read_split(config: ConfigDict, split: str) -> Store:
    data = config.data
    choose("storage", data.storage, ("float32", "float16"), where="data.storage")
    if split.endswith(".txt"):
        return _read_split(config, "train").named(read_names(split))
    if not data.dataset:  # a converted checkpoint of unknown data
        raise ConfigError(
            "the config names no dataset", where="data.dataset",
            do="--dataset NAME, or in a training --config.data.dataset=NAME",
        )  # fmt: skip
    if is_packed(data.dataset):
        return Store.load(pathlib.Path(data.dataset).expanduser() / f"{split}.npz")
    if data.dataset.startswith("synthetic"):  # needs no download: made when first asked for
        prepare(data.dataset, data_dir=data.dir or None)
    return Store.from_tfds(
        data.dataset,
        split,
        data_dir=data.dir or None,
        prepare=data.prepare,
        dtype=np.dtype(data.storage),
    )


def is_packed(dataset: str) -> bool:
    """Whether it is a folder of Store files, not a TFDS name beside a folder of the same name."""
    from skeljax.datasets import BUILDERS  # a second to import

    folder = pathlib.Path(dataset).expanduser()
    packed = any(folder.glob("*.npz")) or dataset.partition("/")[0] not in BUILDERS
    return packed and folder.is_dir()


def training_facts(config: ConfigDict, train: Store, steps_per_epoch: int) -> Facts:
    layout = get_layout(train.layout)
    return Facts(
        classes=train.classes,
        class_counts=train.class_counts,
        layout=layout,
        num_bodies=train.bodies,
        channels=layout.channels,
        batch=config.train.batch,
        steps_per_epoch=steps_per_epoch,
        epochs=config.train.epochs,
    )


def build(config: ConfigDict, facts: Facts) -> Job:
    """Backbone, method, recipes and stream of a config.

    Raises:
      ConfigError: an argument that does not fit, named.
    """
    layout = facts.layout
    model, method, recipe = (_arguments(config, part) for part in ("model", "method", "recipe"))
    dtype = jnp.dtype(choose("dtype", model.pop("dtype"), ("float32", "bfloat16"), "model.dtype"))
    net = _make(BACKBONES, "model", model, layout=layout, num_person=facts.num_bodies, dtype=dtype)
    train_recipe, test_recipe = _make(RECIPES, "recipe", recipe, layout=layout)
    given = {"net": net, "facts": facts}
    if "streams" in method:
        check_joints(config.stream, where="stream")
    loss = config.loss.to_dict()
    if loss["name"]:  # a method without losses refuses it by name
        given["loss"] = _make(LOSSES, "loss", loss, facts=facts)
    made = _make(METHODS, "method", method, **given)
    if "query" in made.views and isinstance(train_recipe, dict):
        _check_crops(train_recipe, made.views)
    return Job(
        method=made,
        facts=facts,
        train_recipe=train_recipe,
        test_recipe=test_recipe,
        stream=stream(layout, config.stream),
    )


def _check_crops(recipes: dict, views: tuple[str, ...]) -> None:
    crops = sum(view != "key" for view in views)
    if not recipes.keys() <= set(views):
        raise ConfigError(
            "the recipe makes crops that the method does not see",
            where="recipe.more_frames",
            found=f"{len(recipes) - 1} further lengths",
            expected=f"at most {crops - 1}: the method has {crops} query crops",
            do="give method.swaps a row for each, or method.crops their number",
        )


def check_layout(facts: Facts, store: Store) -> None:
    """Whether a store's skeletons are those a run was trained on."""
    expected, found = facts.layout, get_layout(store.layout)
    if expected.joints != found.joints or expected.channels != found.channels:
        raise ConfigError(
            "the data has another layout than the run",
            where=f"{store.dataset} {store.split}",
            found=_size(found),
            expected=_size(expected),
        )


def _size(layout: Layout) -> str:
    return f"{layout.name}: {layout.num_joints} joints x {layout.channels} channels"


def facts_to_json(facts: Facts) -> dict:
    return dataclasses.asdict(facts) | {"class_counts": [int(n) for n in facts.class_counts]}


def facts_from_json(values: dict) -> Facts:
    layout = layout_from_json(values["layout"])
    counts = np.asarray(values["class_counts"], np.int64)
    classes = tuple(values["classes"])
    return Facts(**{**values, "layout": layout, "class_counts": counts, "classes": classes})


def _arguments(config, part: str) -> dict:
    arguments = config[part].to_dict()
    if not arguments["name"]:
        raise ConfigError(f"the config names no {part}", where=f"{part}.name")
    return arguments


def _make(table, part, arguments, **given):
    name = arguments.pop("name")
    make = table[choose(part, name, table, where=f"{part}.name")]
    try:
        return make(**given, **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{part} {name!r} cannot be made", where=part, found=error) from error
