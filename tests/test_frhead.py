"""FR-Head against its formulas clip by clip, and what it costs a prediction."""

import dataclasses
import types
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import runs
import test_presets
import tiny
from skeljax import job, presets, row, train
from skeljax.checkpoint import Checkpoints
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.losses import refinement
from skeljax.losses.longtail import BalancedSoftmax
from skeljax.losses.refinement import VERSIONS, outcome, term
from skeljax.methods import METHODS
from skeljax.methods.frhead import Level, Levels
from skeljax.models import BACKBONES
from skeljax.models.backbone import Features
from skeljax.sharding import make_mesh, replicated, split

quickly = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})

LABEL = np.array([0, 0, 0, 1, 1, 2, 2, 3])
TAKEN_FOR = np.array([0, 0, 1, 1, 2, 0, 2, 1])  # class 3 is never right, class 4 absent


def _batch(classes=5, width=6):
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(len(LABEL), classes))
    logits[range(len(LABEL)), TAKEN_FOR] = logits.max(1) + draw.uniform(0.1, 2, len(LABEL))
    x, prototypes = draw.normal(size=(len(LABEL), width)), draw.normal(size=(classes, width))
    return (a.astype(np.float32) for a in (x, prototypes, logits))


def _cos(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12)


def _by_the_clip(x, prototypes, logits, version, use_p_map, threshold):
    """The term as the paper writes it, one clip and one class after the other."""
    prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    right = LABEL == TAKEN_FOR
    sure = right & (prob[range(len(LABEL)), LABEL] > threshold)
    prototypes = prototypes.copy()
    for k in range(len(prototypes)):
        if (sure & (k == LABEL)).any():
            mean = x[sure & (k == LABEL)].mean(0)
            prototypes[k] = 0.9 * prototypes[k] + 0.1 * mean
    losses = []
    for n, y in enumerate(LABEL):
        by_missed = [_cos(x[n], p) for p in prototypes]
        by_captured = list(by_missed)
        doubt = 1 - prob[n, y]
        for k, prototype in enumerate(prototypes):
            missed, captured = x[(k == LABEL) & ~right], x[(k == TAKEN_FOR) & ~right]
            if version == "V2":
                compared, weight = prototype, 1
            else:
                compared = x[n]
                weight = (k == y) * (version == "V0" or sure[n])
                weight = weight * 0.125 * (doubt if use_p_map else 1)
            if len(missed) and "FN" not in version:
                by_missed[k] += weight * (_cos(compared, missed.mean(0)) - 1)
            if len(captured) and "FP" not in version:
                by_captured[k] += weight * (-_cos(compared, captured.mean(0)) - 1)
        loss = 0
        for scores in (by_missed, by_captured):
            scores = np.array(scores) / 0.125
            loss += np.log(np.exp(scores).sum()) - scores[y]
        losses.append(loss * doubt if version == "V2" else loss)
    return np.mean(losses), prototypes


@pytest.mark.parametrize("version", VERSIONS)
def test_a_term_is_the_papers(version):
    x, prototypes, logits = _batch()
    settings = ((True, 0.0), (False, 0.6))

    @quickly
    def both(x, prototypes, logits):
        return [
            term(x, prototypes, outcome(logits, LABEL, t), version=version, use_p_map=p)
            for p, t in settings
        ]

    for setting, got in zip(settings, both(x, prototypes, logits)):
        want = _by_the_clip(x, prototypes, logits, version, *setting)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-5)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-5, atol=1e-6)


