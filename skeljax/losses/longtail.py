"""Losses of a classifier, most of them for long-tailed data. Every one goes with every method.

A loss is built from the facts of the data (class counts, steps an epoch, epochs) and its own
arguments, and called as ``loss(logits (N,K), target (N,K), step, rng) -> ()``: targets may be soft
(label smoothing, mixed clips), and `step` says which stage of a two-stage schedule it is. With
cost[i,k] of clip i if its label were k, and the class weights of the stage, it is the weighted mean

    sum_ik target[i,k] weight[k] cost[i,k] / sum_ik target[i,k] weight[k]

`switch`, the share of the epochs at which the second stage begins, is 19 of 24 in BRL's recipe
(epoch 19, counted from 0); 0 begins with it, 1 never comes to it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from skeljax.errors import check_number

MASKED = -1e7  # a logit that takes no part
_SHARE = ("0 to 1", lambda value: 0 <= value <= 1)
_LIMITS = {"switch": _SHARE, "beta": ("0 or more, below 1", lambda value: 0 <= value < 1)}


@dataclasses.dataclass(frozen=True)
class Loss:
    """What all have in common; by itself plain cross entropy.

    Attributes:
      facts: of the data (methods.Facts).
    """

    facts: Any

    limits: ClassVar[dict] = {}  # of its arguments, beside _LIMITS

    def __post_init__(self):
        for name, (expected, fits) in (_LIMITS | self.limits).items():
            if hasattr(self, name):
                found = getattr(self, name)
                check_number(f"loss.{name}", found, fits(found), expected)

    def cost(self, logits: jax.Array, second: jax.Array, rng: jax.Array | None) -> jax.Array:
        """(N,K) logits -> (N,K) cost of each clip if its label were k.

        Args:
          second: () bool, whether this is the second stage.
          rng: for the losses that draw.
        """
        return cross_entropy(logits)

    def weight(self, epoch: jax.Array) -> jax.Array:
        """(K,) class weights at an epoch, 0-based."""
        return jnp.ones(len(self.counts))

    def __call__(self, logits, target, step, rng=None) -> jax.Array:
        """Weighted mean over the batch.

        Args:
          logits: (N,K) float32.
          target: (N,K), rows that sum to 1.
          step: () steps taken so far.
          rng: key of this step, for the losses that draw; without one they draw the same always.
        """
        epoch = step // self.facts.steps_per_epoch
        share = target * self.weight(epoch)
        return jnp.sum(share * self.cost(logits, self.second_stage(epoch), rng)) / jnp.sum(share)

    def second_stage(self, epoch) -> jax.Array:
        """() bool."""
        return jnp.asarray(epoch) >= self.first_epoch

    @property
    def first_epoch(self) -> int:
        """Epoch, 0-based, at which the second stage begins."""
        return round(getattr(self, "switch", 0.0) * self.facts.epochs)

    @property
    def counts(self) -> np.ndarray:
        """(K,) training clips of each class; a class without any counts as one clip."""
        return np.maximum(np.asarray(self.facts.class_counts, np.float64), 1)


class CrossEntropy(Loss):
    """Cross entropy: -log p_y."""


class BinaryCrossEntropy(Loss):
    """A sigmoid for each class: binary cross entropy, the mean over the classes."""

    def cost(self, logits, second, rng):
        of_others = jnp.sum(jax.nn.softplus(logits), axis=-1, keepdims=True)
        return (of_others - logits) / logits.shape[-1]


@dataclasses.dataclass(frozen=True)
class Focal(Loss):
    """Focal loss (Lin et al., 2017): (1 - p_y)^gamma times the cross entropy.

    Attributes:
      gamma: how much easy clips count less.
      switch: share of the epochs of plain cross entropy before it.
    """

    gamma: float = 2.0
    switch: float = 0.0

    def cost(self, logits, second, rng):
        plain = cross_entropy(logits)
        return jnp.where(second, (1 - jnp.exp(-plain)) ** self.gamma * plain, plain)


@dataclasses.dataclass(frozen=True)
class InverseFrequency(Loss):
    """Cross entropy, then weighted by (sum of n) / n_c.

    Attributes:
      switch: share of the epochs of plain cross entropy before the weights.
      published: as BRL's code runs: the first epoch overwrites the weights by ones for good, and
        there is no second stage.
    """

    switch: float = 19 / 24
    published: bool = False

    def weight(self, epoch):
        weight = self.counts.sum() / self.counts
        return _staged(self.second_stage(epoch) & (not self.published), weight)


@dataclasses.dataclass(frozen=True)
class ClassBalanced(Loss):
    """Cross entropy, then class-balanced weights (Cui et al., 2019), mean 1.

    Attributes:
      beta: of the effective number of clips (1 - beta^n) / (1 - beta).
      switch: share of the epochs of plain cross entropy before the weights.
    """

    beta: float = 0.999
    switch: float = 19 / 24

    def weight(self, epoch):
        return _staged(self.second_stage(epoch), effective_weights(self.counts, self.beta))


@dataclasses.dataclass(frozen=True)
class ActionAware(Loss):
    """BRL's detached schedule: cross entropy, then class-balanced weights whose beta grows with the
    class, from 0.99 for the rarest to 0.9999 for the commonest.

    Attributes:
      switch: share of the epochs of plain cross entropy before the weights (Kinetics: 129 / 150).
      published: as BRL's code runs: every epoch of the second stage turns beta into 1 - beta, so
        that each other epoch has nearly uniform weights.
    """

    switch: float = 19 / 24
    published: bool = False

    def weight(self, epoch):
        n = self.counts
        beta = 0.99 + 0.0099 * (n - n.min()) / max(np.ptp(n), 1)
        weight = effective_weights(n, beta)
        if self.published:
            turned = (epoch - self.first_epoch) % 2 == 1
            weight = jnp.where(turned, effective_weights(n, 1 - beta), weight)
        return _staged(self.second_stage(epoch), weight)


@dataclasses.dataclass(frozen=True)
class LDAM(Loss):
    """LDAM with deferred re-weighting (Cao et al., 2019): a margin ~ n_c^(-1/4) off the label's
    logit in both stages, class-balanced weights in the second.

    Attributes:
      largest: margin of the rarest class.
      scale: of the logits.
      beta: of the class-balanced weights.
      switch: share of the epochs before the weights.
    """

    largest: float = 0.5
    scale: float = 30.0
    beta: float = 0.999999
    switch: float = 19 / 24

    @property
    def margins(self) -> np.ndarray:
        """(K,)"""
        margin = self.counts**-0.25
        return self.largest * margin / margin.max()

    def cost(self, logits, second, rng):
        return label_cost(self.scale * (logits[:, None] - np.diag(self.margins)))

    def weight(self, epoch):
        return _staged(self.second_stage(epoch), effective_weights(self.counts, self.beta))


class BalancedSoftmax(Loss):
    """Balanced softmax (Ren et al., 2020): cross entropy of z + ln n."""

    def cost(self, logits, second, rng):
        return cross_entropy(logits + np.log(self.counts))


@dataclasses.dataclass(frozen=True)
class Equalization(Loss):
    """Cross entropy, then softmax equalization (Tan et al., 2020): clips of other classes do not
    push a tail class down.

    Attributes:
      gamma: chance that a tail class is left out of a clip's softmax; 0.9 as for ImageNet-LT.
      switch: share of the epochs of plain cross entropy before it.
      published: as BRL's code runs: it leaves out the classes that are not of the tail, and keeps
        one of them with chance 0.00176 (`gamma` is not read).
    """

    gamma: float = 0.9
    switch: float = 19 / 24
    published: bool = False

    limits: ClassVar[dict] = {"gamma": _SHARE}

    @property
    def tail(self) -> np.ndarray:
        """(K,) bool: rarer than the class two thirds down the ranking."""
        return self.counts < np.sort(self.counts)[::-1][2 * (len(self.counts) // 3)]

    def cost(self, logits, second, rng):
        draw = jax.random.uniform(jax.random.key(0) if rng is None else rng, logits.shape)
        left_out, chance = (~self.tail, 1 - 0.00176) if self.published else (self.tail, self.gamma)
        kept = ~left_out | (draw >= chance)
        kept = kept[:, None] | np.eye(logits.shape[-1], dtype=bool)
        equalized = label_cost(jnp.where(kept, logits[:, None], MASKED))
        return jnp.where(second, equalized, cross_entropy(logits))


@dataclasses.dataclass(frozen=True)
class KPS(Loss):
    """Key-point sensitive loss (Li et al., 2022): logits scaled up for common classes, a margin for
    rare ones; in the second stage the clip's logits are scaled by its label.

    Attributes:
      largest: margin of the class with the largest.
      scale: logits of the rarest class keep their size, one with `scale` times its clips doubles;
        above 1.
      switch: share of the epochs before the second stage.
    """

    largest: float = 0.5
    scale: float = 50.0
    switch: float = 16 / 24

    limits: ClassVar[dict] = {"scale": ("above 1", lambda value: value > 1)}

    @property
    def scales(self) -> np.ndarray:
        """(K,) factor of each logit."""
        return np.log(self.scale * self.counts / self.counts.min()) / math.log(self.scale)

    @property
    def mirrored(self) -> np.ndarray:
        """(K,) the scale of the class that is as rare as this one is common."""
        order = np.argsort(-self.counts, kind="stable")
        mirrored = np.empty_like(self.scales)
        mirrored[order] = self.scales[order[::-1]]
        return mirrored

    @property
    def margins(self) -> np.ndarray:
        """(K,)"""
        return self.largest * self.mirrored / self.mirrored.max()

    def cost(self, logits, second, rng):
        adjusted = (logits * self.scales)[:, None] - np.diag(self.margins)
        of_label = np.clip(self.mirrored, 1, 50)[:, None]
        return label_cost(adjusted * jnp.where(second, of_label, 1.0))


@dataclasses.dataclass(frozen=True)
class Gumbel(Loss):
    """Cross entropy, then cross entropy of Gumbel-activated logits exp(-exp(-z)).

    Attributes:
      switch: share of the epochs of plain cross entropy before it.
    """

    switch: float = 20 / 24

    def cost(self, logits, second, rng):
        activated = jnp.clip(jnp.exp(-jnp.exp(-jnp.clip(logits, -4.0, 10.0))), 0.0, 20.0)
        return cross_entropy(jnp.where(second, activated, logits))


def cross_entropy(logits) -> jax.Array:
    """(N,K) -log p_k."""
    return -jax.nn.log_softmax(logits)


def label_cost(logits) -> jax.Array:
    """(N,K) cross entropy for each label, from logits (N,K,K) that row k has if the label is k."""
    return -jnp.diagonal(jax.nn.log_softmax(logits), axis1=1, axis2=2)


def effective_weights(counts, beta) -> np.ndarray:
    """(K,) (1 - beta) / (1 - beta^n), scaled to mean 1."""
    weight = (1 - beta) / (1 - np.power(beta, counts))
    return weight / weight.mean()


def _staged(second, weight) -> jax.Array:
    return jnp.where(second, jnp.asarray(weight, jnp.float32), 1.0)
