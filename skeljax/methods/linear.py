"""What a pre-trained encoder is worth: a linear classifier on it, frozen or fine-tuned.

They start from a pre-training run folder: ``--config.init_from=RUN``.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import optax

from skeljax.methods.crosclr import of_stream
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

    def loss_fn(self, params, extra, batch, rng, step):
        if self.train_mode:
            return super().loss_fn(params, extra, batch, rng, step)
        return self.evaluation_loss(params, extra, batch, rng, step)

    def evaluation_loss(self, params, extra, batch, rng, step):
        """Loss of the logits of an evaluation; nothing of `extra` moves."""
        target = jax.nn.one_hot(batch["label"], len(self.facts.classes))
        target = optax.smooth_labels(target, self.label_smoothing)
        outputs = self.of_heads(params, extra, batch)
        loss = sum(self.loss(o["logits"], target, step, rng) for o in outputs)
        chosen = sum(o["logits"] for o in outputs).argmax(-1)
        return loss, (extra, {"top1": jnp.mean(chosen == batch["label"])})

    def of_heads(self, params, extra, batch) -> list[dict]:
        """What each head gives in evaluation; here there is one."""
        return [self.predict(params, extra, batch)]


@dataclasses.dataclass(frozen=True)
class LinearProbe(FineTune):
    """Linear evaluation: the encoder is frozen and in evaluation mode, the head trains.

    Attributes:
      net, facts, loss, label_smoothing: of `FineTune`.
      head_std: of the head's initial weights.
    """

    train_mode: bool = dataclasses.field(default=False, init=False)

    def loss_fn(self, params, extra, batch, rng, step):
        encoder = jax.lax.stop_gradient({k: v for k, v in params.items() if k not in HEADS})
        return self.evaluation_loss(params | encoder, extra, batch, rng, step)

    def groups(self, params):
        labels = super().groups(params)
        return {
            name: tree if name in HEADS else jax.tree.map(lambda _: "frozen", tree)
            for name, tree in labels.items()
        }


@dataclasses.dataclass(frozen=True)
class CrosLinear(LinearProbe):
    """Linear evaluation of a CrosSCLR run: a head a stream; their logits are averaged.

    Attributes:
      net, facts, loss, label_smoothing: of `FineTune`.
      head_std: of the heads' initial weights.
      streams: those of the run.
    """

    streams: tuple[str, ...] = ("joint", "motion")

    def init(self, rng, batch):
        params, extra = super().init(rng, batch)
        params["heads"] = {}
        for name, key in zip(self.streams[1:], jax.random.split(rng, len(self.streams) - 1)):
            of, moved = super().init(key, batch)
            params[name], extra[name] = {"backbone": of["backbone"]}, moved
            params["heads"][name] = of["head"]
        return params, extra

    def of_heads(self, params, extra, batch):
        outputs, heads = [], {"joint": params["head"], **params["heads"]}
        for name in self.streams:
            of, stats = (params, extra) if name == "joint" else (params[name], extra[name])
            variables = {"backbone": of["backbone"], "head": heads[name]}
            x = of_stream(batch["x"], self.facts.layout, name)
            outputs.append(Supervised.predict(self, variables, stats, {"x": x}))
        return outputs

    def predict(self, params, extra, batch):
        outputs = self.of_heads(params, extra, batch)
        logits = sum(o["logits"] for o in outputs) / len(outputs)
        return {"logits": logits, "feature": outputs[0]["feature"]}
