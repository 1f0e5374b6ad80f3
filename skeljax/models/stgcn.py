"""ST-GCN (Yan et al., AAAI 2018) and its descendants of one block: ST-GCN++ and others.

A block is ReLU(TCN(GCN(x)) + residual). What the public code bases change is the graph, which part
of it is learned, and the temporal unit; `skeljax.models.BACKBONES` holds their choices by name:

    stgcn              PYSKL's ST-GCN: distance graph times a learned importance, 9-frame TCN
    stgcnpp            PYSKL's ST-GCN++ (Duan et al., 2022): free graph, multi-scale TCN
    stgcn_original     the authors', with dropout and their initial values
    stgcn_contrastive  the same at a quarter of the width on the direction graph (SkeleMixCLR)
    stgcn_crosclr      the same on the distance graph (CrosSCLR, AimCLR, ActCLR)
    stgcn_frhead       FR-Head's: no skeleton at all, a graph learned from the identity
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from skeljax.errors import choose
from skeljax.layouts import Layout
from skeljax.models import graphs
from skeljax.models.backbone import Backbone, Block
from skeljax.models.layers import (
    BatchNorm,
    Conv,
    ConvNorm,
    DataNorm,
    check_width,
    shortcut,
    start,
    torch_default,
    torch_uniform,
)
from skeljax.models.products import max_pool, pointwise

GRAPHS: dict[str, Callable[[Layout], np.ndarray]] = {
    "distance": graphs.stgcn_spatial,
    "direction": graphs.spatial,
    "identity": lambda layout: np.stack([np.eye(layout.num_joints, dtype=np.float32)] * 3),
}
TOPOLOGIES = ("importance", "offset", "free", "unit")
ORDERS = ("pre", "post", "each")


class GraphConv(nn.Module):
    """Graph convolution over K subsets of the edges: the sum over k of W_k x A_k.

    Attributes:
      features: D.
      graph: returns the initial A (K, V, V).
      topology, order, initial, subsets: see `STGCN`.
    """

    features: int
    graph: Callable[[], np.ndarray]
    topology: str
    order: str
    initial: str
    subsets: int = 0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        channels, adjacency = x.shape[0], self.adjacency().astype(x.dtype)
        subsets = len(adjacency)
        gathered = [self.gather(x, subset, k) for k, subset in enumerate(adjacency)]
        if self.order == "post":  # one convolution of all subsets' channels
            init = torch_uniform(subsets * channels)
            conv = Conv(self.features, kernel_init=init, bias_init=init, name="conv")
            return conv(jnp.concatenate(gathered))
        values = {k: v for k, v in start(self.initial, channels).items() if k != "scale_init"}
        if self.initial == "kaiming":
            values["kernel_init"] = nn.initializers.normal(
                (2 / (self.features * channels * subsets)) ** 0.5
            )
        kernel, bias = Conv(subsets * self.features, **values, name="conv").weights(channels)
        parts = zip(gathered, jnp.split(kernel, subsets, -1))
        y = sum(pointwise(part, weight) for part, weight in parts)
        # before the graph, a joint receives the bias once from every neighbour
        received = adjacency.sum(1) if self.order == "pre" else jnp.ones(adjacency.shape[:2])
        shift = bias.reshape(subsets, -1).T @ received  # (D, V)
        return y + shift.astype(y.dtype)[:, None, None]

    def gather(self, x: jax.Array, subset: jax.Array, number: int) -> jax.Array:
        """(C, B, T, V) along a subset (V, V) of the edges -> the same shape."""
        if self.topology == "importance":
            fixed = self.graph()[number]
            if not np.any(fixed - np.diag(np.diag(fixed))):  # every joint sees itself alone
                return x * jnp.diag(subset)
        return x @ subset

    def adjacency(self) -> jax.Array:
        """(K, V, V), as far as it is learned by now; the column is the output joint."""
        fixed = jnp.asarray(self.graph())
        if choose("topology", self.topology, TOPOLOGIES) == "importance":
            return fixed * self.param("importance", nn.initializers.ones, fixed.shape)
        if self.topology == "offset":
            return fixed + self.param("offset", _nearly_zero, fixed.shape)
        if self.subsets:
            free = self.param("adjacency", _spread, (self.subsets, *fixed.shape[1:]))
        else:
            free = self.param("adjacency", lambda _: fixed)
        if self.topology == "free":
            return free
        length = jnp.sqrt(jnp.square(free).sum(1, keepdims=True) + 1e-30)  # of a zero column: 0
        return free / (length + 1e-4)


class GCN(nn.Module):
    """Graph unit: GraphConv, batch norm, perhaps a residual, ReLU. Attributes as of `GraphConv`."""

    features: int
    graph: Callable[[], np.ndarray]
    topology: str
    order: str
    initial: str
    residual: bool
    subsets: int = 0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        conv = GraphConv(
            self.features, self.graph, self.topology, self.order, self.initial, self.subsets,
            name="graph",
        )  # fmt: skip
        scale = start(self.initial, 1).get("scale_init", nn.initializers.ones)
        if self.initial == "kaiming":
            scale = nn.initializers.constant(1e-6)
        y = BatchNorm(axis=0, scale_init=scale, name="bn")(conv(x), train=train)
        if not self.residual:
            return nn.relu(y)
        init = start(self.initial, x.shape[0])
        return nn.relu(shortcut(x, self.features, name="down", train=train, **init) + y)


class MultiScaleTCN(nn.Module):
    """ST-GCN++'s temporal unit: `six_branches`, mixed by a 1x1 convolution."""

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        y = six_branches(x, self.features, self.stride, train=train)
        y = BatchNorm(axis=0, name="join")(y, train=train)
        mix = ConvNorm(self.features, **torch_default(self.features), name="mix")
        return mix(nn.relu(y), train=train)


