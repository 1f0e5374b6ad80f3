"""InfoGCN: attention graphs and an information bottleneck (Chi et al., CVPR 2022)."""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.models.backbone import Backbone, Block, Features, to_features
from skeljax.models.ctrgcn import TCN
from skeljax.models.layers import BatchNorm, Conv, at_least_float32, shortcut, torch_uniform
from skeljax.models.products import along_first, over_first, turned, written

_XAVIER = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")  # of gain sqrt(2)
MAX_STD = 100.0  # of the latent


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of every body, frame and joint."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(C, B, T, V) -> the same shape."""
        wide, channels = at_least_float32(x), len(x)
        centred = wide - along_first(over_first(wide) / channels, channels)
        var = over_first(jnp.square(centred)) / channels
        y = centred * along_first(jax.lax.rsqrt(var + 1e-5), channels)
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        return (y * scale[:, None, None, None] + bias[:, None, None, None]).astype(x.dtype)


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
        init = {"kernel_init": nn.initializers.normal(1.0), "bias_init": torch_uniform(channels)}
        both = Conv(2 * self.heads * size, **init, name="to_qk")(ChannelNorm(name="ln")(x))
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
        # channels last, so that the product over joints needs nothing turned round
        frames, y = x.transpose(1, 2, 3, 0), 0.0
        for head, weight in enumerate(jnp.split(kernel.astype(x.dtype), self.heads, -1)):
            topology = attention[head] * shared[head].astype(x.dtype)
            gathered = jnp.einsum("btvu,btuc->btvc", topology, frames)
            # flat: with all its axes the product would be given a turned copy on a CPU
            y += jnp.einsum("dc,nc->dn", turned(weight), gathered.reshape(-1, channels))
        norm = BatchNorm(axis=0, scale_init=nn.initializers.constant(1e-6), name="bn")
        bias = bias.reshape(self.heads, -1).sum(0)  # not part of what is summed over joints
        y = norm(y.reshape(-1, *x.shape[1:]), train=train, bias=bias)
        return nn.relu(shortcut(x, self.features, name="down", train=train) + y)


class InfoGCN(Backbone):
    """InfoGCN backbone; its pooled feature is the latent of the information bottleneck.

    The paper's input is joints minus their k-th ancestors: streams ``infogcn1``, ``infogcn2``, and
    ``joint`` for its k = 8. In training the latent is drawn, z = mean + noise std, from the random
    stream ``dropout``; in evaluation it is the mean. The losses on it are the method ``infogcn``'s.

    Attributes (and those of `Backbone`):
      width: D of the embedding and the first block.
      heads: attention heads, H.
      noise_ratio: std of the latent = exp(noise_ratio * log variance), at most 100.
    """

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
        out = to_features(self.outputs(x, train=train), self.num_person)
        width = out.pooled.shape[-1]

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

    def embed(self, x: jax.Array) -> jax.Array:
        init = torch_uniform(x.shape[-1])
        embed = nn.Dense(self.width, kernel_init=init, bias_init=init, name="embedding")
        shape = (1, self.layout.num_joints, self.width)
        return embed(x) + self.param("position", nn.initializers.normal(1.0), shape)

    def enter(self, x: jax.Array, *, train: bool) -> jax.Array:
        # wide and many times read, through the residuals of three blocks
        return written(super().enter(x, train=train))

    def block(self, number: int, features: int, stride: int) -> Block:
        gcn = partial(SAGC, heads=self.heads)
        tcn = partial(TCN, activate=True, torch_init=True)
        return Block(features, gcn, tcn, "kaiming", stride, name=f"block{number}")
