"""InfoGCN: classification through an information bottleneck."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from skeljax.losses.infogcn import infogcn_loss, prior_means
from skeljax.methods.supervised import Supervised


@dataclasses.dataclass(frozen=True)
class InfoGCN(Supervised):
    """InfoGCN (Chi et al., CVPR 2022): class means of the latent are drawn to orthogonal priors.

    The latent is the backbone's pooled feature, drawn in training by the backbone ``infogcn``; any
    other backbone's feature is a latent without noise. The prior means are kept in `extra`, so that
    a resumed run goes on with them (in the original they follow from the seed and are not saved).

    Attributes:
      label_smoothing: share of the target spread evenly over the K classes.
      head_std: of the head's initial weights; 0 = CTR-GCN's sqrt(2 / K).
      mmd_weight: of the distance between class means and prior means; the paper's lambda_2.
      mean_weight: of the length of the mean latent; lambda_1.
      prior_gain: length of the prior means.
    """

    label_smoothing: float = 0.1
    mmd_weight: float = 0.1
    mean_weight: float = 1e-4
    prior_gain: float = 3.0

    def init(self, rng, batch):
        params, extra = super().init(rng, batch)
        width = params["head"]["kernel"].shape[0]
        prior_rng = jax.random.fold_in(rng, 1)
        prior = prior_means(prior_rng, len(self.facts.classes), width, self.prior_gain)
        return params, {**extra, "prior": prior}

    def loss_fn(self, params, extra, batch, rng, step):
        features, extra = self.features(params, extra, batch["x"], rng)
        logits = self.logits(params, features)
        ce = self.classification(logits, batch["label"], step, rng)
        loss, terms = infogcn_loss(
            features.pooled,
            logits,
            batch["label"],
            extra["prior"],
            mmd_weight=self.mmd_weight,
            mean_weight=self.mean_weight,
            ce=ce,
        )
        top1 = jnp.mean(logits.argmax(-1) == batch["label"])
        return loss, (extra, {"top1": top1, **terms})
