import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from skeljax.data import steps
from skeljax.data.recipes import RECIPES, device_data, num_clips, render
from skeljax.data.sources import CropResize, UniformSample, View, Whole
from skeljax.data.steps import ToStream
from skeljax.data.store import Store
from skeljax.data.streams import STREAMS, stream
from skeljax.errors import ConfigError
from skeljax.layouts import get_layout
from skeljax.readers import Clip

LENGTHS = (9, 70, 33, 150, 64, 12)


def store(layout="ntu25", bodies=2, clock=False, **options):
    """Clips of LENGTHS; every other one has one body. clock: all coordinates are the frame's."""
    size, clips = get_layout(layout), []
    for i, frames in enumerate(LENGTHS):
        shape = (1 + i % bodies, frames, size.num_joints, size.channels)
        x = np.random.default_rng(i).normal(size=shape)
        if clock:
            x = np.broadcast_to(np.arange(frames).reshape(1, -1, 1, 1), shape)
        clips.append(Clip(f"clip{i}", x.astype(np.float32), 0, layout))
    return Store.from_clips(clips, layout=layout, classes=["a"], num_person=bodies, **options)


@functools.cache
def jitted(recipe):
    return jax.jit(functools.partial(render, recipe))


def rendered(recipe, made, name="joint", key=0, index=None, clip=0):
    index = jnp.arange(len(made)) if index is None else jnp.asarray(index)
    chosen = stream(get_layout(made.layout), name)
    data = device_data(made, recipe)
    return np.asarray(jitted(recipe)(data, index, jax.random.key(key), chosen, clip))


@pytest.mark.parametrize("layout", ["ntu25", "coco17"])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_on_every_kind_of_skeleton(name, layout):
    made, size = store(layout), get_layout(layout)
    train, test = RECIPES[name](size)
    a, b = (rendered(train, made, "bone_motion", key) for key in (0, 1))
    assert a.shape[:2] == (6, 2) and a.shape[3:] == (size.num_joints, size.channels)
    assert a.dtype == np.float32 and np.isfinite(a).all()
    assert (a != b).any(axis=(1, 2, 3, 4)).sum() >= 4 and not a[::2, 1].any()
    tested = rendered(test, made, "bone_motion")
    np.testing.assert_array_equal(rendered(test, made, "bone_motion", key=1), tested)
    mixed = [4, 4, 1, 3, 0, 1]  # neither the key nor the batch a clip is in matters to a test
    np.testing.assert_allclose(
        rendered(test, made, "bone_motion", 2, mixed), tested[mixed], atol=1e-6
    )


@pytest.mark.parametrize("name", ["brl", "ucla"])
def test_streams_under_vmap_equal_single_ones(name):
    made, layout = store(), get_layout("ntu25")
    recipe = RECIPES[name](layout)[0]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *[stream(layout, s) for s in STREAMS])
    run = jax.jit(jax.vmap(functools.partial(render, recipe), (None, None, None, 0)))
    together = run(device_data(made, recipe), jnp.arange(6), jax.random.key(0), stacked)
    for i, s in enumerate(STREAMS):
        np.testing.assert_allclose(together[i], rendered(recipe, made, s), atol=1e-6)


def test_draws_do_not_depend_on_the_number_of_devices():
    made, layout = store(), get_layout("ntu25")
    recipe = RECIPES["brl"](layout)[0]
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    whole = NamedSharding(mesh, PartitionSpec())
    data = device_data(made, recipe, sharding=whole)
    index = jax.device_put(jnp.arange(6), NamedSharding(mesh, PartitionSpec("data")))
    key, chosen = jax.device_put((jax.random.key(0), stream(layout, "joint")), whole)
    got = jitted(recipe)(data, index, key, chosen)
    assert len(got.sharding.device_set) == 2
    np.testing.assert_allclose(got, rendered(recipe, made), atol=1e-6)


def test_clips_of_a_batch_have_their_own_draws():
    made = store()
    recipe = RECIPES["ctrgcn_ntu"](get_layout("ntu25"))[0]
    same = rendered(recipe, made, index=[3, 3])
    assert (same[0] != same[1]).any()


def test_one_store_serves_two_recipes():
    made, layout = store(), get_layout("ntu25")
    recipes = [RECIPES[n](layout)[1] for n in ("pyskl", "brl")]
    data, index, key = device_data(made, *recipes), jnp.arange(6), jax.random.key(0)
    for recipe in recipes:
        got = jitted(recipe)(data, index, key, stream(layout, "joint"))
        np.testing.assert_allclose(got, rendered(recipe, made), atol=1e-6)


def test_float16_frames_are_read_as_float32():
    recipe = RECIPES["pyskl"](get_layout("ntu25"))[1]
    half = rendered(recipe, store(dtype=np.float16))
    want = rendered(recipe, store()).astype(np.float16)
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, want.astype(np.float32))


# Sources, on clips whose coordinates are the frame's number.


