"""Attention shared by the text encoders."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

VERY_NEGATIVE = -1e9


class Attention(nn.Module):
    """Multi-head self-attention with biases.

    Attributes:
      heads: H, each of width D / H.
    """

    heads: int

    @nn.compact
    def __call__(self, x: jax.Array, bias: jax.Array) -> jax.Array:
        """(B, L, D), `bias` added to the scores (broadcast to (B, H, L, L)) -> (B, L, D)."""
        width = x.shape[-1]

        def split(name):
            return nn.Dense(width, name=name)(x).reshape(*x.shape[:2], self.heads, -1)

        query, key, value = split("q"), split("k"), split("v")
        scores = jnp.einsum("bihd,bjhd->bhij", query, key) * (width // self.heads) ** -0.5
        weights = jax.nn.softmax(scores + bias)
        mixed = jnp.einsum("bhij,bjhd->bihd", weights, value).reshape(x.shape)
        return nn.Dense(width, name="out")(mixed)
