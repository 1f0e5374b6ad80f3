"""Schedules and optimizers against the written-out rules."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from skeljax.errors import ConfigError
from skeljax.optim import learning_rate, make_optimizer


def _rates(epochs, **kwargs):
    rate = learning_rate(0.1, batch=16, epochs=epochs, steps_per_epoch=4, **kwargs)
    return [float(rate(jnp.int32(4 * e))) for e in range(epochs)]


def test_step_with_warmup_is_ctrgcns():
    rates = _rates(65, base_batch=0, warmup_epochs=5, milestones=(35, 55))
    expected = [
        0.1 * (e + 1) / 5 if e < 5 else 0.1 * 0.1 ** ((e >= 35) + (e >= 55)) for e in range(65)
    ]
    assert rates == pytest.approx(expected, rel=1e-6)


def test_the_rate_stands_still_within_an_epoch_unless_told():
    steady = learning_rate(0.1, batch=1, base_batch=0, epochs=9, steps_per_epoch=4, name="cosine")
    assert len({float(steady(jnp.int32(s))) for s in range(4)}) == 1
    moving = learning_rate(
        0.1, batch=1, base_batch=0, epochs=9, steps_per_epoch=4, name="cosine", per_step=True
    )
    got = [float(moving(jnp.int32(s))) for s in range(36)]
    assert got == pytest.approx([0.05 * (1 + np.cos(np.pi * s / 36)) for s in range(36)], rel=1e-5)


def test_the_rate_follows_the_global_batch():
    assert _rates(1, base_batch=64) == pytest.approx([0.1 * 16 / 64])


def test_sgd_is_pytorchs():
    """buf = m buf + (g + wd p); p -= lr (g + wd p + m buf), worked out by hand."""
    params, grads = {"a": jnp.array([1.0, -2.0])}, {"a": jnp.array([0.5, 0.25])}
    optimizer = make_optimizer(lambda _: 0.1, {"a": "main"}, weight_decay=0.01)
    state, p, buffer = optimizer.init(params), np.array([1.0, -2.0]), np.zeros(2)
    for _ in range(3):
        moves, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, moves)
        g = np.array([0.5, 0.25]) + 0.01 * p
        buffer = 0.9 * buffer + g
        p = p - 0.1 * (g + 0.9 * buffer)
    np.testing.assert_allclose(params["a"], p, rtol=1e-6)


def _moved(groups=None, labels=None, **kwargs):
    params = {"main": jnp.ones((2, 2)), "text": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    labels = labels or {"main": "main", "text": "text", "bias": "main"}
    optimizer = make_optimizer(lambda _: 0.1, labels, momentum=0.0, groups=groups, **kwargs)
    grads = jax.tree.map(jnp.ones_like, params)
    moves, _ = optimizer.update(grads, optimizer.init(params), params)
    return {name: float(move.ravel()[0]) for name, move in moves.items()}


def test_groups_have_their_own_rate_and_decay():
    moved = _moved({"text": {"lr_ratio": 0.5, "weight_decay": 1.0}}, nesterov=False)
    assert moved == pytest.approx({"main": -0.1, "text": -0.05 * 2, "bias": -0.1})


def test_frozen_leaves_do_not_move():
    labels = {"main": "main", "text": "frozen", "bias": "main"}
    assert _moved(labels=labels, weight_decay=0.1)["text"] == 0


def test_decay_can_spare_vectors():
    moved = _moved(weight_decay=1.0, decay_all=False, nesterov=False)
    assert moved == pytest.approx({"main": -0.2, "text": -0.2, "bias": -0.1})


def test_clipping_is_by_the_global_norm():
    moved = _moved(clip_norm=1.0, nesterov=False)
    assert moved["main"] == pytest.approx(-0.1 / np.sqrt(10))


def test_adamw_decays_apart_from_the_gradient():
    moved = _moved(name="adamw", weight_decay=0.5)
    assert moved["main"] == pytest.approx(-0.1 * (1 + 0.5), rel=1e-4)


def test_a_group_nobody_is_in_is_refused():
    with pytest.raises(ConfigError, match="did you mean 'text'"):
        _moved({"txt": {"lr_ratio": 2.0}})


def test_groups_have_one_order_in_every_process():
    """Else the program differs by Python's hash seed, and a compiled one is not found again."""
    code = (
        "from skeljax.optim import make_optimizer as make\n"
        "params = {name: 0.0 for name in ('head', 'backbone', 'text', 'mix')}\n"
        "state = make(lambda _: 0.1, {name: name for name in params}).init(params)\n"
        "print(list(state.inner_states))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "JAX_PLATFORMS": "cpu"},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in "1234"
    }  # fmt: skip
    assert said == {"['backbone', 'head', 'mix', 'text']\n"}


def test_a_misspelt_option_of_a_group_is_refused():
    """It was ignored, and the text encoder trained at the rate of the network."""
    with pytest.raises(ConfigError, match="did you mean 'lr_ratio'"):
        _moved({"text": {"lr_ration": 0.01}})
