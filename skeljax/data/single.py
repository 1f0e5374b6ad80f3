"""One file of any kind to a Clip, by its suffix: what `skeljax predict` is given.

==============  =================================================================================
.skeleton       NTU RGB+D
.json           Kinetics-Skeleton (``{"data": ...}``), or any form of readers/own.py
others          .npy, .npz, .csv, or a folder of .json: readers/own.py
==============  =================================================================================
"""

from __future__ import annotations

import json
import os
import pathlib

from skeljax.data.clean import CLEANINGS
from skeljax.errors import DataError, choose
from skeljax.layouts import Layout
from skeljax.readers import kinetics, ntu, own
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
    if not os.path.exists(path):  # pathlib's raises where a folder above may not be read
        raise DataError("there is no such file", where=path)
    if path.is_dir():
        values = own.read(path, layout)
    elif choose("kind of file", path.suffix, (".skeleton", *own.SUFFIXES), path) == ".skeleton":
        clean = CLEANINGS[choose("cleaning", cleaning, CLEANINGS)]
        try:
            values = clean(ntu.parse(path.read_bytes(), str(path))).keypoints
        except OSError as error:
            raise DataError("cannot read the file", where=path, found=error.strerror) from None
    elif path.suffix == ".json":
        values = _json(path, layout)
    else:
        values = own.read(path, layout)
    return Clip(path.stem, check_keypoints(values, layout, path), None, layout.name)


def cleaning_of(dataset: str) -> str:
    """The cleaning that a dataset's clips went through, by its name: ``ntu60/xsub_pyskl``."""
    ending = dataset.rsplit("_", 1)[-1]
    return ending if ending in CLEANINGS else "ctrgcn"


def _json(path: pathlib.Path, layout: Layout):
    content = own.load_json(path)
    if isinstance(content, dict) and "data" in content:
        clip = kinetics.parse_openpose(json.dumps({"label_index": 0} | content), str(path))
        return kinetics.best_scored(clip.keypoints)
    return own.nested(content, layout, path)
