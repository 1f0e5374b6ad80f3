"""CrosSCLR: SkeletonCLR of several streams at once, which then mine positives for each other."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.data.streams import apply_stream, next_frames, stream
from skeljax.errors import ConfigError, check_number, choose
from skeljax.layouts import Layout
from skeljax.losses import contrastive as losses
from skeljax.methods.skeletonclr import STD, SkeletonCLR, enqueue, follow

STREAMS = {"joint": "joint", "motion": "joint_motion", "bone": "bone"}


def of_stream(x, layout: Layout, name: str):
    """Joints x (N, M, T, V, C) as one of `STREAMS` sees them; every frame counts as valid."""
    made = stream(layout, STREAMS[name])

    def one(clip):
        after, has_next = next_frames(clip, jnp.ones(clip.shape[1], bool))
        return apply_stream(clip, after, has_next, made, layout.dims)

    return jax.vmap(one)(x)


def check_streams(streams: tuple[str, ...]) -> None:
    """Whether they are the joints' and at least one other.

    Raises:
      ConfigError: they are not, or one is unknown.
    """
    for name in streams:
        choose("stream", name, STREAMS, where="method.streams")
    if not (streams[:1] == ("joint",) and 1 < len(set(streams)) == len(streams)):
        raise ConfigError(
            "these streams cannot teach each other",
            where="method.streams",
            found=", ".join(streams),
            expected="joint, and motion or bone or both",
        )


def check_joints(name: str, where: str) -> None:
    """Raises ConfigError unless the stream that a config names is the joints'."""
    if name != "joint":
        raise ConfigError(
            "CrosSCLR derives its streams from the joints itself",
            where=where,
            found=name,
            expected="joint",
            do="leave the stream out; method.streams names them",
        )


class Entry(nn.Module):
    """Linear, ReLU before the joint stream's head: the public code's heads of other streams."""

    @nn.compact
    def __call__(self, pooled: jax.Array) -> jax.Array:
        """(N, D) -> (N, D)."""
        init = nn.initializers.normal(STD)
        return nn.relu(nn.Dense(pooled.shape[-1], kernel_init=init, name="hidden")(pooled))


