"""Losses of momentum contrast on logits, and the quantities that tell a collapse. All in float32.

Logits are (N, L) cosines over a temperature; column 0 holds the positive unless a mask of positives
is given. N anchors, E width of the vectors.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

TINY = 1e-24  # squared norm below which a vector counts as zero: PyTorch's 1e-12


def unit(x: jax.Array) -> jax.Array:
    """Vectors (..., E) at length 1; zero stays zero, with a gradient of zero."""
    return x * jax.lax.rsqrt(jnp.maximum(jnp.square(x).sum(-1, keepdims=True), TINY))


def cosine(a: jax.Array, b: jax.Array) -> jax.Array:
    """(N, 1) products of the rows of two (N, E)."""
    return (a * b).sum(-1, keepdims=True)


def against(vectors: jax.Array, bank: jax.Array) -> jax.Array:
    """(N, K) products of (N, E) with every row of a bank (K, E); never in TF32 or bfloat16."""
    return jnp.matmul(vectors, bank.T, precision="highest")


def first_positive(logits: jax.Array) -> jax.Array:
    """(N, L) mask of column 0."""
    return jnp.zeros_like(logits).at[:, 0].set(1)


def info_nce(logits: jax.Array) -> jax.Array:
    """Cross entropy with column 0, mean over N (van den Oord et al., 2018)."""
    return -jax.nn.log_softmax(logits)[:, 0].mean()


def multi_nce(logits: jax.Array, positive: jax.Array) -> jax.Array:
    """Several positives, -log(sum of their probabilities / their number), mean over N."""
    chances = jax.nn.logsumexp(logits, axis=1, b=positive) - jax.nn.logsumexp(logits, axis=1)
    return (jnp.log(positive.sum(1)) - chances).mean()


def mined_nce(logits: jax.Array, positive: jax.Array) -> jax.Array:
    """Several positives, -mean of their log-probabilities, mean over N (CrosSCLR, eq. 6)."""
    picked = (jax.nn.log_softmax(logits) * positive).sum(1) / positive.sum(1)
    return -picked.mean()


def decoupled(logits: jax.Array, positive: jax.Array) -> jax.Array:
    """Positives leave the denominator (Yeh et al., DCL, 2022); several are summed."""
    negatives = jax.nn.logsumexp(logits, axis=1, b=1 - positive)
    return (negatives - (logits * positive).sum(1)).mean()


# A loss of logits whose positive is column 0, by the name that config.method.form gives.
FORMS = {
    "ce": info_nce,
    "dcl": lambda logits: decoupled(logits, first_positive(logits)),
}


def spread(vectors: jax.Array) -> jax.Array:
    """Standard deviation over the batch, mean over E, of unit vectors, times sqrt(E).

    Near 1 where they fill the sphere, 0 where all are one point.
    """
    return vectors.std(0).mean() * vectors.shape[-1] ** 0.5


def alignment(a: jax.Array, b: jax.Array) -> jax.Array:
    """Mean squared distance of positives (Wang and Isola, 2020); 0 is best."""
    return jnp.square(a - b).sum(-1).mean()


def uniformity(vectors: jax.Array) -> jax.Array:
    """log mean exp(-2 |u - v|^2) over the pairs of a batch (Wang and Isola, 2020).

    0 where all are one point; about -4 where they fill a sphere of many dimensions.
    """
    count = vectors.shape[0]
    square = 2 - 2 * against(vectors, vectors)
    pairs = jnp.exp(-2 * square).sum() - count  # without each vector and itself
    return jnp.log(jnp.maximum(pairs, TINY) / max(count * (count - 1), 1))


def watch(query: jax.Array, key: jax.Array) -> dict[str, jax.Array]:
    """Metrics of unit vectors (N, E) by which a collapse is seen."""
    query = jax.lax.stop_gradient(query)
    return {
        "feature_std": spread(query),
        "alignment": alignment(query, key),
        "uniformity": uniformity(query),
    }
