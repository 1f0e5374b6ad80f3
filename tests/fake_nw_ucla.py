"""Files in the shape of NW-UCLA's, made up: for tests on machines without the data."""

from __future__ import annotations

import json
import pathlib
import re
import zipfile

import numpy as np

ACTIONS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 7, 9: 8, 11: 9, 12: 10}  # code -> label


def content(name: str) -> dict:
    """What the file of that name holds: 1 to 5 frames that follow from the name."""
    numbers = [int(n) for n in re.findall(r"\d\d", name)]
    rng = np.random.default_rng(numbers)
    frames = rng.normal(size=(int(rng.integers(1, 6)), 20, 3)).round(4)
    return {"file_name": name, "skeletons": frames.tolist(), "label": ACTIONS[numbers[0]]}


def write(folder: pathlib.Path, names) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.json").write_text(json.dumps(content(name)))
    return folder


def write_zip(path: pathlib.Path, names, inside: str = "all_sqe/") -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(f"{inside}{name}.json", json.dumps(content(name)))
    return path
