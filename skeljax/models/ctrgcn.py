"""CTR-GCN: channel-wise topology refinement (Chen et al., ICCV 2021), in both public flavours."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.layouts import Layout
from skeljax.models import graphs
from skeljax.models.backbone import Backbone, Block
from skeljax.models.layers import (
    BatchNorm,
    Conv,
    ConvNorm,
    around_one,
    check_width,
    kaiming_out,
    shortcut,
    torch_default,
)
from skeljax.models.products import aggregate, max_pool, pointwise

SUBSETS = 3  # self, inward, outward


class CTRGC(nn.Module):
    """Channel-wise topology refinement graph convolution, the sum of the three subsets.

    Every subset starts from a learnable topology A (V, V), shared by all channels, and refines it
    for each body and channel by relations between joints: A + alpha R(tanh(q_u - k_v)).

    Attributes:
      features: D.
      layout: gives the initial A.
      columns_out: whether the column of the topology is the output joint (PYSKL) or the row.
    """

    features: int
    layout: Layout
    columns_out: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        init = kaiming_out(self.features)
        value = Conv(SUBSETS * self.features, kernel_init=init, name="value").weights(x.shape[0])
        total = 0.0
        weights = (jnp.split(weight, SUBSETS, -1) for weight in value)
        for (relation, mix), kernel, bias in zip(self.topologies(x), *weights):
            total += aggregate(pointwise(x, kernel), pointwise(relation, mix))
            # the values' bias, summed over joints with the same topology
            total += pointwise(relation.sum(2), mix * bias)[:, :, None]
        return total

    def topologies(self, x: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
        """Relations (R, B, V, V) and their mix (R, D) for each subset.

        ``pointwise(relation, mix)`` is the topology (D, B, joint in, joint out).
        """
        channels, bodies, _, joints = x.shape
        reduced = 8 if channels <= 16 else channels // 8
        init = kaiming_out(reduced)
        pooled = x.mean(2)
        query = Conv(SUBSETS * reduced, kernel_init=init, name="query")(pooled)
        key = Conv(SUBSETS * reduced, kernel_init=init, name="key")(pooled)
        shared = self.param("adjacency", lambda _: jnp.asarray(graphs.spatial(self.layout)))
        if self.columns_out:
            relations = jnp.tanh(query[..., :, None] - key[..., None, :])
        else:
            relations = jnp.tanh(query[..., None, :] - key[..., :, None])
            shared = shared.swapaxes(1, 2)

        init = kaiming_out(self.features)
        refine = Conv(SUBSETS * self.features, kernel_init=init, name="refine").weights(reduced)
        alpha = self.param("alpha", nn.initializers.zeros, ())
        weights = (jnp.split(alpha * weight, SUBSETS, -1) for weight in refine)
        subsets = []
        for adjacency, relation, kernel, bias in zip(
            shared, jnp.split(relations, SUBSETS), *weights
        ):
            # A and the bias are two more relations, so that one product gives the whole topology
            constant = jnp.stack([adjacency, jnp.ones_like(adjacency)]).astype(x.dtype)
            constant = jnp.broadcast_to(constant[:, None], (2, bodies, joints, joints))
            mix = jnp.concatenate([kernel, jnp.stack([jnp.ones_like(bias), bias])])
            subsets.append((jnp.concatenate([relation, constant]), mix))
        return subsets


class GCN(nn.Module):
    """Graph unit: CTRGC, batch norm, residual, ReLU. Attributes as of `CTRGC`."""

    features: int
    layout: Layout
    columns_out: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        y = CTRGC(self.features, self.layout, self.columns_out, name="ctrgc")(x)
        y = BatchNorm(axis=0, scale_init=nn.initializers.constant(1e-6), name="bn")(y, train=train)
        return nn.relu(shortcut(x, self.features, name="down", train=train) + y)


class TCN(nn.Module):
    """Multi-scale temporal unit: two dilated convolutions, a max pool and a 1x1, side by side.

    Attributes:
      features: D.
      stride: over time.
      activate: whether a ReLU follows (PYSKL, InfoGCN).
      torch_init: start from PyTorch's initial values (InfoGCN), not from kaiming and scales near 1.
    """

    features: int
    stride: int = 1
    activate: bool = False
    torch_init: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        check_width(self.features, multiple=4)
        width = self.features // 4
        scale = {} if self.torch_init else {"scale_init": around_one}

        def init(fan_in, fan_out):
            if self.torch_init:
                return torch_default(fan_in)
            return {"kernel_init": kaiming_out(fan_out), **scale}

        # the 1x1 convolutions that open the first three branches are one product
        opened = ConvNorm(3 * width, **init(x.shape[0], width), name="open")
        short, long, peak = jnp.split(nn.relu(opened(x, train=train)), 3)
        conv = dict(kernel_size=5, stride=self.stride, **init(5 * width, 5 * width))
        direct = dict(stride=self.stride, **init(x.shape[0], width))
        branches = [
            ConvNorm(width, dilation=1, **conv, name="short")(short, train=train),
            ConvNorm(width, dilation=2, **conv, name="long")(long, train=train),
            BatchNorm(axis=0, **scale, name="peak")(max_pool(peak, self.stride), train=train),
            ConvNorm(width, **direct, name="direct")(x, train=train),
        ]
        y = jnp.concatenate(branches)
        return nn.relu(y) if self.activate else y


class CTRGCN(Backbone):
    """CTR-GCN backbone.

    Published numbers and checkpoints exist for two flavours that differ in small things: the
    authors' own (FR-Head, LST and others build on it) and PYSKL's (BRL's), where `pyskl` sums over
    the other index of the topology, adds a ReLU between temporal unit and residual and leaves the
    residual convolutions at PyTorch's initial values. Each has its graph: layouts ``ntu25`` and
    ``ntu25_pyskl``.

    Attributes (and those of `Backbone`):
      pyskl: PYSKL's flavour.
    """

    pyskl: bool = False

    def block(self, number: int, features: int, stride: int) -> Block:
        gcn = partial(GCN, layout=self.layout, columns_out=self.pyskl)
        tcn = partial(TCN, activate=self.pyskl)
        initial = "torch" if self.pyskl else "kaiming"
        return Block(features, gcn, tcn, initial, stride, number > 1, name=f"block{number}")
