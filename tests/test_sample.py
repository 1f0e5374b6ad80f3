import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skeljax.data import sample

DRAWS = 4000


def many(draw, n):
    keys = jax.random.split(jax.random.key(0), DRAWS)
    return np.asarray(jax.jit(jax.vmap(draw, (0, None)))(keys, jnp.int32(n)))


def close(got, want):
    """Two tables of frequencies, each of DRAWS draws: within five standard errors."""
    error = np.sqrt((want * (1 - want) + 1 / DRAWS) * 2 / DRAWS)
    assert (np.abs(got - want) < 5 * error).all(), np.abs((got - want) / error).max()


def frequencies(rows, n):
    """[i, f] how often place i of the draw is frame f."""
    return (rows[:, :, None] == np.arange(n)).mean(0)


@pytest.mark.parametrize("n", [1, 5, 7, 8, 11, 15, 16, 17, 40])
def test_uniform_draw_has_the_distribution_of_pyskl(n):
    rng = np.random.RandomState(0)
    want = np.stack([sample.uniform_train_np(n, 8, rng) for _ in range(DRAWS)])
    got = many(lambda key, n: sample.uniform_draw(key, n, 8), n)
    assert got.min() >= 0 and got.max() < n
    close(frequencies(got, n), frequencies(want, n))
    if n >= 8:
        assert (np.diff(got) > 0).all()
    # neighbours in the draw are as far apart as there
    gaps = [frequencies((np.diff(rows) % n).astype(int), n) for rows in (got, want)]
    close(*gaps)


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_multiset_draw_has_the_distribution_of_the_original(n):
    draw = random.Random(0)
    pool = list(range(n)) * 3
    size = min(6, len(pool))
    want = np.array([sorted(draw.sample(pool, size)) for _ in range(DRAWS)])
    got = many(lambda key, n: sample.multiset_draw(key, n, size, copies=3), n)
    assert (np.diff(got) >= 0).all()
    close(frequencies(got, n), frequencies(want, n))
    counts = [(rows[:, :, None] == np.arange(n)).sum(1) for rows in (got, want)]
    assert counts[0].max() <= 3  # without replacement from three copies
    close(*[(c[:, :, None] == np.arange(4)).mean(0) for c in counts])


def test_uniform_test_clips_differ_and_repeat():
    table = sample.uniform_test_np(150, 64, 10)
    assert table.shape == (10, 64) and len({row.tobytes() for row in table}) == 10
    np.testing.assert_array_equal(table, sample.uniform_test_np(150, 64, 10))
    assert sample.uniform_test_np(30, 64, 10)[:, 0].tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]


@pytest.mark.parametrize("start, length, size", [(0, 30, 64), (5, 64, 64), (3, 100, 64), (2, 1, 8)])
def test_resize_is_torchs_half_pixel_interpolation(start, length, size):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 110, 4, 3)).astype(np.float32)
    part = torch.from_numpy(x[:, start : start + length]).permute(0, 2, 3, 1).reshape(1, -1, length)
    want = torch.nn.functional.interpolate(part, size=size, mode="linear", align_corners=False)
    want = want.reshape(2, 4, 3, size).permute(0, 3, 1, 2).numpy()
    got = sample.resize(x, jnp.int32(start), jnp.int32(length), size)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_crop_lengths():
    n = jnp.array([10, 64, 65, 100, 300])
    assert sample.crop_length(n, 0.5, 64).tolist() == [10, 64, 64, 64, 150]
    assert sample.crop_length(n, 1.0, 64).tolist() == n.tolist()
    want = [int((1 - 0.95) * m / 2) for m in range(1, 301)]
    assert sample.centre_crop_start_np(np.arange(1, 301), 0.95).tolist() == want


@pytest.mark.parametrize("n", [1, 5, 6, 20])
def test_mirrored_crop_is_a_window_of_the_padded_clip(n):
    pad = n // 6
    padded = np.pad(np.arange(n), pad, mode="symmetric")
    for start in range(2 * pad + 1):
        index = sample.mirrored_crop_index(jnp.int32(n), start, 24)
        np.testing.assert_array_equal(index[:n], padded[start : start + n])
        assert index.min() >= 0 and index.max() < 24


def test_shift_and_reverse():
    assert sample.shift_index(5, 2, 7)[:5].tolist() == [2, 3, 4, 0, 1]
    assert sample.reverse_index(5, 7).tolist() == [4, 3, 2, 1, 0, 5, 6]


@pytest.mark.parametrize("n", [1, 51, 52, 53, 200])
def test_linspace_is_truncated(n):
    index = sample.linspace_np(n, 52)
    assert index[0] == 0 and index[-1] == n - 1 and (np.diff(index) >= 0).all()
    np.testing.assert_array_equal(index, [int(f) for f in np.linspace(0, n - 1, 52)])


def test_valid_frames_are_counted_not_located():
    x = np.ones((2, 6, 5, 3), np.float32)
    x[:, 2] = x[:, 5] = 0
    assert sample.valid_frames_np(x) == 4