def test_the_gradient_is_finite_where_no_clip_is_ambiguous():
    x, prototypes, _ = _batch()

    @quickly
    @jax.grad
    def gradient(x):
        all_right = outcome(10 * jnp.eye(5)[LABEL], LABEL)  # no missed, no captured clips
        return term(x, prototypes, all_right)[0]

    gradient = gradient(x)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_prototypes_move_with_the_global_batch():
    """Class 2 has its true positive on the second device; class 0 has them on the first."""
    x, prototypes, logits = _batch()
    want = _by_the_clip(x, prototypes, logits, "V1", True, 0.0)
    mesh = make_mesh("2")

    @partial(quickly, out_shardings=replicated(mesh))
    def step(x, logits, label):
        return term(x, prototypes, outcome(logits, label))

    loss, after = step(*jax.device_put((x, logits, LABEL), split(mesh)))
    np.testing.assert_allclose(loss, want[0], rtol=1e-5)
    np.testing.assert_allclose(after, want[1], rtol=1e-5, atol=1e-6)
    on_each = [np.asarray(shard.data) for shard in after.addressable_shards]
    assert len(on_each) == 2 and (on_each[0] == on_each[1]).all()


def _method(name="frhead", classes=4, depth=3, grow=(3,), **arguments):
    layout = get_layout("ucla20")
    net = BACKBONES["ctrgcn"](layout=layout, num_person=1, width=8, depth=depth, grow=grow)
    facts = job.Facts(
        tuple("abcdefgh"[:classes]), np.ones(classes, int), layout, 1, 3, 8, steps_per_epoch=5,
        epochs=2,
    )  # fmt: skip
    return METHODS[name](net, facts, **arguments)


def test_before_the_start_only_the_prototypes_learn():
    method, plain = _method(embed_dim=24, start_epoch=2), _method("supervised")

    @quickly
    def one_step(step):
        x = jax.random.normal(jax.random.key(1), (8, 1, 8, 20, 3))
        batch = {"x": x, "label": jnp.arange(8) % 4}
        params, extra = method.init(jax.random.key(0), batch)
        loss_fn = jax.value_and_grad(method.loss_fn, has_aux=True)
        out = loss_fn(params, extra, batch, jax.random.key(2), step)
        return params, extra, plain.init(jax.random.key(0), batch)[0], out

    for step, weight in ((9, 0.0), (10, 0.1)):
        params, extra, plain_params, out = one_step(step)
        (loss, (moved, metrics)), gradient = out
        np.testing.assert_allclose(loss, metrics["class_loss"] + weight * metrics["cl_loss"], 1e-6)
        learns = any(np.any(g) for g in jax.tree.leaves(gradient["levels"]))
        assert learns == bool(weight)
        changed = np.any(moved["prototypes"] != extra["prototypes"], axis=-1)
        assert changed.any() and not changed.all()  # classes with a true positive, no others
        assert (changed == changed[0, 0]).all()
    # a baseline with the same seed starts from the same weights
    same = {name: params[name] for name in plain_params}
    assert runs.largest_difference(plain_params, same) == 0
    assert set(params) == {*plain_params, "levels"}


def test_the_terms_reach_the_taps_but_not_the_classifier():
    method = _method(embed_dim=24)
    draw = np.random.default_rng(0)
    taps = [draw.normal(size=(8, 1, t, 20, d)).astype(np.float32) for t, d in ((8, 4), (4, 6))]
    logits = draw.normal(size=(8, 4)).astype(np.float32)

    @quickly
    def gradients(taps, logits):
        variables = Levels(24).init(jax.random.key(0), taps)
        params, stats = {"levels": variables["params"]}, variables["batch_stats"]
        extra = {"level_stats": stats, "prototypes": jnp.ones((2, 2, 4, 24))}

        def contrastive(taps, logits):
            return method.terms(params, extra, taps, logits, jnp.arange(8) % 4)[0].sum()

        return jax.grad(contrastive, (0, 1))(taps, logits)

    by_tap, by_logits = gradients(taps, logits)
    assert not by_logits.any()
    assert all(g.any() for g in by_tap)


class Taps:
    """A backbone that shows the clip itself, with so many channels at each block."""

    def __init__(self, *channels):
        self.channels = channels

    def init(self, rng, x, train):
        return {"params": {}}

    def apply(self, variables, x, train, mutable=None, rngs=None):
        shown = Features(x.mean((1, 2, 3)), x, tuple(x[..., -c:] for c in self.channels))
        return (shown, {"batch_stats": {}}) if mutable else shown