def test_whole_pads_or_repeats():
    made = store(clock=True)
    padded = rendered((Whole(), ToStream()), made)[:, 0, :, 0, 0]
    looped = rendered((Whole(160, loop=True), ToStream()), made)[:, 0, :, 0, 0]
    for n, pad, loop in zip(LENGTHS, padded, looped):
        np.testing.assert_array_equal(pad, np.where(np.arange(150) < n, np.arange(150), 0))
        np.testing.assert_array_equal(loop, np.arange(160) % n)
    moved = rendered((Whole(), ToStream()), made, "joint_motion")[:, 0, :, 0, 0]
    assert moved.sum(1).tolist() == [n - 1 for n in LENGTHS]
    with pytest.raises(ConfigError, match=r"found: +150\n +expected: +100"):
        device_data(made, (Whole(100), ToStream()))


def test_random_crops_stay_in_the_clip_and_vary_in_place_and_length():
    made = store(clock=True)
    recipe = (CropResize(64), ToStream())
    crops = rendered(recipe, made, index=np.repeat(np.arange(6), 300))[:, 0, :, 0, 0]
    for n, rows in zip(LENGTHS, crops.reshape(6, 300, 64)):
        assert rows.min() >= 0 and rows.max() <= n - 1 and (np.diff(rows) > -1e-4).all()
        span = rows[:, -1] - rows[:, 0]
        if n <= 64:  # never cropped
            np.testing.assert_allclose(rows, np.broadcast_to(rows[:1], rows.shape), atol=1e-4)
        else:
            assert rows[:, 0].min() < 0.5 and rows[:, -1].max() > n - 1.5
            assert span.min() > max(0.5 * n, 64) - 4 and span.max() > 0.95 * n - 3


@pytest.mark.parametrize("reverse", [0.0, 1.0])
def test_uniform_sample_moves_between_original_neighbours(reverse):
    made = store(clock=True)
    source = UniformSample(40, reverse=reverse)
    frame, moved = (
        rendered((source, ToStream()), made, s)[:, 0, :, 0, 0] for s in ("joint", "joint_motion")
    )
    last = 0 if reverse else np.array(LENGTHS)[:, None] - 1
    np.testing.assert_array_equal(moved, np.where(frame == last, 0, -1 if reverse else 1))
    for n, row in zip(LENGTHS, frame):
        assert set(row) <= set(range(n))
        steps_taken = np.diff(row) * (-1 if reverse else 1)
        assert (steps_taken > 0).all() if n >= 40 else (steps_taken % n == 1 % n).all()


def test_reverse_is_a_chance():
    made = store(clock=True)
    recipe = (UniformSample(40, reverse=0.3), ToStream())
    frame = rendered(recipe, made, index=[3] * 600)[:, 0, :, 0, 0]
    assert 0.2 < (frame[:, 0] > frame[:, -1]).mean() < 0.4


def test_test_clips_differ_and_are_counted():
    recipe = RECIPES["pyskl"](get_layout("ntu25"), length=40, test_clips=5)[1]
    assert num_clips(recipe) == 5 and num_clips(RECIPES["ucla"](get_layout("ucla20"))[1]) == 1
    made = store(clock=True)
    clips = np.stack([rendered(recipe, made, clip=k)[:, 0, :, 0, 0] for k in range(5)])
    assert all((clips[0] != other).any(axis=1).all() for other in clips[1:])


# Steps.


def view(frames=6, valid=None, layout="ntu25", seed=0):
    size = get_layout(layout)
    shape = (2, frames, size.num_joints, size.channels)
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    mask = np.arange(frames) < (valid or frames)
    x[1] = 0
    return View(jnp.asarray(x * mask[None, :, None, None]), jnp.asarray(mask))


LAYOUT = get_layout("ntu25")
STEPS = [
    steps.Window(4),
    steps.Window(4, random=False),
    steps.Resize(9),
    steps.DrawFrames(5),
    steps.DrawFrames(5, random=False),
    steps.TemporalCrop(),
    steps.TemporalFlip(),
    steps.TemporalShift(),
    steps.Centre(1),
    steps.RandomRotation(),
    steps.ViewRotation(),
    steps.RandomScale(),
    steps.Shear(),
    steps.BoneScale(LAYOUT),
    steps.SpatialFlip(LAYOUT),
    steps.AxisMask(),
    steps.PartDrop(LAYOUT),
    steps.MinMax(),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda s: type(s).__name__)
def test_steps_keep_absent_bodies_and_padding_zero(step):
    for valid in (1, 3, 6):
        y = step(jax.random.key(valid), view(valid=valid))
        assert y.x.shape[1] == y.mask.shape[0] and not y.x[1].any()
        np.testing.assert_array_equal(y.x[0].any(axis=(1, 2)), y.mask)


@pytest.mark.parametrize("step", STEPS, ids=lambda s: type(s).__name__)
def test_steps_treat_the_original_neighbours_alike_or_refuse_them(step):
    one = view()
    paired = one._replace(after=one.x[:, ::-1], has_next=one.mask)
    key = jax.random.key(5)
    if (
        type(step).__name__
        in "Window Resize DrawFrames TemporalCrop TemporalFlip TemporalShift MinMax"
    ):
        with pytest.raises(ConfigError, match="original neighbours"):
            step(key, paired)
    elif not isinstance(step, steps.Centre):
        y = step(key, paired)
        np.testing.assert_allclose(y.after, y.x[:, ::-1], atol=1e-6)
        np.testing.assert_array_equal(y.x, step(key, one).x)


