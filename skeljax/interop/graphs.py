"""Graphs that public checkpoints carry beside their weights and nobody learns.

They follow from the layout, so that no variable of ours holds them: `constants` writes them into a
checkpoint that goes back, `check` tells whether one that comes was trained on the same skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import numpy as np

from skeljax.errors import CheckpointError
from skeljax.models import graphs
from skeljax.models.stgcn import GRAPHS


def constants(backbone: nn.Module, family: str) -> dict[str, np.ndarray]:
    """Name -> graph of all such tensors of a family's checkpoint.

    Args:
      backbone: ours, as built for the checkpoint.
      family: see `pytorch.FAMILIES`.
    """
    layout = backbone.layout
    if family in ("ctrgcn_pyskl", "aagcn_pyskl"):
        return {"backbone.A": graphs.spatial(layout)}
    if family == "stgcn" and backbone.topology != "free":
        graph = GRAPHS[backbone.graph](layout)
        return {f"backbone.gcn.{i}.gcn.A": graph for i in range(backbone.depth)}
    if family in ("stgcn_original", "stgcn_contrastive", "stgcn_crosclr"):
        name = "A" if family == "stgcn_original" else "encoder_q.A"
        return {name: GRAPHS[backbone.graph](layout)}
    if family == "msg3d":
        found = {"backbone.A": graphs.binary_adj(layout)[0]}
        for stage in range(1, backbone.depth + 1):
            found[f"backbone.sgcn{stage}.0.A"] = graphs.ms_scales(layout, backbone.scales)
            for i, window in enumerate(backbone.windows):
                name = f"backbone.gcn3d{stage}.gcn3d.{i}.gcn3d.1.A"
                found[name] = graphs.ms_scales(layout, backbone.window_scales, window)
        return found
    return {}


def check(state: Mapping[str, np.ndarray], backbone: nn.Module, family: str) -> None:
    """Whether the graphs of a checkpoint are those of the backbone's layout.

    Raises:
      CheckpointError: one differs; the weights would load and mean something else.
    """
    for name, graph in constants(backbone, family).items():
        found = None if name == "backbone.A" else state.get(name)  # which is a copy nothing reads
        if found is None or (found.shape == graph.shape and np.allclose(found, graph, atol=1e-5)):
            continue
        differ = (
            f"shape {found.shape}"
            if found.shape != graph.shape
            else f"{np.sum(~np.isclose(found, graph, atol=1e-5))} of {graph.size} edges differ"
        )
        raise CheckpointError(
            "the checkpoint was trained on another graph",
            where=name,
            found=differ,
            expected=f"the graph of layout {backbone.layout.name}, shape {graph.shape}",
            do="give the layout that it was trained with; two code bases may differ in one edge",
        )
