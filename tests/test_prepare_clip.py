"""Preparations that no parity case holds, and the recipes that expect them."""

import jax
import numpy as np
import pytest

from skeljax.data import recipes
from skeljax.data.prepare_clip import PREPARATIONS, contrastive
from skeljax.data.store import Store
from skeljax.data.streams import stream
from skeljax.layouts import get_layout
from skeljax.readers import Clip

NTU, COCO = get_layout("ntu25"), get_layout("coco17")


def clip(bodies=1, frames=9, layout=NTU, seed=0) -> Clip:
    rng = np.random.default_rng(seed)
    shape = (bodies, frames, layout.num_joints, layout.channels)
    return Clip("a", rng.uniform(0.1, 1, shape).astype(np.float32), 0, layout.name)


def test_trim_copy_fills_the_second_place_of_one_body_only():
    one, two = clip(1), clip(2)
    copied = PREPARATIONS["trim_copy"](one, NTU).keypoints
    np.testing.assert_array_equal(copied, np.concatenate([one.keypoints] * 2))
    np.testing.assert_array_equal(PREPARATIONS["trim_copy"](two, NTU).keypoints, two.keypoints)


def test_contrastive_is_centred_resized_and_faces_the_camera():
    x = PREPARATIONS["contrastive64"](clip(2), NTU).keypoints
    assert x.shape == (2, 64, 25, 3) and x.dtype == np.float32
    assert np.abs(x[:, :, NTU.centre]).max() < 1e-6
    still = clip(1, 1)  # where the shoulders do not move they end up along +x
    across = np.squeeze(PREPARATIONS["contrastive50"](still, NTU).keypoints)[:, [8, 4]]
    across = across[:, 0] - across[:, 1]
    moved = np.abs(across[:, 2])
    before = still.keypoints[0, 0, 8] - still.keypoints[0, 0, 4]
    length = np.hypot(before[0], before[2])
    # The published sense of the turn is by the sum of z: it takes one side of the two to +x.
    assert (across[:, 0] >= length * 0.9).all() and (moved <= 0.1 * length).all()


def test_contrastive_ends_with_the_last_frame_of_the_first_body():
    made = clip(2)
    x = made.keypoints - made.keypoints[:1, :, :1]  # joint 0 of the first body stands still
    x[0, 3], x[0, 7:] = 0, 0  # a gap, and an end that the second body alone is in

    def prepared(x, **arguments):
        return contrastive(made.replace(keypoints=x), NTU, frames=7, **arguments).keypoints

    np.testing.assert_array_equal(prepared(x), prepared(x[:, :7]))
    assert np.ptp(prepared(x), axis=1).max() > 0.1
    # the public code counts the frames in which joint 0 moved away
    assert np.ptp(prepared(x, counted=True), axis=1).max() == 0
    x[0, :, 0] = x[0].any((1, 2))[:, None]
    np.testing.assert_array_equal(prepared(x, counted=True), prepared(x[:, :6]))


def test_prenorm3d_no_spine_turns_the_shoulders_only():
    made = clip(2, 7)
    x = made.keypoints.copy()
    x[0, 4:], x[1, 2] = 0, 0  # the second body is there longer
    y = PREPARATIONS["prenorm3d_no_spine"](made.replace(keypoints=x), NTU).keypoints
    kept = np.delete(x[::-1], 2, axis=1)
    centred = np.where(kept.any(-1, keepdims=True), kept - kept[0, 0, NTU.centre_on], 0)
    np.testing.assert_allclose(
        *(np.linalg.norm(z, axis=-1) for z in (y, centred)), rtol=1e-4, atol=1e-5
    )
    right, left = NTU.align_x
    across = centred[0, 0, right] - centred[0, 0, left]
    np.testing.assert_allclose(
        y[0, 0, right] - y[0, 0, left], [np.linalg.norm(across), 0, 0], atol=1e-5
    )
    turn = np.cross(across, [1, 0, 0])  # what lies along the axis of that turn stays
    np.testing.assert_allclose(y @ turn, centred @ turn, atol=1e-4)


