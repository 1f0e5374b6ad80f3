"""Which pairs of classes a run tells apart better than a baseline: a part of ``skeljax report``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skeljax import metrics
from skeljax.scores import Scores


class Pair(NamedTuple):
    """Two classes in a baseline and in a run, on the same clips.

    Attributes:
      a, b: the classes, a < b.
      clips: test clips of the two.
      mistaken: clips of the one that were taken for the other, in the baseline and in the run.
      apart: share of the clips that have the higher score at their own of the two classes, in the
        baseline and in the run: the same question without all the other classes.
    """

    a: int
    b: int
    clips: int
    mistaken: tuple[int, int]
    apart: tuple[float, float]


def confusable(baseline, run, label, top: int = 15) -> list[Pair]:
    """The most confusable pairs of classes, the largest change for the better first.

    Confusable is what baseline and run mistake most often, taken together. Choosing the baseline's
    worst pairs would favour the run: what was worst by chance is better in any second training.

    Args:
      baseline, run: (N,K) scores of the same clips.
      label: (N,).
      top: pairs at most.
    """
    both = [np.asarray(scores) for scores in (baseline, run)]
    between = np.stack([_between(scores, label) for scores in both])
    total = between.sum(0)
    a, b = np.triu_indices(len(total), 1)
    order = np.argsort(-total[a, b], kind="stable")[:top]
    found = [
        _pair(both, np.asarray(label), between, int(a[i]), int(b[i]))
        for i in order
        if total[a[i], b[i]]
    ]
    return sorted(found, key=lambda pair: pair.mistaken[1] - pair.mistaken[0])


def rows(pairs: list[Pair], names) -> list[list[str]]:
    """A table: a header, and one row a pair."""
    header = [
        "class",
        "and",
        "clips",
        "mistaken before",
        "now",
        "change",
        "apart before %",
        "now %",
    ]
    return [header] + [
        [
            names[p.a],
            names[p.b],
            str(p.clips),
            *map(str, p.mistaken),
            f"{p.mistaken[1] - p.mistaken[0]:+d}",
            *(f"{100 * share:.2f}" for share in p.apart),
        ]
        for p in pairs
    ]


def text(pairs: list[Pair], baseline: Scores, run: Scores) -> str:
    """The table, and the mistakes inside these pairs beside all others."""
    from skeljax.report import aligned  # it imports this file

    inside = [sum(pair.mistaken[i] for pair in pairs) for i in (0, 1)]
    wrong = [int((one.scores.argmax(1) != run.label).sum()) for one in (baseline, run)]
    return (
        f"most confusable pairs, before (the baseline) and now\n"
        f"{aligned(rows(pairs, run.class_names()))}\n"
        f"inside these pairs {inside[0]} clips were mistaken, now {inside[1]}; "
        f"elsewhere {wrong[0] - inside[0]}, now {wrong[1] - inside[1]}"
    )


def figure(pairs: list[Pair], names):
    """A line a pair, from the baseline's mistakes to the run's."""
    from skeljax import plots  # matplotlib is slow to import

    return plots.changes(
        [f"{names[p.a]} / {names[p.b]}" for p in pairs],
        [p.mistaken for p in pairs],
        "clips of one class taken for the other",
    )


def _between(scores, label) -> np.ndarray:
    """(K,K) clips of one class taken for the other, either way."""
    matrix = metrics.confusion(scores, label)
    return matrix + matrix.T


def _pair(both, label, between, a, b) -> Pair:
    of = (label == a) | (label == b)
    other = np.where(label == a, b, a)[of]
    clips = np.arange(of.sum())
    apart = [float(np.mean(s[of][clips, label[of]] > s[of][clips, other])) for s in both]
    mistaken = tuple(int(n) for n in between[:, a, b])
    return Pair(a, b, int(of.sum()), mistaken, tuple(apart))
