"""InfoGCN: attention graphs and an information bottleneck (Chi et al., CVPR 2022)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.layouts import Layout
from skeljax.models.ctrgcn import TCN
from skeljax.models.layers import (
    BatchNorm,
    Conv,
    ConvNorm,
    DataNorm,
    Features,
    at_least_float32,
    check_input,
    features,
    to_bodies,
    torch_uniform,
)

_XAVIER = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")  # of gain sqrt(2)
MAX_STD = 100.0  # of the latent


class Attention(nn.Module):
    """How much every joint attends to every other, in each frame.

    Attributes:
      heads: H.
    """

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(C, B, T, V) -> (H, B, T, V, V); rows, over the last axis, sum to 1."""
        channels, *others = x.shape
        size = max(channels // 8, 1)
        norm = nn.LayerNorm(1e-5, x.dtype, reduction_axes=0, feature_axes=0, name="ln")
        init = {"kernel_init": nn.initializers.normal(1.0), "bias_init": torch_uniform(channels)}
        both = Conv(2 * self.heads * size, **init, name="to_qk")(norm(x))
        query, key = both.reshape(2, self.heads, size, *others)
        score = jnp.einsum("hdbtv,hdbtu->hbtvu", query, key) * size**-0.5
        return jax.nn.softmax(at_least_float32(score)).astype(x.dtype)


class SAGC(nn.Module):
    """Self-attention graph convolution: a sum over heads of attention times a learned topology.

    Attributes:
      features: D.
      heads: H.
    """

    features: int
    heads: int

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, T, V)."""
        channels, joints = x.shape[0], x.shape[3]
        attention = Attention(self.heads, name="attention")(x)
        eye = jnp.eye(joints)  # attention passes the joint itself first; it learns the others
        shared = self.param("topology", lambda _: jnp.tile(eye, (self.heads, 1, 1)))
        init = nn.initializers.normal((2 / (self.features * channels * self.heads)) ** 0.5)
        value = Conv(self.heads * self.features, kernel_init=init, name="value")
        kernel, bias = value.weights(channels)
        y = 0.0
        for head, weight in enumerate(jnp.split(kernel.astype(x.dtype), self.heads, -1)):
            topology = attention[head] * shared[head].astype(x.dtype)
            moved = jnp.einsum("cbtu,cd->btud", x, weight)
            y += jnp.einsum("btvu,btud->btvd", topology, moved)
        norm = BatchNorm(axis=0, scale_init=nn.initializers.constant(1e-6), name="bn")
        bias = bias.reshape(self.heads, -1).sum(0)  # not part of what is summed over joints
        y = norm(y.transpose(3, 0, 1, 2), train=train, bias=bias)
        if channels != self.features:
            x = ConvNorm(self.features, name="down")(x, train=train)
        return nn.relu(x + y)


class Block(nn.Module):
    """ReLU(ReLU(TCN(SAGC(x))) + residual).

    Attributes:
      features: D.
      heads: H.
      stride: over time.
    """

    features: int
    heads: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """(C, B, T, V) -> (D, B, ceil(T / stride), V)."""
        y = SAGC(self.features, self.heads, name="gcn")(x, train=train)
        y = nn.relu(TCN(self.features, self.stride, torch_init=True, name="tcn")(y, train=train))
        if x.shape[0] != self.features or self.stride != 1:
            shortcut = ConvNorm(self.features, stride=self.stride, name="residual")
            x = shortcut(x, train=train)
        return nn.relu(x + y)


class InfoGCN(nn.Module):
    """InfoGCN backbone; its pooled feature is the latent of the information bottleneck.

    The paper's input is joints minus their k-th ancestors: streams ``infogcn1``, ``infogcn2``, and
    ``joint`` for its k = 8. In training the latent is drawn, z = mean + noise std, from the random
    stream ``dropout``; in evaluation it is the mean. The losses on it are the method ``infogcn``'s.

    Attributes:
      layout: of the joints; V follows from it.
      num_person: M bodies a clip.
      dtype: of activations and products; float32 or bfloat16.
      width: D of the embedding and the first block.
      depth: number of blocks.
      grow: blocks, counted from 1, that double D and halve the frames.
      heads: attention heads, H.
      noise_ratio: std of the latent = exp(noise_ratio * log variance), at most 100.
    """

    layout: Layout
    num_person: int
    dtype: jnp.dtype = jnp.float32
    width: int = 64
    depth: int = 9
    grow: tuple[int, ...] = (4, 7)
    heads: int = 3
    noise_ratio: float = 0.5

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool, noise: jax.Array | None = None) -> Features:
        """(N, M, T, V, C) -> Features; taps are the outputs of all blocks, in order.

        Args:
          noise: (N, D) standard normal draws to take in training instead of own ones.

        Raises:
          ConfigError: M or V is not what the model was built for.
        """
        check_input(x, self.layout, self.num_person)
        wide = jnp.promote_types(self.dtype, jnp.float32)  # metres do not fit bfloat16
        bias = torch_uniform(x.shape[-1])
        embed = nn.Dense(self.width, kernel_init=bias, bias_init=bias, name="embedding")
        shape = (1, self.layout.num_joints, self.width)
        position = self.param("position", nn.initializers.normal(1.0), shape)
        x = embed(x.astype(wide)) + position
        x = to_bodies(DataNorm("MVC", name="data_bn")(x, train=train)).astype(self.dtype)
        width, outputs = self.width, []
        for i in range(1, self.depth + 1):
            grow = i in self.grow
            width *= 1 + grow
            x = Block(width, self.heads, 1 + grow, name=f"block{i}")(x, train=train)
            outputs.append(x)
        out = features(outputs, self.num_person)

        def dense(name):
            return nn.Dense(width, kernel_init=_XAVIER, bias_init=torch_uniform(width), name=name)

        hidden = nn.relu(dense("fc")(out.pooled))
        latent, log_variance = dense("fc_mu")(hidden), dense("fc_logvar")(hidden)
        if train:
            if noise is None:
                noise = jax.random.normal(self.make_rng("dropout"), latent.shape, latent.dtype)
            std = jnp.minimum(jnp.exp(self.noise_ratio * log_variance), MAX_STD)
            latent = latent + noise * std
        return out._replace(pooled=latent)