@pytest.mark.parametrize("frames", [50, 64])
def test_contrastive_as_counted_by_the_public_code(frames):
    made = clip(1, 12)
    x = made.keypoints.copy()
    x[0, 4:6, 0] = 0  # a gap of joint 0 cuts the end
    found = PREPARATIONS[f"contrastive{frames}_counted"](made.replace(keypoints=x), NTU).keypoints
    shorter = made.replace(keypoints=x[:, :10])
    want = PREPARATIONS[f"contrastive{frames}"](shorter, NTU).keypoints
    np.testing.assert_array_equal(found, want)


def test_prenorm2d_auto_leaves_fractions_alone():
    fractions = clip(1, 5, COCO)
    auto = PREPARATIONS["prenorm2d_auto"]
    np.testing.assert_array_equal(auto(fractions, COCO).keypoints, fractions.keypoints)
    scale = np.array([640, 480, 1], np.float32)
    x = auto(fractions.replace(keypoints=fractions.keypoints * scale), COCO).keypoints
    np.testing.assert_allclose(x[..., :2].min((0, 1, 2)), -1, atol=1e-6)
    np.testing.assert_allclose(x[..., :2].max((0, 1, 2)), 1, atol=1e-6)
    np.testing.assert_array_equal(x[..., 2], fractions.keypoints[..., 2])


def render(recipe, one: Clip, layout, key=0) -> np.ndarray:
    store = Store.from_clips([one], layout=layout, classes=["a"])
    data = recipes.device_data(store, recipe)
    of = stream(layout, "joint")
    run = jax.jit(recipes.render, static_argnums=0)
    return np.asarray(run(recipe, data, np.arange(1), jax.random.key(key), of))[0]


def test_contrastive_window_is_a_run_of_frames():
    one = clip(1, 12)
    train, test = recipes.contrastive(NTU, amplitude=0, ratio=0, window=5)
    np.testing.assert_array_equal(render(test, one, NTU), one.keypoints[:, 3:8])
    starts = set()
    for key in range(8):
        x = render(train, one, NTU, key)
        (start,) = np.flatnonzero((one.keypoints[0] == x[0, 0]).all((1, 2)))
        np.testing.assert_array_equal(x, one.keypoints[:, start : start + 5])
        starts.add(int(start))
    assert len(starts) > 2


def test_pyskl_flip_is_the_mirror_image():
    one = clip(1, 4, COCO)
    train, _ = recipes.pyskl(COCO, length=4, flip=1.0)
    x = render(train, one, COCO)
    want = one.keypoints[:, :, COCO.mirror] * np.array([-1, 1, 1], np.float32)
    np.testing.assert_allclose(x, want)


def test_an_absent_body_is_zero_and_mirroring_leaves_it_there():
    """In a corner of the image it jumped to the other one."""
    one = clip(2, 4, COCO).replace(facts={"img_shape": (2, 2)})
    one.keypoints[1, 1:] = 0
    there = PREPARATIONS["prenorm2d_present"](one, COCO)
    plain = PREPARATIONS["prenorm2d"](one, COCO).keypoints
    np.testing.assert_array_equal(there.keypoints[0], plain[0])
    assert there.keypoints[1, 0].all() and there.keypoints.dtype == np.float32
    for flip in (0.0, 1.0):
        train, _ = recipes.brl(COCO, length=4, flip=flip, mirror=True, scale=0.0, rotation=0.0)
        x = render(train, there, COCO)
        assert not x[1, 1:].any() and x[1, 0].any() and x[0].any()


@pytest.mark.parametrize("value", [0, 1e-9])
@pytest.mark.parametrize("name", PREPARATIONS)
def test_every_preparation_keeps_an_absent_clip_finite(name, value):
    layout = COCO if "2d" in name else NTU
    empty = clip(1, 3, layout)
    empty = empty.replace(keypoints=np.full_like(empty.keypoints, value, np.float32))
    assert np.isfinite(PREPARATIONS[name](empty, layout).keypoints).all()
