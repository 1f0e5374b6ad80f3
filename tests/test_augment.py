import jax.numpy as jnp
import numpy as np
import pytest

from skeljax.data import augment
from skeljax.layouts import get_layout, layout_names


def points(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("angles", [(0.3, 0, 0), (0, -0.7, 0), (0, 0, 1.1), (0.2, -0.4, 0.9)])
def test_rotation_is_rz_ry_rx_and_keeps_lengths(angles):
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    want = (
        np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
        @ np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        @ np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    )
    got = augment.rotation(jnp.array(angles))
    np.testing.assert_allclose(got, want, atol=1e-6)
    x = points(2, 5, 25, 3)
    turned = augment.linear(x, got)
    np.testing.assert_allclose(turned, np.einsum("ij,mtvj->mtvi", want, x), atol=1e-5)


def test_rotation_in_the_plane_leaves_the_confidence_alone():
    x = points(1, 4, 17, 3)
    y = augment.linear(x, augment.rotation(0.5))
    np.testing.assert_array_equal(y[..., 2], x[..., 2])
    norms = [np.linalg.norm(a[..., :2], axis=-1) for a in (x, y)]
    np.testing.assert_allclose(*norms, rtol=1e-5)
    assert np.abs(y - x).max() > 0.1


def test_view_rotation_is_the_row_vector_product():
    x = points(1, 3, 20, 3)
    a, b = np.radians([20, -50])
    rx = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    got = augment.linear(x, augment.view_rotation(jnp.float32(20), jnp.float32(-50)))
    np.testing.assert_allclose(got, x @ ry @ rx, atol=1e-5)


@pytest.mark.parametrize("name", layout_names())
def test_bone_tree_hangs_every_joint_at_the_root_by_its_bones(name):
    layout = get_layout(name)
    bones = {frozenset(b) for b in enumerate(layout.parents) if b[0] != b[1]}
    parents, path = augment.bone_tree(layout, root=3)
    assert {frozenset(b) for b in enumerate(parents.tolist()) if b[0] != b[1]} == bones
    assert parents[3] == 3
    x = points(layout.num_joints, layout.dims)
    reached = np.einsum("vu,uc->vc", path, x - x[parents])
    roots = np.flatnonzero(parents == np.arange(len(parents)))
    assert len(roots) == (layout.depth == 0).sum()
    offsets = x - reached  # the position of the root each joint hangs at
    assert {tuple(o) for o in np.round(offsets, 4)} == {tuple(o) for o in np.round(x[roots], 4)}


@pytest.mark.parametrize("name", ["ntu25", "ucla20", "coco17"])
def test_bone_scale_changes_each_length_by_its_factor_and_no_direction(name):
    layout = get_layout(name)
    x = points(2, 4, layout.num_joints, layout.channels)
    x[1] = 0
    factor = np.linspace(0.8, 1.2, layout.num_joints, dtype=np.float32)
    parents, path = augment.bone_tree(layout)
    y = np.asarray(augment.bone_scale(x, factor, parents, path, layout.dims))
    before, after = ((a - a[:, :, parents])[0, ..., : layout.dims] for a in (x, y))
    np.testing.assert_allclose(after, before * factor[None, :, None], atol=1e-5)
    np.testing.assert_array_equal(y[:, :, 0], x[:, :, 0])
    np.testing.assert_array_equal(y[..., layout.dims :], x[..., layout.dims :])
    assert not y[1].any()


def test_symmetric_gives_left_and_right_the_mean():
    layout = get_layout("ntu25")
    values = np.arange(25.0)
    got = augment.symmetric(values, layout.mirror)
    for left, right in layout.pairs:
        assert got[left] == got[right] == (left + right) / 2
    assert got[3] == 3


def test_min_max_spans_each_axis_of_what_is_there():
    x = points(2, 6, 20, 3) * [1, 5, 100] + [0, 3, -40]
    x[1, 2:] = 0
    valid = np.array([[True] * 4 + [False] * 2, [True] * 2 + [False] * 4])
    y = np.asarray(augment.min_max(x.astype(np.float32), valid, 3))
    there = y[valid]
    np.testing.assert_allclose(there.min((0, 1)), -1, atol=1e-6)
    np.testing.assert_allclose(there.max((0, 1)), 1, atol=1e-6)
    assert not y[~valid].any()


def test_min_max_of_a_constant_axis_and_of_nothing_is_zero():
    x = points(1, 3, 20, 3)
    x[..., 1] = 7
    y = augment.min_max(x, np.ones((1, 3), bool), 3)
    assert not y[..., 1].any() and np.isfinite(y).all() and np.abs(y[..., 0]).max() == 1
    assert not augment.min_max(np.zeros_like(x), np.zeros((1, 3), bool), 3).any()


def test_min_max_and_centre_spare_confidence_and_absent_bodies():
    x = points(2, 3, 17, 3) + 5
    x[1] = 0
    y = augment.min_max(x, augment.present(x), 2)
    np.testing.assert_array_equal(y[0, ..., 2], x[0, ..., 2])
    z = augment.centre(x, 4, 2)
    assert not z[1].any() and not z[0, 0, 4, :2].any()
    np.testing.assert_array_equal(z[..., 2], x[..., 2])
    np.testing.assert_allclose(np.diff(z[0], axis=0), np.diff(x[0], axis=0), atol=1e-5)


def test_flip_swaps_sides_and_twice_is_nothing():
    layout = get_layout("ntu25")
    x = points(2, 3, 25, 3)
    y = augment.spatial_flip(x, layout.mirror)
    for left, right in layout.pairs:
        np.testing.assert_array_equal(y[:, :, left], x[:, :, right])
    mirrored = augment.spatial_flip(x, layout.mirror, mirror_x=True)
    np.testing.assert_array_equal(mirrored, y * np.array([-1, 1, 1], np.float32))
    np.testing.assert_array_equal(augment.spatial_flip(y, layout.mirror), x)


def test_shear_matrices():
    d = jnp.arange(1.0, 7)
    assert augment.shear_matrix(d).tolist() == [[1, 1, 4], [2, 1, 5], [3, 6, 1]]
    assert augment.shear_matrix(d[:2]).tolist() == [[1, 1], [2, 1]]


def test_masks_drop_one_axis_or_one_side():
    layout = get_layout("ucla20")
    x = points(1, 3, 20, 3)
    y = augment.mask_axis(x, 1)
    assert not y[..., 1].any() and (y[..., ::2] == x[..., ::2]).all()
    for side, word in enumerate(("left", "right")):
        dropped = np.asarray(augment.drop_joints(x, augment.side_masks(layout)[side]))
        gone = [word in joint for joint in layout.joints]
        assert not dropped[:, :, gone].any()
        np.testing.assert_array_equal(dropped[:, :, np.invert(gone)], x[:, :, np.invert(gone)])
