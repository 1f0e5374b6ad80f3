"""graph/*: adjacency stacks, matrices and body parts that follow from a layout."""

from typing import Literal

import numpy as np

from parity.shapes import Kinect, Name, classic, pyskl
from skeljax.data.streams import infogcn_matrix
from skeljax.models import graphs


def adjacency(
    given,
    *,
    layout: Name,
    mode: Literal["spatial", "stgcn_spatial", "binary_adj"],
    max_hop: int = 1,
):
    of = pyskl(layout)
    if mode == "stgcn_spatial":
        return {"A": graphs.stgcn_spatial(of, max_hop)}
    return {"A": graphs.spatial(of) if mode == "spatial" else graphs.binary_adj(of)}


def hop_distance(given, *, layout: Name, max_hop: int):
    distance = graphs.hop_distance(pyskl(layout), max_hop)
    return {"hop_dis": np.where(np.isinf(distance), -1, distance)}


def ms_scales(given, *, layout: Name, num_scales: int, window: int = 1):
    return {"A": graphs.ms_scales(pyskl(layout), num_scales, window)}


def ctrgcn_adjacency(given, *, layout: Kinect):
    outward = np.eye(classic(layout).num_joints) - infogcn_matrix(classic(layout), 1, True)
    return {"A": graphs.spatial(classic(layout)), "A_outward_binary": outward}


def modality_matrix(given, *, layout: Kinect, k: int):
    return {"A_vector": infogcn_matrix(classic(layout), k, published=True)}


def infogcn_mode(given, *, layout: Kinect, k: int):
    # InfoGCN's own code has I - B^0 = 0 here, where LST has the joints themselves.
    matrix = infogcn_matrix(classic(layout), k, published=True)
    return {"A_vector": matrix if k else matrix * 0}


def lst_parts(given, *, layout: Kinect, stream: Literal["joint", "bone"]):
    of = classic(layout)
    return {"parts": dict(of.parts if stream == "joint" else of.bone_parts)}


KINDS = {
    "graph/adjacency": adjacency,
    "graph/hop_distance": hop_distance,
    "graph/ms_scales": ms_scales,
    "graph/ctrgcn_adjacency": ctrgcn_adjacency,
    "graph/modality_matrix": modality_matrix,
    "graph/infogcn_mode": infogcn_mode,
    "graph/lst_parts": lst_parts,
}
