"""Northwestern-UCLA in the form the CTR-GCN authors distribute: ``all_sqe``, one JSON a clip.

``aAA_sSS_eEE_vVV.json`` = {"file_name": str, "skeletons": T x 20 x 3 metres, "label": 1..10}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from skeljax.errors import DataError
from skeljax.layouts import get_layout
from skeljax.readers.checks import check_keypoints
from skeljax.readers.clip import Clip
from skeljax.readers.sources import RawFile, raw_files

LAYOUT = "ucla20"
CLASSES = (
    "pick up with one hand", "pick up with two hands", "drop trash", "walk around", "sit down",
    "stand up", "donning", "doffing", "throw", "carry",
)  # fmt: skip
ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)  # the code in the file name of each class
URL = "https://www.dropbox.com/s/10pcm4pksjy6mkq/all_sqe.zip?dl=1"
ARCHIVES = ("all_sqe.zip", "NW-UCLA.zip")

_FOLDERS = ("all_sqe", "NW-UCLA/all_sqe", "NW-UCLA", "data/NW-UCLA/all_sqe")
_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)")


def files(source) -> list[RawFile]:
    """The JSON files of a folder or zip, however ``all_sqe`` lies in it.

    Raises:
      DataError: there are none, or the zip is damaged.
    """
    return raw_files(source, ".json", folders=_FOLDERS, archives=ARCHIVES)


def read(raw: Iterable[RawFile]) -> Iterator[Clip | DataError]:
    """Each file's Clip, or what is wrong with that file. The first of two equal names is kept."""
    seen: dict[str, str] = {}
    for file in raw:
        try:
            clip = parse(file.read(), file.where)
            if clip.name in seen:
                raise DataError(
                    "two files of the same name", where=file.where, found=f"also {seen[clip.name]}",
                    expected="each clip once", do="remove one, or pass one --source only",
                )  # fmt: skip
        except DataError as error:
            yield error
        else:
            seen[clip.name] = file.where
            yield clip


def parse(text: bytes | str, where: str) -> Clip:
    """The clip of one file.

    Args:
      text: content of the file.
      where: its path; the stem is the clip's name and says subject, episode, camera and action.

    Returns:
      Clip with keypoints (1, T, 20, 3) in metres and the facts subject, camera, replication.

    Raises:
      DataError: no JSON, a missing key, wrong joints (see check_keypoints), or a label that is out
        of range or not that of the file name.
    """
    name = where.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".json")
    match = _NAME.fullmatch(name)
    if not match:
        raise DataError(
            "not a NW-UCLA file name", where=where, found=name, expected="aAA_sSS_eEE_vVV.json"
        )
    action, subject, episode, camera = map(int, match.groups())
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(
            "no valid JSON", where=where, found=error, do="get this file once more"
        ) from None
    missing = {"skeletons", "label"} - set(content if isinstance(content, dict) else ())
    if missing:
        raise DataError(
            "keys are missing", where=where, found=f"no {', '.join(sorted(missing))}",
            expected="skeletons, label",
        )  # fmt: skip
    label = content["label"]
    if type(label) is not int or not 1 <= label <= len(CLASSES):
        raise DataError(
            "label out of range", where=where, found=repr(label), expected=f"1..{len(CLASSES)}"
        )
    if ACTIONS[label - 1] != action:
        raise DataError(
            "the label is not that of the file name", where=where,
            found=f"label {label} ({CLASSES[label - 1]}), action a{action:02d}",
            expected=f"a{ACTIONS[label - 1]:02d} with label {label}",
        )  # fmt: skip
    keypoints = check_keypoints(content["skeletons"], get_layout(LAYOUT), where)
    if len(keypoints) != 1:
        raise DataError("more than one body", where=where, found=len(keypoints), expected=1)
    facts = {"subject": subject, "camera": camera, "replication": episode}
    return Clip(name, keypoints, label - 1, LAYOUT, facts)
