"""SkeleMix: body parts, draws, and what is pasted."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skeljax.data import skelemix
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.losses import contrastive as losses
from test_contrastive import BATCH, FRAMES, LAYOUT, batch, make, quick, start


@pytest.mark.parametrize("name", ["ntu25", "ucla20"])
def test_body_parts_of_kinect(name):
    layout = get_layout(name)
    trunk, *limbs = skelemix.body_parts(layout)
    names = np.array(layout.joints)
    for limb, words in zip(limbs, ("right hand", "left hand", "right foot", "left foot")):
        side, end = words.split()
        assert all(side in joint for joint in names[limb])
        assert f"{side}_{end}" in names[limb]
    assert np.add.reduce([trunk, *limbs]).tolist() == [1] * layout.num_joints
    assert not any("left" in joint or "right" in joint for joint in names[trunk])


@pytest.mark.parametrize("name", ["coco17", "openpose18", "hand21", "body25"])
def test_body_parts_divide_every_skeleton(name):
    parts = skelemix.body_parts(get_layout(name))
    assert len(parts) >= 5 and (parts.sum(0) == 1).all() and parts.any(1).all()
    joints = np.array(get_layout(name).joints)
    assert not any("eye" in j or "ear" in j for part in parts[1:] for j in joints[part])


def test_body_parts_of_a_layout_that_does_not_say_which_half_is_upper():
    """Both arms or both legs fell to the trunk."""
    for name in ("h36m17", "ntu25"):
        layout = get_layout(name)
        told = skelemix.body_parts(layout)
        found = skelemix.body_parts(dataclasses.replace(layout, upper=()))
        assert {tuple(part) for part in found} == {tuple(part) for part in told}
        np.testing.assert_array_equal(found[0], told[0], "the trunk comes first")
    arms = ("chest", "left_elbow", "left_hand", "right_elbow", "right_hand")
    upper = dataclasses.replace(
        get_layout("hand21"), joints=arms, parents=(0, 0, 1, 0, 3), upper=(), edges=()
    )
    assert skelemix.body_parts(upper).sum(1).tolist() == [1, 2, 2]


def test_draws_keep_their_ranges():
    parts = skelemix.body_parts(LAYOUT)
    sizes = parts.sum(1)
    keys = jax.random.split(jax.random.key(0), 400)
    mix = jax.vmap(lambda k: skelemix.draw_mix(k, parts, (2, 3, 7, 11), batch=4, slots=16))(keys)
    assert set(np.asarray(mix.shift)) == {1, 2, 3}
    length = np.asarray(mix.slots.sum(1))
    assert set(length) == {7, 8, 9, 10, 11}
    edges = np.diff(np.pad(np.asarray(mix.slots, int), ((0, 0), (1, 1))), axis=1)
    assert ((edges == 1).sum(1) == 1).all(), "one stretch"
    starts = edges.argmax(1)
    assert starts.min() == 0 and (starts + length).max() == 16
    chosen = np.stack([np.asarray(mix.joints)[:, part].all(1) for part in parts], 1)
    assert set(chosen.sum(1)) == {2, 3}
    assert (chosen @ sizes == np.asarray(mix.joints).sum(1)).all(), "whole parts"
    half = jax.vmap(lambda k: skelemix.draw_slots(k, (7, 11), 8))(keys).sum(1)
    assert set(np.asarray(half)) == {4, 5, 6}, "ranges scale with the clip"


def test_a_mix_pastes_the_partner_there_and_nothing_else():
    x = jnp.arange(3 * 2 * 8 * 20 * 3, dtype=jnp.float32).reshape(3, 2, 8, 20, 3)
    joints = jnp.arange(20) < 4
    mix = skelemix.Mix(jnp.int32(2), joints, jnp.array([False, True, True, False]))
    mixed = np.asarray(skelemix.paste(x, mix, skelemix.partner(x, mix.shift)))
    for i in range(3):
        want = np.array(x[i])
        want[:, 2:6, :4] = np.asarray(x)[(i + 2) % 3, :, 2:6, :4]
        np.testing.assert_array_equal(mixed[i], want)


def test_a_swap_that_pastes_everything_is_refused():
    for row in ((5, 5, 7, 11, 1, 1.0), (2, 3, 0, 11, 1, 1.0), (2, 3, 7, 17, 1, 1.0), (2, 3, 7, 11)):
        with pytest.raises(ConfigError, match="a mix cannot be drawn"):
            make(swaps=(row,))


@pytest.mark.parametrize("source", ["swap", "zeros", "gaussian"])
def test_what_a_region_is_filled_with(source):
    """The method's own mix of a batch, joint by joint and frame by frame."""
    method = make(source=source, joints="random", swaps=((10, 15, 7, 11, 2, 1.0),))
    x, key = batch(method)["query"], jax.random.key(3)
    (drawn,) = method.draw(jax.random.key(5), {"query": x})
    assert set(np.asarray(drawn.joints.sum(1))) <= set(range(10, 16))
    filled = {"zeros": np.zeros(x.shape), "gaussian": np.asarray(jax.random.normal(key, x.shape))}
    for r in range(2):
        mix = jax.tree.map(lambda leaf, r=r: np.asarray(leaf[r]), drawn)
        mixed = skelemix.paste(x, mix, method.pasted(key, x, mix.shift))
        want, filled["swap"] = np.array(x), np.roll(x, -int(mix.shift), axis=0)
        for i, t, v in np.ndindex(BATCH, FRAMES, LAYOUT.num_joints):
            if mix.joints[v] and mix.slots[t // method.stride]:
                want[i, :, t, v] = filled[source][i, :, t, v]
        np.testing.assert_array_equal(mixed, want)


def cross_entropy(vectors, columns, temperature):
    """Mean over rows of -log softmax, first column; columns are (N, E) or the queue (K, E)."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    logits = [unit @ c.T if len(c) != len(unit) else (unit * c).sum(1)[:, None] for c in columns]
    logits = np.concatenate(logits, axis=1) / temperature
    return (np.log(np.exp(logits).sum(1)) - logits[:, 0]).mean()


def test_crops_of_several_lengths_by_their_values():
    """Each crop's terms with its own weight and mixes, from the vectors of the passes."""
    rows = ((2, 3, 7, 11, 1, 1.0), (1, 2, 4, 8, 2, 0.5))
    method = make(swaps=rows, alpha=0.7)
    assert method.views == ("query", "key", "query1")
    views = batch(method)
    views["query1"] = views["query1"][:, :, : FRAMES // 2]
    params, extra = start(method)
    passes, _ = quick(method.passes)(params, extra, views, jax.random.key(1))
    found = method.terms(passes, extra["queue"])
    passes, queue = jax.tree.map(np.asarray, (passes, extra["queue"]))
    unit = losses.unit
    key, instance, region = np.asarray(unit(passes.key)), 0.0, 0.0
    for row, clean, mixed in zip(rows, passes.clean, passes.mixed, strict=True):
        assert len(mixed.shift) == row[4]
        instance += row[5] * cross_entropy(clean, (key, queue), 0.2)
        for p, c, shift in zip(*mixed):
            of = key[(np.arange(BATCH) + shift) % BATCH]
            pasted = cross_entropy(p, (of, queue, np.asarray(unit(c))), 0.2)
            context = cross_entropy(c, (key, queue, np.asarray(unit(p))), 0.2)
            region += row[5] * 0.5 * (pasted + context)
    assert found["instance"] == pytest.approx(instance, rel=1e-5)
    assert found["region"] == pytest.approx(region, rel=1e-5)
    assert found["total"] == pytest.approx(instance + 0.7 * region, rel=1e-5)


def test_one_program_serves_all_draws():
    method = make()
    step, views = quick(method.loss_fn), batch(method)
    values = {float(step(*start(method), views, jax.random.key(n), 0)[0]) for n in range(4)}
    assert step._cache_size() == 1 and len(values) == 4
