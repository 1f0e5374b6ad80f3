"""metric/*: accuracies, confusion and fusion of scores."""

from typing import Literal

import numpy as np

from skeljax import metrics


def _row(scores, stream):
    return scores if stream is None else scores[stream]


def topk(
    given, *, k: list[int], stream: int | Literal["each"] | None = None, percent: bool = False
):
    def accuracies(scores):
        found = [metrics.topk(scores, given["label"], one) for one in k]
        return np.squeeze(found, 0) if len(k) == 1 else np.array(found)

    if stream == "each":
        found = np.array([accuracies(scores) for scores in given["scores"]])
    else:
        found = accuracies(_row(given["scores"], stream))
    return {"accuracy": 100 * found if percent else found}


def mean_class(given, *, stream: int | None = None):
    return {"accuracy": metrics.mean_class(_row(given["scores"], stream), given["label"])}


def per_class(given, *, stream: int | None = None):
    return {"accuracy": metrics.per_class(_row(given["scores"], stream), given["label"])}


def fuse(given, *, streams: list[int], weights: list[float], softmax: bool = False):
    rows = [given["scores"][s] for s in streams]
    fused = metrics.fuse([metrics.softmax(row) for row in rows] if softmax else rows, weights)
    found = {"fused": fused}
    if "label" in given:
        found["top1"] = metrics.topk(fused, given["label"])
    return found


KINDS = {
    "metric/topk": topk,
    "metric/mean_class": mean_class,
    "metric/per_class": per_class,
    "metric/fuse": fuse,
    "metric/fuse_l2": lambda given: {"fused": metrics.fuse_l2(given["scores"])},
    "metric/clip_average": lambda given: {"prob": metrics.clip_average(given["logits"])},
    "metric/confusion": lambda given: {
        "confusion": metrics.confusion(given["scores"], given["label"])
    },
}
