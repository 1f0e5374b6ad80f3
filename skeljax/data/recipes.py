"""Recipes: ordered steps from the stored frames to the network's input, run under jit."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from skeljax.data.sources import CropResize, UniformSample, Whole
from skeljax.data.steps import (
    BoneScale,
    Centre,
    DrawFrames,
    MinMax,
    RandomRotation,
    RandomScale,
    Resize,
    Shear,
    SpatialFlip,
    TemporalCrop,
    TemporalFlip,
    ToStream,
    ViewRotation,
    Window,
)
from skeljax.data.streams import Stream
from skeljax.errors import check_number
from skeljax.layouts import Layout

Recipe = tuple  # a source, then steps; one of them ToStream


def device_data(store, *recipes: Recipe, sharding=None) -> dict:
    """What `render` needs of a store, on the device.

    Args:
      recipes: all that will be rendered from it; each source has the host make its tables.
      sharding: where to put it (replicated over a mesh); default device if None.

    Returns:
      dict of arrays: frames (F,M,V,C), offset, length, label (N,), tables.
    """
    data = {name: getattr(store, name) for name in ("frames", "offset", "length", "label")}
    data["tables"] = {repr(source): source.tables(store) for source, *_ in recipes}
    return jax.device_put(data, sharding)


def num_clips(recipe: Recipe) -> int:
    """How many clips of one recording the recipe can give (test-time averaging)."""
    return max(1, getattr(recipe[0], "clips", 1))


def render(recipe: Recipe, data: dict, index, key, stream: Stream, clip=0):
    """Network input for a batch. Run it under jit with `data` an argument, never closed over.

    Args:
      data: of `device_data(store, recipe)`.
      index: (N,) int32 clips.
      key: one typed PRNG key for the step. Each clip's draws come from the key folded with its
        position in the global batch: the number of devices does not change them.
      stream: of `streams.stream`; traced, so vmap over several.
      clip: () which of the recipe's `num_clips`.

    Returns:
      (N,M,T,V,C) float32
    """
    source, *steps = recipe
    table = data["tables"][repr(source)]

    def one(i, position):
        keys = jax.random.split(jax.random.fold_in(key, position), len(recipe))
        view = source(keys[0], data, table, i, clip)
        for k, step in zip(keys[1:], steps, strict=True):
            view = step(stream if isinstance(step, ToStream) else k, view)
        return view.x

    return jax.vmap(one)(index, jnp.arange(index.shape[0]))


# Named recipes: layout and options -> (train, test). `test` draws nothing at random.


def ctrgcn_ntu(
    layout: Layout,
    window: int = 64,
    rotation: float = 0.3,
    bone_scale: bool = False,
) -> tuple[Recipe, Recipe]:
    """CTR-GCN and LST on NTU; FR-Head with bone_scale=True.

    Args:
      window: frames the network sees.
      rotation: largest angle about each axis, radians.
      bone_scale: change bone lengths by up to a fifth, left and right alike.
    """
    dims = layout.dims
    scale = (BoneScale(layout),) if bone_scale else ()
    train = (CropResize(window), RandomRotation(rotation, dims), *scale, ToStream(dims))
    return train, (CropResize(window, (0.95,)), ToStream(dims))


def ucla(
    layout: Layout, frames: int = 52, degrees: int = 60, reverse: float = 0.0
) -> tuple[Recipe, Recipe]:
    """CTR-GCN, FR-Head and LST on NW-UCLA; their random scale is undone by min-max: left out.

    Args:
      frames: frames the network sees.
      degrees: largest turn of the view about x and y; in the plane for 2-D skeletons.
      reverse: chance that a clip runs backwards, for BRL.
    """
    dims = layout.dims
    flat = RandomRotation(math.radians(degrees), dims)
    turn = ViewRotation(degrees) if dims == 3 else flat
    whole = (Whole(), Centre(layout.centre_on, dims))
    drawn = (DrawFrames(frames), *_reversal(reverse), ToStream(dims))
    train = (*whole, turn, MinMax(dims), *drawn)
    return train, (*whole, MinMax(dims), DrawFrames(frames, random=False), ToStream(dims))


def pyskl(
    layout: Layout, length: int = 100, test_clips: int = 10, flip: float = 0.0
) -> tuple[Recipe, Recipe]:
    """Plain PYSKL-type training, as BRL's baselines: no augmentation but the sampling.

    Args:
      length: frames the network sees.
      test_clips: clips of one recording whose scores are averaged in a test.
      flip: chance of the mirror image, left for right and x for -x; 0.5 on Kinetics. The origin is
        to be in the middle of the image: prenorm2d.
    """
    to_stream = ToStream(layout.dims)
    mirror = (SpatialFlip(layout, flip, mirror_x=True),) if flip else ()
    train = (UniformSample(length), *mirror, to_stream)
    return train, (UniformSample(length, test_clips), to_stream)


def brl(
    layout: Layout,
    length: int = 64,
    scale: float = 0.1,
    rotation: float = 0.3,
    flip: float = 0.5,
    mirror: bool = False,
    reverse: float = 0.0,
    test_clips: int = 10,
) -> tuple[Recipe, Recipe]:
    """BRL. Skeletons are expected in the coordinates of prenorm3d.

    Args:
      length: frames the network sees.
      scale: largest relative change of each axis.
      rotation: largest angle about each axis, radians.
      flip: chance that left and right joints are swapped.
      mirror: mirror the x axis with that too; off for NTU, on for Kinetics, as published.
      reverse: chance that a clip runs backwards; in the paper, off in every public config.
      test_clips: clips of one recording whose scores are averaged in a test.
    """
    dims = layout.dims
    train = (
        UniformSample(length, reverse=reverse),
        RandomScale(scale, dims),
        RandomRotation(rotation, dims),
        SpatialFlip(layout, flip, mirror),
        ToStream(dims),
    )
    return train, (UniformSample(length, test_clips), ToStream(dims))


def contrastive(
    layout: Layout,
    frames: int = 0,
    amplitude: float = 0.5,
    ratio: int = 6,
    window: int = 0,
    more_frames: tuple[int, ...] = (),
) -> tuple[Recipe | dict[str, Recipe], Recipe]:
    """Pretraining of SkeletonCLR and SkeleMixCLR: padded crop, then shear.

    Skeletons are expected as contrastive64 or contrastive50 prepares them.

    Args:
      frames: frames the network sees, the clip resized to them; 0 = as stored.
      amplitude: largest shear; 0 or less = none, as in linear evaluation.
      ratio: clip length over the frames mirrored at either end; 0 or less = no crop.
      window: first cut that many frames out, from a random start (test: the middle); 0 = none.
      more_frames: lengths of further query crops, the views query1, query2 ...

    Raises:
      ConfigError: a negative length.
    """
    for field, length in (("frames", frames), ("window", window)):
        check_number(f"recipe.{field}", length, length >= 0, "0 or more")
    check_number("recipe.more_frames", more_frames, min(more_frames, default=1) > 0, "1 or more")
    dims = layout.dims
    crop = (TemporalCrop(ratio),) if ratio > 0 else ()
    shear = (Shear(amplitude, dims),) if amplitude > 0 else ()
    cut, middle = ((Window(window),), (Window(window, random=False),)) if window else ((), ())

    def resized(frames: int) -> tuple:
        return (Resize(frames),) if frames else ()

    def train(frames: int) -> Recipe:
        return (Whole(), *cut, *resized(frames), *crop, *shear, ToStream(dims))

    further = {f"query{i}": train(n) for i, n in enumerate(more_frames, 1)}
    views = {"query": train(frames), **further} if further else train(frames)
    return views, (Whole(), *middle, *resized(frames), ToStream(dims))


def generic(
    layout: Layout,
    window: int = 64,
    rotation: float = 0.3,
    scale: float = 0.1,
    reverse: float = 0.0,
) -> tuple[Recipe, Recipe]:
    """For one's own data, 2-D or 3-D; left and right are kept apart.

    Args:
      window: frames the network sees.
      rotation: largest angle about each axis (in the plane for 2-D), radians.
      scale: largest relative change of each axis.
      reverse: chance that a clip runs backwards, for BRL.
    """
    dims = layout.dims
    train = (
        CropResize(window),
        *_reversal(reverse),
        RandomRotation(rotation, dims),
        RandomScale(scale, dims),
        ToStream(dims),
    )
    return train, (CropResize(window, (0.95,)), ToStream(dims))


def _reversal(chance: float) -> Recipe:
    return (TemporalFlip(chance),) if chance else ()


RECIPES = {
    "brl": brl,
    "contrastive": contrastive,
    "ctrgcn_ntu": ctrgcn_ntu,
    "generic": generic,
    "pyskl": pyskl,
    "ucla": ucla,
}