def basis(dims=3):
    """A view whose first joints are the unit vectors: linear steps show their matrix."""
    x = jnp.zeros((1, 1, 25, dims)).at[0, 0, :dims].set(jnp.eye(dims))
    return View(x, jnp.ones(1, bool))


def matrices(step, dims=3, count=2000):
    keys = jax.random.split(jax.random.key(0), count)
    rows = jax.jit(jax.vmap(lambda k: step(k, basis(dims)).x[0, 0, :dims]))(keys)
    return np.asarray(rows).swapaxes(1, 2)


@pytest.mark.parametrize("dims", [2, 3])
def test_random_scale_and_shear_have_their_ranges(dims):
    scale = matrices(steps.RandomScale(0.1, dims), dims)
    diagonal = np.diagonal(scale, axis1=1, axis2=2)
    np.testing.assert_allclose([diagonal.min(), diagonal.max()], [0.9, 1.1], atol=2e-3)
    assert np.abs(diagonal.mean(0) - 1).max() < 0.01 and (scale.any(axis=2)).all()
    shear = matrices(steps.Shear(0.5, dims), dims)
    np.testing.assert_array_equal(np.diagonal(shear, axis1=1, axis2=2), 1)
    off = shear[:, ~np.eye(dims, dtype=bool)]
    np.testing.assert_allclose([off.min(), off.max()], [-0.5, 0.5], atol=5e-3)
    assert np.abs(np.corrcoef(off.T) - np.eye(off.shape[1])).max() < 0.1


def test_random_rotations_have_their_ranges():
    plane = matrices(steps.RandomRotation(0.3, 2), 2)
    angle = np.arctan2(plane[:, 1, 0], plane[:, 0, 0])
    np.testing.assert_allclose([angle.min(), angle.max()], [-0.3, 0.3], atol=3e-3)
    turned = matrices(steps.RandomRotation(0.3))
    np.testing.assert_allclose(np.linalg.det(turned), 1, atol=1e-5)
    about_y = np.arcsin(turned[:, 2, 0])  # Rz Ry Rx has sin(y) there
    views = matrices(steps.ViewRotation(60))
    degrees = np.degrees(np.arctan2(views[:, 2, 1], views[:, 1, 1]))
    assert np.abs(about_y).max() <= 0.3 + 1e-5 and np.abs(degrees - np.round(degrees)).max() < 1e-3
    assert len(set(np.round(degrees))) == 121


def test_bone_scale_step_has_its_range_and_is_symmetric():
    one = view()
    keys = jax.random.split(jax.random.key(0), 500)
    y = jax.vmap(lambda k: steps.BoneScale(LAYOUT)(k, one).x[0, 0])(keys)
    parents = np.array(LAYOUT.parents)
    joints = np.delete(np.arange(25), 20)
    before, after = (
        np.asarray(x)[..., joints, :] - np.asarray(x)[..., parents[joints], :]
        for x in (one.x[0, 0], y)
    )
    factor = np.linalg.norm(after, axis=-1) / np.linalg.norm(before, axis=-1)
    assert factor.min() > 0.8 - 1e-4 and factor.max() < 1.2 + 1e-4 and factor.std(0).min() > 0.07
    elbows = [list(joints).index(LAYOUT.joints.index(f"{s}_elbow")) for s in ("left", "right")]
    np.testing.assert_allclose(*factor[:, elbows].T, rtol=1e-3)


@pytest.mark.parametrize(
    "step", [steps.SpatialFlip(LAYOUT, 0.3), steps.TemporalFlip(0.3), steps.AxisMask(0.3)]
)
def test_chances(step):
    one = view()
    keys = jax.random.split(jax.random.key(0), 2000)
    changed = jax.vmap(lambda k: (step(k, one).x != one.x).any())(keys)
    assert 0.25 < changed.mean() < 0.35


def test_windows_cover_the_clip_and_pad_short_ones():
    x = jnp.broadcast_to(1.0 + jnp.arange(9).reshape(1, 9, 1, 1), (1, 9, 25, 3))
    one = View(x * (jnp.arange(9) < 7).reshape(1, 9, 1, 1), jnp.arange(9) < 7)
    keys = jax.random.split(jax.random.key(0), 200)
    starts = jax.vmap(lambda k: steps.Window(4)(k, one).x[0, :, 0, 0])(keys)
    assert set(np.asarray(starts[:, 0])) == {1, 2, 3, 4} and (jnp.diff(starts) == 1).all()
    assert steps.Window(4, random=False)(None, one).x[0, :, 0, 0].tolist() == [2, 3, 4, 5]
    short = steps.Window(9, random=False)(None, one)
    np.testing.assert_array_equal(short.x, one.x)
    np.testing.assert_array_equal(short.mask, one.mask)
