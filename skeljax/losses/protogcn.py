"""Class-specific contrastive loss of ProtoGCN (Liu et al., CVPR 2025)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax


def class_contrast(
    feature: jax.Array,
    logits: jax.Array,
    labels: jax.Array,
    memory: jax.Array,
    *,
    momentum: float = 0.9,
    temperature: float = 0.125,
) -> tuple[jax.Array, jax.Array]:
    """Cross entropy over the cosines to a memory of one feature a class, and the memory after.

    A class moves towards the mean feature of those of its clips in the batch that are classified
    right; the moved memory serves at once, so that the gradient flows through that mean. Over
    several devices the mean is the global batch's (the public code keeps a memory for each).

    Args:
      feature: (N, E).
      logits: (N, K); no gradient flows through them.
      labels: (N,) integers.
      memory: (E, K); no gradient flows through it.
      momentum: weight of the old memory.
      temperature: that divides the cosines.

    Returns:
      The loss and the memory (E, K).
    """
    right = (logits.argmax(-1) == labels)[:, None]
    member = right * jax.nn.one_hot(labels, logits.shape[-1], dtype=feature.dtype)
    count = member.sum(0)
    mean = feature.T @ member / jnp.maximum(count, 1)
    kept = jax.lax.stop_gradient(memory)
    memory = jnp.where(count > 0, momentum * kept + (1 - momentum) * mean, kept)
    cosine = _unit(feature, 1) @ _unit(memory, 0)
    losses = optax.softmax_cross_entropy_with_integer_labels(cosine / temperature, labels)
    return losses.mean(), memory


def _unit(x, axis):
    square = jnp.square(x).sum(axis, keepdims=True)
    length = jnp.sqrt(jnp.where(square > 0, square, 1.0))
    return jnp.where(square > 0, x / length, 0.0)
