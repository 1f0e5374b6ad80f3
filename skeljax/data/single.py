"""One file of any kind to a Clip, by its suffix: what `skeljax predict` is given.

==============  =================================================================================
.skeleton       NTU RGB+D
.json           NW-UCLA (``{"skeletons": ...}``), Kinetics-Skeleton (``{"data": ...}``), or nested
                lists of an array
.npy, .npz      one array (T, V, C), or (M, T, V, C) for several bodies
.csv            a line a frame: the V * C numbers of each body, body after body; a first line of
                words is skipped
==============  =================================================================================
"""

from __future__ import annotations

import csv
import json
import pathlib

import numpy as np

from skeljax.data.clean import CLEANINGS
from skeljax.errors import DataError, choose
from skeljax.layouts import Layout
from skeljax.readers import arrays, kinetics, ntu
from skeljax.readers.checks import check_keypoints
from skeljax.readers.clip import Clip


def read(path, layout: Layout, cleaning: str = "ctrgcn") -> Clip:
    """The clip of one file, without a label.

    Args:
      path: of the file.
      layout: of the joints that are expected.
      cleaning: for .skeleton files, how bodies are chosen among what the sensor saw.

    Raises:
      DataError: an unknown kind of file, one that cannot be read, or one of other joints.
      ConfigError: a suffix that no reader knows.
    """
    path = pathlib.Path(path).expanduser()
    reader = {".skeleton": _skeleton, ".json": _json, ".npy": _array, ".npz": _array, ".csv": _csv}
    read_one = reader[choose("kind of file", path.suffix, reader, where=path)]
    if not path.is_file():
        raise DataError("there is no such file", where=path)
    values = read_one(path, layout, cleaning)
    return Clip(path.stem, check_keypoints(values, layout, path), None, layout.name)


def cleaning_of(dataset: str) -> str:
    """The cleaning that a dataset's clips went through, by its name: ``ntu60/xsub_pyskl``."""
    ending = dataset.rsplit("_", 1)[-1]
    return ending if ending in CLEANINGS else "ctrgcn"


def _skeleton(path, layout, cleaning):
    clean = CLEANINGS[choose("cleaning", cleaning, CLEANINGS)]
    return clean(ntu.parse(path.read_bytes(), str(path))).keypoints


def _json(path, layout, cleaning):
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError("no valid JSON", where=path, found=error) from None
    if not isinstance(content, dict):
        return content
    if "skeletons" in content:
        return content["skeletons"]
    if "data" in content:
        clip = kinetics.parse_openpose(json.dumps({"label_index": 0} | content), str(path))
        return kinetics.best_scored(clip.keypoints)
    raise DataError(
        "keys are missing", where=path, found=", ".join(content) or "an empty object",
        expected='"skeletons", "data", or nested lists without keys',
    )  # fmt: skip


def _array(path, layout, cleaning):
    return arrays.array(path)


def _csv(path, layout, cleaning):
    V, C = layout.num_joints, layout.channels
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    for number, row in enumerate(rows):
        if len(row) % (V * C) or len(row) != len(rows[0]):
            raise DataError(
                "a frame has the wrong number of values", where=f"{path}, frame {number}",
                found=len(row), expected=f"{V} joints x {C} values a body, as in the other frames",
            )  # fmt: skip
    try:
        values = np.array(rows, np.float32)
    except ValueError as error:
        raise DataError("not all values are numbers", where=path, found=error) from None
    return values.reshape(len(rows), -1, V, C).swapaxes(0, 1) if rows else values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
