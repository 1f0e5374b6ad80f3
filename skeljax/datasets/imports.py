"""Prepared sets of others as sources of the NTU builders, by what the source looks like."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from skeljax.errors import DataError
from skeljax.readers import Clip, exchange, ntu

# What a source is made by: a config of another cleaning cannot be built of it.
_MADE_BY = {"pickle": "pyskl", "npz": "ctrgcn", "npy": "listed"}


def open_ntu(
    source: pathlib.Path, cleaning: str, dataset: str, names: Mapping[str, Sequence[str]]
) -> tuple[Iterable[str], Callable[[str], Clip], list[str]] | None:
    """Names in the source, how to load one, and faults; None where it holds raw files.

    Raises:
      DataError: it is damaged, or was made by another cleaning than asked for.
    """
    if source.suffix in (".pkl", ".pickle"):
        kind = "pickle"
    elif source.suffix == ".npz":
        kind = "npz"
    elif (source / "train_data.npy").is_file():
        kind = "npy"
    else:
        return None
    if _MADE_BY[kind] != cleaning:
        config = {"pyskl": "_pyskl", "ctrgcn": "", "listed": "_listed"}[_MADE_BY[kind]]
        raise DataError(
            "this source was made by another cleaning than the config's", where=source,
            found=_MADE_BY[kind], expected=cleaning,
            do=f"skeljax prepare {dataset}/PROTOCOL{config} --source {source}, or pass raw files",
        )  # fmt: skip
    if kind == "npz":
        loaders = exchange.read_ctrgcn(source, names)
        return loaders, lambda name: _with_facts(loaders[name](), source), []
    if kind == "npy":
        loaders = exchange.read_stgcn(source, ntu.LAYOUT)
        return loaders, lambda name: _with_facts(loaders[name](), source), []
    _, annotations = exchange.read_pyskl(source)

    def load(name: str) -> Clip:
        return _with_facts(exchange.pyskl_clip(annotations[name], ntu.LAYOUT, source), source)

    return annotations, load, []


def _with_facts(clip: Clip, source) -> Clip:
    """With the facts of its name, and of the shape it must have."""
    facts = ntu.facts(clip.name)
    shape = clip.keypoints.shape
    if len(shape) != 4 or shape[2:] != (25, 3) or clip.label != int(clip.name[-3:]) - 1:
        raise DataError(
            "a clip is not what its name says", where=f"{source}, {clip.name}",
            found=f"shape {shape}, class {clip.label}", expected="(M, T, 25, 3), class of the name",
        )  # fmt: skip
    return clip.replace(facts=facts)
