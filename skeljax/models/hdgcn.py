"""HD-GCN: hierarchically decomposed graph convolution (Lee et al., ICCV 2023)."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from skeljax.errors import ConfigError
from skeljax.models import graphs
from skeljax.models.backbone import Backbone, Block
from skeljax.models.ctrgcn import TCN
from skeljax.models.layers import (
    BatchNorm,
    Conv,
    ConvNorm,
    at_least_float32,
    check_width,
    kaiming_out,
    shortcut,
    torch_default,
)

SUBSETS = 3  # self, forward, reverse
NEAR_JOINTS, NEAR_LEVELS = 5, 3  # neighbours of the edge convolutions, each itself included

Groups = tuple[tuple[int, ...], ...]


def nearest(x: jax.Array, count: int) -> jax.Array:
    """The `count` points nearest to each, itself included: (L, C, B, P) -> (L, B, P, count)."""
    wide = jax.lax.stop_gradient(at_least_float32(x))
    wide -= wide.mean(-1, keepdims=True)  # far from the origin the differences would cancel
    inner = jnp.einsum("lcbp,lcbq->lbpq", wide, wide, precision="highest")
    square = jnp.square(wide).sum(1)
    distance = square[..., :, None] + square[..., None, :] - 2 * inner
    return jax.lax.top_k(-distance, count)[1]


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def peak(x: jax.Array, axis: int) -> jax.Array:
    """Maximum over an axis, whose gradient goes to the first place that has it.

    That of jnp.max compares with the maximum again, and is NaN where the compiler rounds the two
    differently.
    """
    return x.max(axis)


def _peak(x, axis):
    def both(x):
        return x.max(axis), jax.lax.argmax(x, axis % x.ndim, jnp.int32)

    highest, place = jax.lax.platform_dependent(x, cpu=partial(_fold, axis=axis), default=both)
    return highest, (x, place)


def _fold(x, axis):
    """Maximum and its first place. A CPU takes the numbers in order, so that nothing need be said
    of equal ones; argmax does, and takes three times as long."""

    def higher(first, second):
        later = second[0] > first[0]
        return jnp.where(later, second[0], first[0]), jnp.where(later, second[1], first[1])

    start = jnp.array(-jnp.inf, x.dtype), jnp.int32(0)
    places = jax.lax.broadcasted_iota(jnp.int32, x.shape, axis % x.ndim)
    return jax.lax.reduce((x, places), start, higher, (axis % x.ndim,))


def _peak_back(axis, kept, dy):
    x, place = kept
    here = jax.lax.broadcasted_iota(place.dtype, x.shape, axis % x.ndim)
    here = here == jnp.expand_dims(place, axis)
    return (jnp.where(here, jnp.expand_dims(dy, axis), 0),)


peak.defvjp(_peak, _peak_back)


@jax.custom_vjp
def weigh(x: jax.Array, weight: jax.Array) -> jax.Array:
    """Weighted sum of the levels: (L, C, B, T, V) and (L, C, B) -> (C, B, T, V).

    Level by level, since a sum over the leading axis is slow on a CPU; the gradient of that alone
    would keep a copy of every level.
    """
    return sum(level * w[..., None, None] for level, w in zip(x, weight))


def _weigh_back(kept, dy):
    x, weight = kept
    return weight[..., None, None] * dy, (x * dy).sum((3, 4))


weigh.defvjp(lambda x, weight: (weigh(x, weight), (x, weight)), _weigh_back)


class EdgeConv(nn.Module):
    """Dynamic graph convolution: the maximum over near points q of W [x_q - x_p, x_p].

    Attributes:
      near: points that each looks at, itself included.
    """

    near: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(L, C, B, P) -> (L, C, B, P), each l of its own weights and norm."""
        levels, channels, bodies, points = x.shape
        near = min(self.near, points)
        shape = (2 * channels, levels * channels)
        kernel = self.param("kernel", kaiming_out(channels), shape).astype(x.dtype)
        edge, own = kernel.reshape(2, channels, levels, channels)
        index = nearest(x, near).reshape(levels, bodies, points * near, 1)
        of_near = jnp.einsum("lcbp,cld->lbpd", x, edge)
        of_near = jnp.take_along_axis(of_near, index, axis=2)
        of_near = of_near.reshape(levels, bodies, points, near, channels)
        y = of_near + jnp.einsum("lcbp,cld->lbpd", x, own - edge)[..., None, :]
        y = y.transpose(0, 4, 1, 2, 3).reshape(levels * channels, bodies, points, near)
        y = nn.leaky_relu(BatchNorm(axis=0, name="bn")(y, train=train), 0.2)
        return peak(y, -1).reshape(x.shape)


