"""Scores of a test set: our scores.npz, and the files public code bases write and read."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import pathlib
import pickle

import numpy as np

from skeljax import files, safe_pickle
from skeljax.errors import DataError, choose

KINDS = ("logits", "probabilities", "sums")
SUFFIXES = (".npz", ".pkl", ".json", ".csv")


@dataclasses.dataclass(frozen=True)
class Scores:
    """One model's scores on one test set. N clips, K classes.

    Attributes:
      scores: (N, K) float.
      name: (N,) clip names, or None where the file keeps the order of a list only.
      label: (N,) int32, or None where the file holds none.
      kind: ``logits``, ``probabilities`` or ``sums``, of several streams' logits by any weights: no
        softmax of them is a probability.
      classes: (K,) class names, or None.
      train_counts: (K,) training clips a class, or None.
      feature: (N, D) of the clips, for a picture of them, or None; only .npz keeps them.
      source: the file, for messages.
    """

    scores: np.ndarray
    name: np.ndarray | None = None
    label: np.ndarray | None = None
    kind: str = "logits"
    classes: np.ndarray | None = None
    train_counts: np.ndarray | None = None
    feature: np.ndarray | None = None
    source: str = ""

    def __post_init__(self):
        rows, columns = self.scores.shape
        for field, size in (
            ("name", rows), ("label", rows), ("classes", columns), ("train_counts", columns),
            ("feature", rows),
        ):  # fmt: skip
            value, dims = getattr(self, field), 2 if field == "feature" else 1
            if value is not None and (np.shape(value)[:1] != (size,) or np.ndim(value) != dims):
                raise DataError(
                    f"{field!r} does not fit the scores",
                    where=self.source or None,
                    found=f"{np.shape(value)} beside scores {self.scores.shape}",
                    expected=f"({size},)" if dims == 1 else f"({size}, D)",
                )
        if self.name is not None and len(set(self.name.tolist())) < rows:
            values, count = np.unique(self.name, return_counts=True)
            twice = values[count > 1]
            raise DataError(
                "clip names must differ",
                where=self.source or None,
                found=f"{twice[0]} and {len(twice) - 1} other names more than once",
            )

    def replace(self, **changes) -> Scores:
        return dataclasses.replace(self, **changes)

    def take(self, rows) -> Scores:
        """The rows at those positions, in that order."""
        return self.replace(
            scores=self.scores[rows],
            name=None if self.name is None else self.name[rows],
            label=None if self.label is None else self.label[rows],
            feature=None if self.feature is None else self.feature[rows],
        )

    def class_names(self) -> list[str]:
        """K names; the numbers 0.. where the file holds none."""
        if self.classes is None:
            return [str(c) for c in range(self.scores.shape[1])]
        return [str(c) for c in self.classes]


_FIELDS = [field.name for field in dataclasses.fields(Scores) if field.name != "source"]


def read(path) -> Scores:
    """Scores of a run folder (its scores.npz) or of a file.

    ``.npz``, ``.json``, ``.csv``: as `write` makes them. ``.pkl``: a dict {name: (K,)} as CTR-GCN
    and FR-Head write it, or a list of (K,) as PYSKL, mmaction and BRL do (no names, no labels).
    Where a file does not say so, rows that are non-negative and sum to 1 are probabilities.

    Raises:
      DataError: no such file, or not one of these forms.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        path = path / "scores.npz"
    choose("score file", path.suffix, SUFFIXES, where=path)
    if not path.is_file():
        raise DataError("there are no scores", where=path, do="evaluate the run first")
    fields = {".npz": _read_npz, ".pkl": _read_pickle, ".json": _read_json, ".csv": _read_csv}[
        path.suffix
    ](path)
    try:
        fields["scores"] = np.asarray(fields["scores"], np.float32)
    except (TypeError, ValueError):
        fields["scores"] = np.zeros(0)
    if fields["scores"].ndim != 2 or not fields["scores"].size:
        raise DataError(
            "the scores are not one row of K numbers a clip",
            where=path,
            expected="(N, K)",
        )
    types = {"name": str, "label": np.int32, "classes": str, "train_counts": np.int64}
    for field, dtype in types.items():
        if fields.get(field) is not None:
            try:
                fields[field] = np.asarray(fields[field]).astype(dtype)
            except (TypeError, ValueError) as error:
                raise DataError(
                    f"{field!r} is not what it should be", where=path, found=error
                ) from None
    fields.setdefault("kind", _guess_kind(fields["scores"]))
    choose("kind of scores", fields["kind"], KINDS, where=path)
    return Scores(**fields, source=str(path))


