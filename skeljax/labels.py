"""Labels for score files that carry none, from the files people have."""

from __future__ import annotations

import csv
import pathlib

import numpy as np

from skeljax import files, safe_pickle
from skeljax.errors import DataError, choose


def read(path, split: str | None = None) -> tuple[np.ndarray | None, np.ndarray]:
    """Clip names (N,) or None, and 0-based labels (N,) int32, in the order of the file.

    ==================  ==========================================================================
    run folder, .npz    `name` and `label` as in our scores.npz
    .npz of CTR-GCN     one-hot `y_test`; the names are ``test_0``, ``test_1`` ...
    .csv                columns name,label
    .json               {name: label}
    .npy, .txt          labels only, in the order of the scores
    .pkl of PYSKL       needs `split`, for example ``xsub_val``
    .pkl of ST-GCN      (names, labels)
    .pkl of NW-UCLA     list of {file_name, label}; labels there are 1-based
    ==================  ==========================================================================

    Raises:
      DataError: no such file, or not one of these forms.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "scores.npz"
    forms = {
        ".npz": _npz, ".csv": _csv, ".json": _json, ".npy": _npy, ".txt": _txt, ".pkl": _pickle
    }  # fmt: skip
    choose("label file", path.suffix, forms, where=path)
    if not path.is_file():
        raise DataError("there is no such label file", where=path)
    try:
        name, label = forms[path.suffix](path, split)
        label = np.asarray(label).astype(np.int32)
        if label.ndim != 1 or (name is not None and len(name) != len(label)):
            raise ValueError(f"{label.shape} labels")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise DataError(
            "the file holds no labels in a form known here",
            where=path,
            found=f"{type(error).__name__}: {error}",
            do="write a .csv with the columns name,label",
        ) from None
    return None if name is None else np.asarray(name).astype(str), label


def _npz(path, split):
    found = files.read_npz(path)
    if "y_test" in found:
        label = found["y_test"].argmax(axis=1)
        return [f"test_{i}" for i in range(len(label))], label
    return found.get("name"), found["label"]


def _csv(path, split):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["name"] for row in rows], [int(row["label"]) for row in rows]


def _json(path, split):
    found = files.read_json(path)
    return list(found), list(found.values())


def _npy(path, split):
    return None, np.load(path, allow_pickle=False)


def _txt(path, split):
    return None, [int(line) for line in path.read_text().split()]


def _pickle(path, split):
    found = safe_pickle.load(path)
    if isinstance(found, dict) and "annotations" in found:
        choose("split", split, found["split"], where=path)
        label = {clip["frame_dir"]: clip["label"] for clip in found["annotations"]}
        names = list(found["split"][split])
        return names, [label[name] for name in names]
    if isinstance(found, list) and isinstance(found[0], dict):
        return [clip["file_name"] for clip in found], [int(clip["label"]) - 1 for clip in found]
    names, label = found
    return names, label
