"""Adjacency stacks of a Layout, in plain NumPy.

All matrices keep one convention: ``A[i, j] = 1`` says that joint i and column j are connected, and
columns are normalised. Inward edges run from child to parent and stand at ``A[parent, child]``.
What a model does with them differs: ST-GCN and all PYSKL models sum over the row (``x_v A[v, w]``,
the column is the output), CTR-GCN's authors over the column (``A[u, v] x_v``, the row is).
"""

from __future__ import annotations

import itertools

import numpy as np

from skeljax.errors import ConfigError
from skeljax.layouts import Layout


def spatial(layout: Layout) -> np.ndarray:
    """(3, V, V): self, inward, outward; float32, columns sum to 1 (or 0 where a joint has none)."""
    inward = _inward(layout)
    stack = [np.eye(layout.num_joints), _normalise(inward), _normalise(inward.T)]
    return np.stack(stack).astype(np.float32)


def binary_adj(layout: Layout) -> np.ndarray:
    """(1, V, V): 0/1, undirected, without self loops."""
    return _undirected(layout)[None].astype(np.float32)


def hop_distance(layout: Layout, max_hop: int) -> np.ndarray:
    """(V, V) float: bones between two joints; inf beyond `max_hop`."""
    reach = np.eye(layout.num_joints) + _undirected(layout)
    distance = np.full(reach.shape, np.inf)
    for hop in range(max_hop, -1, -1):
        distance[np.linalg.matrix_power(reach, hop) > 0] = hop
    return distance


def stgcn_spatial(layout: Layout, max_hop: int = 1) -> np.ndarray:
    """(2 * max_hop + 1, V, V): ST-GCN's partition by hop and by distance to the centre.

    For every hop d the pairs (j, i) at that distance: first those with j at least as far from the
    centre as i, then (d > 0) the nearer ones. As in the reference, joints further than `max_hop`
    from the centre count as equally far.
    """
    hop = hop_distance(layout, max_hop)
    near = _normalise((hop <= max_hop).astype(float))
    far_row, far_column = hop[:, layout.centre][:, None], hop[:, layout.centre][None, :]
    stack = [near * (hop == 0)]
    for d in range(1, max_hop + 1):
        stack += [near * (hop == d) * (far_row >= far_column)]
        stack += [near * (hop == d) * (far_row < far_column)]
    return np.stack(stack).astype(np.float32)


def ms_scales(layout: Layout, num_scales: int, window: int = 1) -> np.ndarray:
    """(num_scales, W V, W V): MS-G3D's disentangled scales over a window of W frames.

    Scale k holds the pairs exactly k hops apart, plus self loops. For W > 1 the graph is A + I
    tiled W x W (every joint sees itself and its neighbours in all frames of the window).
    """
    graph = _undirected(layout)
    if window > 1:
        graph = np.tile(graph + np.eye(len(graph)), (window, window))
    identity = np.eye(len(graph))
    within = [np.linalg.matrix_power(graph + identity, k) > 0 for k in range(num_scales)]
    scales = [identity]
    for smaller, larger in itertools.pairwise(within):
        scales.append(larger.astype(float) - smaller + identity)
    return np.stack([_normalise(scale) for scale in scales]).astype(np.float32)


def outward_binary(layout: Layout, root: int | None = None, *, transposed: bool = False):
    """(V, V): B of InfoGCN's and LST's modality matrices I - B^k; B[child, parent] = 1.

    Args:
      root: joint that the tree is hung from; ``layout.centre`` by default. The public code takes
        the middle of the spine for NTU (joint 1 of ``ntu25``, whose centre is joint 20).
      transposed: B[parent, child] = 1, the slip of the public NW-UCLA code.
    """
    root = layout.centre if root is None else root
    neighbours = _undirected(layout)
    matrix = np.zeros_like(neighbours, dtype=np.float32)
    reached, front = {root}, [root]
    while front:
        parent = front.pop()
        for child in set(np.flatnonzero(neighbours[parent])) - reached:
            matrix[child, parent] = 1
            reached.add(child)
            front.append(child)
    return matrix.T if transposed else matrix


# 0-based joints by their distance from a centre of mass, where HD-GCN does not take the bones' own:
# on Kinect v2 it puts the finger tips beside the hands' or the thumbs' level.
_HIERARCHIES = {
    0: ((0,), (1, 12, 16), (13, 17, 20), (2, 4, 8, 14, 18), (3, 5, 9, 15, 19), (6, 10),
        (7, 11, 21, 22, 23, 24)),
    1: ((1,), (0, 20), (2, 4, 8, 12, 16), (3, 5, 9, 13, 17), (6, 10, 14, 18), (7, 11, 15, 19),
        (21, 22, 23, 24)),
    20: ((20,), (1, 2, 4, 8), (0, 3, 5, 9), (6, 10, 12, 16), (7, 11, 13, 17),
         (14, 18, 21, 22, 23, 24), (15, 19)),
}  # fmt: skip


def hierarchy(layout: Layout, centre: int) -> tuple[tuple[int, ...], ...]:
    """Joints by their distance from `centre`, nearest first: HD-GCN's groups.

    Raises:
      ConfigError: a joint is not connected to the centre.
    """
    if layout.name in ("ntu25", "ntu25_pyskl") and centre in _HIERARCHIES:
        return _HIERARCHIES[centre]
    distance = hop_distance(layout, layout.num_joints - 1)[centre]
    if np.isinf(distance).any():
        apart = [layout.joints[v] for v in np.flatnonzero(np.isinf(distance))]
        raise ConfigError(
            "a hierarchy of joints needs one connected skeleton",
            where=f"layout {layout.name}",
            found=f"no way from {layout.joints[centre]} to {', '.join(apart)}",
            do="connect them by 'edges' in the layout",
        )
    levels = range(int(distance.max()) + 1)
    return tuple(tuple(map(int, np.flatnonzero(distance == d))) for d in levels)


def hierarchical(groups, num_joints: int) -> np.ndarray:
    """(L, 3, V, V): HD-GCN's graphs, L one less than the groups.

    Level l joins groups l and l + 1 completely: self, forward ``A[further, nearer]`` and reverse
    ``A[nearer, further]``. The row is the output; columns sum to 1, or 0 where a joint has none.
    """
    stack = np.zeros((len(groups) - 1, 3, num_joints, num_joints))
    for (own, forward, reverse), nearer, further in zip(stack, groups, groups[1:]):
        both = [*nearer, *further]
        own[both, both] = 1
        forward[np.ix_(further, nearer)] = 1 / len(further)
        reverse[np.ix_(nearer, further)] = 1 / len(nearer)
    return stack.astype(np.float32)


def _inward(layout):
    matrix = np.zeros((layout.num_joints, layout.num_joints))
    for child, parent in layout.edges:
        matrix[parent, child] = 1
    return matrix


def _undirected(layout):
    inward = _inward(layout)
    return inward + inward.T


def _normalise(matrix):
    total = matrix.sum(0, keepdims=True)
    return matrix / np.where(total == 0, 1, total)
