"""BRL: balanced representation learning for long-tailed skeletons (Liu et al., 2023).

Its parts, and where they are: rebalanced partial mixup here; the two-stage schedule with
action-aware weights in `losses.ActionAware`, this method's default loss; class-specific resampling
in `data.feeder` (``data.sampler = class_specific``); time reversal in the recipe ``brl``
(``recipe.reverse``); skip and the six streams in `data.streams`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from skeljax.errors import ConfigError, check_number
from skeljax.layouts import Layout
from skeljax.losses.longtail import ActionAware, Loss
from skeljax.methods.supervised import Supervised


@dataclasses.dataclass(frozen=True)
class BRL(Supervised):
    """Supervised training on a batch of which some clips got the lower body of others.

    Attributes, beside those of Supervised (its loss is action-aware if config.loss names none):
      ratio: share of the batch that is mixed, rounded down; 0 for none.
      alpha: weight of the label of the upper body.
      kappa: how many times rarer one of the two classes must be to get the whole label.
      rebalanced: False for plain partial mixup, where every label weight is `alpha`.
      aligned: every joint keeps its place; False as published: first all joints of the upper body,
        then those of the lower, so that mixed clips have their joints in other places.
      shared: one label weight for the whole batch, that of the last mixed clip, and the loss of
        either label averaged for itself, as published; False gives each clip its own.
    """

    head_std: float = 0.01
    ratio: float = 1 / 16
    alpha: float = 0.64
    kappa: float = 3.0
    rebalanced: bool = True
    aligned: bool = True
    shared: bool = False

    default_loss: ClassVar[type[Loss]] = ActionAware

    def __post_init__(self):
        super().__post_init__()
        layout = self.facts.layout
        share = "a share of the batch: 0 to 1"
        check_number("method.ratio", self.ratio, 0 <= self.ratio <= 1, share)
        if self.ratio and not (layout.upper and layout.lower):
            raise ConfigError(
                "the skeleton is not divided into upper and lower body",
                where=f"layout {layout.name}",
                do="list the joints of its upper body under `upper`, or set method.ratio to 0",
            )

    def loss_fn(self, params, extra, batch, rng, step):
        label = batch["label"]
        own, partner = self.draw(jax.random.fold_in(rng, 2), len(label))
        other = label.at[own].set(label[partner])
        share = self.label_weight(label, other)
        x = partial_mix(batch["x"], own, partner, self.facts.layout, self.aligned)
        logits, extra = self.forward(params, extra, x, rng)

        def cost(target):
            target = optax.smooth_labels(target, self.label_smoothing)
            return self.loss(logits, target, step, jax.random.fold_in(rng, 1))

        targets = [jax.nn.one_hot(y, len(self.facts.classes)) for y in (label, other)]
        if self.shared:
            share = share[own.max()] if own.size else 0.0
            loss = share * cost(targets[0]) + (1 - share) * cost(targets[1])
        else:
            loss = cost(share[:, None] * targets[0] + (1 - share[:, None]) * targets[1])
        guess = logits.argmax(-1)
        top1 = jnp.mean(share * (guess == label) + (1 - share) * (guess == other))
        return loss, (extra, {"top1": top1})

    def draw(self, rng, batch: int):
        """(R,) positions of the clips to mix, and of a partner for each, any other of the batch.

        Raises:
          ConfigError: the batch is too small for a single one.
        """
        chosen, other = jax.random.split(rng)
        count = int(self.ratio * batch)
        if self.ratio and not count:
            raise ConfigError(
                "no clip of a batch is mixed",
                where="method.ratio, train.batch",
                found=f"{self.ratio:g} of {batch} clips",
                do=f"train.batch of {math.ceil(1 / self.ratio)} or more, "
                f"method.ratio={math.ceil(1000 / batch) / 1000}, or method.ratio=0.0 for no mixing",
            )
        own = jax.random.permutation(chosen, batch)[:count]
        ahead = jax.random.randint(other, (count,), 1, max(batch, 2))
        return own, (own + ahead) % batch

    def label_weight(self, own, other):
        """(N,) weight of the first of two labels (N,) each; 0 if it is by far the commoner."""
        if not self.rebalanced:
            return jnp.full(own.shape, self.alpha)
        clips = jnp.asarray(self.facts.class_counts, jnp.float32)
        a, b = clips[own], clips[other]
        return jnp.where(a > self.kappa * b, 0.0, jnp.where(b > self.kappa * a, 1.0, self.alpha))


def partial_mix(x, own, partner, layout: Layout, aligned: bool = True):
    """A batch in which some clips have their own upper body and the lower body of another.

    Args:
      x: (N,M,T,V,C)
      own, partner: (R,) positions of the clips that change, and of those that lend.
      aligned: see BRL.
    """
    upper, lower = np.array(layout.upper, int), np.array(layout.lower, int)
    mixed = jnp.concatenate([x[own][..., upper, :], x[partner][..., lower, :]], axis=-2)
    if aligned:
        mixed = mixed[..., np.argsort(np.concatenate([upper, lower])), :]
    return x.at[own].set(mixed)
