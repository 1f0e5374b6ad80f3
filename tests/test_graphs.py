"""Adjacency stacks against what they are meant to say, joint by joint."""

import collections

import numpy as np
import pytest

from skeljax.layouts import get_layout, layout_names
from skeljax.models import graphs

LAYOUTS = [get_layout(name) for name in layout_names()]
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)


def walk(layout, start):
    """{joint: bones from `start`}, by breadth-first search."""
    near = collections.defaultdict(list)
    for child, parent in layout.edges:
        near[child].append(parent)
        near[parent].append(child)
    found, queue = {start: 0}, collections.deque([start])
    while queue:
        joint = queue.popleft()
        for other in near[joint]:
            if other not in found:
                found[other] = found[joint] + 1
                queue.append(other)
    return found


@every_layout
def test_spatial_lists_the_edges(layout):
    own, inward, outward = graphs.spatial(layout)
    np.testing.assert_array_equal(own, np.eye(layout.num_joints))
    assert {(child, parent) for parent, child in np.argwhere(inward)} == set(layout.edges)
    assert {(child, parent) for child, parent in np.argwhere(outward)} == set(layout.edges)
    for matrix in (inward, outward):
        total = matrix.sum(0)
        np.testing.assert_allclose(total[total > 0], 1, rtol=1e-6)


def test_the_two_ntu_graphs_differ_at_the_hand_tips_only():
    ours, pyskl = (graphs.binary_adj(get_layout(name))[0] for name in ("ntu25", "ntu25_pyskl"))
    changed = {tuple(sorted(pair)) for pair in np.argwhere(ours != pyskl)}
    assert changed == {(7, 21), (21, 22), (11, 23), (23, 24)}


@every_layout
@pytest.mark.parametrize("max_hop", [1, 3])
def test_hop_distance_is_the_number_of_bones(layout, max_hop):
    distance = graphs.hop_distance(layout, max_hop)
    for v in range(layout.num_joints):
        steps = walk(layout, v)
        want = [steps.get(w, np.inf) for w in range(layout.num_joints)]
        np.testing.assert_array_equal(distance[v], np.where(np.array(want) > max_hop, np.inf, want))


@every_layout
@pytest.mark.parametrize("max_hop", [1, 2])
def test_stgcn_spatial_shares_out_the_neighbourhood(layout, max_hop):
    stack = graphs.stgcn_spatial(layout, max_hop)
    hop = graphs.hop_distance(layout, max_hop)
    assert len(stack) == 2 * max_hop + 1
    assert ((stack > 0).sum(0) == (hop <= max_hop)).all()  # every pair once
    np.testing.assert_allclose(stack.sum((0, 1)), 1, rtol=1e-6)
    root = hop[:, layout.centre]
    for d in range(1, max_hop + 1):
        away, towards = stack[2 * d - 1], stack[2 * d]
        assert all(hop[i, j] == d and root[i] >= root[j] for i, j in np.argwhere(away))
        assert all(hop[i, j] == d and root[i] < root[j] for i, j in np.argwhere(towards))


@every_layout
def test_scales_are_hops_apart(layout):
    scales = graphs.ms_scales(layout, 4)
    distance, own = graphs.hop_distance(layout, 3), np.eye(layout.num_joints)
    for k, scale in enumerate(scales):
        np.testing.assert_array_equal(scale > 0, (distance == k) | (own > 0))
        np.testing.assert_allclose(scale.sum(0), 1, rtol=1e-6)


def test_window_sees_neighbours_in_all_frames():
    layout = get_layout("ucla20")
    near = graphs.hop_distance(layout, 1) <= 1
    scales = graphs.ms_scales(layout, 2, window=3)
    assert scales.shape == (2, 60, 60)
    np.testing.assert_array_equal(scales[1] > 0, np.tile(near, (3, 3)))


@pytest.mark.parametrize("root", [None, 1])
def test_powers_of_outward_binary_are_ancestors(root):
    layout = get_layout("ntu25")
    matrix = graphs.outward_binary(layout, root)
    depth = walk(layout, layout.centre if root is None else root)
    for k in range(1, 9):
        power = np.linalg.matrix_power(matrix, k)
        np.testing.assert_array_equal(
            power.sum(1), [depth[v] >= k for v in range(layout.num_joints)]
        )
    slip = graphs.outward_binary(layout, root, transposed=True)
    np.testing.assert_array_equal(slip, matrix.T)
