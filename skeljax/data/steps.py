"""Steps of a recipe after its source: `step(key, view) -> view`, with fresh draws from the key.

Constants of the skeleton are given at construction; `dims` of the C channels are coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from skeljax.data import augment, sample
from skeljax.data.sources import View
from skeljax.data.streams import apply_stream, next_frames
from skeljax.layouts import Layout

# Steps over frames.


@dataclass(frozen=True)
class DrawFrames:
    """`length` of the valid frames: sorted random draws, or evenly spread (NW-UCLA)."""

    length: int = 52
    random: bool = True

    def __call__(self, key, view) -> View:
        n = view.mask.sum()
        if self.random:
            index = sample.multiset_draw(key, n, self.length)
        else:
            every = range(1, view.mask.shape[0] + 1)
            index = jnp.asarray(np.stack([sample.linspace_np(m, self.length) for m in every]))[
                n - 1
            ]
        return view.renew(view.x[:, index], jnp.ones(self.length, bool))


@dataclass(frozen=True)
class Window:
    """`size` neighbouring frames from a random start or the middle; shorter clips are padded."""

    size: int
    random: bool = True

    def __call__(self, key, view) -> View:
        n = view.mask.sum()
        if self.random:
            start = jax.random.randint(key, (), 0, jnp.maximum(n - self.size, 0) + 1)
        else:
            start = sample.window_start(n, self.size)
        t = jnp.arange(self.size) + start
        mask = t < n
        x = view.x[:, jnp.minimum(t, n - 1)] * mask[None, :, None, None]
        return view.renew(x, mask)


@dataclass(frozen=True)
class Resize:
    """The valid frames resized linearly to `length`."""

    length: int

    def __call__(self, key, view) -> View:
        x = sample.resize(view.x, 0, view.mask.sum(), self.length)
        return view.renew(x, jnp.ones(self.length, bool))


@dataclass(frozen=True)
class TemporalCrop:
    """Mirrors T // ratio frames at both ends and takes T frames from a random start."""

    ratio: int = 6

    def __call__(self, key, view) -> View:
        n = view.mask.sum()
        start = jax.random.randint(key, (), 0, 2 * (n // self.ratio) + 1)
        index = sample.mirrored_crop_index(n, start, view.mask.shape[0], self.ratio)
        return view.renew(view.x[:, index] * view.mask[None, :, None, None], view.mask)


@dataclass(frozen=True)
class TemporalFlip:
    """Runs the clip backwards with chance p."""

    p: float = 0.5

    def __call__(self, key, view) -> View:
        index = sample.reverse_index(view.mask.sum(), view.mask.shape[0])
        turned = jax.random.bernoulli(key, self.p)
        return view.renew(jnp.where(turned, view.x[:, index], view.x), view.mask)


@dataclass(frozen=True)
class TemporalShift:
    """Turns the clip round by a random number of frames."""

    def __call__(self, key, view) -> View:
        n, frames = view.mask.sum(), view.mask.shape[0]
        index = sample.shift_index(n, jax.random.randint(key, (), 0, n), frames)
        return view.renew(view.x[:, index] * view.mask[None, :, None, None], view.mask)


# Steps over coordinates.


@dataclass(frozen=True)
class Centre:
    """Puts a joint of the first body and frame in the origin."""

    joint: int
    dims: int = 3

    def __call__(self, key, view) -> View:
        return view.map(lambda x: augment.centre(x, self.joint, self.dims))


@dataclass(frozen=True)
class RandomRotation:
    """Rotation by angles uniform in +-angle radians, one triple (plane: one angle) a clip."""

    angle: float = 0.3
    dims: int = 3

    def __call__(self, key, view) -> View:
        shape = (3,) if self.dims == 3 else ()
        angles = jax.random.uniform(key, shape, minval=-self.angle, maxval=self.angle)
        return view.map(lambda x: augment.linear(x, augment.rotation(angles)))


@dataclass(frozen=True)
class ViewRotation:
    """NW-UCLA's change of view: whole degrees in +-degrees about x and y."""

    degrees: int = 60

    def __call__(self, key, view) -> View:
        x, y = jax.random.randint(key, (2,), -self.degrees, self.degrees + 1).astype(jnp.float32)
        return view.map(lambda points: augment.linear(points, augment.view_rotation(x, y)))


@dataclass(frozen=True)
class RandomScale:
    """Factor 1 + U(-amount, amount) for each axis."""

    amount: float = 0.1
    dims: int = 3

    def __call__(self, key, view) -> View:
        change = jax.random.uniform(key, (self.dims,), minval=-self.amount, maxval=self.amount)
        return view.map(lambda x: augment.linear(x, jnp.diag(1 + change)))


@dataclass(frozen=True)
class Shear:
    """Shear by draws uniform in +-amplitude."""

    amplitude: float = 0.5
    dims: int = 3

    def __call__(self, key, view) -> View:
        draws = jax.random.uniform(
            key, (self.dims * (self.dims - 1),), minval=-self.amplitude, maxval=self.amplitude
        )
        return view.map(lambda x: augment.linear(x, augment.shear_matrix(draws)))


@dataclass(frozen=True)
class BoneScale:
    """Bone lengths times 1 + U(-amount, amount), left = right (FR-Head)."""

    layout: Layout
    amount: float = 0.2

    def __call__(self, key, view) -> View:
        parents, path = augment.bone_tree(self.layout)
        change = jax.random.uniform(
            key, (self.layout.num_joints,), minval=-self.amount, maxval=self.amount
        )
        factor = augment.symmetric(1 + change, self.layout.mirror)
        return view.map(lambda x: augment.bone_scale(x, factor, parents, path, self.layout.dims))


@dataclass(frozen=True)
class SpatialFlip:
    """Swaps left and right joints with chance p; mirrors the x axis too if asked.

    The published recipes of PYSKL and BRL swap the joints only.
    """

    layout: Layout
    p: float = 0.5
    mirror_x: bool = False

    def __call__(self, key, view) -> View:
        turned = jax.random.bernoulli(key, self.p)
        flip = augment.spatial_flip
        return view.map(lambda x: jnp.where(turned, flip(x, self.layout.mirror, self.mirror_x), x))


@dataclass(frozen=True)
class AxisMask:
    """Sets a random coordinate axis to zero with chance p (PYSKL)."""

    p: float = 0.2
    dims: int = 3

    def __call__(self, key, view) -> View:
        chance_key, axis_key = jax.random.split(key)
        masked = jax.random.bernoulli(chance_key, self.p)
        axis = jax.random.randint(axis_key, (), 0, self.dims)
        return view.map(lambda x: jnp.where(masked, augment.mask_axis(x, axis), x))


@dataclass(frozen=True)
class PartDrop:
    """Sets the left or the right limbs to zero with chance p (PYSKL)."""

    layout: Layout
    p: float = 0.5

    def __call__(self, key, view) -> View:
        chance_key, side_key = jax.random.split(key)
        dropped = jax.random.bernoulli(chance_key, self.p)
        keep = jnp.asarray(augment.side_masks(self.layout))[
            jax.random.bernoulli(side_key).astype(jnp.int32)
        ]
        return view.map(lambda x: jnp.where(dropped, augment.drop_joints(x, keep), x))


@dataclass(frozen=True)
class MinMax:
    """Each axis to [-1,1] over all valid frames of the bodies that are there (NW-UCLA)."""

    dims: int = 3

    def __call__(self, key, view) -> View:
        valid = augment.present(view.x) & view.mask[None, :]
        return view.renew(augment.min_max(view.x, valid, self.dims), view.mask)


@dataclass(frozen=True)
class ToStream:
    """Where in the recipe the stream is taken. The stream itself is an argument of `render`."""

    dims: int = 3

    def __call__(self, stream, view) -> View:
        after, has_next = view.after, view.has_next
        if after is None:
            after, has_next = next_frames(view.x, view.mask)
        return View(apply_stream(view.x, after, has_next, stream, self.dims), view.mask)
