"""Long-tailed and reduced training lists, by name. Class order is label order: class 0 is the head.

A published list is reproduced bit for bit: NumPy's legacy generator, seed 0, one shuffle a class.
"""

from __future__ import annotations

import collections
import pathlib
import random
from collections.abc import Sequence

import numpy as np

from skeljax.errors import DataError


def exponential_counts(num_classes: int, most: int, imbalance: float) -> np.ndarray:
    """(K,) int64 clips a class, int(most * imbalance^(c/(K-1))), in double precision.

    Args:
      most: clips of class 0 (NTU60 and NTU120 xsub 600, xset 400, NW-UCLA 100).
      imbalance: last over first, 1/IF written as 0.1, 0.02 or 0.01.
    """
    return np.array(
        [int(most * imbalance ** (c / (num_classes - 1.0))) for c in range(num_classes)]
    )


def step_counts(num_classes: int, most: int, imbalance: float) -> np.ndarray:
    """(K,) `most` clips in the first half of the classes, int(most * imbalance) in the others."""
    head = np.arange(num_classes) < num_classes // 2
    return np.where(head, most, int(most * imbalance))


def sample_list(
    names: Sequence[str], labels: Sequence[int], counts: Sequence[int], seed: int = 0
) -> list[str]:
    """Draws counts[c] names of each class, grouped by class (BRL, 1.6).

    Args:
      names, labels: the full training list, in its own order.

    Raises:
      DataError: a class with fewer clips than asked for.
    """
    rng = np.random.RandomState(seed)
    chosen = []
    every, of = np.array(names), np.asarray(labels)
    for label, count in enumerate(counts):
        members = every[of == label]
        if len(members) < count:
            raise DataError(
                f"class {label} has too few clips", found=len(members), expected=int(count)
            )
        rng.shuffle(members)
        chosen += members[:count].tolist()
    return chosen


def prefix_list(names: Sequence[str], labels: Sequence[int], counts: Sequence[int]) -> list[str]:
    """The first counts[c] names of each class: how the factor 50 and 100 lists follow from 10."""
    labels = np.asarray(labels)
    rows = [np.flatnonzero(labels == c)[:count] for c, count in enumerate(counts)]
    return [names[i] for i in np.concatenate(rows)]


def labelled_subset(
    labels: Sequence[int], fraction: float, seed: int = 2, at_least: int = 0
) -> np.ndarray:
    """Sorted indices of round(fraction * n_c) clips of each class, classes in order of first
    appearance, by Python's generator: the semi-supervised subsets of the contrastive methods.

    Args:
      at_least: clips of every class; 0 as published, where small classes are left with none.
    """
    rng = random.Random(seed)
    groups: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        groups.setdefault(int(label), []).append(i)
    chosen = []
    for group in groups.values():
        chosen += rng.sample(group, max(at_least, round(fraction * len(group))))
    return np.array(sorted(chosen), int)


def ntu_label(name: str) -> int:
    """0-based class of an NTU name such as S001C001P001R001A011."""
    return int(name.split("A")[-1][:3]) - 1


def read_names(path) -> list[str]:
    """Names of a list, one a line.

    Raises:
      DataError: unreadable or empty file, or a name twice.
    """
    try:
        names = [line.strip() for line in pathlib.Path(path).read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot read the list of names", where=path, found=error) from None
    names = [name for name in names if name]
    twice = [name for name, times in collections.Counter(names).items() if times > 1]
    if not names:
        raise DataError("the list of names is empty", where=path)
    if twice:
        raise DataError("names must differ", where=path, found=", ".join(twice[:5]))
    return names


def as_text(names: Sequence[str]) -> str:
    """The list as the published files have it: one name a line, no newline at the end."""
    return "\n".join(names)
