"""SkeleMixCLR and SkeleMixCLR+: contrast of spatio-temporally mixed clips, region by region."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import numpy as np

from skeljax.data.skelemix import (
    Mix,
    body_parts,
    check_swap,
    draw_mix,
    partner,
    paste,
)
from skeljax.errors import ConfigError, check_number, choose
from skeljax.losses import contrastive as losses
from skeljax.methods.skeletonclr import Passes, Projection, SkeletonCLR, query_stats
from skeljax.models.heads import pool_parts
from skeljax.models.infogcn import InfoGCN


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
      net: the backbone, `x (N, M, T, V, C) -> Features`.
      facts: of the data.
      dim: E of the vectors that are compared.
      queue: K keys that serve as negatives; a multiple of the batch.
      momentum: weight of the key encoder's old parameters.
      temperature: that the cosines are divided by.
      form: of the loss: ce, or dcl (decoupled: the positive leaves the denominator).
      key_copies_query: start the key encoder as a copy; False reproduces the public code's slip.
      swaps: a row for each query crop, whose length is the recipe's: fewest and most body parts,
        shortest and longest stretch (in sixteenths of the clip), mixes, weight of its terms.
      average: average the region losses over the mixes (the paper's first form) instead of summing.
      alpha: weight of the region losses.
      source: what is pasted: swap (another clip of the batch), zeros or gaussian.
      joints: parts (whole body parts), or random: the first two numbers of a row count joints.
      stride: frames of the clip a frame of the feature map, the product of the backbone's strides.
      knn_k: neighbours that vote when features are judged.
      knn_temperature: of their votes.
    """

    temperature: float = 0.2
    crops: int = dataclasses.field(default=1, init=False)  # the rows of `swaps` count
    swaps: tuple[tuple, ...] = ((2, 3, 7, 11, 1, 1.0),)
    average: bool = False
    alpha: float = 1.0
    source: str = "swap"
    joints: str = "parts"
    stride: int = 4

    def __post_init__(self):
        super().__post_init__()
        choose("source", self.source, ("swap", "zeros", "gaussian"), where="method.source")
        choose("choice of joints", self.joints, ("parts", "random"), where="method.joints")
        if isinstance(self.net, InfoGCN):
            raise ConfigError(
                "regions are pooled from the feature map, and what this backbone compares is a "
                "latent drawn from the mean of the whole map",
                where="model.name",
                found="infogcn",
                expected="a backbone whose feature is that mean",
                do="take another backbone, or the method skeletonclr",
            )
        check_number("method.stride", self.stride, self.stride >= 1, "1 or more")
        check_number("method.swaps", self.swaps, len(self.swaps) > 0, "a row for each query crop")
        batch = self.facts.batch
        check_number("train.batch", batch, batch >= 2, "2 or more: another clip to paste from")
        for row in self.swaps:
            check_swap(row, len(self.choices))

    @property
    def views(self) -> tuple[str, ...]:
        return ("query", "key", *(f"query{i}" for i in range(1, len(self.swaps))))

    @property
    def projection(self) -> Projection:
        return Projection(self.dim, norm=True)

    @property
    def choices(self) -> np.ndarray:
        """(P, V) bool: what a mix chooses from as a whole."""
        if self.joints == "random":
            return np.eye(self.facts.layout.num_joints, dtype=bool)
        return body_parts(self.facts.layout)

    def init(self, rng, batch):
        for view in self.queries:  # told before the run folder is made
            frames = batch[view].shape[2]
            self._check_stride(frames, frames // self.stride)
        return super().init(rng, batch)

    def draw(self, rng, batch) -> list[Mix]:
        """The mixes of each crop, stacked."""
        drawn = []
        for view, row, key in zip(self.queries, self.swaps, jax.random.split(rng, len(self.swaps))):
            x = batch[view]
            one = partial(
                draw_mix, parts=self.choices, row=row, batch=len(x), slots=x.shape[2] // self.stride
            )
            drawn.append(jax.vmap(one)(jax.random.split(key, row[4])))
        return drawn

    def passes(self, params, extra, batch, rng, mixes: list[Mix] | None = None):
        """Clean passes, then mixed ones, then the key's; `mixes` in place of drawn ones."""
        draw_key, *keys, last_key = jax.random.split(rng, 2 * len(self.swaps) + 2)
        mixes = self.draw(draw_key, batch) if mixes is None else mixes
        stats, clean, mixed = query_stats(extra), [], []
        for view, key in zip(self.queries, keys[::2]):
            vectors, stats = self.encode(params, stats, batch[view], key)
            clean.append(vectors)
        for view, mix, key in zip(self.queries, mixes, keys[1::2]):
            vectors, stats = self.encode_mixes(params, stats, batch[view], mix, key)
            mixed.append(vectors)
        key, moved = self.encode_key(params, extra, batch["key"], last_key)
        return Passes(clean, key, mixed), {**extra, **stats, **moved}

    def encode_mixes(self, params, stats, x, mixes: Mix, rng) -> tuple[Mixed, dict]:
        """Every mix of a crop x in a pass of its own; all are one program."""
        count = mixes.shift.shape[0]

        def one(stats, drawn):
            mix, key = drawn
            noise_key, pass_key = jax.random.split(key)
            source = self.pasted(noise_key, x, mix.shift)
            features, stats = self.features(params, stats, paste(x, mix, source), pass_key)
            self._check_stride(x.shape[2], features.map.shape[2])
            pasted, context = pool_parts(features.map, mix.region)
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
        loss, instance, region = losses.FORMS[self.form], 0.0, 0.0
        for row, clean, mixed in zip(self.swaps, passes.clean, passes.mixed):
            weight = row[5]
            logits = self.logits(losses.unit(clean), key, queue)
            instance += weight * loss(logits)
            found.setdefault("instance_top1", (logits.argmax(1) == 0).mean())
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

    def _check_stride(self, frames: int, slots: int) -> None:
        if slots < 1 or slots * self.stride != frames:
            raise ConfigError(
                "the slots of a mix are not the frames of the feature map",
                where="method.stride, recipe.frames",
                found=f"{frames} frames become {slots}, stride {self.stride}",
                expected="frames = stride x frames of the feature map",
                do="set method.stride to the product of the backbone's strides, and recipe.frames "
                "to a multiple of it",
            )
