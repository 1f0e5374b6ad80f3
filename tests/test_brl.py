"""BRL's mixing against loops in NumPy, with a network that only averages."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny
from skeljax import job, presets
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.losses import LOSSES
from skeljax.methods.brl import BRL, partial_mix
from skeljax.methods.supervised import Supervised

COUNTS = np.array([90, 30, 29, 10, 2])
UCLA = get_layout("ucla20")
FACTS = types.SimpleNamespace(
    class_counts=COUNTS, classes=range(5), layout=UCLA, steps_per_epoch=1, epochs=24
)
N = 12
X = np.random.default_rng(0).normal(size=(N, 2, 3, 20, 3)).astype(np.float32)
LABEL = np.array([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 4])
BATCH = {"x": jnp.asarray(X), "label": jnp.asarray(LABEL)}
KEY = jax.random.key(5)


class Mean:
    """Features: the joints' coordinates of the first body, averaged over frames."""

    def init(self, rng, x, train):
        return {"params": {}}

    def apply(self, variables, x, train, mutable=None, rngs=None):
        pooled = types.SimpleNamespace(pooled=x[:, 0].mean(1).reshape(len(x), -1))
        return (pooled, {"batch_stats": {}}) if mutable else pooled


def method(**arguments):
    made = BRL(Mean(), FACTS, **{"ratio": 0.5, "head_std": 1.0} | arguments)
    return made, *made.init(jax.random.key(1), BATCH)


def parts(made, params):
    """(own, partner, other label, log-likelihood (N,K)) of the step of KEY, by NumPy."""
    own, partner = (np.asarray(p) for p in made.draw(jax.random.fold_in(KEY, 2), N))
    x, other = X.copy(), LABEL.copy()
    for i, r in zip(own, partner):
        x[i][..., UCLA.lower, :] = X[r][..., UCLA.lower, :]
        other[i] = LABEL[r]
    pooled = x[:, 0].mean(1).reshape(N, -1)
    z = pooled @ np.asarray(params["head"]["kernel"]) + np.asarray(params["head"]["bias"])
    return own, partner, other, z - np.log(np.exp(z).sum(1, keepdims=True))


def expected_share(a, b):
    if COUNTS[a] > 3 * COUNTS[b]:
        return 0.0
    return 1.0 if COUNTS[b] > 3 * COUNTS[a] else 0.64


def test_an_aligned_mix_keeps_every_joint_in_its_place():
    got = np.asarray(partial_mix(BATCH["x"], np.array([4, 1]), np.array([1, 7]), UCLA))
    for i in range(N):
        below = {4: 1, 1: 7}.get(i, i)
        np.testing.assert_array_equal(got[i][..., UCLA.upper, :], X[i][..., UCLA.upper, :])
        np.testing.assert_array_equal(got[i][..., UCLA.lower, :], X[below][..., UCLA.lower, :])


def test_the_published_mix_has_other_places():
    got = np.asarray(partial_mix(BATCH["x"], np.array([4]), np.array([1]), UCLA, aligned=False))
    np.testing.assert_array_equal(got[4][..., 0, :], X[4][..., 1, :])
    np.testing.assert_array_equal(got[4][..., 11, :], X[1][..., 0, :])
    np.testing.assert_array_equal(got[4][..., 12, :], X[1][..., 12, :])


def test_partners_are_all_the_others_and_never_the_clip_itself():
    draw = jax.jit(jax.vmap(lambda k: jnp.stack(method()[0].draw(k, 4))))
    own, partner = np.asarray(draw(jax.random.split(KEY, 2000))).transpose(1, 0, 2)
    assert (own != partner).all() and own.shape == (2000, 2)
    assert (own[:, 0] != own[:, 1]).all()
    seen = np.zeros((4, 4))
    np.add.at(seen, (own.ravel(), partner.ravel()), 1)
    assert (np.abs(seen[~np.eye(4, dtype=bool)] - 4000 / 12) < 80).all()


