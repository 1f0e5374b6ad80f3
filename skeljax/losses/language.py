"""Language supervision: skeleton features against text features (LST, Xiang et al. 2023, eq. 3-7).

All in float32 or wider, whatever the backbone computes in.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from skeljax.models.layers import at_least_float32


class Contrast(NamedTuple):
    """One contrastive term and what it is made of.

    Attributes:
      loss: mean of the two directions.
      skeleton, text: losses of skeleton -> text and of text -> skeleton.
      similarity: (B, B) scaled cosines, rows are skeletons.
    """

    loss: jax.Array
    skeleton: jax.Array
    text: jax.Array
    similarity: jax.Array


def same_label(label: jax.Array) -> jax.Array:
    """(B, B) float: 1 where two clips are of one class."""
    return (label[:, None] == label[None, :]).astype(jnp.float32)


def log_target(same: jax.Array, sharpness: float = 10.0) -> jax.Array:
    """(B, B) log softmax(sharpness * same) over the last axis, from its two constants.

    A row with m positives: q+ = e^10 / (m e^10 + B - m), q- = 1 / (m e^10 + B - m).
    """
    positives = same.sum(-1, keepdims=True)
    others = same.shape[-1] - positives
    return sharpness * (same - 1) - jnp.log(positives + others * jnp.exp(-sharpness))


def contrast(feature, text, scale, label) -> Contrast:
    """KL divergence from the soft same-label targets, in both directions.

    The batch is the global one: under a sharded batch the products below gather what they need, so
    that negatives span all devices.

    Args:
      feature, text: (B, D) of the skeletons and of their classes, of any length.
      scale: () factor on the cosines.
      label: (B,).
    """
    feature, text = (unit(at_least_float32(x)) for x in (feature, text))
    similarity = scale * jnp.matmul(feature, text.T, precision="highest")
    log_q = log_target(same_label(label).astype(similarity.dtype))
    q = jnp.exp(log_q)

    def divergence(logits):
        return jnp.sum(q * (log_q - jax.nn.log_softmax(logits))) / len(label)

    skeleton, back = divergence(similarity), divergence(similarity.T)
    return Contrast((skeleton + back) / 2, skeleton, back, similarity)


def unit(x: jax.Array) -> jax.Array:
    """Rows of length 1; a row of zeros stays one, with a finite gradient."""
    square = jnp.sum(jnp.square(x), -1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.maximum(square, 1e-24))
