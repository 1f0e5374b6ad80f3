"""AAGCN, the attention-enhanced 2s-AGCN: adaptive graphs (Shi et al., CVPR 2019, TIP 2020)."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.layouts import Layout
from skeljax.models import graphs
from skeljax.models.backbone import Backbone, Block
from skeljax.models.layers import BatchNorm, Conv, ConvNorm, check_width, kaiming_out, shortcut
from skeljax.models.products import aggregate_alike, pointwise

SUBSETS = 3  # self, inward, outward


class AdaptiveGraphConv(nn.Module):
    """Sum over the subsets of W (x (A + alpha S)): a graph learned for all, one seen in each body.

    S[u, v] = tanh of how alike two embeddings of joints u and v are over all frames.

    Attributes:
      features: D.
      layout: gives the initial A.
    """

    features: int
    layout: Layout

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        check_width(self.features, least=4)
        channels, bodies, frames, joints = x.shape
        embedded = self.features // 4
        embed = partial(Conv, SUBSETS * embedded, kernel_init=kaiming_out(embedded))
        both = zip(*(embed(name=name).weights(channels) for name in ("theta", "phi")))
        kernel, bias = (jnp.concatenate(parts, -1) for parts in both)
        y = pointwise(x, kernel) + bias.astype(x.dtype)[:, None, None, None]
        theta, phi = y.reshape(2, SUBSETS, embedded, bodies, frames, joints)
        alike = jnp.einsum("kcbtu,kcbtv->kbuv", theta, phi) / (embedded * frames)
        free = self.param("adjacency", lambda _: jnp.asarray(graphs.spatial(self.layout)))
        alpha = self.param("alpha", nn.initializers.zeros, ())
        topology = free[:, None].astype(x.dtype) + alpha.astype(x.dtype) * jnp.tanh(alike)

        spread = (2 / (self.features * channels * SUBSETS)) ** 0.5
        init = nn.initializers.normal(spread)
        value = Conv(SUBSETS * self.features, kernel_init=init, name="value")
        kernel, bias = value.weights(channels)
        total = bias.reshape(SUBSETS, -1).sum(0).astype(x.dtype)[:, None, None, None]
        for graph, weight in zip(topology, jnp.split(kernel, SUBSETS, -1)):
            total += pointwise(aggregate_alike(x, graph), weight)
        return total


class Attention(nn.Module):
    """Joints, then frames, then channels that matter are added once more: y <- y + y g."""

    @nn.compact
    def __call__(self, y: jax.Array) -> jax.Array:
        """(C, B, T, V) -> the same shape."""
        channels, joints = y.shape[0], y.shape[-1]
        size = joints if joints % 2 else joints - 1
        xavier = nn.initializers.normal((2 / (size * (channels + 1))) ** 0.5)
        spatial = Score(size, xavier, name="spatial")(y.mean(2))  # (B, V)
        y += y * nn.sigmoid(spatial)[:, None, :]
        temporal = Score(9, nn.initializers.zeros, name="temporal")(y.mean(3))  # (B, T)
        y += y * nn.sigmoid(temporal)[:, :, None]
        init = nn.initializers.normal((2 / channels) ** 0.5)
        hidden = nn.relu(Conv(channels // 2, kernel_init=init, name="squeeze")(y.mean((2, 3))))
        channel = Conv(channels, kernel_init=nn.initializers.zeros, name="excite")(hidden)  # (C, B)
        return y + y * nn.sigmoid(channel)[:, :, None, None]


class Score(nn.Module):
    """Convolution to one channel along joints or frames; `kernel_size` of them, odd."""

    kernel_size: int
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(C, B, L) -> (B, L)."""
        length = x.shape[-1]
        conv = Conv(1, self.kernel_size, kernel_init=self.kernel_init, name="conv")
        kernel, bias = conv.weights(x.shape[0])
        # the channels are summed before the shifts, so that only one number a tap is shifted
        products = pointwise(x, kernel[..., 0].T)
        reach = self.kernel_size // 2
        products = jnp.pad(products, ((0, 0), (0, 0), (reach, reach)))
        shifted = (products[k, :, k : k + length] for k in range(self.kernel_size))
        return sum(shifted) + bias.astype(x.dtype)


class GCN(nn.Module):
    """Graph unit: AdaptiveGraphConv, batch norm, residual, ReLU, perhaps attention."""

    features: int
    layout: Layout
    attention: bool

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        y = AdaptiveGraphConv(self.features, self.layout, name="graph")(x)
        y = BatchNorm(axis=0, scale_init=nn.initializers.constant(1e-6), name="bn")(y, train=train)
        x = shortcut(x, self.features, name="down", train=train)
        y = nn.relu(x + y)
        return Attention(name="attention")(y) if self.attention else y


class AAGCN(Backbone):
    """AAGCN backbone.

    The authors' own, FR-Head's and PYSKL's compute the same; only initial values differ.

    Attributes (and those of `Backbone`):
      pyskl: leave the residual convolutions at PyTorch's initial values, as PYSKL does.
      attention: to joints, frames and channels; mmaction2's 2s-AGCN has none.
    """

    pyskl: bool = False
    attention: bool = True

    def block(self, number: int, features: int, stride: int) -> Block:
        gcn = partial(GCN, layout=self.layout, attention=self.attention)
        tcn = partial(ConvNorm, kernel_size=9)
        initial = "torch" if self.pyskl else "kaiming"
        return Block(features, gcn, tcn, initial, stride, number > 1, name=f"block{number}")
