"""View, one clip on its way to the network, and the sources: a recipe's first step, which takes a
clip out of the store.

A source has `tables(store)`, what the host prepares for it (a dict of arrays, device-resident), and
`__call__(key, data, table, i, clip) -> View`: clip number `i` of the store; `clip` counts the test
clips of one recording.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from skeljax.data import sample
from skeljax.errors import ConfigError


class View(NamedTuple):
    """One clip on its way.

    Attributes:
      x: (M,T,V,C) float32.
      mask: (T,) bool, valid frames; they come first.
      after, has_next: (M,T,V,C) and (T,) for recipes whose motion lies between neighbouring
        original frames (PYSKL): the original frame after each drawn one, and whether there is
        one. None where motion lies between neighbours in x.
    """

    x: jax.Array
    mask: jax.Array
    after: jax.Array | None = None
    has_next: jax.Array | None = None

    def map(self, change: Callable) -> View:
        """The same change of coordinates to every frame."""
        after = None if self.after is None else change(self.after)
        return self._replace(x=change(self.x), after=after)

    def renew(self, x, mask) -> View:
        """Other frames; only where motion lies between neighbours in x."""
        if self.after is not None:
            raise ConfigError(
                "frames are already drawn with their original neighbours",
                do="drop this step, or start the recipe with Whole or CropResize",
            )
        return View(x, mask)


def _frames(data, index):
    """Frames of the flat store as (M,T,V,C) float32."""
    return jnp.moveaxis(data["frames"][index].astype(jnp.float32), 1, 0)


@dataclass(frozen=True)
class Whole:
    """The whole clip, padded with zeros to `frames` (default: the longest of the store).

    loop: repeat the clip instead of padding.
    """

    frames: int | None = None
    loop: bool = False

    def tables(self, store) -> dict[str, np.ndarray]:
        longest = int(store.length.max())
        frames = self.frames or longest
        if frames < longest:
            raise ConfigError("a clip is longer than the recipe", found=longest, expected=frames)
        return {"frame": np.arange(frames, dtype=np.int32)}

    def __call__(self, key, data, table, i, clip) -> View:
        t, n = table["frame"], data["length"][i]
        index = t % n if self.loop else jnp.minimum(t, n - 1)
        mask = jnp.ones_like(t, bool) if self.loop else t < n
        x = _frames(data, data["offset"][i] + index)
        return View(x * mask[None, :, None, None], mask)


@dataclass(frozen=True)
class CropResize:
    """A contiguous crop, resized linearly to `window` frames (CTR-GCN, FR-Head, LST on NTU).

    p: (low, high) share of the clip, drawn uniformly (training); (p,) the central share (test).
    """

    window: int = 64
    p: tuple[float, ...] = (0.5, 1.0)

    def tables(self, store) -> dict[str, np.ndarray]:
        if len(self.p) == 2:
            return {}
        return {"start": sample.centre_crop_start_np(store.length, self.p[0])}

    def __call__(self, key, data, table, i, clip) -> View:
        n = data["length"][i]
        if table:
            start = table["start"][i]
            length = n - 2 * start
        else:
            ratio_key, start_key = jax.random.split(key)
            ratio = jax.random.uniform(ratio_key, minval=self.p[0], maxval=self.p[1])
            length = sample.crop_length(n, ratio, self.window)
            start = jax.random.randint(start_key, (), 0, n - length + 1)
        low, high, weight = sample.resize_index(data["offset"][i] + start, length, self.window)
        weight = weight[None, :, None, None]
        x = _frames(data, low) * (1 - weight) + _frames(data, high) * weight
        return View(x, jnp.ones(self.window, bool))


@dataclass(frozen=True)
class UniformSample:
    """`length` frames spread over the clip (PYSKL, BRL), with their original neighbours.

    clips: how many test clips there are; 0 for the random draw of training.
    reverse: chance that a training clip runs backwards.
    """

    length: int = 64
    clips: int = 0
    reverse: float = 0.0

    def tables(self, store) -> dict[str, np.ndarray]:
        if not self.clips:
            return {}
        lengths, row = np.unique(store.length, return_inverse=True)
        index = [sample.uniform_test_np(int(n), self.length, self.clips) for n in lengths]
        return {"row": row.astype(np.int32), "index": np.stack(index)}

    def __call__(self, key, data, table, i, clip) -> View:
        n, ahead = data["length"][i], 1
        if table:
            index = table["index"][table["row"][i], clip]
        else:
            draw_key, reverse_key = jax.random.split(key)
            index = sample.uniform_draw(draw_key, n, self.length)
            backwards = jax.random.bernoulli(reverse_key, self.reverse)
            index, ahead = jnp.where(backwards, n - 1 - index, index), jnp.where(backwards, -1, 1)
        following = index + ahead
        has_next = (following >= 0) & (following < n)
        offset = data["offset"][i]
        return View(
            _frames(data, offset + index),
            jnp.ones(self.length, bool),
            _frames(data, offset + jnp.where(has_next, following, index)),
            has_next,
        )
