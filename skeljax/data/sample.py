"""Which frames of a clip are taken. Functions named *_np run on the host, the others under jit.

n is a clip's number of frames (traced under jit), L the number of frames wanted (static).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def valid_frames_np(keypoints: np.ndarray) -> int:
    """Frames of (M,T,V,C) whose coordinates do not sum to zero, the feeders' count (CTR-GCN)."""
    return int((np.sum(keypoints, axis=(0, 2, 3), dtype=np.float64) != 0).sum())


# Crop and resize: CTR-GCN, FR-Head, LST on NTU.


def crop_length(n, ratio, window: int):
    """Frames of a random crop: floor(n * ratio), at least `window`, at most n."""
    return jnp.minimum(jnp.maximum(jnp.floor(n * ratio).astype(jnp.int32), window), n)


def centre_crop_start_np(n, p: float) -> np.ndarray:
    """First frame of the central share p of n frames (an array or int); truncated in float64."""
    return ((1 - p) * np.asarray(n) / 2).astype(np.int32)


def resize_index(start, length, size: int):
    """Linear resize in time, half-pixel centres, no antialiasing.

    Args:
      start, length: the crop, in frames (traced).
      size: frames wanted, L.

    Returns:
      low, high (L,) int32 frames and weight (L,) float32:
      out = x[low] * (1 - weight) + x[high] * weight.
    """
    scale = jnp.asarray(length, jnp.float32) / size
    position = jnp.maximum(scale * (jnp.arange(size, dtype=jnp.float32) + 0.5) - 0.5, 0.0)
    low = jnp.minimum(position.astype(jnp.int32), length - 1)
    high = jnp.minimum(low + 1, length - 1)
    return start + low, start + high, position - low


def resize(x, start, length, size: int):
    """Frames start .. start+length-1 of x (M,T,V,C), resized linearly to (M,size,V,C)."""
    low, high, weight = resize_index(start, length, size)
    weight = weight[None, :, None, None]
    return x[:, low] * (1 - weight) + x[:, high] * weight


def resize_np(x: np.ndarray, size: int) -> np.ndarray:
    """All frames of x (M,T,V,C), resized linearly to (M,size,V,C) float32 on the host."""
    frames = x.shape[1]
    place = np.clip((np.arange(size) + 0.5) * (frames / size) - 0.5, 0, frames - 1)
    low = place.astype(int)
    weight = (place - low).astype(np.float32)[:, None, None]
    return x[:, low] * (1 - weight) + x[:, np.minimum(low + 1, frames - 1)] * weight


# Uniform sampling: PYSKL, BRL.


def uniform_index(n, length: int, start, gap_order, offset):
    """PYSKL's uniform sampling with the draws given.

    n < L: contiguous from `start`, cyclic. L <= n < 2L: the frames 0..L-1, moved by skipping n-L
    of the L+1 gaps. n >= 2L: one frame in each of L bins.

    Args:
      start: (), in [0, n).
      gap_order: (L+1,) permutation; the gaps with order < n-L are skipped.
      offset: (L,) position in each bin, see `bin_sizes`.

    Returns:
      (L,) int32 frames.
    """
    i = jnp.arange(length)
    skipped = jnp.cumsum(gap_order < n - length)[:-1]
    first = i * n // length
    index = jnp.where(n < length, start + i, jnp.where(n < 2 * length, i + skipped, first + offset))
    return (index % n).astype(jnp.int32)


def bin_sizes(n, length: int):
    """(L,) frames of each bin floor(i n / L) .. floor((i+1) n / L) - 1."""
    edge = jnp.arange(length + 1) * n // length
    return edge[1:] - edge[:-1]


def uniform_draw(key, n, length: int):
    """(L,) int32 frames by PYSKL's training rule."""
    a, b, c = jax.random.split(key, 3)
    return uniform_index(
        n,
        length,
        jax.random.randint(a, (), 0, n),
        jnp.argsort(jax.random.bits(b, (length + 1,))),
        jax.random.randint(c, (length,), 0, jnp.maximum(bin_sizes(n, length), 1)),
    )


def _uniform_np(n: int, length: int, start: int | None, rng: np.random.RandomState) -> np.ndarray:
    rng.rand()  # the share of the clip to use; always all of it, but the draw counts
    if n < length:
        first = rng.randint(n) if start is None else start
        return (first + np.arange(length)) % n
    if n < 2 * length:
        skip = np.zeros(length + 1, int)
        skip[rng.choice(length + 1, n - length, replace=False)] = 1
        return np.arange(length) + np.cumsum(skip)[:-1]
    edge = np.arange(length + 1) * n // length
    return edge[:-1] + rng.randint(np.diff(edge))


def uniform_train_np(n: int, length: int, rng: np.random.RandomState) -> np.ndarray:
    """(L,) frames by the training rule, drawn as PYSKL draws them (legacy generator)."""
    return _uniform_np(n, length, None, rng)


def uniform_test_np(n: int, length: int, clips: int = 1, seed: int = 255) -> np.ndarray:
    """(clips, L) int32 frames of PYSKL's test rule; the seed is reset for every sample."""
    rng = np.random.RandomState(seed)
    starts = [i if n < clips else i * n // clips for i in range(clips)]
    return np.stack([_uniform_np(n, length, s, rng) for s in starts]).astype(np.int32)


# Drawn frames: NW-UCLA.


def multiset_draw(key, n, length: int, copies: int = 100):
    """(L,) int32 sorted frames: L draws without replacement from `copies` copies of range(n).

    Floyd's algorithm: of the subsets of N numbers each of size L is equally likely, in L steps.
    """
    total = copies * n
    last = total - length + jnp.arange(length)  # j of Floyd's loop
    draws = jax.random.randint(key, (length,), 0, last + 1)

    def step(j, chosen):
        taken = (chosen == draws[j]).any()
        return chosen.at[j].set(jnp.where(taken, last[j], draws[j]))

    chosen = jax.lax.fori_loop(0, length, step, jnp.full((length,), -1, last.dtype))
    return jnp.sort(chosen // copies).astype(jnp.int32)


def linspace_np(n: int, length: int) -> np.ndarray:
    """(L,) int32 frames trunc(linspace(0, n-1, L)), in float64 as the original."""
    return np.linspace(0, n - 1, length).astype(np.int32)


# Contrastive methods; PYSKL's temporal augmentations.


def window_start(n, size: int):
    """First frame of the central window of `size` frames; 0 where the clip is shorter."""
    return jnp.maximum(n - size, 0) // 2


def mirrored_crop_index(n, start, length: int, ratio: int = 6):
    """Padded temporal crop: n // ratio frames mirrored at both ends, n frames from `start`.

    Args:
      start: (), in [0, 2 * (n // ratio)].
      length: frames of the array, >= n.

    Returns:
      (length,) int32 frames; those from n on are not meant to be used.
    """
    t = jnp.arange(length) + start - n // ratio
    t = jnp.where(t < 0, -1 - t, t)
    return jnp.clip(jnp.where(t >= n, 2 * n - 1 - t, t), 0, length - 1).astype(jnp.int32)


def shift_index(n, shift, length: int):
    """(length,) frames of the cyclic shift: the clip starts at frame `shift`."""
    return ((jnp.arange(length) + shift) % n).astype(jnp.int32)


def reverse_index(n, length: int):
    """(length,) frames of the reversed clip; those from n on stay where they are."""
    t = jnp.arange(length)
    return jnp.where(t < n, n - 1 - t, t)
