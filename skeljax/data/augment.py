"""Changes of the coordinates of a clip, with the random draws given. x is (..., V, C).

Only the first D of the C channels are coordinates (D = 2 or 3); a confidence channel behind them
is left alone. An absent body is all zeros and stays so.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np

from skeljax.layouts import Layout


def linear(x, matrix):
    """matrix (D,D) @ every point of x (..., V, C); channels from D on pass unchanged.

    Written out by columns, not as a product of matrices: it fuses with its neighbours (a quarter
    of the time on a CPU) and never runs in TF32 or bfloat16, which would move joints visibly.
    """
    dims = matrix.shape[0]
    columns = jnp.reshape(matrix.T, (dims,) + (1,) * (x.ndim - 1) + (dims,))
    moved = sum(columns[j] * x[..., j : j + 1] for j in range(dims))
    return moved if x.shape[-1] == dims else jnp.concatenate([moved, x[..., dims:]], axis=-1)


def rotation(angles):
    """Rotation matrix for `linear`.

    Args:
      angles: (3,) radians about x, y, z: Rz Ry Rx with the sign convention that CTR-GCN and PYSKL
        share (Rx = [[1,0,0],[0,c,s],[0,-s,c]] and so on); or () in the plane, the Rz of it.
    """
    angles = jnp.asarray(angles)
    if angles.ndim == 0:
        c, s = jnp.cos(angles), jnp.sin(angles)
        return jnp.array([[c, -s], [s, c]])
    (cx, cy, cz), (sx, sy, sz) = jnp.cos(angles), jnp.sin(angles)
    zero, one = jnp.zeros_like(cx), jnp.ones_like(cx)
    rx = jnp.array([[one, zero, zero], [zero, cx, sx], [zero, -sx, cx]])
    ry = jnp.array([[cy, zero, -sy], [zero, one, zero], [sy, zero, cy]])
    rz = jnp.array([[cz, sz, zero], [-sz, cz, zero], [zero, zero, one]])
    product = functools.partial(jnp.matmul, precision="highest")
    return product(product(rz, ry), rx)


def view_rotation(degrees_x, degrees_y):
    """(3,3) for `linear`: NW-UCLA's change of view, x := x Ry Rx in row vectors."""
    angles = jnp.stack([degrees_x, degrees_y, jnp.zeros_like(degrees_x)]) * (jnp.pi / 180)
    return rotation(angles).T


def shear_matrix(draws):
    """(D,D) for `linear` from six draws (3-D, order a1 a2 a3 b1 b2 b3) or two (plane)."""
    one = jnp.ones_like(draws[0])
    if draws.shape[0] == 2:
        return jnp.array([[one, draws[0]], [draws[1], one]])
    a1, a2, a3, b1, b2, b3 = draws
    return jnp.array([[one, a1, b1], [a2, one, b2], [a3, b3, one]])


def present(x):
    """(M,T) whether a body is there: x (M,T,V,C) is not all zero."""
    return (x != 0).any(axis=(2, 3))


def centre(x, joint: int, dims: int):
    """x (M,T,V,C) minus the given joint of body 0 in frame 0."""
    origin = jnp.zeros(x.shape[-1], x.dtype).at[:dims].set(x[0, 0, joint, :dims])
    moved = x - origin[None, None, None, :]
    return jnp.where(present(x)[:, :, None, None], moved, x)


def min_max(x, valid, dims: int):
    """Each coordinate axis of x (M,T,V,C) to [-1,1] over the bodies and frames valid (M,T).

    A constant axis becomes 0 (NaN in the original); what is not valid becomes 0.
    """
    valid = valid[:, :, None, None]
    low = jnp.min(x, axis=(0, 1, 2), keepdims=True, where=valid, initial=jnp.inf)
    high = jnp.max(x, axis=(0, 1, 2), keepdims=True, where=valid, initial=-jnp.inf)
    span = high - low
    y = jnp.where(span > 0, 2 * (x - low) / jnp.where(span > 0, span, 1) - 1, 0.0)
    is_coordinate = (jnp.arange(x.shape[-1]) < dims)[None, None, None, :]
    return jnp.where(valid, jnp.where(is_coordinate, y, x), 0.0)


def bone_tree(layout: Layout, root: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The skeleton hung up at joint `root`, as FR-Head's bone scaling does (NTU: spine base).

    Returns:
      parents (V,), a root being its own, and path (V,V): path[v,u] = 1 where the bone that ends
      in u lies between the root and v.
    """
    parents = np.array(layout.parents)
    v, above = root, root
    while parents[v] != v:  # turn the bones between the new root and the old one
        parents[v], v, above = above, parents[v], v
    parents[v] = above
    path = np.zeros((layout.num_joints,) * 2, np.float32)
    for joint in range(layout.num_joints):
        u = joint
        while parents[u] != u:
            path[joint, u] = 1
            u = parents[u]
    return parents, path


def bone_scale(x, factor, parents, path, dims: int):
    """Bone lengths of x (..., V, C) times factor (V,), factor[v] for the bone that ends in v.

    Args:
      parents, path: of `bone_tree`. Roots stay where they are.
    """
    points = x[..., :dims]
    bones = points - points[..., parents, :]
    norm = jnp.linalg.norm(bones, axis=-1, keepdims=True)
    shape = (1,) * (x.ndim - 2) + (-1, 1)
    change = bones * (jnp.reshape(factor, shape) * norm / (norm + 1e-8) - 1)
    moved = points + jnp.einsum("vu,...uc->...vc", path, change, precision="highest")
    return moved if x.shape[-1] == dims else jnp.concatenate([moved, x[..., dims:]], axis=-1)


def symmetric(values, mirror):
    """values (V,) with left and right joints averaged; mirror (V,) of the Layout."""
    return (values + values[mirror]) / 2


def spatial_flip(x, mirror, mirror_x: bool = False):
    """Left and right joints of x (..., V, C) swapped; about x = 0 if `mirror_x`.

    PYSKL's recipes swap the joints only.
    """
    x = jnp.asarray(x)[..., mirror, :]
    return x.at[..., 0].multiply(-1) if mirror_x else x


def mask_axis(x, axis):
    """Coordinate `axis` of x (..., C) set to zero."""
    keep = jnp.arange(x.shape[-1]) != axis
    return x * jnp.reshape(keep, (1,) * (x.ndim - 1) + (-1,))


def drop_joints(x, keep):
    """x (..., V, C) with the joints where keep (V,) is False set to zero."""
    return x * jnp.reshape(jnp.asarray(keep), (1,) * (x.ndim - 2) + (-1, 1))


def side_masks(layout: Layout) -> np.ndarray:
    """(2,V) bool for `drop_joints`: all but the left limbs, all but the right ones."""
    sides = np.ones((2, layout.num_joints), bool)
    for left, right in layout.pairs:
        sides[0, left] = sides[1, right] = False
    return sides