def _guess_kind(scores) -> str:
    sums = scores.sum(axis=1)
    return "probabilities" if (scores >= 0).all() and np.allclose(sums, 1, atol=1e-3) else "logits"


def _read_npz(path) -> dict:
    found = files.read_npz(path, needs=("scores",))
    if "kind" in found:
        found["kind"] = str(found["kind"])
    return {field: found[field] for field in _FIELDS if field in found}


def _read_pickle(path) -> dict:
    found = safe_pickle.load(path)
    if isinstance(found, dict) and found:
        return {"name": [str(name) for name in found], "scores": list(found.values())}
    if isinstance(found, (list, np.ndarray)) and len(found):
        return {"scores": list(found)}
    raise DataError(
        "the pickle holds no scores",
        where=path,
        found=type(found).__name__,
        expected="a dict {name: (K,)} or a list of (K,)",
    )


def _read_json(path) -> dict:
    found = files.read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("scores"), dict):
        raise DataError(
            "the file holds no scores", where=path, expected='{"scores": {name: [...]}, ...}'
        )
    names = list(found["scores"])
    fields = {"name": names, "scores": list(found["scores"].values())}
    if label := found.get("label"):
        if not isinstance(label, dict):
            raise DataError("the labels have no names", where=path, expected='{"label": {name: k}}')
        if absent := [name for name in names if name not in label]:
            raise DataError("a clip has no label", where=path, found=absent[0])
        fields["label"] = [label[name] for name in names]
    return fields | {k: found[k] for k in ("kind", "classes", "train_counts") if found.get(k)}


def _read_csv(path) -> dict:
    try:
        with open(path, newline="") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("cannot read the file", where=path, found=error) from None
    if header[:2] != ["name", "label"]:
        raise DataError(
            "the file holds no scores",
            where=path,
            found=",".join(header[:3]),
            expected="the columns name,label and one a class",
        )
    ragged = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if ragged is not None:
        raise DataError("a row is too short or too long", where=f"{path}, line {ragged + 2}")
    label = [row[1] for row in rows]
    return {
        "name": [row[0] for row in rows],
        "label": [int(v) for v in label] if all(v.isdecimal() for v in label) else None,
        "scores": [row[2:] for row in rows],
        "classes": header[2:],
    }


def write(path, scores: Scores, *, as_list: bool = False) -> None:
    """Writes scores by the suffix of `path`; the file appears whole or not at all.

    ``.npz`` is ours; ``.json`` and ``.csv`` are for reading elsewhere; ``.pkl`` is the dict
    {name: (K,) float32} of CTR-GCN's and FR-Head's ensemble scripts, or with `as_list` the list of
    (K,) that PYSKL's and BRL's read.

    Raises:
      DataError: a form that needs names, of scores that have none.
    """
    path = pathlib.Path(path)
    choose("score file", path.suffix, SUFFIXES, where=path)
    listed = path.suffix == ".pkl" and as_list
    if scores.name is None and not (listed or path.suffix == ".npz"):
        raise DataError(
            "these scores carry no clip names", where=scores.source, do="write .npz, or give names"
        )
    with files.atomic(path) as file:
        if path.suffix == ".npz":
            fields = {field: getattr(scores, field) for field in _FIELDS}
            if scores.feature is not None:
                fields["feature"] = scores.feature.astype(np.float16)  # enough for a picture
            np.savez_compressed(file, **{k: v for k, v in fields.items() if v is not None})
        elif path.suffix == ".pkl":
            rows = list(np.asarray(scores.scores, np.float32))
            pickle.dump(rows if listed else dict(zip(scores.name.tolist(), rows)), file)
        else:
            file.write((_json if path.suffix == ".json" else _csv)(scores).encode())


def _json(scores: Scores) -> str:
    names = scores.name.tolist()
    found = {
        "kind": scores.kind,
        "classes": scores.class_names(),
        "scores": {name: row.tolist() for name, row in zip(names, scores.scores)},
    }
    if scores.label is not None:
        found["label"] = dict(zip(names, scores.label.tolist()))
    if scores.train_counts is not None:
        found["train_counts"] = np.asarray(scores.train_counts).tolist()
    return json.dumps(found, indent=1)


def _csv(scores: Scores) -> str:
    label = [""] * len(scores.name) if scores.label is None else scores.label.tolist()
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["name", "label", *scores.class_names()])
    for name, number, row in zip(scores.name.tolist(), label, scores.scores):
        table.writerow([name, number, *row])
    return text.getvalue()
