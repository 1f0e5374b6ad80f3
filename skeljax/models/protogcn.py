"""ProtoGCN: prototypical perspective on actions (Liu et al., CVPR 2025)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.layouts import Layout
from skeljax.models.dgstgcn import run_blocks
from skeljax.models.layers import (
    ConvNorm,
    Features,
    at_least_float32,
    features,
    pointwise,
    torch_default,
    torch_uniform,
)


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


class ProtoGCN(nn.Module):
    """ProtoGCN backbone: DG-STGCN, wider, whose last topology is rebuilt from prototypes.

    The rebuilt topology, `Features.graph`, serves the contrastive loss of the method ``protogcn``;
    the features do not depend on it, so a program that does not use it does not compute it.

    Attributes:
      layout: of the joints; V follows from it.
      num_person: M bodies a clip.
      dtype: of activations and products; float32 or bfloat16.
      width: D of the first block.
      depth: number of blocks.
      grow: blocks, counted from 1, that double D and halve the frames.
      subsets: learned graphs a block, K.
      ratio: channels of a subset over D; 0 = 1 / K.
      channel_act: of the refinement by channel: tanh, sigmoid, relu, or none to go without.
      subset_act: of the refinement by subset: softmax over the source joints, tanh, sigmoid, relu
        or none.
      subset_wise: whether every subset has gates of its own.
      per_frame: whether the graphs are refined frame by frame, not from the mean over time.
      data_norm: statistics of the input: VC, persons share them, or MVC.
      prototypes: how many topologies are learned to rebuild from.
      prototype_dropout: rate of dropout on the rebuilt topology in training.
    """

    layout: Layout
    num_person: int
    dtype: jnp.dtype = jnp.float32
    width: int = 96
    depth: int = 10
    grow: tuple[int, ...] = (5, 8)
    subsets: int = 8
    ratio: float = 0.125
    channel_act: str = "tanh"
    subset_act: str = "softmax"
    subset_wise: bool = False
    per_frame: bool = False
    data_norm: str = "VC"
    prototypes: int = 400
    prototype_dropout: float = 0.1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> Features:
        """(N, M, T, V, C) -> Features; taps are the outputs of all blocks, in order.

        Raises:
          ConfigError: M or V is not what the model was built for, or an unknown activation.
        """
        outputs, added = run_blocks(self, x, train=train)
        width, _, joints, _ = added.shape
        # mean over persons, and over frames where every frame has its own
        graph = added.reshape(width, len(x), -1, joints, joints).mean(2)
        graph = Prototypes(self.prototypes, self.prototype_dropout, name="prn")(graph, train=train)
        post = ConvNorm(width, **torch_default(width), name="post")
        graph = at_least_float32(nn.relu(post(graph, train=train))).mean(0)
        return features(outputs, self.num_person)._replace(graph=graph)
