"""Losses against formulas written out clip by clip in NumPy; the classes are in no order."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny
from skeljax import job, presets
from skeljax.errors import ConfigError
from skeljax.losses import LOSSES

COUNTS = np.array([30, 200, 4, 75, 9, 120, 2])
K, N, STEPS = len(COUNTS), 9, 5
FACTS = types.SimpleNamespace(class_counts=COUNTS, steps_per_epoch=STEPS, epochs=24)
LOGITS = np.random.default_rng(0).normal(0, 2, (N, K))
LABEL = np.random.default_rng(1).integers(0, K, N)
TARGET = np.eye(K)[LABEL]


def log_p(z):
    return z - np.log(np.exp(z - z.max()).sum()) - z.max()


def ce(z, y, weight=1.0):
    return -log_p(np.asarray(z, float))[y]


def gradient(loss, logits):
    return jax.value_and_grad(lambda z: loss(z, TARGET, 23 * STEPS))(jnp.asarray(logits))


def value(name, epoch, target=TARGET, rng=None, **arguments):
    return float(LOSSES[name](FACTS, **arguments)(jnp.asarray(LOGITS), target, epoch * STEPS, rng))


def weighted(cost, weight=1):
    """Mean of cost(z, y) over the clips, by the weights of their labels."""
    w = (weight * np.ones(K))[LABEL]
    return sum(w * [cost(z, y) for z, y in zip(LOGITS, LABEL)]) / w.sum()


def effective(beta):
    w = np.array([(1 - b) / (1 - b**n) for n, b in zip(COUNTS, np.broadcast_to(beta, K))])
    return w * K / w.sum()


def focal(z, y):
    p = np.exp(-ce(z, y))
    return (1 - p) ** 2 * ce(z, y)


def bce(z, y):
    p = 1 / (1 + np.exp(-z))
    return -np.mean([np.log(p[k] if k == y else 1 - p[k]) for k in range(K)])


def ldam(z, y):
    margin = 0.5 * (COUNTS[y] / COUNTS.min()) ** -0.25
    return ce(30 * (z - margin * np.eye(K)[y]), y)


def mirror(values):
    """The value of the class that is as rare as each is common."""
    by_frequency = np.argsort(-COUNTS)
    return np.array([values[by_frequency[::-1][list(by_frequency).index(k)]] for k in range(K)])


def kps(z, y, second):
    s = np.array([np.log(50 * n / COUNTS.min()) / np.log(50) for n in COUNTS])
    margin = 0.5 * mirror(s) / s.max()
    o = s * z - margin[y] * np.eye(K)[y]
    return ce(o * (np.clip(mirror(s)[y], 1, 50) if second else 1), y)


def gumbel(z, y):
    return ce(np.exp(-np.exp(-np.clip(z, -4, 10))), y)


BETA = 0.99 + 0.0099 * (COUNTS - 2) / (200 - 2)
SECOND = {
    "ce": (weighted(ce), 0),
    "bce": (weighted(bce), 0),
    "focal": (weighted(focal), 0),
    "inverse_frequency": (weighted(ce, COUNTS.sum() / COUNTS), 19),
    "class_balanced": (weighted(ce, effective(0.999)), 19),
    "action_aware": (weighted(ce, effective(BETA)), 19),
    "ldam": (weighted(ldam, effective(0.999999)), 19),
    "balanced_softmax": (weighted(lambda z, y: ce(z + np.log(COUNTS), y)), 0),
    "kps": (weighted(lambda z, y: kps(z, y, True)), 16),
    "gumbel": (weighted(gumbel), 20),
}
FIRST = {"ldam": weighted(ldam), "kps": weighted(lambda z, y: kps(z, y, False))}


@pytest.mark.parametrize("name", SECOND)
def test_both_stages(name):
    expected, epoch = SECOND[name]
    assert value(name, epoch) == pytest.approx(expected, rel=1e-5)
    assert value(name, 40) == pytest.approx(expected, rel=1e-5), "it stays"
    if epoch:
        assert value(name, epoch - 1) == pytest.approx(FIRST.get(name, weighted(ce)), rel=1e-5)


def test_equalization_spares_the_tail_only():
    """Of 7 classes, 2 and 6 have fewer clips than number 4 of the ranking, which has 9."""
    rng = jax.random.key(3)
    draw = np.asarray(jax.random.uniform(rng, LOGITS.shape))
    expected = []
    for i, y in enumerate(LABEL):
        out = [k for k in (2, 6) if k != y and draw[i, k] < 0.9]
        kept = np.delete(np.arange(K), out)
        expected.append(ce(LOGITS[i, kept], list(kept).index(y)))
    assert value("equalization", 19, rng=rng) == pytest.approx(np.mean(expected), rel=1e-5)
    assert value("equalization", 18, rng=rng) == pytest.approx(weighted(ce), rel=1e-5)
    assert value("equalization", 19, gamma=0.0) == pytest.approx(weighted(ce), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_soft_target_is_the_mean_over_its_labels(name):
    """A target t is as good as copies of the clip with each label, as many as t says."""
    loss, rng = LOSSES[name](FACTS), jax.random.key(0)
    if name == "equalization":
        loss = LOSSES[name](FACTS, gamma=1.0)  # copies of a clip would draw differently
    soft = jnp.array([[0.25, 0.75] + [0] * (K - 2), [0, 0, 0.5, 0, 0.5, 0, 0]])
    labels = [0, 1, 1, 1, 2, 2, 4, 4]
    copies = jnp.asarray(LOGITS[[0, 0, 0, 0, 1, 1, 1, 1]])
    got = loss(jnp.asarray(LOGITS[:2]), soft, 23 * STEPS, rng)
    want = loss(copies, jax.nn.one_hot(jnp.array(labels), K), 23 * STEPS, rng)
    assert float(got) == pytest.approx(float(want), rel=1e-5)


def test_published_action_aware_alternates():
    odd = value("action_aware", 20, published=True)
    assert odd == pytest.approx(weighted(ce, effective(1 - BETA)), rel=1e-5)
    assert value("action_aware", 21, published=True) == value("action_aware", 19)
    assert abs(odd - value("action_aware", 20)) > 0.01


def test_classes_without_clips_and_balanced_classes_stay_finite():
    for counts in (np.array([0, 10, 3, 1, 0, 2, 5]), np.full(K, 8)):
        facts = types.SimpleNamespace(class_counts=counts, steps_per_epoch=STEPS, epochs=24)
        for name, make in LOSSES.items():
            found, grad = gradient(make(facts), LOGITS)
            assert np.isfinite(found) and np.isfinite(grad).all(), name


def test_large_logits_stay_finite():
    for name, make in LOSSES.items():
        found, grad = gradient(make(FACTS), 200 * LOGITS)
        assert np.isfinite(found) and np.isfinite(grad).all(), name


def test_the_switch_follows_the_epochs():
    facts = types.SimpleNamespace(class_counts=COUNTS, steps_per_epoch=STEPS, epochs=150)
    assert LOSSES["action_aware"](facts, switch=129 / 150).first_epoch == 129
    assert LOSSES["class_balanced"](FACTS, switch=0.0).first_epoch == 0
    never = value("class_balanced", 23, switch=1.0)
    assert never == pytest.approx(weighted(ce), rel=1e-5)


@pytest.mark.parametrize(
    "name, argument, value",
    [
        ("action_aware", "switch", 19),  # the epoch, not the share: its second stage never came
        ("focal", "switch", -0.1),
        ("class_balanced", "beta", 1.0),  # weights of 0 / 0
        ("ldam", "beta", -0.5),
        ("kps", "scale", 1.0),  # divided by ln 1
        ("equalization", "gamma", 1.5),
    ],
)
def test_arguments_that_mean_nothing_are_refused(name, argument, value):
    with pytest.raises(ConfigError, match=rf"(?s)loss\.{argument}.*{value}"):
        LOSSES[name](FACTS, **{argument: value})


def test_a_config_names_the_loss(tmp_path):
    config, store = tiny.config(tmp_path), tiny.store(8)
    facts = job.training_facts(config, store, 2)
    assert type(job.build(config, facts).method.loss) is LOSSES["ce"]
    presets.use_loss(config, "ldam", scale=10.0)
    made = job.build(config, facts).method.loss
    assert type(made) is LOSSES["ldam"] and made.scale == 10 and made.facts is facts
    with pytest.raises(ConfigError, match="did you mean 'gamma'"):
        presets.use_loss(config, "focal", gama=1.0)
    config.loss.name = "focl"
    with pytest.raises(ConfigError, match="did you mean 'focal'"):
        job.build(config, facts)
