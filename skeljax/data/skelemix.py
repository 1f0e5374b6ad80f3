"""SkeleMix: body parts and a stretch of time of each clip of a batch, pasted from another clip.

One draw holds for the whole batch, so that one mask tells the pasted region from its context in
every feature map (Chen et al., "Contrastive Learning from Spatio-Temporal Mixed Skeleton Sequences
for Self-Supervised Skeleton-Based Action Recognition", 2022). All shapes are fixed: the draws are
masks, and one program serves every draw. Time is cut into slots, the frames of the feature map.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from skeljax.errors import ConfigError
from skeljax.layouts import Layout


class Mix(NamedTuple):
    """What a mix pastes; leading axes make several.

    Attributes:
      shift: () the partner of clip i is clip (i + shift) mod N.
      joints: (V,) bool, pasted joints.
      slots: (S,) bool, pasted slots of time.
    """

    shift: jax.Array
    joints: jax.Array
    slots: jax.Array

    @property
    def region(self) -> jax.Array:
        """(S, V) bool, where the feature map is pasted."""
        return self.slots[..., :, None] & self.joints[..., None, :]


def body_parts(layout: Layout) -> np.ndarray:
    """(P, V) bool: trunk, right arm, left arm, right leg, left leg.

    A limb is the longest chain of joints of one side in the upper or lower body, so that eyes and
    ears stay with the trunk; the two longest of one side (right, then left) where the layout does
    not say which joints are `upper`. A skeleton without sides falls apart at its root: the root and
    one part a branch (the fingers of a hand).
    """
    count = layout.num_joints
    if not layout.pairs:
        branch = np.asarray(layout.parents)
        path = [layout.ancestor(max(depth - 1, 0))[v] for v, depth in enumerate(layout.depth)]
        tops = [v for v in range(count) if layout.depth[v] == 1]
        root = np.asarray([branch[v] == v for v in range(count)])
        return np.stack([root, *(np.asarray(path) == top for top in tops)])
    halves = (layout.upper, layout.lower) if layout.upper else (range(count),)
    limbs = []
    for half in halves:
        for side in (1, 0):  # right, left
            joints = {pair[side] for pair in layout.pairs} & set(half)
            longest = sorted(_connected(joints, layout), key=len, reverse=True)
            limbs += longest[: 2 // len(halves)]
    masks = [np.isin(np.arange(count), list(limb)) for limb in limbs]
    return np.stack([~np.any(masks, axis=0), *masks])


def _connected(joints: set[int], layout: Layout) -> list[set[int]]:
    """The joints in groups that hang together."""
    groups: dict[int, set[int]] = {}
    for v in sorted(joints):
        top = v
        while layout.parents[top] in joints and layout.parents[top] != top:
            top = layout.parents[top]
        groups.setdefault(top, set()).add(v)
    return list(groups.values())


def check_swap(row: tuple, count: int) -> None:
    """Whether a row of config.method.swaps can be drawn from, and never pastes everything.

    Args:
      row: fewest and most parts (or joints), shortest and longest stretch in sixteenths of the
        clip, mixes, weight.
      count: parts (or joints) of the body.

    Raises:
      ConfigError: a range that is empty or takes all, or no mix.
    """
    expected = f"whole numbers 1 <= low <= high < {count} parts, 1 <= low <= high <= 16 sixteenths"
    good = len(row) == 6 and all(isinstance(n, int) for n in row[:5]) and row[4] >= 1
    good = good and 1 <= row[0] <= row[1] < count and 1 <= row[2] <= row[3] <= 16
    if not good:
        raise ConfigError(
            "a mix cannot be drawn",
            where="method.swaps",
            found=row,
            expected=f"{expected}, mixes, weight",
        )


def draw_slots(key, sixteenths: tuple[int, int], count: int):
    """(S,) bool: a stretch of uniform length and start among `count` slots.

    The range is of 16 slots, those of 64 frames at a stride of 4, and scales with the clip.
    """
    low, high = (min(max(round(n * count / 16), 1), count) for n in sixteenths)
    length_key, start_key = jax.random.split(key)
    length = jax.random.randint(length_key, (), low, high + 1)
    start = jax.random.randint(start_key, (), 0, count - length + 1)
    slot = jnp.arange(count)
    return (slot >= start) & (slot < start + length)


def draw_some(key, range_: tuple[int, int], count: int):
    """(count,) bool: uniformly many, from range_[0] to range_[1], each set equally likely."""
    number_key, rank_key = jax.random.split(key)
    number = jax.random.randint(number_key, (), range_[0], range_[1] + 1)
    rank = jnp.argsort(jnp.argsort(jax.random.bits(rank_key, (count,))))
    return rank < number


def draw_mix(key, parts, row: tuple, batch: int, slots: int) -> Mix:
    """One mix of a batch.

    Args:
      parts: (P, V) bool, what is chosen as a whole: `body_parts`, or single joints (the identity).
      row: of `check_swap`.
      batch: N.
      slots: S.
    """
    shift_key, part_key, slot_key = jax.random.split(key, 3)
    chosen = draw_some(part_key, row[:2], len(parts))
    return Mix(
        jax.random.randint(shift_key, (), 1, batch),
        (chosen[:, None] & jnp.asarray(parts)).any(0),
        draw_slots(slot_key, row[2:4], slots),
    )


def partner(x: jax.Array, shift) -> jax.Array:
    """Rows (i + shift) mod N of an (N, ...)."""
    return jnp.roll(x, -shift, axis=0)


def paste(x: jax.Array, mix: Mix, source: jax.Array) -> jax.Array:
    """x (N, M, T, V, C) with the region of `mix` from `source`, its partners, zeros or noise.

    Raises:
      ConfigError: T is no multiple of the slots.
    """
    frames, slots = x.shape[2], mix.slots.shape[0]
    if frames % slots:
        raise ConfigError(
            "the frames do not divide into the slots of the mix",
            where="recipe.frames",
            found=f"{frames} frames, {slots} frames of the feature map",
            do="take frames that the backbone's strides divide, such as 64",
        )
    region = jnp.repeat(mix.region, frames // slots, axis=0)
    return jnp.where(region[None, None, :, :, None], source, x)
