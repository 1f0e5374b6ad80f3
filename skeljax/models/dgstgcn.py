"""DG-STGCN: dynamic group spatio-temporal GCN (Duan et al., 2022), as in PYSKL."""

from __future__ import annotations

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.errors import choose
from skeljax.models.backbone import Backbone, Features, to_features
from skeljax.models.layers import (
    BatchNorm,
    Conv,
    ConvNorm,
    DataNorm,
    Initializer,
    at_least_float32,
    check_width,
    shortcut,
    torch_default,
)
from skeljax.models.products import aggregate
from skeljax.models.protogcn import rebuild
from skeljax.models.stgcn import six_branches

GRAPH_MEAN, GRAPH_STD = 0.04, 0.02  # of the initial graph
KINECT_JOINTS = 25  # the published temporal unit keeps so many coefficients, however few act

_ACTIVATIONS = {"tanh": jnp.tanh, "sigmoid": nn.sigmoid, "relu": nn.relu}


class Refinement(NamedTuple):
    """How the graph units learn and refine their graph; fields as of `DGSTGCN`."""

    subsets: int
    ratio: float
    channel_act: str
    subset_act: str
    subset_wise: bool
    per_frame: bool
    start: Initializer


class GCN(nn.Module):
    """Graph unit: every group of channels is aggregated over its own graph.

    The graph of channel c in subset k is A_k, learned, plus alpha act(q_cu - r_cv) for that channel
    plus beta softmax_u(q_u . r_v) for the subset, from source joint u to target joint v.

    Attributes:
      features: D.
      refine: see `Refinement`.
    """

    features: int
    refine: Refinement

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        """(C, B, T, V) -> (D, B, T, V), and what was added to A.

        That is (E, B, V, V), or (E, B T, V, V) of single frames; E channels over all subsets.
        """
        (channels, *_, joints), refine = x.shape, self.refine
        share = refine.ratio or 1 / refine.subsets
        check_width(self.features, least=math.ceil(1 / share))
        group = int(share * self.features)
        width, default = refine.subsets * group, torch_default(channels)
        value = nn.relu(ConvNorm(width, **default, name="pre")(x, train=train))
        graph = self.param("adjacency", refine.start, (refine.subsets, joints, joints))
        alpha, beta = (
            self.param(name, nn.initializers.zeros, (refine.subsets,)).astype(x.dtype)
            for name in ("alpha", "beta")
        )
        if not refine.subset_wise:  # one gate for all, as published; the others stay unused
            alpha, beta = alpha[:1], beta[:1]
        pooled = x.reshape(channels, -1, joints) if refine.per_frame else x.mean(2)
        bodies, added = pooled.shape[1], 0.0
        if refine.channel_act != "none" or refine.subset_act != "none":
            query, key = (
                Conv(width, **default, name=name)(pooled).reshape(-1, group, bodies, joints)
                for name in ("query", "key")
            )
        if refine.channel_act != "none":
            difference = query[..., :, None] - key[..., None, :]
            own = _ACTIVATIONS[refine.channel_act](difference)
            added += alpha[:, None, None, None, None] * own
        if refine.subset_act != "none":
            shared = jnp.einsum("kcbu,kcbv->kbuv", query, key)
            if refine.subset_act == "softmax":
                shared = jax.nn.softmax(at_least_float32(shared), axis=-2).astype(x.dtype)
            else:
                shared = _ACTIVATIONS[refine.subset_act](shared)
            added += (beta[:, None, None, None] * shared)[:, None]
        size = (refine.subsets, group, bodies, joints, joints)
        added = jnp.broadcast_to(added, size).astype(x.dtype)
        topology = (graph.astype(x.dtype)[:, None, None] + added).reshape(width, *size[2:])
        y = aggregate(value.reshape(width, bodies, -1, joints), topology).reshape(value.shape)
        y = ConvNorm(self.features, **torch_default(width), name="post")(y, train=train)
        x = shortcut(x, self.features, name="down", train=train, **default)
        return nn.relu(x + y), added.reshape(width, *size[2:])


