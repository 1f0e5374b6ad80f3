"""Classifier heads on pooled features."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.models.backbone import Features
from skeljax.models.layers import at_least_float32, torch_uniform


class Linear(nn.Module):
    """Linear classifier; float32 whatever the backbone computes in.

    Attributes:
      num_classes: K.
      std: of the initial weights, with zero bias (PYSKL: 0.01); None for the CTR-GCN family's
        sqrt(2 / K) with PyTorch's default bias.
    """

    num_classes: int
    std: float | None = None

    @nn.compact
    def __call__(self, pooled: jax.Array) -> jax.Array:
        """(N, D) -> logits (N, K)."""
        width = pooled.shape[-1]
        std = (2 / self.num_classes) ** 0.5 if self.std is None else self.std
        bias_init = torch_uniform(width) if self.std is None else nn.initializers.zeros
        kernel = self.param("kernel", nn.initializers.normal(std), (width, self.num_classes))
        bias = self.param("bias", bias_init, (self.num_classes,))
        return at_least_float32(pooled) @ kernel + bias


class Classifier(nn.Module):
    """A backbone and a head, under these names in the variables."""

    backbone: nn.Module
    head: nn.Module

    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, Features]:
        """(N, M, T, V, C) -> logits (N, K) and the backbone's Features."""
        out = self.backbone(x, train=train)
        return self.head(out.pooled), out


def pool_parts(last: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Means of a backbone's map over a part of it and over the rest, then over persons.

    Args:
      last: (N, M, T', V, D).
      mask: (T', V), true in the part; the same for all clips and persons.

    Returns:
      (N, D) of the part and (N, D) of the rest, float32.
    """
    inside = jnp.asarray(mask, jnp.promote_types(last.dtype, jnp.float32))
    return tuple(
        jnp.einsum("nmtvd,tv->nd", last, part) / (last.shape[1] * part.sum())
        for part in (inside, 1 - inside)
    )