def six_branches(
    x: jax.Array, features: int, stride: int, *, train: bool, dilated: str = "dilated"
) -> jax.Array:
    """(C, B, T, V) -> (D, B, ceil(T / stride), V): six branches of a temporal unit, side by side.

    Four are 3-frame convolutions of dilation 1 to 4 (in the calling module under the name `dilated`
    and that number), one a max pool, one a strided 1x1. Each is D // 6 wide, the first takes the
    remainder.
    """
    check_width(features, least=6)
    narrow = features // 6
    opening = torch_default(x.shape[0])
    wide = ConvNorm(features - 5 * narrow, **opening, name="open_first")
    # the openings of the four branches of equal width are one product
    others = ConvNorm(4 * narrow, **opening, name="open")
    first = nn.relu(wide(x, train=train))
    *opened, peak = first, *jnp.split(nn.relu(others(x, train=train)), 4)
    branches = []
    for dilation, y in enumerate(opened, 1):
        init = torch_default(3 * len(y))
        conv = Conv(len(y), 3, stride, dilation, **init, name=f"{dilated}{dilation}")
        branches.append(conv(y))
    branches.append(max_pool(peak, stride))
    branches.append(Conv(narrow, stride=stride, **opening, name="direct")(x))
    return jnp.concatenate(branches)


class STGCN(Backbone):
    """ST-GCN backbone; the defaults are PYSKL's ST-GCN.

    Attributes (and those of `Backbone`):
      last_width: D of the last block; 0 = as it has grown.
      graph: subsets of edges: ``distance`` to the centre (itself and equally far, nearer, farther,
        normalised together), ``direction`` (itself, inward, outward, each normalised alone) or
        ``identity``, three times no edge.
      topology: what of the graph each block learns: ``importance``, a factor of every edge;
        ``offset``, a term; ``free``, all of it; ``unit``, all of it with columns of length 1.
      subsets: K where a `free` graph begins with numbers about 0.04 instead (PYSKL's ``random``);
        0 = as `graph` says.
      order: the 1x1 convolution comes ``pre`` or ``post`` the graph, or ``each`` subset has its own
        after it; they differ in their biases.
      residual: whether the graph unit has one of its own.
      kernel_size: frames of the temporal convolution.
      multi_scale: ST-GCN++'s temporal unit instead of that convolution.
      data_norm: order of the input norm, ``VC`` (persons share it) or ``MVC``.
      dropout: rate after the temporal unit of all blocks but the first.
      initial: values: ``torch``, the framework's own; ``normal``, N(0, 0.02); ``kaiming``,
        as CTR-GCN and 2s-AGCN.
    """

    last_width: int = 0
    graph: str = "distance"
    topology: str = "importance"
    subsets: int = 0
    order: str = "pre"
    residual: bool = False
    kernel_size: int = 9
    multi_scale: bool = False
    data_norm: str = "VC"
    dropout: float = 0.0
    initial: str = "torch"

    def norm(self) -> DataNorm:
        scale = start(self.initial, 1).get("scale_init", nn.initializers.ones)
        return DataNorm(self.data_norm, scale, name="data_bn")

    def block(self, number: int, features: int, stride: int) -> Block:
        choose("order", self.order, ORDERS)
        if number == self.depth and self.last_width:
            features = self.last_width
        graph = partial(GRAPHS[choose("graph", self.graph, GRAPHS)], self.layout)
        gcn = partial(
            GCN, graph=graph, topology=self.topology, order=self.order, initial=self.initial,
            residual=self.residual, subsets=self.subsets,
        )  # fmt: skip
        init = start(self.initial, self.kernel_size * features)
        tcn = partial(ConvNorm, kernel_size=self.kernel_size, **init)
        tcn = MultiScaleTCN if self.multi_scale else tcn
        dropout = self.dropout if number > 1 else 0.0
        name = f"block{number}"
        return Block(features, gcn, tcn, self.initial, stride, number > 1, dropout, name=name)


def _nearly_zero(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -1e-6, 1e-6)


def _spread(key, shape, dtype=jnp.float32):
    return 0.04 + 0.02 * jax.random.normal(key, shape, dtype)
