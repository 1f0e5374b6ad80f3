"""The vocabulary's layouts and array axes in ours."""

import dataclasses
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from skeljax.data.streams import Stream, apply_stream, next_frames, stream
from skeljax.layouts import Layout, get_layout

Name = Literal["nturgb+d", "nw_ucla", "coco", "openpose"]
Kinect = Literal["nturgb+d", "nw_ucla"]

CLASSIC = {"nturgb+d": "ntu25", "nw_ucla": "ucla20", "coco": "coco17", "openpose": "openpose18"}
PYSKL = CLASSIC | {"nturgb+d": "ntu25_pyskl"}


def classic(name: str) -> Layout:
    """Layout of the kinds that follow CTR-GCN, FR-Head, LST and the contrastive family."""
    return get_layout(CLASSIC[name])


def pyskl(name: str) -> Layout:
    """Layout of the kinds that follow PYSKL and BRL."""
    return get_layout(PYSKL[name])


def chain(num_joints: int, edges=None, centre: int = 0) -> Layout:
    """A layout of `num_joints` 3-D joints, each hanging from the one before; or by `edges`."""
    edges = [(v, v - 1) for v in range(1, num_joints)] if edges is None else edges
    parents = dict(map(tuple, edges))
    return dataclasses.replace(
        get_layout("ntu25"),
        name=f"chain{num_joints}",
        joints=tuple(f"joint{v}" for v in range(num_joints)),
        parents=tuple(parents.get(v, v) for v in range(num_joints)),
        edges=tuple(map(tuple, edges)),
        centre=centre,
        upper=(),
        parts=(),
        bone_parts=(),
    )


def ctvm(x) -> np.ndarray:
    """(M,T,V,C) -> (C,T,V,M), and back."""
    return np.transpose(x, (3, 1, 2, 0))


def to_streams(x, layout: Layout, names, published: bool = False) -> dict[str, np.ndarray]:
    """A whole clip x (M,T,V,C) as each of the streams sees it."""
    found = _streams(x, *map(np.stack, zip(*(stream(layout, n, published) for n in names))), layout)
    return dict(zip(names, found))


@partial(jax.jit, static_argnums=4)
def _streams(x, matrix, score, motion, layout):
    after, has_next = next_frames(x, jnp.ones(x.shape[1], bool))
    apply = jax.vmap(lambda *s: apply_stream(x, after, has_next, Stream(*s), layout.dims))
    return apply(matrix, score, motion)


def padded(x, frames: int = 300) -> np.ndarray:
    """(M,T,V,C) with empty frames up to a common T, so that clips of all lengths compile once."""
    return np.pad(x, ((0, 0), (0, max(frames - x.shape[1], 0)), (0, 0), (0, 0)))
