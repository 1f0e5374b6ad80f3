"""What all backbones share: the way in, blocks of growing width, the way out.

A backbone is a `Backbone` whose `block` builds what its paper's figure shows; most blocks are a
`Block` of two units, over the joints and over time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.errors import ConfigError
from skeljax.layouts import Layout
from skeljax.models.layers import DataNorm, at_least_float32, shortcut, start


class Features(NamedTuple):
    """What a backbone returns.

    Attributes:
      pooled: (N, D) mean over joints and frames, then over persons; float32.
      map: (N, M, T', V, D) output of the last block.
      taps: outputs of all blocks, each (N, M, T', V, D) of its own T' and D.
      graph: (N, V, V) topology that ProtoGCN rebuilds from its prototypes; None elsewhere.
    """

    pooled: jax.Array
    map: jax.Array
    taps: tuple[jax.Array, ...]
    graph: jax.Array | None = None


class Backbone(nn.Module):
    """Data norm, blocks, mean over joints and frames, then over persons.

    Attributes:
      layout: of the joints; V follows from it, and the graph where one is given.
      num_person: M bodies a clip.
      dtype: of activations and products; float32 or bfloat16.
      width: D of the first block.
      depth: number of blocks.
      grow: blocks, counted from 1, that double D and halve the frames.
    """

    layout: Layout
    num_person: int
    dtype: jnp.dtype = jnp.float32
    width: int = 64
    depth: int = 10
    grow: tuple[int, ...] = (5, 8)

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> Features:
        """(N, M, T, V, C) -> Features; taps are the outputs of all blocks, in order.

        Raises:
          ConfigError: M or V is not what the model was built for, an unknown choice, or a width or
            depth that cannot be.
        """
        return to_features(self.outputs(x, train=train), self.num_person)

    def block(self, number: int, features: int, stride: int) -> nn.Module:
        """The block of that number, from 1: a named module, (C, B, T, V) -> (D, B, T', V)."""
        raise NotImplementedError

    def embed(self, x: jax.Array) -> jax.Array:
        """What the data norm sees, (N, M, T, V, ...): the coordinates."""
        return x

    def norm(self) -> DataNorm:
        """The data norm."""
        return DataNorm("MVC", name="data_bn")

    def outputs(self, x: jax.Array, *, train: bool) -> list[jax.Array]:
        """(N, M, T, V, C) -> (D, B, T', V) of every block."""
        x, outputs = self.enter(x, train=train), []
        for number, features, stride in self.stages():
            x = self.block(number, features, stride)(x, train=train)
            outputs.append(x)
        return outputs

    def enter(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(N, M, T, V, C) -> (C, B, T, V), normalised."""
        for field in ("width", "depth"):
            if getattr(self, field) < 1:
                raise ConfigError(
                    "the number is too small",
                    where=f"model.{field}",
                    found=getattr(self, field),
                    expected="1 or more",
                )
        check_input(x, self.layout, self.num_person)
        wide = jnp.promote_types(self.dtype, jnp.float32)  # metres do not fit bfloat16
        x = self.norm()(self.embed(x.astype(wide)), train=train)
        return to_bodies(x).astype(self.dtype)

    def stages(self) -> Iterator[tuple[int, int, int]]:
        """Number, D and stride of every block."""
        features = self.width
        for number in range(1, self.depth + 1):
            stride = 2 if number in self.grow else 1
            features *= stride
            yield number, features, stride


class Block(nn.Module):
    """ReLU(TCN(GCN(x)) + residual).

    Attributes:
      features: D.
      gcn, tcn: the two units, still without `features` (and `stride`).
      initial: values of the residual's convolution, see `layers.start`.
      stride: over time.
      residual: whether there is one.
      dropout: rate after the temporal unit.
    """

    features: int
    gcn: Callable[..., nn.Module]
    tcn: Callable[..., nn.Module]
    initial: str
    stride: int = 1
    residual: bool = True
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        y = self.gcn(self.features, name="gcn")(x, train=train)
        y = self.tcn(self.features, stride=self.stride, name="tcn")(y, train=train)
        y = nn.Dropout(self.dropout, deterministic=not train)(y)
        if not self.residual:
            return nn.relu(y)
        init = start(self.initial, x.shape[0])
        return nn.relu(shortcut(x, self.features, self.stride, train=train, **init) + y)


def check_input(x: jax.Array, layout: Layout, num_person: int) -> None:
    """Raises ConfigError unless `x` is (N, M, T, V, C) with the model's M and the layout's V."""
    if x.ndim == 5 and x.shape[1] == num_person and x.shape[3] == layout.num_joints:
        return
    raise ConfigError(
        "the clips do not fit the model",
        found=f"array of shape {tuple(x.shape)}",
        expected=f"(N, M={num_person}, T, V={layout.num_joints} of layout {layout.name}, C)",
        do="give the model the data's layout and number of persons",
    )


def to_bodies(x: jax.Array) -> jax.Array:
    """(N, M, T, V, C) -> (C, N M, T, V)."""
    n, m, t, v, c = x.shape
    return x.reshape(n * m, t, v, c).transpose(3, 0, 1, 2)


def to_clips(x: jax.Array, num_person: int) -> jax.Array:
    """(C, N M, T, V) -> (N, M, T, V, C)."""
    c, b, t, v = x.shape
    return x.transpose(1, 2, 3, 0).reshape(b // num_person, num_person, t, v, c)


def to_features(outputs: list[jax.Array], num_person: int) -> Features:
    """Features from the outputs (D, B, T', V) of all blocks."""
    taps = tuple(to_clips(x, num_person) for x in outputs)
    last = outputs[-1]
    pooled = at_least_float32(last).mean((2, 3)).T
    return Features(pooled.reshape(-1, num_person, last.shape[0]).mean(1), taps[-1], taps)
