"""SkeletonCLR: momentum contrast of two views of a clip (MoCo v2 on skeletons).

Also what its descendants share: the projection head, the momentum encoder and the queue.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.errors import ConfigError, check_number, choose
from skeljax.losses import contrastive as losses
from skeljax.methods.base import Facts
from skeljax.models import Features
from skeljax.models.layers import BatchNorm, around_one, at_least_float32

STD = 0.02  # of the initial weights of the whole contrastive family


class Projection(nn.Module):
    """Linear, (batch norm,) ReLU, Linear: from pooled features to the vectors that are compared.

    Attributes:
      dim: E.
      norm: batch norm after the first product (SkeleMixCLR).
    """

    dim: int
    norm: bool = False

    @nn.compact
    def __call__(self, pooled: jax.Array, *, train: bool) -> jax.Array:
        """(N, D) -> (N, E)."""
        init = nn.initializers.normal(STD)
        x = at_least_float32(pooled)
        x = nn.Dense(pooled.shape[-1], kernel_init=init, name="hidden")(x)
        if self.norm:
            x = BatchNorm(scale_init=around_one, name="bn")(x, train=train)
        return nn.Dense(self.dim, kernel_init=init, name="out")(nn.relu(x))


class Passes(NamedTuple):
    """What the encoders gave in a step; all but the key are differentiated.

    Attributes:
      clean: (N, E) of each query crop, before normalisation.
      key: (N, E), before normalisation.
      mixed: for each query crop, what a descendant makes of it besides; empty here.
    """

    clean: list[jax.Array]
    key: jax.Array
    mixed: list[Any]


@dataclasses.dataclass(frozen=True)
class SkeletonCLR:
    """A query view finds the key of its own clip among the keys of earlier batches.

    The key comes from an encoder whose weights follow the query encoder's; keys wait in a queue as
    negatives. He et al., "Momentum Contrast", CVPR 2020; Li et al., "3D Human Action Representation
    Learning via Cross-View Consistency Pursuit" (CrosSCLR), CVPR 2021.

    Attributes:
      net: the backbone, `x (N, M, T, V, C) -> Features`.
      facts: of the data.
      dim: E of the vectors that are compared.
      queue: K keys that serve as negatives; a multiple of the batch.
      momentum: weight of the key encoder's old parameters.
      temperature: that the cosines are divided by.
      form: of the loss: ce, or dcl (decoupled: the positive leaves the denominator).
      crops: query views a clip; several are SkeletonCLR's `cont` form, one loss term each.
      key_copies_query: start the key encoder as a copy; False reproduces the public code, where a
        later re-initialisation makes it another random network.
      knn_k: neighbours that vote when features are judged.
      knn_temperature: of their votes.
    """

    net: Any
    facts: Facts
    dim: int = 128
    queue: int = 32768
    momentum: float = 0.999
    temperature: float = 0.07
    form: str = "ce"
    crops: int = 1
    key_copies_query: bool = True
    knn_k: int = 20
    knn_temperature: float = 0.1

    def __post_init__(self):
        for field in ("dim", "crops", "knn_k"):
            value = getattr(self, field)
            check_number(f"method.{field}", value, value >= 1, "1 or more")
        for field in ("temperature", "knn_temperature"):
            value = getattr(self, field)
            check_number(f"method.{field}", value, value > 0, "more than 0")
        check_number("method.momentum", self.momentum, 0 <= self.momentum <= 1, "0 to 1")
        if self.queue < self.facts.batch or self.queue % self.facts.batch:
            raise ConfigError(
                "the queue does not hold whole batches",
                where="method.queue",
                found=f"{self.queue} keys for batches of {self.facts.batch}",
                do="take a multiple of train.batch",
            )
        choose("form of the loss", self.form, losses.FORMS, where="method.form")

    @property
    def views(self) -> tuple[str, ...]:
        """``query``, ``key``, and ``query1``, ``query2`` ... of further crops."""
        return ("query", "key", *(f"query{i}" for i in range(1, self.crops)))

    @property
    def queries(self) -> tuple[str, ...]:
        return tuple(view for view in self.views if view != "key")

    @property
    def knn(self) -> tuple[int, float]:
        """How the features are judged where there are no logits: k and temperature."""
        return self.knn_k, self.knn_temperature

    @property
    def projection(self) -> Projection:
        return Projection(self.dim)

    # ------------------------------------------------------------------------- what a trainer asks

    def init(self, rng, batch):
        query_key, key_key, queue_key = jax.random.split(rng, 3)
        params, stats = self.init_encoder(query_key, batch["query"])
        key = (params, stats)
        if not self.key_copies_query:
            key = self.init_encoder(key_key, batch["query"])
        extra = {
            **stats,
            "key": {"params": key[0], "stats": key[1]},
            "queue": losses.unit(jax.random.normal(queue_key, (self.queue, self.dim))),
            "pointer": jnp.int32(0),
        }
        return params, extra

    def loss_fn(self, params, extra, batch, rng, step):
        passes, extra = self.passes(params, extra, batch, rng)
        terms = self.terms(passes, extra["queue"])
        key = losses.unit(passes.key)
        extra = self.enqueue(extra, key)
        age = jnp.minimum(step, self.queue // key.shape[0])
        watched = losses.watch(losses.unit(passes.clean[0]), key) | {"queue_age": age}
        told = {name: value for name, value in terms.items() if name != "total"}
        return terms["total"], (extra, told | watched)

    def predict(self, params, extra, batch):
        variables = {"params": params["backbone"], "batch_stats": extra["batch_stats"]}
        pooled = self.net.apply(variables, batch["query"], train=False).pooled
        variables = {"params": params["projection"], "batch_stats": extra["projection_stats"]}
        embedding = self.projection.apply(variables, pooled, train=False)
        return {"feature": pooled, "embedding": losses.unit(embedding)}

    def groups(self, params):
        return {name: jax.tree.map(lambda _, n=name: n, tree) for name, tree in params.items()}

    # ---------------------------------------------------------------------------------- the method

    def passes(self, params, extra, batch, rng) -> tuple[Passes, dict]:
        """Every pass of a step in the published order, each with its own batch statistics.

        Returns `extra` with the running statistics of both encoders and the key encoder moved.
        """
        rngs = jax.random.split(rng, len(self.queries) + 1)
        stats, clean = query_stats(extra), []
        for view, pass_rng in zip(self.queries, rngs):
            vectors, stats = self.encode(params, stats, batch[view], pass_rng)
            clean.append(vectors)
        key, moved = self.encode_key(params, extra, batch["key"], rngs[-1])
        return Passes(clean, key, []), {**extra, **stats, **moved}

    def terms(self, passes: Passes, queue) -> dict[str, jax.Array]:
        """``total``, and its parts; the accuracy of finding the own key among the queue's."""
        key = losses.unit(passes.key)
        logits = [self.logits(losses.unit(q), key, queue) for q in passes.clean]
        total = sum(losses.FORMS[self.form](one) for one in logits)
        return {"total": total, "instance_top1": (logits[0].argmax(1) == 0).mean()}

    def logits(self, vectors, positive, queue, *others):
        """(N, 1 + K + ...) cosines of unit vectors with their positive, the queue, and others."""
        columns = [losses.cosine(vectors, positive), losses.against(vectors, queue)]
        columns += [losses.cosine(vectors, other) for other in others]
        return jnp.concatenate(columns, axis=1) / self.temperature

    def init_encoder(self, rng, x):
        """(params, running statistics) of a backbone and a projection head."""
        net_key, head_key = jax.random.split(rng)
        variables = dict(self.net.init(net_key, x, train=False))
        pooled = self.net.apply(variables, x, train=False).pooled
        head = self.projection.init(head_key, pooled, train=False)
        params = {"backbone": variables["params"], "projection": head["params"]}
        return params, {
            "batch_stats": variables.get("batch_stats", {}),
            "projection_stats": head.get("batch_stats", {}),
        }

    def encode(self, params, stats, x, rng):
        """Vectors (N, E) of x (N, M, T, V, C) and the statistics after the pass."""
        features, stats = self.features(params, stats, x, rng)
        return self.project(params, stats, features.pooled)

    def features(self, params, stats, x, rng) -> tuple[Features, dict]:
        """The backbone in training, and the statistics after it."""
        variables = {"params": params["backbone"], "batch_stats": stats["batch_stats"]}
        features, moved = self.net.apply(
            variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": rng}
        )
        return features, {**stats, **moved}

    def project(self, params, stats, pooled):
        """The projection head in training, and the statistics after it."""
        variables = {"params": params["projection"], "batch_stats": stats["projection_stats"]}
        vectors, moved = self.projection.apply(
            variables, pooled, train=True, mutable=["batch_stats"]
        )
        return vectors, {**stats, "projection_stats": moved.get("batch_stats", {})}

    def encode_key(self, params, extra, x, rng):
        """Vectors of the key view, and {"key": the key encoder after following the query's}."""
        key = extra["key"]
        followed = follow(key["params"], params, self.momentum)
        vectors, stats = self.encode(followed, key["stats"], x, rng)
        return vectors, {"key": {"params": followed, "stats": stats}}

    def enqueue(self, extra: dict, keys) -> dict:
        """`extra` with the oldest keys of the queue replaced by (N, E) new ones."""
        queue, pointer = enqueue(extra["queue"], extra["pointer"], keys)
        return {**extra, "queue": queue, "pointer": pointer}


def query_stats(extra: dict) -> dict:
    """The running statistics of the query encoder in `extra`."""
    return {name: extra[name] for name in ("batch_stats", "projection_stats")}


def follow(old, new, momentum):
    """momentum * old + (1 - momentum) * new, leaf by leaf; no gradient goes through."""
    new = jax.lax.stop_gradient(new)
    return jax.tree.map(lambda o, n: momentum * o + (1 - momentum) * n, old, new)


def enqueue(queue, pointer, rows):
    """Writes N rows into the K of a ring from `pointer`; returns it and the next pointer.

    K is a multiple of N, so that a write never goes round the end, but with the pointer that a run
    of another batch left: then it begins again. The rows of a sharded batch are those of all
    devices, in the order of the batch: every device ends with the same queue.
    """
    size, count = queue.shape[0], rows.shape[0]
    pointer = jnp.where(pointer + count > size, 0, pointer)
    written = jax.lax.dynamic_update_slice_in_dim(queue, rows.astype(queue.dtype), pointer, 0)
    return written, (pointer + count) % size
