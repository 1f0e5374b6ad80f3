"""Losses of InfoGCN (Chi et al., CVPR 2022) on the latent of its information bottleneck."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax


def class_means(z: jax.Array, labels: jax.Array, num_classes: int) -> tuple[jax.Array, jax.Array]:
    """(N, D) latents -> (K, D) mean of each class, zeros where it is absent, and (K,) presence."""
    member = jax.nn.one_hot(labels, num_classes, dtype=z.dtype)
    count = member.sum(0)
    return member.T @ z / jnp.maximum(count, 1)[:, None], count > 0


def mmd(z: jax.Array, labels: jax.Array, prior: jax.Array) -> jax.Array:
    """Mean squared distance of the class means in the batch from their prior means (K, D)."""
    means, present = class_means(z, labels, len(prior))
    square = jnp.where(present[:, None], jnp.square(means - prior), 0.0)
    return square.sum() / (present.sum() * prior.shape[1])


def mean_norm(z: jax.Array) -> jax.Array:
    """Length of the mean latent of the batch; its gradient is zero where that is."""
    square = jnp.square(z.mean(0)).sum()
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def prior_means(key, num_classes: int, width: int, gain: float = 3.0) -> jax.Array:
    """(K, D) rows of length `gain`, orthogonal to each other; for K > D the columns are."""
    return jax.nn.initializers.orthogonal(gain)(key, (num_classes, width))


def spread(z: jax.Array, labels: jax.Array, num_classes: int) -> tuple[jax.Array, jax.Array]:
    """Mean cosine and mean distance over all pairs of class means in the batch; for logs."""
    means, present = class_means(z, labels, num_classes)
    pairs = jnp.triu(present[:, None] & present[None, :], 1)
    count = jnp.maximum(pairs.sum(), 1)
    length = jnp.linalg.norm(means, axis=1)
    cosine = means @ means.T / jnp.maximum(length[:, None] * length[None, :], 1e-12)
    distance = jnp.linalg.norm(means[:, None] - means[None, :], axis=-1)
    return tuple(jnp.where(pairs, x, 0.0).sum() / count for x in (cosine, distance))


def infogcn_loss(
    z: jax.Array,
    logits: jax.Array,
    labels: jax.Array,
    prior: jax.Array,
    *,
    mmd_weight: float = 0.1,
    mean_weight: float = 1e-4,
    label_smoothing: float = 0.1,
    ce: jax.Array | None = None,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The whole objective and its terms ``ce``, ``mmd``, ``mean_norm``.

    Args:
      z: (N, D) drawn latents.
      logits: (N, K).
      labels: (N,) integers.
      prior: (K, D) means that the classes are drawn to.
      mmd_weight: lambda_2 of the public code.
      mean_weight: lambda_1.
      label_smoothing: share of the target spread evenly over the K classes.
      ce: () another loss of the logits in place of the cross entropy with smoothed labels.
    """
    if ce is None:
        target = jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
        target = optax.smooth_labels(target, label_smoothing)
        ce = optax.softmax_cross_entropy(logits, target).mean()
    terms = {
        "ce": ce,
        "mmd": mmd(z, labels, prior),
        "mean_norm": mean_norm(z),
    }
    return terms["ce"] + mmd_weight * terms["mmd"] + mean_weight * terms["mean_norm"], terms
