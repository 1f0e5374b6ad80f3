"""Which clips make the batches of an epoch: pure functions of (seed, epoch), no iterator state."""

from __future__ import annotations

import numpy as np

from skeljax.data.store import Store
from skeljax.errors import ConfigError, DataError, choose


def _uniform(counts: np.ndarray) -> np.ndarray:
    """Every clip once."""
    return np.ones(len(counts))


def _balanced(counts: np.ndarray) -> np.ndarray:
    """Every class as often as the mean class."""
    there = counts > 0
    return np.where(there, counts.sum() / there.sum() / np.maximum(counts, 1), 0.0)


def class_specific(counts: np.ndarray) -> np.ndarray:
    """BRL's multipliers (K,): max / n_c for the rarest third of the classes, 1 for the others.

    `counts` are (K,) clips a class; of equal ones the later class is the rarer, so that in BRL's
    lists, which fall with the class, the last third is meant. It lifts the tail above the middle:
    that is the published recipe.
    """
    rank = np.empty(len(counts), int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.where(rank >= 2 * int(len(counts) / 3), counts.max() / np.maximum(counts, 1), 1.0)


SAMPLERS = {"uniform": _uniform, "class_specific": class_specific, "balanced": _balanced}


def draws_per_class(counts: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """(K,) int64 draws an epoch: whole copies and int(fraction * count) clips more."""
    whole = np.floor(multiplier)
    return (whole * counts + ((multiplier - whole) * counts).astype(int)).astype(int)


def epoch_order(
    seed: int,
    epoch: int,
    n: int,
    batch: int,
    repeat: int = 1,
    sampler: str = "uniform",
    labels: np.ndarray | None = None,
    drop_last: bool = True,
) -> np.ndarray:
    """The clips of one epoch.

    Args:
      n: clips in the split.
      batch: global batch size N.
      repeat: copies of every clip, shuffled together.
      sampler: one of SAMPLERS; all but ``uniform`` need labels (n,).
      drop_last: leave out the last incomplete batch; else fill it from the epoch's start.

    Returns:
      (steps, N) int32; `steps` is the same in every epoch.

    Raises:
      ConfigError: unknown sampler, missing labels, or less than one batch.
    """
    choose("sampler", sampler, SAMPLERS)
    if sampler == "uniform":
        labels = np.zeros(n, int)
    elif labels is None or min(labels) < 0:
        raise ConfigError(f"sampler {sampler!r} needs a label for every clip")
    rng = np.random.default_rng([seed, epoch])
    counts = np.bincount(labels)
    multiplier = SAMPLERS[sampler](counts) * repeat
    parts = []
    for label, draws in enumerate(draws_per_class(counts, multiplier)):
        clips = np.flatnonzero(labels == label)
        if len(clips):
            parts += [np.tile(clips, draws // len(clips))]
            parts += [rng.permutation(clips)[: draws % len(clips)]]
    order = rng.permutation(np.concatenate(parts))
    if drop_last and len(order) < batch:
        raise ConfigError(
            "an epoch has fewer clips than one batch",
            found=f"{len(order)} clips",
            expected=f"at least {batch}",
            do="lower the batch size, raise repeat, or set drop_last to False",
        )
    steps = len(order) // batch if drop_last else -(-len(order) // batch)
    return np.resize(order, (steps, batch)).astype(np.int32)


def eval_batches(n: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Every clip once, in order: index (steps, N) int32 and valid (steps, N) bool.

    The last batch is filled with clip 0, marked not valid.
    """
    steps = -(-n // batch)
    index = np.arange(steps * batch, dtype=np.int32).reshape(steps, batch)
    valid = index < n
    return np.where(valid, index, 0), valid


def hold_out(store: Store, by: str, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sets part of a training split aside for validation.

    Args:
      by: ``class``: `fraction` of each class, at least one clip of a class that has two or more;
        else a facts column such as ``subject``: whole subjects, until `fraction` is reached.

    Returns:
      train and validation indices, sorted.

    Raises:
      DataError: no such column, or nothing left on one side.
    """
    rng = np.random.default_rng(seed)
    if by == "class":
        held = np.zeros(len(store), bool)
        for label in np.unique(store.label):
            clips = rng.permutation(np.flatnonzero(store.label == label))
            held[clips[: min(max(round(fraction * len(clips)), 1), len(clips) - 1)]] = True
    else:
        column = store.facts[choose("column", by, ["class", *store.facts], where="hold_out")]
        groups = rng.permutation(np.unique(column))
        share = np.cumsum([(column == group).sum() for group in groups]) / len(store)
        held = np.isin(column, groups[: np.searchsorted(share, fraction) + 1])
    if held.all() or not held.any():
        raise DataError(
            "the split cannot be divided", where=f"{store.dataset} {store.split}",
            found=f"{held.sum()} of {len(store)} clips held out by {by!r} at {fraction}",
        )  # fmt: skip
    return np.flatnonzero(~held), np.flatnonzero(held)