@pytest.mark.parametrize(
    "channels, weights", [((3, 5, 7, 9), (0.1, 0.2, 0.5, 1)), ((4, 6), (0.5, 1))]
)
def test_the_deepest_tap_weighs_most(channels, weights, monkeypatch):
    """Fewer taps than weights have the last of them. The mean of an embedding stands for a term."""
    monkeypatch.setattr(refinement, "term", lambda x, prototypes, *_, **__: (x.mean(), prototypes))
    method = METHODS["frhead"](Taps(*channels), _method().facts, embed_dim=24)
    batch = {
        "x": jax.random.normal(jax.random.key(1), (8, 1, 8, 20, 9)),
        "label": jnp.zeros(8, int),
    }

    @quickly
    def both():
        params, extra = method.init(jax.random.key(0), batch)
        alone = []
        for level, c in enumerate(channels, 1):
            parts = {"params": params["levels"], "batch_stats": extra["level_stats"]}
            mine = {name: tree[f"level{level}"] for name, tree in parts.items()}
            views = Level(24).apply(mine, batch["x"][..., -c:], mutable=["batch_stats"])[0]
            alone.append(views.mean((1, 2)).sum())
        loss = method.loss_fn(params, extra, batch, jax.random.key(2), 0)
        return loss[1][1]["cl_loss"], jnp.stack(alone)

    found, alone = both()
    assert len(set(np.round(alone, 3).tolist())) == len(channels)
    np.testing.assert_allclose(found, np.dot(weights, alone), rtol=1e-4)


def test_the_prototypes_are_saved_and_come_back_bit_for_bit(tmp_path):
    method = METHODS["frhead"](Taps(4, 6), _method().facts, embed_dim=24)
    batch = {"x": jnp.ones((8, 1, 8, 20, 6)), "label": jnp.arange(8) % 4}
    init = quickly(method.init)

    def state(seed):
        params, extra = init(jax.random.key(seed), batch)
        return train.State(jnp.asarray(7), params, extra, {"trace": jnp.zeros(1)})

    saved, other = state(0), state(1)
    assert np.any(saved.extra["prototypes"] != other.extra["prototypes"])
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    checkpoints.save(saved, {})
    checkpoints.close()
    back = Checkpoints(tmp_path / "checkpoints", read_only=True).restore(other, 7)
    assert runs.largest_difference(saved.extra, back.extra) == 0
    assert back.extra["prototypes"].dtype == jnp.float32


def test_a_prediction_is_the_plain_backbones():
    """Not one operation more: the head's parameters are not even read."""
    made = {}
    for name in ("supervised", "frhead"):
        method = _method(name)
        batch = {"x": jax.ShapeDtypeStruct((8, 1, 8, 20, 3), jnp.float32)}
        variables = jax.eval_shape(method.init, jax.random.key(0), batch)
        lowered = jax.jit(method.predict).lower(*variables, batch)
        made[name] = lowered.as_text(), lowered.cost_analysis()["flops"], variables
    assert made["frhead"][0] == made["supervised"][0]
    assert made["frhead"][1] == made["supervised"][1]
    assert set(made["frhead"][2][0]) == {"backbone", "head", "levels"}


