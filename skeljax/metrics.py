"""What a table of results prints, from scores (N,K) and labels (N,). NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from skeljax.errors import ConfigError, DataError


def check(scores, label) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,K) and labels (N,) as arrays, if they can be compared at all.

    Raises:
      DataError: shapes that do not fit, labels outside 0..K-1, or scores that are not finite.
    """
    scores, label = np.asarray(scores), np.asarray(label)
    if scores.ndim != 2 or label.shape != scores.shape[:1] or not len(label):
        raise DataError(
            "scores and labels do not fit",
            found=f"scores {scores.shape}, labels {label.shape}",
            expected="scores (N, K) and labels (N,), N > 0",
        )
    bad = np.flatnonzero((label < 0) | (label >= scores.shape[1]))
    if bad.size:
        raise DataError(
            "a label is outside the classes",
            found=f"label {label[bad[0]]} in row {bad[0]} ({bad.size} such rows)",
            expected=f"0 to {scores.shape[1] - 1}, one per column of the scores",
        )
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if bad.size:
        raise DataError("scores are not finite", found=f"{bad.size} rows, the first is {bad[0]}")
    return scores, label


def topk(scores, label, k: int = 1) -> float:
    """Share of clips whose label is among the k highest scores; ties go to the lower class."""
    scores, label = check(scores, label)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == label[:, None]).any(axis=1).mean())


def confusion(scores, label) -> np.ndarray:
    """(K,K) counts, true class by predicted class."""
    scores, label = check(scores, label)
    matrix = np.zeros((scores.shape[1],) * 2, np.int64)
    np.add.at(matrix, (label, scores.argmax(axis=1)), 1)
    return matrix


def per_class(scores, label) -> np.ndarray:
    """(K,) share of each class's clips that are right; 0 for a class without clips."""
    matrix = confusion(scores, label)
    return np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)


def mean_class(scores, label) -> float:
    """Mean of `per_class` over the classes that labels or predictions name (as mmaction)."""
    matrix = confusion(scores, label)
    seen = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    return float(per_class(scores, label)[seen].mean())


def summary(scores, label) -> dict[str, float]:
    """``top1``, ``top5`` and ``mean_class``, as fractions."""
    return {
        "top1": topk(scores, label),
        "top5": topk(scores, label, 5),
        "mean_class": mean_class(scores, label),
    }


def softmax(logits) -> np.ndarray:
    """Softmax over the last axis."""
    logits = np.asarray(logits)
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def fuse(streams: Sequence, weights: Sequence[float]) -> np.ndarray:
    """Weighted sum (N,K) of the scores of S streams, summed in float64.

    Raises:
      ConfigError: not one weight a stream.
    """
    if len(streams) != len(weights):
        raise ConfigError(
            "one weight a stream is needed",
            found=f"{len(weights)} weights",
            expected=f"{len(streams)}, one for each score file",
        )
    return sum(float(w) * np.asarray(s, np.float64) for s, w in zip(streams, weights))


def fuse_l2(streams: Sequence) -> np.ndarray:
    """Sum (N,K) over streams of each score vector divided by its L2 norm (HD-GCN's fusion)."""
    streams = np.asarray(streams, np.float64)
    return (streams / np.linalg.norm(streams, axis=-1, keepdims=True)).sum(axis=0)


def clip_average(logits) -> np.ndarray:
    """Mean over clips of the softmax: logits (N,L,K), L clips a sample -> probabilities (N,K)."""
    return softmax(logits).mean(axis=1)


def shots(counts, many: int = 100, few: int = 20) -> dict[str, np.ndarray]:
    """Classes by training clips: ``many`` > `many`, ``few`` < `few`, ``medium`` between.

    Returns (K,) masks. The thresholds are those of the long-tailed image benchmarks.
    """
    counts = np.asarray(counts)
    large, small = counts > many, counts < few
    return {"many": large, "medium": ~large & ~small, "few": small}


def thirds(counts) -> dict[str, np.ndarray]:
    """(K,) masks ``head``, ``middle``, ``tail``: thirds of the classes by training clips.

    The tail starts at 2*int(K/3), as in BRL; equal counts keep the order of the classes.
    """
    counts = np.asarray(counts)
    rank = np.empty(len(counts), int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    third = len(counts) // 3
    head, tail = rank < third, rank >= 2 * third
    return {"head": head, "middle": ~head & ~tail, "tail": tail}


def group_accuracy(scores, label, groups: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean class accuracy inside each group of classes; NaN for one without test clips."""
    accuracy, tested = per_class(scores, label), np.bincount(label, minlength=scores.shape[1]) > 0
    return {
        name: float(accuracy[mask & tested].mean()) if (mask & tested).any() else float("nan")
        for name, mask in groups.items()
    }


def reliability(prob, label, bins: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Confidence, accuracy and clips of each of `bins` equal bins of the top probability.

    The first two are 0 where a bin is empty. Bins are open below and closed above, as in
    Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    prob, label = check(prob, label)
    top = prob.max(axis=1)
    which = np.clip(np.ceil(top * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(which, minlength=bins)
    right = np.bincount(which, prob.argmax(axis=1) == label, minlength=bins)
    return (
        np.bincount(which, top, minlength=bins) / np.maximum(count, 1),
        right / np.maximum(count, 1),
        count,
    )


def ece(prob, label, bins: int = 15) -> float:
    """Expected calibration error of probabilities (N,K): mean |confidence - accuracy|."""
    confidence, accuracy, count = reliability(prob, label, bins)
    return float((np.abs(confidence - accuracy) * count).sum() / count.sum())


def confused_pairs(matrix, top: int = 10) -> list[tuple[int, int, int, float]]:
    """The commonest mistakes of a confusion matrix (K,K), the most clips first.

    Returns (true class, predicted class, clips, share of the true class's clips).
    """
    matrix = np.asarray(matrix)
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:top]
    pairs = zip(*np.unravel_index(order, wrong.shape))
    total = matrix.sum(axis=1)
    return [
        (int(t), int(p), int(wrong[t, p]), float(wrong[t, p] / total[t]))
        for t, p in pairs
        if wrong[t, p]
    ]


def knn_votes(
    feature,
    bank,
    bank_label,
    num_classes: int,
    k: int,
    temperature: float,
    block: int = 512,
    own=None,
) -> np.ndarray:
    """Votes (N,K) float32 of the k vectors of a bank nearest to each of N, as shares.

    A vote weighs exp(cosine / temperature) and is for the class of its vector (Wu et al., CVPR
    2018).

    Args:
      feature, bank: (N,E) and (B,E), of any length.
      bank_label: (B,).
      block: rows that are compared at a time.
      own: (N,) row of the bank that is the same clip and has no vote; -1 = none.
    """
    own = np.full(len(feature), -1) if own is None else np.asarray(own)
    feature, bank = (_unit(np.asarray(rows, np.float32)) for rows in (feature, bank))
    k = min(k, len(bank))
    one_hot = np.eye(num_classes, dtype=np.float32)[np.asarray(bank_label)]
    votes = []
    for start in range(0, len(feature), block):
        similar = feature[start : start + block] @ bank.T
        itself = np.flatnonzero(own[start : start + block] >= 0)
        similar[itself, own[start + itself]] = -np.inf
        near = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        weight = np.exp(np.take_along_axis(similar, near, axis=1) / temperature)
        votes.append(np.einsum("nk,nkc->nc", weight, one_hot[near]))
    found = np.concatenate(votes)
    return found / found.sum(axis=1, keepdims=True)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