@dataclasses.dataclass(frozen=True)
class CrosSCLR(SkeletonCLR):
    """SkeletonCLR on each of two or three streams; after some epochs, nearest neighbours in one
    stream's queue become positives of the others.

    Li et al., "3D Human Action Representation Learning via Cross-View Consistency Pursuit", CVPR
    2021. The streams are derived from the joints, so that config.stream stays ``joint``.
    ``params["backbone"]`` is that of the joints; the others lie under their names.

    Attributes:
      net: the backbone, `x (N, M, T, V, C) -> Features`.
      facts: of the data.
      dim: E of the vectors that are compared.
      queue: K keys that serve as negatives; a multiple of the batch.
      momentum: weight of the key encoder's old parameters.
      temperature: that the cosines are divided by.
      form: of the loss before the streams teach each other: ce, or dcl (decoupled).
      key_copies_query: start the key encoder as a copy; False reproduces the public code's slip.
      streams: two or three of joint, motion, bone, the first of them joint.
      cross_epoch: epochs before the streams teach each other.
      topk: neighbours that are mined.
      context: add columns for the product of both streams' similarities.
      shared_head: reproduce the public code, where heads of motion and bone end in the joint head.
      follow_all: move every key encoder in the cross stage; False reproduces the public code,
        where only that of motion moves.
      knn_k: neighbours that vote when features are judged.
      knn_temperature: of their votes.
    """

    crops: int = dataclasses.field(default=1, init=False)
    streams: tuple[str, ...] = ("joint", "motion")
    cross_epoch: int = 150
    topk: int = 1
    context: bool = True
    shared_head: bool = False
    follow_all: bool = True

    views: ClassVar[tuple[str, ...]] = ("query", "key")

    def __post_init__(self):
        super().__post_init__()
        check_streams(self.streams)
        good = 1 <= self.topk <= self.queue
        check_number("method.topk", self.topk, good, f"1 to the {self.queue} keys of the queue")

    # ------------------------------------------------------------------------- what a trainer asks

    def init(self, rng, batch):
        params, stats, keys, queues = {}, {}, {}, {}
        for name, stream_key in zip(self.streams, jax.random.split(rng, len(self.streams))):
            x = of_stream(batch["query"], self.facts.layout, name)
            query_key, key_key, queue_key = jax.random.split(stream_key, 3)
            params[name], stats[name] = self.init_stream(query_key, x, name)
            key = (params[name], stats[name])
            if not self.key_copies_query:
                key = self.init_stream(key_key, x, name)
            keys[name] = {"params": key[0], "stats": key[1]}
            queues[name] = losses.unit(jax.random.normal(queue_key, (self.queue, self.dim)))
        extra = {"key": keys, "queue": queues, "pointer": jnp.int32(0)}
        return flat(params), flat(stats) | extra

    def init_stream(self, rng, x, name: str):
        """(params, running statistics) of the encoder of a stream."""
        params, stats = self.init_encoder(rng, x)
        del stats["projection_stats"]  # the heads have no batch norm
        if self.shared_head and name != "joint":
            pooled = jnp.zeros((1, params["projection"]["hidden"]["kernel"].shape[0]))
            entry = Entry().init(jax.random.fold_in(rng, 1), pooled)
            params = {"backbone": params["backbone"], "entry": entry["params"]}
        return params, stats

    def loss_fn(self, params, extra, batch, rng, step):
        cross = step >= self.cross_epoch * self.facts.steps_per_epoch
        query, key, extra = self.stream_passes(params, extra, batch, rng, cross)
        query = {name: losses.unit(vectors) for name, vectors in query.items()}
        key = {name: losses.unit(vectors) for name, vectors in key.items()}
        positive, similar = self.similarities(query, key, extra["queue"])
        loss = jax.lax.cond(cross, self.cross_loss, self.own_loss, positive, similar)
        extra = self.enqueue(extra, key)
        hits = {n: (positive[n][:, 0] > similar[n].max(1)).mean() for n in self.streams}
        told = {f"instance_top1_{name}": value for name, value in hits.items()}
        age = jnp.minimum(step, self.queue // self.facts.batch)
        watched = losses.watch(query["joint"], key["joint"])
        return loss, (extra, told | watched | {"queue_age": age})

    @property
    def headline(self) -> str:
        """What a training says of itself at its start."""
        if not 0 < self.facts.epochs <= self.cross_epoch:
            return ""
        return (
            f"warning: the streams never teach each other: method.cross_epoch {self.cross_epoch}, "
            f"train.epochs {self.facts.epochs}"
        )

    def predict(self, params, extra, batch):
        """The joints' feature, and the streams' embeddings side by side: cosines are averaged."""
        params, stats, found = self.nested(params), self.nested_stats(extra), {}
        for name in self.streams:
            x = of_stream(batch["query"], self.facts.layout, name)
            variables = {"params": params[name]["backbone"], **stats[name]}
            found[name] = self.net.apply(variables, x, train=False).pooled
        vectors = [losses.unit(self.head(params, name, found[name])) for name in self.streams]
        embedding = jnp.concatenate(vectors, axis=1) / len(vectors) ** 0.5
        return {"feature": found["joint"], "embedding": embedding}

    # ---------------------------------------------------------------------------------- the method

    def stream_passes(self, params, extra, batch, rng, cross):
        """Vectors {stream: (N, E)} of query and key before normalisation, and `extra` after them.

        Args:
          cross: () bool, whether the streams teach each other in this step.
        """
        params, stats, keys = self.nested(params), self.nested_stats(extra), extra["key"]
        rngs = iter(jax.random.split(rng, 2 * len(self.streams)))
        query, key, query_stats, new_keys = {}, {}, {}, {}
        for name in self.streams:
            x = of_stream(batch["query"], self.facts.layout, name)
            found, query_stats[name] = self.features(params[name], stats[name], x, next(rngs))
            query[name] = self.head(params, name, found.pooled)
        followed = self.follow({n: keys[n]["params"] for n in self.streams}, params, cross)
        for name in self.streams:
            x = of_stream(batch["key"], self.facts.layout, name)
            own = followed[name]
            found, key_stats = self.features(own, keys[name]["stats"], x, next(rngs))
            key[name] = self.head(followed, name, found.pooled)
            new_keys[name] = {"params": own, "stats": key_stats}
        return query, key, {**extra, **flat(query_stats), "key": new_keys}

    def similarities(self, query, key, queue):
        """Cosines of unit vectors {stream: (N, E)} with the own key (N, 1) and the queue (N, K)."""
        positive = {n: losses.cosine(query[n], key[n]) for n in self.streams}
        return positive, {n: losses.against(query[n], queue[n]) for n in self.streams}

    def head(self, params, name: str, pooled):
        """(N, E) of a stream's pooled features; the published heads have no batch norm."""
        if self.shared_head and name != "joint":
            pooled = Entry().apply({"params": params[name]["entry"]}, pooled)
            name = "joint"
        return self.projection.apply({"params": params[name]["projection"]}, pooled, train=False)

    def follow(self, keys, params, cross):
        """{stream: parameters} of the key encoders after following the query encoders.

        The public code moves those of motion alone in the cross stage, and a shared head once for
        every stream that ends in it.
        """
        moved = {}
        for name in self.streams:
            stays = cross & (not self.follow_all) & (name != "motion")
            momentum = jnp.where(stays, 1.0, self.momentum)
            moved[name] = follow(keys[name], params[name], momentum)
            if self.shared_head and name != "joint":
                head = moved["joint"]["projection"]
                head = follow(head, params["joint"]["projection"], momentum)
                moved["joint"] = {**moved["joint"], "projection": head}
        return moved

    def own_loss(self, positive, similar):
        """SkeletonCLR's loss of every stream, summed."""
        rows = (jnp.concatenate([positive[n], similar[n]], axis=1) for n in self.streams)
        return sum(losses.FORMS[self.form](row / self.temperature) for row in rows)

    def cross_loss(self, positive, similar):
        """Sum over streams of the mean over their teachers."""
        total = 0.0
        for name in self.streams:
            pairs = [(name, other) for other in self.streams if other != name]
            each = [losses.mined_nce(*self.mined(positive, similar, *pair)) for pair in pairs]
            total += sum(each) / len(each)
        return total

    def mined(self, positive, similar, name: str, teacher: str):
        """Logits (N, L) of a stream and the mask of their positives, as a teacher finds them.

        Columns: the own key; the own queue; with `context`, products of both streams' cosines. The
        entries nearest to the clip in the teacher's queue are positives of both blocks.
        """
        own, theirs = similar[name], similar[teacher]
        nearest = jax.lax.top_k(jax.lax.stop_gradient(theirs), self.topk)[1]
        chosen = jnp.zeros_like(own).at[jnp.arange(len(own))[:, None], nearest].set(1)
        blocks = [own, own * theirs] if self.context else [own]
        logits = jnp.concatenate([positive[name], *blocks], axis=1) / self.temperature
        mask = jnp.concatenate([jnp.ones_like(positive[name])] + [chosen] * len(blocks), axis=1)
        return logits, mask

    def enqueue(self, extra: dict, keys) -> dict:
        """`extra` with {stream: (N, E)} new keys in the queues, which share a pointer."""
        pairs = {n: enqueue(extra["queue"][n], extra["pointer"], keys[n]) for n in self.streams}
        queue = {n: written for n, (written, _) in pairs.items()}
        return {**extra, "queue": queue, "pointer": pairs["joint"][1]}

    def nested(self, params) -> dict:
        """{stream: its parameters} of a tree that has those of the joints at its top."""
        others = self.streams[1:]
        joint = {name: tree for name, tree in params.items() if name not in others}
        return {"joint": joint, **{name: params[name] for name in others}}

    def nested_stats(self, extra) -> dict:
        """{stream: {"batch_stats"}} of the query encoders."""
        joint = {"batch_stats": extra["batch_stats"]}
        return {"joint": joint, **{name: extra[name] for name in self.streams[1:]}}


def flat(trees: dict) -> dict:
    """{stream: tree} with what the joints' tree holds at its top."""
    others = {name: tree for name, tree in trees.items() if name != "joint"}
    return {**trees["joint"], **others}
