"""TCA-GCN: temporal-channel aggregation on CTR-GCN's topologies (Wang et al., 2022)."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.layouts import Layout
from skeljax.models import ctrgcn
from skeljax.models.backbone import Backbone, Block
from skeljax.models.layers import (
    BatchNorm,
    Conv,
    ConvNorm,
    kaiming_out,
    shortcut,
    torch_default,
    torch_uniform,
)
from skeljax.models.products import aggregate, pointwise

SUBSETS = ctrgcn.SUBSETS


class Calibration(nn.Module):
    """What each frame makes of the weights: a factor a channel and frame, 1 + route(x).

    Every subset has its own; side by side as groups, they are one product a layer.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Means over joints (C, B, T, 1) -> (SUBSETS, D, B, T, 1)."""
        channels, squeezed = x.shape[0], x.shape[0] // 2
        whole = Conv(SUBSETS * channels, kernel_init=kaiming_out(channels), name="whole")
        y = jnp.tile(x, (SUBSETS, 1, 1, 1)) + whole(x.mean(2, keepdims=True))
        squeeze = ConvNorm(
            SUBSETS * squeezed, 3, kernel_init=kaiming_out(3 * squeezed), groups=SUBSETS,
            name="squeeze",
        )  # fmt: skip
        excite = Conv(
            SUBSETS * self.features, 3, kernel_init=kaiming_out(3 * self.features), use_bias=False,
            groups=SUBSETS, name="excite",
        )  # fmt: skip
        y = excite(nn.relu(squeeze(y, train=train)))
        return 1 + y.reshape(SUBSETS, -1, *y.shape[1:])


class TCAGC(ctrgcn.CTRGC):
    """CTRGC whose values are calibrated frame by frame; attributes as there, and one more.

    Attributes:
      unused: see `TCAGCN.unused`.
    """

    unused: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        channels = x.shape[0]
        conv = partial(Conv, SUBSETS * self.features)
        init = torch_uniform(channels)
        value, _ = conv(kernel_init=init, use_bias=False, name="value").weights(channels)
        if self.unused:
            conv(kernel_init=kaiming_out(self.features), name="unused").weights(channels)
        calibrate = Calibration(self.features, name="calibrate")
        factors = calibrate(x.mean(3, keepdims=True), train=train)
        total = 0.0
        for factor, kernel, (relation, mix) in zip(
            factors, jnp.split(value, SUBSETS, -1), self.topologies(x)
        ):
            total += aggregate(factor * pointwise(x, kernel), pointwise(relation, mix))
        return total


class GCN(nn.Module):
    """Graph unit: TCAGC, batch norm, residual, ReLU. Attributes as of `TCAGC`."""

    features: int
    layout: Layout
    unused: bool

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        y = TCAGC(self.features, self.layout, unused=self.unused, name="tcagc")(x, train=train)
        y = BatchNorm(axis=0, scale_init=nn.initializers.constant(1e-6), name="bn")(y, train=train)
        return nn.relu(shortcut(x, self.features, name="down", train=train) + y)


class TCN(nn.Module):
    """CTR-GCN's temporal unit and attention over its channels: 2 y sigmoid(local + global)."""

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        y = ctrgcn.TCN(self.features, self.stride, name="scales")(x, train=train)
        unit = partial(ConvNorm, self.features, **torch_default(self.features))

        def score(name, y):
            hidden = nn.relu(unit(name=f"{name}_squeeze")(y, train=train))
            return unit(name=f"{name}_excite")(hidden, train=train)

        gate = nn.sigmoid(score("local", y) + score("global", y.mean((2, 3), keepdims=True)))
        return 2 * y * gate


class TCAGCN(Backbone):
    """TCA-GCN backbone, as shipped with FR-Head.

    Attributes (and those of `Backbone`):
      unused: keep the published code's 60 tensors that nothing uses, so that a checkpoint can go
        back to it; they are in the published number of parameters.
    """

    unused: bool = False

    def block(self, number: int, features: int, stride: int) -> Block:
        gcn = partial(GCN, layout=self.layout, unused=self.unused)
        return Block(features, gcn, TCN, "kaiming", stride, number > 1, name=f"block{number}")