class TCN(nn.Module):
    """Temporal unit: six branches that also see the mean of all joints, as one joint more.

    Attributes:
      features: D, of the input as well.
      stride: over time.
    """

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(D, B, T, V) -> (D, B, ceil(T / stride), V)."""
        joints = x.shape[3]
        x = jnp.concatenate([x, x.mean(3, keepdims=True)], 3)
        y = six_branches(x, self.features, self.stride, train=train, dilated="d")
        coefficients = (max(joints, KINECT_JOINTS),)
        share = self.param("add_coeff", nn.initializers.zeros, coefficients)[:joints]
        y = y[..., :joints] + y[..., joints:] * share.astype(x.dtype)
        y = nn.relu(BatchNorm(axis=0, name="mixed")(y, train=train))
        mix = ConvNorm(self.features, **torch_default(self.features), name="mix")
        return mix(y, train=train)


class Block(nn.Module):
    """ReLU(TCN(GCN(x)) + residual); the GCN has a residual of its own.

    Attributes:
      features: D.
      refine: see `Refinement`.
      stride: over time.
      residual: whether there is one; the first block has none.
    """

    features: int
    refine: Refinement
    stride: int = 1
    residual: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V), and what the GCN added to its graph."""
        y, added = GCN(self.features, self.refine, name="gcn")(x, train=train)
        y = TCN(self.features, self.stride, name="tcn")(y, train=train)
        if self.residual:
            y = shortcut(x, self.features, self.stride, train=train, **torch_default(len(x))) + y
        return nn.relu(y), added


class DGSTGCN(Backbone):
    """DG-STGCN backbone: no skeleton is given, every block learns its graphs.

    Defaults are PYSKL's configs. The gates of both refinements start at zero, so that a fresh model
    has one static graph a subset. With `prototypes` it is ProtoGCN, see `protogcn.rebuild`.

    Attributes (and those of `Backbone`):
      subsets: learned graphs a block, K.
      ratio: channels of a subset over D; 0 = 1 / K.
      channel_act: of the refinement by channel: tanh, sigmoid, relu, or none to go without.
      subset_act: of the refinement by subset: softmax over the source joints, tanh, sigmoid, relu
        or none.
      subset_wise: whether every subset has gates of its own.
      per_frame: whether the graphs are refined frame by frame, not from the mean over time.
      data_norm: statistics of the input: VC, persons share them, or MVC.
      prototypes: of ProtoGCN: from how many the last block's graph is rebuilt; 0 = it is not.
      prototype_dropout: rate of dropout on the rebuilt graph in training.
    """

    subsets: int = 8
    ratio: float = 0.125
    channel_act: str = "tanh"
    subset_act: str = "softmax"
    subset_wise: bool = False
    per_frame: bool = False
    data_norm: str = "VC"
    prototypes: int = 0
    prototype_dropout: float = 0.1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> Features:
        """(N, M, T, V, C) -> Features; taps are the outputs of all blocks, in order.

        Raises:
          ConfigError: M or V is not what the model was built for, or an unknown activation.
        """
        clips, refine = len(x), self.refinement()
        x, outputs = self.enter(x, train=train), []
        for number, features, stride in self.stages():
            block = Block(features, refine, stride, number > 1, name=f"block{number}")
            x, added = block(x, train=train)
            outputs.append(x)
        out = to_features(outputs, self.num_person)
        if not self.prototypes:
            return out
        graph = rebuild(added, clips, self.prototypes, self.prototype_dropout, train=train)
        return out._replace(graph=graph)

    def norm(self) -> DataNorm:
        return DataNorm(self.data_norm, name="data_bn")

    def refinement(self) -> Refinement:
        """What all blocks share."""
        choose("channel_act", self.channel_act, [*_ACTIVATIONS, "none"])
        choose("subset_act", self.subset_act, ["softmax", *_ACTIVATIONS, "none"])
        drawn = self.make_rng("params") if self.is_initializing() else None

        def start(key, shape):  # the same draw for every block
            draw = jax.random.normal(key if drawn is None else drawn, shape)
            return GRAPH_MEAN + GRAPH_STD * draw

        return Refinement(
            self.subsets, self.ratio, self.channel_act, self.subset_act, self.subset_wise,
            self.per_frame, start,
        )  # fmt: skip
