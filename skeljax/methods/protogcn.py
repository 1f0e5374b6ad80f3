"""ProtoGCN: classification beside a contrast of the topologies that the classes move with."""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from skeljax.errors import ConfigError
from skeljax.losses.protogcn import class_contrast
from skeljax.methods.supervised import Supervised
from skeljax.models.layers import torch_uniform


@dataclasses.dataclass(frozen=True)
class ProtoGCN(Supervised):
    """ProtoGCN (Liu et al., CVPR 2025): a loss of logits and its class-specific contrastive loss.

    The memory of one feature a class is kept in `extra`, so that a resumed run goes on with it, and
    moves with the global batch (the original saves none and keeps one a device). A prediction is
    the plain backbone's and costs no more.

    Attributes:
      label_smoothing: share of the target spread evenly over the K classes.
      head_std: of the head's initial weights; 0 = CTR-GCN's sqrt(2 / K).
      csc_weight: of the contrastive loss beside the cross entropy.
      embed_dim: E, length of the features of the contrast.
      momentum: weight of the old memory where a class has a clip that is classified right.
      temperature: that divides the cosines.
    """

    head_std: float = 0.01
    csc_weight: float = 0.2
    embed_dim: int = 256
    momentum: float = 0.9
    temperature: float = 0.125

    def init(self, rng, batch):
        params, extra = super().init(rng, batch)
        variables = {"params": params["backbone"], **extra}
        features = jax.eval_shape(lambda x: self.net.apply(variables, x, train=False), batch["x"])
        if features.graph is None:
            raise ConfigError(
                "the method 'protogcn' contrasts topologies, which this backbone does not rebuild",
                where="model.name",
                expected="protogcn",
                do="take the backbone protogcn, or another method",
            )
        graph = jnp.zeros((1, features.graph.shape[1] ** 2))
        contrast_rng, memory_rng = jax.random.split(jax.random.fold_in(rng, 1))
        contrast = self.contrast(graph.shape[1]).init(contrast_rng, graph)
        memory = jax.random.normal(memory_rng, (self.embed_dim, len(self.facts.classes)))
        return {**params, "contrast": contrast["params"]}, {**extra, "memory": memory}

    def loss_fn(self, params, extra, batch, rng, step):
        features, extra = self.features(params, extra, batch["x"], rng)
        logits, label = self.logits(params, features), batch["label"]
        ce = self.classification(logits, label, step, rng)
        graph = features.graph.reshape(len(label), -1)
        csc, memory = class_contrast(
            self.contrast(graph.shape[1]).apply({"params": params["contrast"]}, graph),
            logits,
            label,
            extra["memory"],
            momentum=self.momentum,
            temperature=self.temperature,
        )
        memory = jax.lax.stop_gradient(memory)
        top1 = jnp.mean(logits.argmax(-1) == label)
        metrics = {"top1": top1, "ce": ce, "csc": csc}
        return ce + self.csc_weight * csc, ({**extra, "memory": memory}, metrics)

    def contrast(self, size: int) -> nn.Dense:
        """Rebuilt topologies (N, V V), size V V -> features (N, E)."""
        init = torch_uniform(size)
        return nn.Dense(self.embed_dim, kernel_init=init, bias_init=init)
