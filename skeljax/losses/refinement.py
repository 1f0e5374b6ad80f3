"""FR-Head's contrastive term (Zhou et al., "Learning Discriminative Representations for Skeleton
Based Action Recognition", CVPR 2023).

A term looks at one embedding x of the clips. Every class k has a prototype P_k, a running mean of
the embeddings of its true positives, and every clip is to lie near the prototype of its own class:
cross entropy over cos(x_n, P_k) / temperature. Beside the prototype a class has ambiguous clips,
which each batch shows anew:

    missed    false negatives: clips of the class that were taken for another
    captured  false positives: clips of others that were taken for it

The own-class score is lowered where a clip is far from the missed ones, and in a second cross
entropy where it is near to the captured ones: the loss asks more of the classes that are confused.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

VERSIONS = ("V0", "V1", "V2", "NO FN", "NO FP", "NO FN & FP")


class Outcome(NamedTuple):
    """What the clips of a batch are for the classifier as it stands; no gradient moves it.

    Attributes:
      own: (N, K) one at the class of the clip.
      true: (N, K) the same for clips that are right, and surer than the threshold.
      missed: (N, K) the same for clips that are wrong.
      captured: (N, K) one at the class that a wrong clip was taken for.
      doubt: (N,) one minus the probability of the clip's class.
    """

    own: jax.Array
    true: jax.Array
    missed: jax.Array
    captured: jax.Array
    doubt: jax.Array


def outcome(logits: jax.Array, label: jax.Array, threshold: float = 0.0) -> Outcome:
    """Outcome of logits (N, K) and label (N,).

    A clip that is right with a probability up to the threshold is neither true nor missed.
    """
    logits = jax.lax.stop_gradient(logits)
    prob = jax.nn.softmax(logits)
    own = jax.nn.one_hot(label, logits.shape[1], dtype=prob.dtype)
    taken_for = jax.nn.one_hot(logits.argmax(1), logits.shape[1], dtype=prob.dtype)
    right = own * taken_for
    doubt = 1 - jnp.sum(prob * own, axis=1)
    return Outcome(own, right * (prob > threshold), own - right, taken_for - right, doubt)


def class_means(x: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Means (K, E) of the rows of x (N, E) that a mask (N, K) gives to each class, 0 where none;
    and (K,) whether there are any."""
    count = mask.sum(0)
    return mask.T @ x / jnp.maximum(count, 1)[:, None], count > 0


def unit(v: jax.Array) -> jax.Array:
    """Vectors of length 1 on the last axis. Zero stays zero, with a zero gradient."""
    square = jnp.sum(jnp.square(v), axis=-1, keepdims=True)
    zero = square == 0
    return jnp.where(zero, 0, v / (jnp.sqrt(jnp.where(zero, 1, square)) + 1e-12))


def moved(prototypes: jax.Array, x: jax.Array, true: jax.Array, momentum: float) -> jax.Array:
    """(K, E) prototypes after a batch: those without a true positive stay where they are."""
    mean, has = class_means(x, true)
    return jnp.where(has[:, None], momentum * prototypes + (1 - momentum) * mean, prototypes)


def scores(
    x: jax.Array,
    prototypes: jax.Array,
    of: Outcome,
    *,
    version: str = "V1",
    use_p_map: bool = True,
    alpha: float = 0.125,
) -> tuple[jax.Array, jax.Array]:
    """Cosines (N, K) of clips and prototypes, lowered by false negatives and by false positives.

    Args: as of `term`.
    """
    x_hat, p_hat = unit(x), unit(prototypes)
    plain = x_hat @ p_hat.T
    missed, has_missed = class_means(x, of.missed)
    captured, has_captured = class_means(x, of.captured)
    if version == "V2":  # between the class's prototype and its ambiguous clips, in every column
        near = jnp.sum(p_hat * unit(missed), axis=1)
        far = -jnp.sum(p_hat * unit(captured), axis=1)
        return plain + has_missed * (near - 1), plain + has_captured * (far - 1)
    gate = of.own if version == "V0" else of.true
    weight = gate * (alpha * of.doubt[:, None] if use_p_map else alpha)
    near, far = x_hat @ unit(missed).T, -x_hat @ unit(captured).T
    by_missed = 0 if "FN" in version else weight * has_missed * (near - 1)
    by_captured = 0 if "FP" in version else weight * has_captured * (far - 1)
    return plain + by_missed, plain + by_captured


def term(
    x: jax.Array,
    prototypes: jax.Array,
    of: Outcome,
    *,
    version: str = "V1",
    use_p_map: bool = True,
    alpha: float = 0.125,
    temperature: float = 0.125,
    momentum: float = 0.9,
) -> tuple[jax.Array, jax.Array]:
    """One contrastive term, and the prototypes that it leaves behind.

    The gradient goes through x, also where it enters the means of a class and the moved prototypes;
    the prototypes as they came, and the outcome, are constants.

    Args:
      x: (N, E) embeddings, of any length.
      prototypes: (K, E) of the steps before.
      of: of the global batch, `outcome`.
      version: whose own-class scores are lowered: ``V0`` all clips', ``V1`` the true positives',
        as in the paper. ``NO FN``, ``NO FP``, ``NO FN & FP``: V1 without the part named. ``V2``:
        compares prototypes instead of clips with the ambiguous clips, and weighs each clip by its
        doubt.
      use_p_map: lower a score in proportion to the clip's doubt (not in V2).
      alpha: weight of the lowering (not in V2).
      temperature: of the cross entropies.
      momentum: weight of the old prototypes.

    Returns:
      Loss (), mean over clips; prototypes (K, E).
    """
    with jax.default_matmul_precision("float32"):  # few products, and cosines need the digits
        prototypes = moved(prototypes, x, of.true, momentum)
        calibrated = scores(x, prototypes, of, version=version, use_p_map=use_p_map, alpha=alpha)
    loss = sum(optax.softmax_cross_entropy(s / temperature, of.own) for s in calibrated)
    return jnp.mean(loss * of.doubt if version == "V2" else loss), prototypes
