"""Configs: every file parses and builds, every field has a meaning, words are answered."""

import dataclasses
import importlib.util
import pathlib

import jax
import pytest

from skeljax import presets
from skeljax.errors import ConfigError
from skeljax.methods import METHODS
from skeljax.text import load_actions

REPO = pathlib.Path(__file__).resolve().parents[1]
_BUILT = set()
CONFIGS = sorted((REPO / "configs").glob("*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_describes_all_its_fields(path):
    module = load(path)
    rows = presets.describe(module.get_config())
    assert not [field for field, _, _, meaning in rows if not meaning]
    assert path.name in module.__doc__, "the docstring gives the command"
    known = {field for field, *_ in presets.describe(presets.base())}
    assert known <= {field for field, *_ in rows}


# a config of every method; the others (seconds each) with -m slow
QUICK = {
    "synthetic_ctrgcn", "nwucla_ctrgcn", "ntu60_brl", "ntu60_frhead", "nwucla_lst",
    "nwucla_infogcn", "ntu60_skelemixclr", "synthetic_crosclr", "synthetic_linear",
    "nwucla_finetune",
}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[] if p.stem in QUICK else pytest.mark.slow) for p in CONFIGS],
    ids=lambda p: p.stem,
)
def test_every_config_builds(path):
    """Shapes only, nothing is compiled."""
    import numpy as np

    import tiny
    from skeljax import job, train
    from skeljax.data.recipes import device_data

    config = load(path).get_config()
    dataset = config.data.dataset.partition("/")[0]
    layout = {"nw_ucla": "ucla20", "kinetics_skeleton": "coco17"}.get(dataset, "ntu25")
    parts = ("model", "method", "loss", "recipe")
    program = repr([layout, *(config[part].to_dict() for part in parts)])
    if program in _BUILT:  # the same as that of another dataset
        return
    _BUILT.add(program)
    store = tiny.store(8, layout=layout)
    if config.method.get("descriptions"):
        names = [action.name for action in load_actions(config.method.descriptions)]
        store = dataclasses.replace(store, classes=tuple(names))
    facts = job.training_facts(config, store, 1)
    built = job.build(config, facts)
    data = device_data(store, *built.train_recipes)

    def loss(key):
        index = np.arange(16, dtype=np.int32) % 8  # of 16 clips BRL mixes one
        batch = train.make_batch(built, data, index, key)
        params, extra = built.method.init(key, batch)
        return built.method.loss_fn(params, extra, batch, key, 0)[0]

    assert jax.eval_shape(loss, jax.random.key(0)).shape == ()


@pytest.mark.parametrize("method", METHODS)
def test_a_loss_is_taken_or_refused(method, monkeypatch):
    """InfoGCN and ProtoGCN took any loss and trained with cross entropy."""
    import numpy as np

    import tiny
    from skeljax import job, train
    from skeljax.data.recipes import device_data
    from skeljax.losses import Loss

    asked = []
    monkeypatch.setattr(Loss, "__call__", lambda self, *a: asked.append(a) or a[0].sum())
    config = tiny.config("unused", "supervised")
    presets.use_method(config, method, **tiny.METHODS.get(method, {}))
    presets.use_loss(config, "focal")
    if method == "protogcn":
        presets.use_model(config, "protogcn", width=8)
    store = tiny.store(8, layout="ucla20")
    try:
        built = job.build(config, job.training_facts(config, store, 1))
    except ConfigError as error:
        assert "'loss'" in str(error)
        return
    data = device_data(store, *built.train_recipes)

    def loss(key):
        batch = train.make_batch(built, data, np.arange(8, dtype=np.int32), key)
        params, extra = built.method.init(key, batch)
        return built.method.loss_fn(params, extra, batch, key, 0)[0]

    jax.eval_shape(loss, jax.random.key(0))
    assert asked


def test_the_reference_is_up_to_date():
    assert (REPO / "docs" / "config.md").read_text() == presets.reference()


def test_options():
    groups = {"stream": ("joint", "bone"), "scale": ("published", "cpu")}
    assert presets.options("", **groups) == {"stream": "joint", "scale": "published"}
    assert presets.options("cpu, bone", **groups) == {"stream": "bone", "scale": "cpu"}
    with pytest.raises(ConfigError, match="did you mean 'bone'"):
        presets.options("bones", **groups)
    with pytest.raises(ConfigError, match="two values for stream"):
        presets.options("bone,joint", **groups)


def test_an_unknown_argument_is_answered_with_the_right_one():
    config = presets.base()
    with pytest.raises(ConfigError, match="did you mean 'width'"):
        presets.use_model(config, "ctrgcn", widht=3)
    with pytest.raises(ConfigError, match="did you mean 'ctrgcn'"):
        presets.use_model(config, "crtgcn")
