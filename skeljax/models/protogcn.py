"""ProtoGCN: prototypical perspective on actions (Liu et al., CVPR 2025).

A wider DG-STGCN whose last topology is rebuilt from prototypes; the blocks are in dgstgcn.py.
"""

from __future__ import annotations

import flax.linen as nn
import jax

from skeljax.models.layers import ConvNorm, at_least_float32, torch_default, torch_uniform
from skeljax.models.products import pointwise


class Prototypes(nn.Module):
    """Prototype reconstruction network: a topology rebuilt from a learned set of prototypes.

    Attributes:
      count: prototypes.
      dropout: rate on the rebuilt topology in training.
    """

    count: int
    dropout: float

    @nn.compact
    def __call__(self, graph: jax.Array, *, train: bool) -> jax.Array:
        """(D, N, V, V) -> (D, N, V, V)."""
        width = graph.shape[0]
        query = self.param("query", torch_uniform(width), (width, self.count))
        memory = self.param("memory", torch_uniform(self.count), (self.count, width))
        response = jax.nn.softmax(at_least_float32(pointwise(graph, query)), axis=0)
        rebuilt = pointwise(response.astype(graph.dtype), memory)
        return nn.Dropout(self.dropout, deterministic=not train)(rebuilt)


def rebuild(graph: jax.Array, clips: int, count: int, dropout: float, *, train: bool) -> jax.Array:
    """The topology of each clip, rebuilt from prototypes: (D, B, V, V) -> (N, V, V), float32.

    It serves the contrastive loss of the method ``protogcn``; the features do not depend on it, so
    a program that does not use it does not compute it.

    Args:
      graph: what the last block added to its graphs; B may count frames too, where every frame has
        its own.
      clips: N.
      count, dropout: see `Prototypes`.
    """
    width, *_, joints = graph.shape
    graph = graph.reshape(width, clips, -1, joints, joints).mean(2)  # over persons (and frames)
    graph = Prototypes(count, dropout, name="prn")(graph, train=train)
    post = ConvNorm(width, **torch_default(width), name="post")
    return at_least_float32(nn.relu(post(graph, train=train))).mean(0)