class AHA(nn.Module):
    """Attention-guided hierarchy aggregation: a weight for every level, channel and body.

    Attributes:
      groups: joints by level, L + 1 of them.
    """

    groups: Groups

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Peaks over time (L, C, B, V) -> weights (L, C, B)."""
        channels, joints = x.shape[1], x.shape[3]
        reduced = channels // 4
        down = ConvNorm(reduced, name="down")
        x = nn.relu(down(x.transpose(1, 2, 0, 3), train=train))
        members = np.zeros((len(self.groups) - 1, joints), np.float32)
        for row, nearer, further in zip(members, self.groups, self.groups[1:]):
            row[[*nearer, *further]] = 1 / len((*nearer, *further))
        level = jnp.einsum("cblv,lv->cbl", x, members.astype(x.dtype))
        level = EdgeConv(NEAR_LEVELS, name="edge")(level[None], train=train)[0]
        weight = Conv(channels, **torch_default(reduced), name="aggregate")(level)
        return nn.sigmoid(weight).transpose(2, 0, 1)


class HDGC(nn.Module):
    """Hierarchically decomposed graph convolution, batch norm, residual, ReLU.

    Every level of the hierarchy has a quarter of the channels for each of its three graphs and one
    for an edge convolution; the levels are then summed, weighted by `AHA`.

    Attributes:
      features: D.
      groups: joints by level, L + 1 of them.
      attend: whether the levels are weighted; the first block only adds them.
    """

    features: int
    groups: Groups
    attend: bool = True

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        check_width(self.features, multiple=4)
        _, bodies, frames, joints = x.shape
        levels, quarter = len(self.groups) - 1, self.features // 4
        stack = graphs.hierarchical(self.groups, joints)
        adjacency = self.param("adjacency", lambda _: jnp.asarray(stack)).astype(x.dtype)
        init = kaiming_out(quarter)
        opened = ConvNorm(levels * quarter, kernel_init=init, name="open")(x, train=train)
        level = nn.relu(opened).reshape(levels, quarter, bodies, frames, joints)

        subset = Conv(levels * SUBSETS * quarter, kernel_init=init, name="subset")
        kernel, bias = subset.weights(quarter)
        kernel = kernel.reshape(quarter, levels, -1).astype(x.dtype)
        y = jnp.einsum("clk,lcn->lkn", kernel, level.reshape(levels, quarter, -1))
        y = y.reshape(levels * SUBSETS, -1, joints)
        y = jnp.einsum("gnu,gvu->gnv", y, adjacency.reshape(-1, joints, joints))
        y = y.reshape(-1, bodies, frames, joints)
        y = BatchNorm(axis=0, name="subset_bn")(y, train=train, bias=bias)
        y = y.reshape(levels, SUBSETS * quarter, bodies, frames, joints)
        edge = EdgeConv(NEAR_JOINTS, name="edge")(level.mean(3), train=train)
        if self.attend:
            highest = jnp.concatenate([peak(y, 3), edge], axis=1)
            weight = AHA(self.groups, name="aha")(highest, train=train)
            ours, theirs = jnp.split(weight, [SUBSETS * quarter], axis=1)
            y, edge = weigh(y, ours), edge * theirs[..., None]
        else:
            y = weigh(y, jnp.ones(y.shape[:3], y.dtype))
        edge = edge.sum(0)[:, :, None]
        y = jnp.concatenate([y, jnp.broadcast_to(edge, (quarter, bodies, frames, joints))])

        norm = BatchNorm(axis=0, scale_init=nn.initializers.constant(1e-6), name="bn")
        x = shortcut(x, self.features, name="down", train=train)
        return nn.relu(norm(y, train=train) + x)


class HDGCN(Backbone):
    """HD-GCN backbone.

    Attributes (and those of `Backbone`):
      centre_of_mass: joint from which the hierarchy grows, counted from 1 as in the paper (1, 2 and
        21 on NTU; 1, 2 and 3 on NW-UCLA); 0 = the layout's centre.
    """

    centre_of_mass: int = 0

    @property
    def groups(self) -> Groups:
        """Joints by level, nearest to the centre of mass first."""
        if not 0 <= self.centre_of_mass <= self.layout.num_joints:
            raise ConfigError(
                "no such joint",
                where="model.centre_of_mass",
                found=self.centre_of_mass,
                expected=f"1 to {self.layout.num_joints}, or 0 for {self.layout.name}'s centre",
            )
        return graphs.hierarchy(self.layout, (self.centre_of_mass or self.layout.centre + 1) - 1)

    def block(self, number: int, features: int, stride: int) -> Block:
        gcn = partial(HDGC, groups=self.groups, attend=number > 1)
        return Block(features, gcn, TCN, "kaiming", stride, number > 1, name=f"block{number}")
