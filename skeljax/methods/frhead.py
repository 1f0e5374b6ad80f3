"""FR-Head: feature refinement at several depths of any backbone, in training only."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.errors import ConfigError, choose
from skeljax.losses import refinement
from skeljax.methods.supervised import Supervised
from skeljax.models.layers import ConvNorm, at_least_float32, torch_uniform


class Branch(nn.Module):
    """A squeezing 1x1 convolution and a linear embedding of what one mean leaves of a tap.

    Attributes:
      features: E; the convolution leaves E // S channels of S joints or frames.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(D, N, S) -> (N, E). Raises ConfigError where S is above E."""
        channels, clips, size = x.shape
        if size > self.features:
            raise ConfigError(
                "the embedding has no channel for each joint or frame",
                where="method.embed_dim",
                found=self.features,
                expected=f"at least {size}",
            )
        init = torch_uniform(channels)
        squeeze = ConvNorm(self.features // size, kernel_init=init, bias_init=init, name="squeeze")
        x = nn.relu(squeeze(x, train=True)).swapaxes(0, 1).reshape(clips, -1)
        init = torch_uniform(x.shape[1])
        return nn.Dense(self.features, kernel_init=init, bias_init=init, name="embed")(x)


class Level(nn.Module):
    """The embeddings of one tap: of its mean over frames and of its mean over joints."""

    features: int

    @nn.compact
    def __call__(self, tap: jax.Array) -> jax.Array:
        """(N, M, T, V, D) -> (2, N, E); bodies are averaged, absent ones too."""
        tap = at_least_float32(tap)
        views = {"spatio": tap.mean((1, 2)), "tempor": tap.mean((1, 3))}  # (N, V, D), (N, T, D)
        return jnp.stack(
            [
                Branch(self.features, name=name)(jnp.moveaxis(view, -1, 0))
                for name, view in views.items()
            ]
        )


class Levels(nn.Module):
    """A Level on each of several taps."""

    features: int

    @nn.compact
    def __call__(self, taps: list[jax.Array]) -> jax.Array:
        """L taps -> (L, 2, N, E)."""
        levels = [Level(self.features, name=f"level{i}") for i in range(1, len(taps) + 1)]
        return jnp.stack([level(tap) for level, tap in zip(levels, taps)])


@dataclasses.dataclass(frozen=True)
class FRHead(Supervised):
    """FR-Head (Zhou et al., CVPR 2023): contrastive terms on taps of the backbone, while training.

    The class prototypes (levels, 2, K, E) are kept in `extra`, so that a resumed run goes on with
    them (in the original they start anew), and move with the global batch, so that they are the
    same for every number of devices (in the original several devices lose the movement).
    A prediction is the plain backbone's and costs no more. Any loss of `config.loss` stands in for
    the cross entropy, and any sampler; what a clip is (true, missed, captured) goes by the plain
    logits and a hard label.

    Attributes:
      version: of the contrastive term: V0, V1 (the paper's), V2, NO FN, NO FP, NO FN & FP.
      w_cl_loss: weight of the contrastive terms beside the loss of the classifier.
      level_weights: of the taps, the deepest last; with fewer taps the last weights hold.
      levels: blocks that are tapped, counted from 1; empty = the first block of every stage (of
        equal channels and frames) and the last one, in CTR-GCN 1, 5, 8 and 10.
      start_epoch: epoch, counted from 0, from which the terms count; prototypes move before too.
      use_p_map: calibrate a clip the more, the less probable its class is to the classifier.
      pred_threshold: probability above which a right clip is a true positive.
      embed_dim: E, length of an embedding; at least the joints and the frames.
    """

    version: str = "V1"
    w_cl_loss: float = 0.1
    level_weights: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)
    levels: tuple[int, ...] = ()
    start_epoch: int = 0
    use_p_map: bool = True
    pred_threshold: float = 0.0
    embed_dim: int = 256

    views: ClassVar[tuple[str, ...]] = ("x",)

    def __post_init__(self):
        super().__post_init__()
        choose("version", self.version, refinement.VERSIONS, where="method.version")

    def init(self, rng, batch):
        params, extra = super().init(rng, batch)  # as without the head: a fair baseline
        variables = {"params": params["backbone"], **extra}
        x = batch["x"]
        features = jax.eval_shape(lambda x: self.net.apply(variables, x, train=False), x)
        taps = [jnp.zeros(tap.shape, tap.dtype) for tap in self.tapped(features.taps)]
        levels_rng, prototypes_rng = jax.random.split(jax.random.fold_in(rng, 1))
        levels = Levels(self.embed_dim).init(levels_rng, taps)
        shape = (len(taps), 2, len(self.facts.classes), self.embed_dim)
        return (
            {**params, "levels": levels["params"]},
            {
                **extra,
                "level_stats": levels["batch_stats"],
                "prototypes": jax.random.normal(prototypes_rng, shape),
            },
        )

    def loss_fn(self, params, extra, batch, rng, step):
        label = batch["label"]
        features, moved = self.features(params, extra, batch["x"], rng)
        logits = self.logits(params, features)
        loss = self.classification(logits, label, step, rng)
        terms, refined = self.terms(params, extra, features.taps, logits, label)
        weights = jnp.asarray(self.level_weights[-len(terms) :])
        cl_loss = jnp.sum(weights[:, None] * terms)
        started = step >= self.start_epoch * self.facts.steps_per_epoch
        top1 = jnp.mean(logits.argmax(-1) == label)
        metrics = {"top1": top1, "class_loss": loss, "cl_loss": cl_loss}
        loss = loss + jnp.where(started, self.w_cl_loss, 0.0) * cl_loss
        return loss, ({**moved, **refined}, metrics)

    def terms(self, params, extra, taps, logits, label):
        """(levels, 2) unweighted terms, and the parts of `extra` that they move."""
        x, stats = Levels(self.embed_dim).apply(
            {"params": params["levels"], "batch_stats": extra["level_stats"]},
            self.tapped(taps),
            mutable=["batch_stats"],
        )
        of = refinement.outcome(logits, label, self.pred_threshold)

        def term(x, prototypes):
            return refinement.term(
                x, prototypes, of, version=self.version, use_p_map=self.use_p_map
            )

        terms, prototypes = jax.vmap(jax.vmap(term))(x, extra["prototypes"])
        prototypes = jax.lax.stop_gradient(prototypes)
        return terms, {"level_stats": stats["batch_stats"], "prototypes": prototypes}

    def tapped(self, taps) -> list:
        """The taps of `levels`. Raises ConfigError where they do not fit backbone or weights."""
        shapes = [None, *(tap.shape for tap in taps)]
        starts = {i for i in range(1, len(shapes)) if shapes[i] != shapes[i - 1]}
        blocks, weights = self.levels or sorted(starts | {len(taps)}), len(self.level_weights)
        fits = len(blocks) == weights if self.levels else len(blocks) <= weights
        if not fits or not all(0 < block <= len(taps) for block in blocks):
            raise ConfigError(
                "the levels do not fit the backbone or their weights",
                where="method.levels, method.level_weights",
                found=f"blocks {', '.join(map(str, blocks))} and {weights} weights",
                expected=f"blocks from 1 to {len(taps)}, and a weight for each",
            )
        return [taps[block - 1] for block in blocks]
