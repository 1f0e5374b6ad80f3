import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skeljax.data.streams import STREAMS, apply_stream, infogcn_matrix, next_frames, stream
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout, layout_names


def clip(layout, frames=6, bodies=2):
    shape = (bodies, frames, layout.num_joints, layout.channels)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def seen(x, layout, name, mask=None, **options):
    mask = jnp.ones(x.shape[1], bool) if mask is None else mask
    after, has_next = next_frames(x, mask)
    return apply_stream(x, after, has_next, stream(layout, name, **options), layout.dims)


@pytest.mark.parametrize("name", layout_names())
@pytest.mark.parametrize("base, hops", [("joint", 0), ("bone", 1), ("skip", 2), ("ancestor3", 3)])
def test_coordinates_minus_the_ancestor_joint_by_joint(name, base, hops):
    layout = get_layout(name)
    x, want = clip(layout), clip(layout)
    for v in range(layout.num_joints):
        chain = [v]
        while layout.parents[chain[-1]] != chain[-1]:
            chain.append(layout.parents[chain[-1]])
        partner = chain[hops] if hops < len(chain) else v
        if hops:
            want[:, :, v] = x[:, :, v] - x[:, :, partner]
            want[:, :, v, layout.dims :] = (x[:, :, v] + x[:, :, partner])[..., layout.dims :] / 2
    np.testing.assert_allclose(seen(x, layout, base), want, atol=1e-6)
    moving = np.zeros_like(want)
    moving[:, :-1] = want[:, 1:] - want[:, :-1]
    moving[:, :-1, :, layout.dims :] = ((want[:, 1:] + want[:, :-1]) / 2)[..., layout.dims :]
    np.testing.assert_allclose(seen(x, layout, base + "_motion"), moving, atol=1e-6)


@pytest.mark.parametrize("name", STREAMS)
def test_padding_and_absent_bodies_stay_zero(name):
    layout = get_layout("ntu25")
    x = clip(layout)
    x[1], x[:, 4:] = 0, 0
    y = seen(x, layout, name, jnp.arange(6) < 4)
    assert not y[1].any() and not y[:, 4:].any() and y[0, :3].any()
    assert y[0, 3].any() == ("motion" not in name)


def test_original_neighbours_are_used_where_given():
    layout = get_layout("ucla20")
    x = clip(layout, 5)
    after, has_next = clip(layout, 5) + 1, jnp.array([True, True, False, True, True])
    y = apply_stream(x, after, has_next, stream(layout, "joint_motion"), 3)
    want = np.where(has_next[None, :, None, None], after - x, 0)
    np.testing.assert_allclose(y, want, atol=1e-6)


def test_stacked_streams_equal_single_ones():
    layout = get_layout("coco17")
    x, mask = clip(layout), jnp.arange(6) < 5
    after, has_next = next_frames(x, mask)
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *[stream(layout, n) for n in STREAMS])
    together = jax.vmap(lambda s: apply_stream(x, after, has_next, s, 2))(stacked)
    for name, got in zip(STREAMS, together, strict=True):
        np.testing.assert_array_equal(got, seen(x, layout, name, mask))


def test_codes_are_names():
    layout = get_layout("ntu25")
    names = dict(zip("jbkln", ("joint", "bone", "skip", "ancestor3", "ancestor4"), strict=True))
    for code, name in names.items():
        for suffix, motion in (("", ""), ("m", "_motion")):
            pair = stream(layout, code + suffix), stream(layout, name + motion)
            assert all((a == b).all() for a, b in zip(*pair, strict=True))


def test_infogcn_keeps_joints_without_ancestor_and_ends_in_the_identity():
    layout = get_layout("ntu25")
    bones = infogcn_matrix(layout, 1)
    assert (bones.sum(1) == (np.arange(25) == 1)).all()  # only the spine keeps its coordinates
    assert (infogcn_matrix(layout, 0) == np.eye(25)).all()
    assert (infogcn_matrix(layout, 8) == np.eye(25)).all()
    assert (infogcn_matrix(layout, 7) != np.eye(25)).any()
    assert (stream(layout, "infogcn1").matrix == bones).all()


def test_published_slips_of_nw_ucla_are_optional():
    layout = get_layout("ucla20")
    right, wrong = infogcn_matrix(layout, 1), infogcn_matrix(layout, 1, published=True)
    assert (right - np.eye(20) == (wrong - np.eye(20)).T).all() and (right != wrong).any()
    assert (stream(layout, "lst1").matrix == wrong).all()
    assert (stream(layout, "n", published=True).matrix == stream(layout, "k").matrix).all()
    assert (stream(layout, "n").matrix != stream(layout, "k").matrix).any()
    ntu = get_layout("ntu25")
    assert (stream(ntu, "n", published=True).matrix == stream(ntu, "n").matrix).all()


@pytest.mark.parametrize(
    "name", ["bones", "ancestor", "ancestor-1", "m", "", "joint_motion_motion"]
)
def test_unknown_streams_are_refused(name):
    with pytest.raises(ConfigError, match="unknown stream"):
        stream(get_layout("ntu25"), name)
