"""What a method is told about its data, and what it must offer to the trainer."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from skeljax.layouts import Layout


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the training data and the recipe say, once, before anything is compiled.

    Attributes:
      classes: K class names.
      class_counts: (K,) training clips of each class, counted in the split that is trained on.
      layout: of the joints.
      num_bodies: M.
      channels: C of the network's input.
      batch: global batch.
      steps_per_epoch: steps between two shuffles.
      epochs: length of the training.
    """

    classes: tuple[str, ...]
    class_counts: np.ndarray
    layout: Layout
    num_bodies: int
    channels: int
    batch: int
    steps_per_epoch: int
    epochs: int


class Method(Protocol):
    """A way of training. The trainer knows no other seam; see docs/add_a_method.md.

    `params` is what the optimizer moves, with the backbone at ``params["backbone"]``; `extra` is
    every other array (batch statistics, queues, momentum weights, prototypes, text tables). Batch:
    ``{"x": (N, M, T, V, C), "label": (N,), "index": (N,)}``, or the method's own `views` for x.
    One that has `headline`, a line of text, says it at the start of a training.
    """

    views: tuple[str, ...]

    def init(self, rng, batch) -> tuple[Any, Any]:
        """(params, extra) for a batch of the right shapes."""

    def loss_fn(self, params, extra, batch, rng, step) -> tuple[Any, tuple[Any, dict]]:
        """(loss, (extra after the step, scalar metrics))."""

    def predict(self, params, extra, batch) -> dict:
        """{"logits": (N, K), "feature": (N, D), "embedding": (N, E)}, what it has.

        A method without logits has `knn`, k and a temperature: its embeddings are judged by the
        votes of the training clips nearest to them.
        """

    def groups(self, params) -> Any:
        """A label per leaf of `params`: "main", "head", ..., or "frozen"."""
