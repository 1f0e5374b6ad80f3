"""MS-G3D: multi-scale graphs, also over windows of time (Liu et al., CVPR 2020), as in PYSKL."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.layouts import Layout
from skeljax.models import graphs
from skeljax.models.backbone import Backbone
from skeljax.models.layers import BatchNorm, Conv, ConvNorm, check_width, shortcut, torch_default
from skeljax.models.products import max_pool, pointwise, windows
from skeljax.models.stgcn import GCN


def multi_scale_gcn(features: int, layout: Layout, scales: int, window: int = 1, **kwargs) -> GCN:
    """Graph unit over the pairs 0, 1, 2 ... `scales` - 1 hops apart, each plus a learned term."""
    graph = partial(graphs.ms_scales, layout, scales, window)
    return GCN(features, graph, "offset", "post", "torch", residual=False, **kwargs)


class WindowGCN(nn.Module):
    """Graph unit over the joints of all frames in a window, then one convolution over the window.

    Attributes:
      features: D of the result.
      hidden: D of the graph unit.
      layout: of the joints.
      scales: hops in the window's graph, in which a joint is tied to itself and its neighbours in
        every frame.
      window: frames, odd.
      stride: over time.
    """

    features: int
    hidden: int
    layout: Layout
    scales: int
    window: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        nodes = jnp.concatenate(windows(x, self.window, self.stride), -1)  # window after window
        unit = multi_scale_gcn(self.hidden, self.layout, self.scales, self.window, name="gcn")
        frames = jnp.split(unit(nodes, train=train), self.window, -1)
        init = torch_default(self.window * self.hidden)
        out = Conv(self.features, self.window, **init, name="out")
        kernel, bias = out.weights(self.hidden)
        y = pointwise(jnp.concatenate(frames), kernel.reshape(-1, self.features))
        return BatchNorm(axis=0, name="bn")(y, train=train, bias=bias)


class MultiScaleTCN(nn.Module):
    """Temporal unit: six branches side by side, plus residual.

    Four are 3-frame convolutions of dilation 1 to 4, one a max pool, one a strided 1x1. Each is
    D // 6 wide, the last takes the remainder.
    """

    features: int
    stride: int = 1
    activate: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        check_width(self.features, least=6)
        width = self.features // 6
        opening = torch_default(x.shape[0])
        # the 1x1 convolutions that open the first five branches are one product
        opened = nn.relu(ConvNorm(5 * width, **opening, name="open")(x, train=train))
        *dilated, peak = jnp.split(opened, 5)
        conv = partial(ConvNorm, width, 3, self.stride, **torch_default(3 * width))
        branches = [conv(k, name=f"dilated{k}")(y, train=train) for k, y in enumerate(dilated, 1)]
        pooled = max_pool(peak, self.stride)
        branches.append(BatchNorm(axis=0, name="peak")(pooled, train=train))
        direct = ConvNorm(self.features - 5 * width, stride=self.stride, **opening, name="direct")
        branches.append(direct(x, train=train))
        x = shortcut(x, self.features, self.stride, train=train, **opening)
        y = jnp.concatenate(branches) + x
        return nn.relu(y) if self.activate else y


class Stage(nn.Module):
    """TCN(ReLU(spatial path + windows)): the figure's block of two paths.

    The spatial path is a graph unit and two temporal ones; the windows see space and time at once.

    Attributes:
      features: D.
      layout, scales, window_scales, windows: see `MSG3D`.
      stride: over time.
    """

    features: int
    layout: Layout
    scales: int
    window_scales: int
    windows: tuple[int, ...]
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        channels = self.features // self.stride  # before the temporal units; C but in stage 1
        y = multi_scale_gcn(channels, self.layout, self.scales, name="gcn")(x, train=train)
        y = MultiScaleTCN(self.features, self.stride, name="tcn1")(y, train=train)
        y = MultiScaleTCN(self.features, activate=False, name="tcn2")(y, train=train)
        for window in self.windows:
            path = WindowGCN(
                self.features, channels, self.layout, self.window_scales, window, self.stride,
                name=f"window{window}",
            )  # fmt: skip
            y += path(x, train=train)
        return MultiScaleTCN(self.features, name="tcn3")(nn.relu(y), train=train)


class MSG3D(Backbone):
    """MS-G3D backbone in PYSKL's (BRL's) form.

    Attributes (and those of `Backbone`):
      scales: hops of the spatial graph, 0 to `scales` - 1.
      window_scales: the same for the graphs of windows.
      windows: frames of each window path, odd.
    """

    width: int = 96
    depth: int = 3
    grow: tuple[int, ...] = (2, 3)
    scales: int = 13
    window_scales: int = 6
    windows: tuple[int, ...] = (3, 5)

    def block(self, number: int, features: int, stride: int) -> Stage:
        return Stage(
            features, self.layout, self.scales, self.window_scales, self.windows, stride,
            name=f"stage{number}",
        )  # fmt: skip
