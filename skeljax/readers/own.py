"""One clip as tools write it: JSON of lists, landmarks or people, CSV, arrays, OpenPose's folders.

=========  ======================================================================================
.npy .npz  one array (T, V, C), or (M, T, V, C) for several bodies
.csv       a line a frame: the V * C numbers of each body, body after body. A first line of words
           is skipped; if it has ``nose_x``, ``nose_y`` ... of all joints (``_c``: confidence),
           they are found by name and other columns are left out
.json      the same arrays as nested lists, alone or under "keypoints" or "skeletons"; a frame may
           be one flat list of its numbers, and is ``[]`` or null where nobody was seen. Or frames
           of landmarks ``{"x", "y", "z", "visibility"}``, of one body or a list of them, as
           MediaPipe has them. Or what OpenPose (``{"people": [{"pose_keypoints_2d": ...}]}``, a
           frame or a list of them) and COCO's tools (``[{"image_id", "keypoints"}, ...]``) write
a folder   one such .json a frame, in the order of their names: OpenPose's ``--write_json``
=========  ======================================================================================
"""

from __future__ import annotations

import csv
import json
import pathlib

import numpy as np

from skeljax.errors import DataError
from skeljax.layouts import Layout

SUFFIXES = (".npy", ".npz", ".json", ".csv")
_CONFIDENCE = ("visibility", "score", "confidence", "c")


def read(path: pathlib.Path, layout: Layout):
    """What a file or folder holds, an array or nested lists, for `checks.check_keypoints`.

    Raises:
      DataError: it cannot be read, or is of none of the forms above.
    """
    if path.is_dir():
        frames = sorted(path.glob("*.json"))
        bodies = [people(load_json(frame), layout, frame) for frame in frames]
        return by_body([frame for part in bodies for frame in part], layout)
    if path.suffix == ".json":
        return nested(load_json(path), layout, path)
    if path.suffix == ".csv":
        return table(path, layout)
    return array(path)


def load_json(path: pathlib.Path):
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("no valid JSON", where=path, found=error) from None


def _is_landmarks(frame) -> bool:
    while isinstance(frame, list) and frame:
        frame = frame[0]
        if isinstance(frame, dict):
            return True
    return False


def nested(content, layout: Layout, where):
    """The array, or nested lists, of a JSON file's content."""
    if isinstance(content, dict):
        key = next((key for key in ("keypoints", "skeletons") if key in content), None)
        if key is None:
            return by_body(people(content, layout, where), layout)
        content = content[key]
    if not isinstance(content, list):
        return content
    some = next((frame for frame in content if frame), None)
    if some is None:
        return []
    if isinstance(some, dict):
        return by_body(people(content, layout, where), layout)
    flat = isinstance(some, list) and len(some) == layout.num_joints * layout.channels
    if _is_landmarks(some) or flat:
        return by_body([_bodies(frame, layout, where) for frame in content], layout)
    if not all(content):
        return by_body([[frame] if frame else [] for frame in content], layout)
    return content


def people(content, layout: Layout, where) -> list[list]:
    """Bodies of every frame, each (V,C), of what OpenPose or a tool of COCO wrote."""
    entries = content if isinstance(content, list) else [content]
    frames: dict = {}  # COCO: those of one image are one frame, in the order of the file
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and isinstance(entry.get("people"), list):
            bodies = [_get(one, "pose_keypoints_2d", where) for one in entry["people"]]
            frames[number] = [_body(body, layout, where) for body in bodies]
        elif isinstance(entry, dict) and "image_id" in entry:
            body = _body(_get(entry, "keypoints", where), layout, where)
            frames.setdefault(str(entry["image_id"]), []).append(body)
        else:
            keys = ", ".join(entry) if isinstance(entry, dict) else type(entry).__name__
            raise DataError(
                "keys are missing", where=where, found=keys or "an empty object",
                expected='"keypoints", "skeletons", "people", "image_id", or lists without keys',
            )  # fmt: skip
    return list(frames.values())


def _get(entry, key: str, where):
    if not isinstance(entry, dict) or key not in entry:
        raise DataError(f"a body has no {key!r}", where=where, found=str(entry)[:60])
    return entry[key]


def _bodies(frame, layout: Layout, where) -> list:
    """Bodies of one frame: none, one of landmarks or flat numbers, or several of them."""
    if not frame:
        return []
    several = isinstance(frame, list) and isinstance(frame[0], list)
    return [_body(body, layout, where) for body in (frame if several else [frame])]


def _body(values, layout: Layout, where) -> list:
    """(V,C) of landmarks, or of one flat list of numbers."""
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return [_landmark(joint, layout, where) for joint in values]
    size = layout.num_joints * layout.channels
    if not isinstance(values, list) or len(values) != size:
        raise DataError(
            "a body has the wrong number of values", where=where,
            found=len(values) if isinstance(values, list) else str(values)[:60],
            expected=f"{layout.num_joints} joints x {layout.channels}: layout {layout.name}",
        )  # fmt: skip
    return [values[i : i + layout.channels] for i in range(0, size, layout.channels)]


def _landmark(joint, layout: Layout, where) -> list:
    wanted = "xyz"[: layout.dims]
    score = next((key for key in _CONFIDENCE if isinstance(joint, dict) and key in joint), "score")
    keys = [*wanted, *([score] if layout.confidence else [])]
    return [_get(joint, key, where) for key in keys]


def by_body(frames: list[list], layout: Layout) -> np.ndarray | list:
    """(M,T,V,C) of the bodies of T frames; zeros where there are fewer than in others."""
    shape = (max(map(len, frames), default=0), len(frames), layout.num_joints, layout.channels)
    out = np.zeros(shape, np.float32)
    try:
        for t, bodies in enumerate(frames):
            for m, body in enumerate(bodies):
                out[m, t] = body
    except (TypeError, ValueError, OverflowError):
        return [body for bodies in frames for body in bodies]  # the check says what is odd in it
    return out


def table(path: pathlib.Path, layout: Layout) -> np.ndarray:
    """(M,T,V,C) of a CSV file."""
    V, C = layout.num_joints, layout.channels
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file, skipinitialspace=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("no CSV text in UTF-8", where=path, found=error) from None
    if rows and not _is_number(rows[0][0]):
        header, *rows = rows
        axes = "xyz"[: layout.dims] + "c" * layout.confidence
        column = {name.strip().lower(): i for i, name in enumerate(header)}
        places = [column.get(f"{joint.lower()}_{axis}") for joint in layout.joints for axis in axes]
        if None not in places and all(len(row) == len(header) for row in rows):
            rows = [[row[i] for i in places] for row in rows]
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


def array(path: pathlib.Path) -> np.ndarray:
    """The only array of an ``.npy`` or ``.npz``; pickled objects are refused."""
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            if len(content.files) == 1:
                return content[content.files[0]]
            found = ", ".join(content.files) or "none"
    except Exception as error:  # a damaged header may fail in Python's own parser
        raise DataError("cannot read the array", where=path, found=error) from None
    raise DataError("more than one array, or none", where=path, found=found, expected="one")
