"""SkeleMixCLR and SkeleMixCLR+: contrast of spatio-temporally mixed clips, region by region."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from skeljax.data.skelemix import (
    Mix,
    body_parts,
    check_ranges,
    draw_mix,
    partner,
    paste,
    region_pool,
)
from skeljax.errors import ConfigError, choose
from skeljax.losses import contrastive as losses
from skeljax.methods.skeletonclr import Passes, Projection, SkeletonCLR, query_stats


class Mixed(NamedTuple):
    """Vectors of the R mixes of a crop, before normalisation.

    Attributes:
      pasted: (R, N, E) of the pasted region.
      context: (R, N, E) of the rest.
      shift: (R,) whose key is the positive of the pasted region: that of clip (i + shift) mod N.
    """

    pasted: jax.Array
    context: jax.Array
    shift: jax.Array


@dataclasses.dataclass(frozen=True)
class SkeleMixCLR(SkeletonCLR):
    """SkeletonCLR, and a region pasted from another clip finds that clip's key, the rest its own.

    Chen et al., "Contrastive Learning from Spatio-Temporal Mixed Skeleton Sequences for
    Self-Supervised Skeleton-Based Action Recognition", 2022. Several mixes of which the losses are
    summed are SkeleMixCLR+.

    Attributes:
      net, facts, dim, queue, momentum, loss, key_copies_query: of `SkeletonCLR`.
      temperature: that the cosines are divided by.
      crops: query crops a clip, of the lengths that the recipe names; each is mixed.
      weights: of the crops' terms; empty = 1 each.
      mixes: R mixes of each crop.
      average: average the region losses over the mixes (the paper's first form) instead of summing.
      alpha: weight of the region losses.
      parts: fewest and most body parts of a mix; with joints="random", fewest and most joints.
      slots: shortest and longest stretch of a mix, in sixteenths of the clip.
      source: what is pasted: swap (another clip of the batch), zeros or gaussian.
      joints: parts (whole body parts) or random (single joints, anywhere).
      stride: frames of the clip a frame of the feature map, the product of the backbone's strides.
      knn_k: neighbours that vote when features are judged.
      knn_temperature: of their votes.
    """

    temperature: float = 0.2
    weights: tuple[float, ...] = ()
    mixes: int = 1
    average: bool = False
    alpha: float = 1.0
    parts: tuple[int, int] = (2, 3)
    slots: tuple[int, int] = (7, 11)
    source: str = "swap"
    joints: str = "parts"
    stride: int = 4

    def __post_init__(self):
        super().__post_init__()
        choose("source", self.source, ("swap", "zeros", "gaussian"), where="method.source")
        choose("choice of joints", self.joints, ("parts", "random"), where="method.joints")
        check_ranges(self.parts, self.slots, len(self.choices), "method.parts, method.slots")
        if self.weights and len(self.weights) != self.crops:
            raise ConfigError(
                "there is not one weight a crop",
                where="method.weights",
                found=f"{len(self.weights)} weights, {self.crops} crops",
            )

    @property
    def projection(self) -> Projection:
        return Projection(self.dim, norm=True)

    @property
    def choices(self) -> np.ndarray:
        """(P, V) bool: what a mix chooses from as a whole."""
        if self.joints == "random":
            return np.eye(self.facts.layout.num_joints, dtype=bool)
        return body_parts(self.facts.layout)

    def draw(self, rng, batch) -> list[Mix]:
        """R mixes of each crop, stacked."""

        def one(key, x):
            slots, choices = x.shape[2] // self.stride, self.choices
            return draw_mix(key, choices, self.parts, self.slots, x.shape[0], slots)

        keys = jax.random.split(rng, (self.crops, self.mixes))
        return [
            jax.vmap(lambda k, x=batch[view]: one(k, x))(ks) for view, ks in zip(self.queries, keys)
        ]

    def passes(self, params, extra, batch, rng, mixes: list[Mix] | None = None):
        """Clean passes, then mixed ones, then the key's; `mixes` in place of drawn ones."""
        draw_key, clean_key, mixed_key, last_key = jax.random.split(rng, 4)
        mixes = self.draw(draw_key, batch) if mixes is None else mixes
        stats, clean, mixed = query_stats(extra), [], []
        for view, key in zip(self.queries, jax.random.split(clean_key, self.crops)):
            vectors, stats = self.encode(params, stats, batch[view], key)
            clean.append(vectors)
        for view, mix, key in zip(self.queries, mixes, jax.random.split(mixed_key, self.crops)):
            vectors, stats = self.encode_mixes(params, stats, batch[view], mix, key)
            mixed.append(vectors)
        key, moved = self.encode_key(params, extra, batch["key"], last_key)
        return Passes(clean, key, mixed), {**extra, **stats, **moved}

    def encode_mixes(self, params, stats, x, mixes: Mix, rng) -> tuple[Mixed, dict]:
        """Every mix of a crop x in a pass of its own. They share one program, so one is compiled."""
        count = mixes.shift.shape[0]

        def one(stats, drawn):
            mix, key = drawn
            noise_key, pass_key = jax.random.split(key)
            source = self.pasted(noise_key, x, mix.shift)
            features, stats = self.features(params, stats, paste(x, mix, source), pass_key)
            self._check_stride(x, features.map)
            pasted, context = region_pool(features.map, mix.region)
            pasted, stats = self.project(params, stats, pasted)
            context, stats = self.project(params, stats, context)
            return stats, Mixed(pasted, context, mix.shift)

        stats, mixed = jax.lax.scan(one, stats, (mixes, jax.random.split(rng, count)))
        return mixed, stats

    def pasted(self, rng, x, shift):
        """(N, M, T, V, C) that regions are taken from."""
        if self.source == "swap":
            return partner(x, shift)
        return jax.random.normal(rng, x.shape, x.dtype) if self.source == "gaussian" else 0.0

    def terms(self, passes: Passes, queue) -> dict[str, jax.Array]:
        """``total``, and its ``instance`` and ``region`` parts, before `alpha`."""
        key, found = losses.unit(passes.key), {}
        weights, loss = self.weights or (1.0,) * self.crops, losses.FORMS[self.loss]
        instance = region = 0.0
        for i, (weight, clean, mixed) in enumerate(zip(weights, passes.clean, passes.mixed)):
            logits = self.logits(losses.unit(clean), key, queue)
            instance += weight * loss(logits)
            if i == 0:
                found["instance_top1"] = (logits.argmax(1) == 0).mean()
            pasted, context = self.region_logits(mixed, key, queue)
            each = 0.5 * (jax.vmap(loss)(pasted) + jax.vmap(loss)(context))
            region += weight * (each.mean() if self.average else each.sum())
        total = instance + self.alpha * region
        return {"total": total, "instance": instance, "region": region, **found}

    def region_logits(self, mixed: Mixed, key, queue):
        """(R, N, K + 2) of the pasted regions and of the contexts.

        The other region of the same mixed clip is one more negative, without a gradient into it.
        """

        def one(pasted, context, shift):
            p, c = losses.unit(pasted), losses.unit(context)
            away = jax.lax.stop_gradient
            return (
                self.logits(p, partner(key, shift), queue, away(c)),
                self.logits(c, key, queue, away(p)),
            )

        return jax.vmap(one)(*mixed)

    def _check_stride(self, x, feature_map):
        frames, slots = x.shape[2], feature_map.shape[2]
        if slots * self.stride != frames:
            raise ConfigError(
                "the slots of a mix are not the frames of the feature map",
                where="method.stride, recipe.frames",
                found=f"{frames} frames become {slots}, stride {self.stride}",
                expected="frames = stride x frames of the feature map",
                do="set method.stride to the product of the backbone's strides, and recipe.frames "
                "to a multiple of it",
            )
