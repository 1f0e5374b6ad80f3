"""Plain supervised training: backbone, linear head, any loss of skeljax.losses."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from skeljax.losses.longtail import CrossEntropy, Loss
from skeljax.methods.base import Facts
from skeljax.models.heads import Linear


@dataclasses.dataclass(frozen=True)
class Supervised:
    """A loss of logits on a linear head over the pooled features.

    Attributes:
      net: the backbone, `x (N, M, T, V, C) -> Features`.
      facts: of the data.
      loss: of config.loss; cross entropy if None.
      label_smoothing: share of the target spread evenly over the K classes.
      head_std: of the head's initial weights; 0 = CTR-GCN's sqrt(2 / K), PYSKL takes 0.01.
    """

    net: Any
    facts: Facts
    loss: Loss | None = None
    label_smoothing: float = 0.0
    head_std: float = 0.0

    views: ClassVar[tuple[str, ...]] = ("x",)
    default_loss: ClassVar[type[Loss]] = CrossEntropy

    def __post_init__(self):
        if self.loss is None:
            object.__setattr__(self, "loss", self.default_loss(self.facts))

    @property
    def head(self) -> Linear:
        return Linear(len(self.facts.classes), std=self.head_std or None)

    def init(self, rng, batch):
        net_rng, head_rng = jax.random.split(rng)
        variables = dict(self.net.init(net_rng, batch["x"], train=False))
        features = self.net.apply(variables, batch["x"], train=False)
        head = self.head.init(head_rng, features.pooled)
        return (
            {"backbone": variables["params"], "head": head["params"]},
            {"batch_stats": variables.get("batch_stats", {})},
        )

    def loss_fn(self, params, extra, batch, rng, step):
        logits, extra = self.forward(params, extra, batch["x"], rng)
        top1 = jnp.mean(logits.argmax(-1) == batch["label"])
        return self.classification(logits, batch["label"], step, rng), (extra, {"top1": top1})

    def classification(self, logits, label, step, rng):
        """The loss of logits (N, K), with smoothed labels."""
        target = jax.nn.one_hot(label, len(self.facts.classes))
        target = optax.smooth_labels(target, self.label_smoothing)
        return self.loss(logits, target, step, jax.random.fold_in(rng, 1))

    def forward(self, params, extra, x, rng):
        """Logits (N, K) of a training step, and `extra` after it."""
        features, extra = self.features(params, extra, x, rng)
        return self.logits(params, features), extra

    def features(self, params, extra, x, rng):
        """Features of a training step, and `extra` after it."""
        variables = {"params": params["backbone"], "batch_stats": extra["batch_stats"]}
        features, moved = self.net.apply(
            variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": rng}
        )
        return features, {**extra, **moved}

    def predict(self, params, extra, batch):
        variables = {"params": params["backbone"], "batch_stats": extra["batch_stats"]}
        features = self.net.apply(variables, batch["x"], train=False)
        return {"logits": self.logits(params, features), "feature": features.pooled}

    def logits(self, params, features):
        """(N, K) in float32, whatever the backbone computes in."""
        return self.head.apply({"params": params["head"]}, features.pooled)

    def groups(self, params):
        return {name: jax.tree.map(lambda _, n=name: n, tree) for name, tree in params.items()}