def test_label_weights():
    made, *_ = method()
    got = np.asarray(made.label_weight(np.repeat(np.arange(5), 5), np.tile(np.arange(5), 5)))
    want = [expected_share(a, b) for a in range(5) for b in range(5)]
    np.testing.assert_allclose(got, want)
    assert expected_share(0, 1) == 0.64, "exactly three times is not yet more"
    plain, *_ = method(rebalanced=False)
    np.testing.assert_allclose(plain.label_weight(LABEL, LABEL[::-1]), 0.64)


@pytest.mark.parametrize("epoch", [0, 19])
def test_the_loss_is_a_weighted_mean_over_both_labels(epoch):
    made, params, extra = method()
    own, _, other, log_p = parts(made, params)
    weight = np.asarray(LOSSES["action_aware"](FACTS).weight(epoch))
    above = below = right = 0
    for i in range(N):
        share = expected_share(LABEL[i], other[i])
        for y, part in ((LABEL[i], share), (other[i], 1 - share)):
            above -= part * weight[y] * log_p[i, y]
            below += part * weight[y]
            right += part * (log_p[i].argmax() == y) / N
    loss, (_, found) = made.loss_fn(params, extra, BATCH, KEY, epoch)
    assert float(loss) == pytest.approx(above / below, rel=1e-5)
    assert float(found["top1"]) == pytest.approx(right, rel=1e-5)
    assert (other != LABEL).any() and len(own) == 6


def test_the_published_loss_has_one_weight_for_the_batch():
    made, params, extra = method(shared=True)
    own, _, other, log_p = parts(made, params)
    share = expected_share(LABEL[own.max()], other[own.max()])
    weight = np.asarray(LOSSES["action_aware"](FACTS).weight(19))

    def mean(y):
        return -(weight[y] * log_p[range(N), y]).sum() / weight[y].sum()

    loss, _ = made.loss_fn(params, extra, BATCH, KEY, 19)
    assert float(loss) == pytest.approx(share * mean(LABEL) + (1 - share) * mean(other), rel=1e-5)


@pytest.mark.parametrize("shared", [False, True])
def test_without_mixing_it_is_supervised(shared):
    made, params, extra = method(ratio=0.0, shared=shared)
    plain = Supervised(Mean(), FACTS, LOSSES["action_aware"](FACTS))
    for epoch in (0, 20):
        want = plain.loss_fn(params, extra, BATCH, KEY, epoch)[0]
        assert float(made.loss_fn(params, extra, BATCH, KEY, epoch)[0]) == pytest.approx(want)


@pytest.mark.parametrize("ratio, message", [(0.01, "0.01 of 12.*100 or more"), (1.5, "0 to 1")])
def test_a_share_that_mixes_nothing_is_refused(ratio, message):
    """A batch of 8 trained without mixing and said nothing."""
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        made, params, extra = method(ratio=ratio)
        made.loss_fn(params, extra, BATCH, KEY, 0)


def test_a_skeleton_without_upper_body_is_refused(tmp_path):
    config = tiny.config(tmp_path, "brl")
    store = tiny.store(8, layout="hand21")
    presets.use_recipe(config, "generic", window=8)
    with pytest.raises(ConfigError, match="not divided into upper and lower body"):
        job.build(config, job.training_facts(config, store, 1))
    config.method.ratio = 0.0
    assert job.build(config, job.training_facts(config, store, 1))


LEGS = ("hip", "knee", "ankle", "foot", "toe", "heel", "spine_base")
WHOLE = (
    "ntu25", "ntu25_pyskl", "coco17", "openpose18", "h36m17", "body25", "mediapipe33", "ucla20",
)  # fmt: skip


@pytest.mark.parametrize("layout", WHOLE)
def test_every_joint_is_of_one_half(layout):
    layout = get_layout(layout)
    assert sorted(layout.upper + layout.lower) == list(range(layout.num_joints))
    below = [v for v, joint in enumerate(layout.joints) if any(part in joint for part in LEGS)]
    assert sorted(layout.lower) == below
