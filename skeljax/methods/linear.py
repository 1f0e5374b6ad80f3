"""What a pre-trained encoder is worth: a linear classifier on it, frozen or fine-tuned.

They start from a pre-training run folder: ``--config.init_from=RUN``.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from skeljax.methods.crosclr import check_streams, of_stream
from skeljax.methods.skeletonclr import STD
from skeljax.methods.supervised import Supervised

HEADS = ("head", "heads")  # parameters that train on a frozen encoder


@dataclasses.dataclass(frozen=True)
class FineTune(Supervised):
    """Everything trains, as published in evaluation mode: no dropout, frozen batch statistics.

    Attributes:
      net: the backbone, `x (N, M, T, V, C) -> Features`.
      facts: of the data.
      loss: of config.loss; cross entropy if None.
      label_smoothing: share of the target spread evenly over the K classes.
      head_std: of the head's initial weights.
      train_mode: use and move the batch's own statistics, with dropout, as `supervised` does.
    """

    head_std: float = STD
    train_mode: bool = False

    def forward(self, params, extra, x, rng):
        if self.train_mode:
            return super().forward(params, extra, x, rng)
        return self.predict(params, extra, {"x": x})["logits"], extra


@dataclasses.dataclass(frozen=True)
class LinearProbe(Supervised):
    """Linear evaluation: the encoder is frozen and in evaluation mode, the head trains.

    Attributes:
      net: the backbone, `x (N, M, T, V, C) -> Features`.
      facts: of the data.
      loss: of config.loss; cross entropy if None.
      label_smoothing: share of the target spread evenly over the K classes.
      head_std: of the head's initial weights.
    """

    head_std: float = STD

    frozen: ClassVar[bool] = True  # features never change: the trainer may compute them once

    def loss_fn(self, params, extra, batch, rng, step):
        features = batch.get("feature")
        if features is None:
            features = jax.lax.stop_gradient(self.features(params, extra, batch["x"]))
        target = jax.nn.one_hot(batch["label"], len(self.facts.classes))
        target = optax.smooth_labels(target, self.label_smoothing)
        logits = self.of_heads(params, features)
        loss = sum(self.loss(one, target, step, rng) for one in logits)
        top1 = jnp.mean(sum(logits).argmax(-1) == batch["label"])
        return loss, (extra, {"top1": top1})

    def predict(self, params, extra, batch):
        features = self.features(params, extra, batch["x"])
        logits = self.of_heads(params, features)
        return {"logits": sum(logits) / len(logits), "feature": features}

    def features(self, params, extra, x):
        """(N, D) in evaluation mode."""
        variables = {"params": params["backbone"], "batch_stats": extra["batch_stats"]}
        return self.net.apply(variables, x, train=False).pooled

    def of_heads(self, params, features) -> list[jax.Array]:
        """Logits (N, K) of each head; here there is one."""
        return [self.head.apply({"params": params["head"]}, features)]

    def groups(self, params):
        return {
            name: tree if name in HEADS else jax.tree.map(lambda _: "frozen", tree)
            for name, tree in super().groups(params).items()
        }


@dataclasses.dataclass(frozen=True)
class CrosLinear(LinearProbe):
    """Linear evaluation of a CrosSCLR run: a head a stream; their logits are averaged.

    Attributes:
      net: the backbone, `x (N, M, T, V, C) -> Features`.
      facts: of the data.
      loss: of config.loss; cross entropy if None.
      label_smoothing: share of the target spread evenly over the K classes.
      head_std: of the heads' initial weights.
      streams: those of the run.
    """

    streams: tuple[str, ...] = ("joint", "motion")

    def __post_init__(self):
        super().__post_init__()
        check_streams(self.streams)

    def init(self, rng, batch):
        params, extra = super().init(rng, batch)
        params["heads"] = {}
        for name, key in zip(self.streams[1:], jax.random.split(rng, len(self.streams) - 1)):
            of, moved = super().init(key, batch)
            params[name], extra[name] = {"backbone": of["backbone"]}, moved
            params["heads"][name] = of["head"]
        return params, extra

    def features(self, params, extra, x):
        """(N, D) of each stream, side by side."""
        found = [super().features(params, extra, x)]
        for name in self.streams[1:]:
            seen = of_stream(x, self.facts.layout, name)
            found.append(super().features(params[name], extra[name], seen))
        return jnp.concatenate(found, axis=-1)

    def of_heads(self, params, features):
        """Logits of each stream's head: each learns by itself."""
        heads = [params["head"], *(params["heads"][name] for name in self.streams[1:])]
        parts = jnp.split(features, len(heads), axis=-1)
        return [self.head.apply({"params": h}, part) for h, part in zip(heads, parts)]
