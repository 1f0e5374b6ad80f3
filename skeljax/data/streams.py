"""Streams: what of a skeleton the network sees. A stream is data, so several train under vmap."""

from __future__ import annotations

import re
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from skeljax.data.augment import bone_tree
from skeljax.errors import choose
from skeljax.layouts import Layout

STREAMS = ("joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion")

_HOPS = {"joint": 0, "bone": 1, "skip": 2}
_CODES = {"j": "joint", "b": "bone", "k": "skip", "l": "ancestor3", "n": "ancestor4"}
# InfoGCN and LST hang NTU's skeleton up at the spine, not at the shoulders.
_INFOGCN_ROOT = {"ntu25": 1}
_INFOGCN_TRANSPOSED = {"ucla20"}


class Stream(NamedTuple):
    """One stream. Stacked leaves (a leading axis) make several.

    Attributes:
      matrix: (V,V) float32, coordinates y = matrix @ x over the joints.
      score: (V,V) float32, the same for the confidence: mean over the joints that are differenced.
      motion: () bool, take the time difference afterwards.
    """

    matrix: np.ndarray
    score: np.ndarray
    motion: np.ndarray


def stream(layout: Layout, name: str, published: bool = False) -> Stream:
    """A stream by name.

    Args:
      name: ``joint``, ``bone`` (joint minus parent), ``skip`` (minus grandparent),
        ``ancestor<k>`` (minus the joint k bones up), ``infogcn<k>`` (see `infogcn_matrix`),
        ``lst<k>`` (the same, always `published`), each also with ``_motion``; or PYSKL's codes
        j b k l n, jm bm km lm nm. Joints nearer to the root than the hops asked for give zero.
      published: reproduce two slips of public code: on NW-UCLA PYSKL's l and n equal k, and
        InfoGCN's and LST's matrix is transposed.

    Raises:
      ConfigError: unknown name.
    """
    base = name.removesuffix("_motion")
    motion = base != name
    if name in _CODES or (name.endswith("m") and name[:-1] in _CODES):
        base, motion = _CODES[name[0]], name.endswith("m")
    numbered = re.fullmatch(r"(ancestor|infogcn|lst)(\d+)", base)
    if numbered and numbered[1] != "ancestor":
        matrix = infogcn_matrix(layout, int(numbered[2]), published or numbered[1] == "lst")
    else:
        if numbered is None:
            choose("stream", base, [*_HOPS, *_CODES, "ancestor<k>", "infogcn<k>", "lst<k>"])
        hops = int(numbered[2]) if numbered else _HOPS[base]
        if published and layout.name == "ucla20":
            hops = min(hops, 2)
        eye = np.eye(layout.num_joints, dtype=np.float32)
        matrix = eye - eye[layout.ancestor(hops)] if hops else eye
    return Stream(matrix, _mean_rows(matrix), np.asarray(motion))


def _mean_rows(matrix: np.ndarray) -> np.ndarray:
    """Weights of the mean over the joints a row of `matrix` uses; an empty row keeps its own."""
    used = (matrix != 0).astype(np.float32)
    used = np.where(used.any(1, keepdims=True), used, np.eye(len(matrix), dtype=np.float32))
    return used / used.sum(1, keepdims=True)


def infogcn_matrix(layout: Layout, k: int, published: bool = False) -> np.ndarray:
    """(V,V) float32 I - B^k, B[child, parent] = 1 (InfoGCN, LST); k = 0 gives I (joints).

    Row v subtracts the k-th ancestor; joints nearer to the root keep their coordinates.

    Args:
      published: on NW-UCLA use the transposed B of the public code: a joint minus the sum of its
        descendants k bones down. Public LST and InfoGCN results rest on it.
    """
    parents = np.array(layout.parents)
    if layout.name in _INFOGCN_ROOT:
        parents, _ = bone_tree(layout, _INFOGCN_ROOT[layout.name])
    outward = np.eye(layout.num_joints, dtype=np.float32)[parents]
    outward[parents == np.arange(layout.num_joints)] = 0
    if published and layout.name in _INFOGCN_TRANSPOSED:
        outward = outward.T
    eye = np.eye(layout.num_joints, dtype=np.float32)
    return eye - np.linalg.matrix_power(outward, k) if k else eye


def next_frames(x, mask):
    """The frames after those of x (M,T,V,C), and (T,) bool whether there is a valid one."""
    return jnp.concatenate([x[:, 1:], x[:, -1:]], axis=1), jnp.append(mask[1:], False)


def apply_stream(x, after, has_next, stream: Stream, dims: int):
    """One clip as the stream sees it.

    Args:
      x: (M,T,V,C); channels from `dims` on are confidence.
      after, has_next: (M,T,V,C) and (T,), the frame that follows each frame of x and whether
        there is one (where not, motion is zero): `next_frames` or a View's own.

    Returns:
      (M,T,V,C)
    """

    def joints(values):
        def mix(matrix, part):
            return jnp.einsum("vu,mtuc->mtvc", matrix, part, precision="highest")

        return mix(stream.matrix, values[..., :dims]), mix(stream.score, values[..., dims:])

    (points, score), (points_after, score_after) = joints(x), joints(after)
    has_next = has_next[None, :, None, None]
    points = jnp.where(stream.motion, (points_after - points) * has_next, points)
    score = jnp.where(stream.motion, (score + score_after) / 2 * has_next, score)
    return jnp.concatenate([points, score], axis=-1)
