"""Anybody's clips: a folder with one file a clip and a table ``labels.csv``.

    name,label,subject,split
    take01,wave,3,train
    take02,clap,4,test

A clip is ``take01.npy``, ``.npz``, ``.json``, ``.csv``, or a folder ``take01`` of one ``.json`` a
frame: readers/own.py. Only `name` and `label` must be there; `split` says which file a clip goes
to; further columns are facts.
"""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterator

from skeljax.errors import DataError
from skeljax.layouts import Layout
from skeljax.readers import own
from skeljax.readers.checks import check_keypoints
from skeljax.readers.clip import Clip

TABLE = "labels.csv"


def table(folder) -> list[dict[str, str]]:
    """Rows of ``labels.csv``, each with its `line`.

    Raises:
      DataError: no table, a column or value is missing, or a name occurs twice.
    """
    path = pathlib.Path(folder).expanduser() / TABLE
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            rows = [row | {"line": str(reader.line_num)} for row in reader]
            columns = reader.fieldnames or []
    except OSError as error:
        raise DataError(
            "cannot read the table of clips", where=path, found=error.strerror,
            do="write one line a clip: name,label",
        ) from None  # fmt: skip
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError("the table is no CSV text in UTF-8", where=path, found=error) from None
    for column in ("name", "label"):
        if column not in columns:
            raise DataError(
                f"the table has no column {column!r}", where=f"{path}, line 1",
                found=", ".join(columns), expected="name,label and what else you know",
            )  # fmt: skip
    if not rows:
        raise DataError("the table has no clips", where=path)
    lines: dict[str, str] = {}
    for row in rows:
        where = f"{path}, line {row['line']}"
        if None in row or None in row.values() or not (row["name"] and row["label"]):
            raise DataError(
                "a value is missing or too much", where=where,
                expected=f"{len(columns)} values: {','.join(columns)}",
            )  # fmt: skip
        if row["name"] in lines:
            raise DataError(
                "a name occurs twice", where=where,
                found=f"{row['name']}, also in line {lines[row['name']]}",
            )  # fmt: skip
        lines[row["name"]] = row["line"]
    return rows


def classes(rows: list[dict[str, str]]) -> tuple[str, ...]:
    """Names of the K classes: the labels in alphabetical order, numbers by size."""
    labels = {row["label"] for row in rows}
    return tuple(sorted(labels, key=int if all(map(str.isdecimal, labels)) else None))


def read(folder, layout: Layout) -> Iterator[Clip | DataError]:
    """Each row's Clip, or what is wrong with its file.

    Args:
      folder: holds ``labels.csv`` and the clips.
      layout: what the V joints are.

    Raises:
      DataError: the table itself is wrong; see `table`.
    """
    folder = pathlib.Path(folder).expanduser()
    rows = table(folder)
    label = {name: k for k, name in enumerate(classes(rows))}
    known = [column for column in rows[0] if column not in ("name", "label", "line")]
    whole = [column for column in known if all(row[column].isdecimal() for row in rows)]
    for row in rows:
        facts = {fact: int(row[fact]) if fact in whole else row[fact] for fact in known}
        try:
            path = _file(folder, row)
            keypoints = check_keypoints(own.read(path, layout), layout, path)
        except DataError as error:
            yield error
        else:
            yield Clip(row["name"], keypoints, label[row["label"]], layout.name, facts)


def _file(folder: pathlib.Path, row: dict[str, str]) -> pathlib.Path:
    for suffix in (*own.SUFFIXES, ""):
        path = folder / f"{row['name']}{suffix}"
        if path.is_file() if suffix else path.is_dir():
            return path
    raise DataError(
        "the clip of this line has no file", where=f"{folder / TABLE}, line {row['line']}",
        expected=f"{folder / row['name']}.npy, .npz, .json, .csv, or a folder of .json",
    )  # fmt: skip