@pytest.mark.parametrize(
    "depth, grow, levels, blocks",
    [
        (10, (5, 8), (), [1, 5, 8, 10]),
        (6, (3, 5), (), [1, 3, 5, 6]),
        (3, (3,), (), [1, 3]),  # the stage that begins with the last block
        (10, (5, 8), (2, 4, 6, 8), [2, 4, 6, 8]),
    ],
)
def test_the_levels_are_the_stages_and_the_last_block(depth, grow, levels, blocks):
    widths = [8 * 2 ** sum(g <= b for g in grow) for b in range(1, depth + 1)]
    taps = [types.SimpleNamespace(shape=(2, 1, 64 // w, 20, w), block=b)
            for b, w in enumerate(widths, 1)]  # fmt: skip
    assert [tap.block for tap in _method(levels=levels).tapped(taps)] == blocks


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"version": "v1"}, "did you mean 'V1'"),
        ({"levels": (1, 5)}, "blocks 1, 5 and 4 weights"),
        ({"levels": (1, 2, 3, 4)}, "blocks from 1 to 3"),
        ({"level_weights": (1.0,)}, "blocks 1, 3 and 1 weights"),
        ({"embed_dim": 16}, "at least 20"),
    ],
)
def test_what_does_not_fit_is_said(arguments, match):
    batch = {"x": jax.ShapeDtypeStruct((2, 1, 8, 20, 3), jnp.float32)}
    with pytest.raises(ConfigError, match=match):
        jax.eval_shape(_method(**arguments).init, jax.random.key(0), batch)


def test_the_embeddings_have_the_published_sizes():
    """As many parameters as the original's head has on NW-UCLA."""
    method = _method(classes=8, depth=10, grow=(5, 8))
    method = dataclasses.replace(method, net=method.net.clone(width=64))
    batch = {"x": jax.ShapeDtypeStruct((2, 1, 52, 20, 3), jnp.float32)}
    params, extra = jax.eval_shape(method.init, jax.random.key(0), batch)
    assert sum(np.prod(p.shape) for p in jax.tree.leaves(params["levels"])) == 507305
    assert extra["prototypes"].shape == (4, 2, 8, 256)
    assert refinement.VERSIONS[1] == method.version


@pytest.mark.parametrize(
    "file, words, version, epochs, weights",
    [
        ("ntu60", "xsub,row", "V0", {"joint": 80, "bone_motion": 80}, (2, 2, 1, 1)),
        ("ntu60", "xview,row", "V1", {"joint": 80, "bone_motion": 70}, (0.6, 0.6, 0.4, 0.4)),
        ("ntu60", "xview,row,readme", "V0", {"bone": 65}, (0.6, 0.6, 0.4, 0.4)),
        ("ntu120", "xsub,row", "V1", {"bone": 80}, (0.6, 0.75, 0.3, 0.15)),
        ("ntu120", "xset,row,aagcn", "V1", {"bone": 70}, (0.6, 0.75, 0.3, 0.15)),
        ("nwucla", "row", "V0", {"joint_motion": 65}, (0.6, 0.6, 0.4, 0.4)),
        ("nwucla", "row,tcagcn", "V0", {"joint_motion": 75}, (0.6, 0.6, 0.4, 0.4)),
    ],
)
def test_the_configs_are_the_published_runs(file, words, version, epochs, weights):
    path = runs.REPO / f"configs/{file}_frhead.py"
    config = test_presets.load(path).get_config(words)
    row.check(config)
    assert config.method.version == version
    assert config.data.prepare == {"ntu60": "trim", "ntu120": "trim_copy"}.get(file, "none")
    assert config.row.streams == ("joint", "bone", "joint_motion", "bone_motion")
    assert config.row.fusions.four.to_dict() == dict(zip(config.row.streams, weights))
    for stream, expected in epochs.items():
        alone = test_presets.load(path).get_config(words.replace("row", stream))
        assert alone.train.epochs == expected
        assert alone == row.single(config, stream)


def test_it_goes_with_the_losses_and_samplers_of_long_tails():
    config = tiny.config("nowhere", "frhead", data__sampler="class_specific")
    presets.use_loss(config, "balanced_softmax")
    store = tiny.store(8)
    built = job.build(config, job.training_facts(config, store, 1))
    assert isinstance(built.method.loss, BalancedSoftmax)
    batch = {"x": jnp.zeros((8, 1, 8, 20, 3)), "label": jnp.zeros(8, jnp.int32)}

    def loss(key):
        params, extra = built.method.init(key, batch)
        return built.method.loss_fn(params, extra, batch, key, 0)[0]

    assert jax.eval_shape(loss, jax.random.key(0)).shape == ()
    assert train.clip_order(config, store, 0).shape[1] == config.train.batch
