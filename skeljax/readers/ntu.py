"""NTU RGB+D 60 and 120 as distributed: one ``.skeleton`` text file a clip.

``SsssCcccPpppRrrrAaaa.skeleton`` = setup, camera, performer, replication, action. Its lines: the
number of frames; for each frame the number of bodies; for each body ten fields that begin with its
id, the number of joints, and one line of twelve fields a joint that begin with x y z in metres.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skeljax.errors import DataError
from skeljax.readers.sources import RawFile, in_parallel, raw_files

LAYOUT = "ntu25"
JOINTS = 25
URL = "https://rose1.ntu.edu.sg/dataset/actionRecognition/"
ARCHIVES = ("nturgbd_skeletons_s001_to_s017.zip", "nturgbd_skeletons_s018_to_s032.zip")
FOLDERS = (
    "nturgb+d_skeletons", "nturgb+d_skeletons120",
    "nturgbd_raw/nturgb+d_skeletons", "nturgbd_raw/nturgb+d_skeletons120",
)  # fmt: skip

_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
_FACTS = ("setup", "camera", "subject", "replication")
_JOINT_FIELDS = 12
_WIDTH = 15  # characters of a number that is parsed fast; its digits are exact in a double


@dataclasses.dataclass(frozen=True)
class Recording:
    """All bodies of one file as they are listed, before any choice among them.

    Attributes:
      name: of the file, without ``.skeleton``.
      num_frames: F of the file, empty ones included.
      points: (R, 25, 3) float32 metres, one row a body and frame, in the order of the file.
      frame: (R,) int32 0-based frame of each row.
      body: (R,) int32 index into `ids`, which are in order of first appearance.
      ids: Kinect's tracking ids.
    """

    name: str
    num_frames: int
    points: np.ndarray
    frame: np.ndarray
    body: np.ndarray
    ids: tuple[str, ...]

    @property
    def slot(self) -> np.ndarray:
        """(R,) which body of its frame a row is, counted in the order of the file."""
        new = np.flatnonzero(np.diff(self.frame, prepend=-1))
        return np.arange(len(self.frame)) - np.repeat(new, np.diff([*new, len(self.frame)]))

    @property
    def label(self) -> int | None:
        """0-based action that the name says; None if it is no NTU name."""
        match = _NAME.fullmatch(self.name)
        return int(match[5]) - 1 if match else None

    @property
    def facts(self) -> dict[str, int]:
        return facts(self.name)


def facts(name: str) -> dict[str, int]:
    """setup, camera, subject and replication of an NTU name; nothing of any other."""
    match = _NAME.fullmatch(name)
    return dict(zip(_FACTS, map(int, match.groups()))) if match else {}


def files(source) -> list[RawFile]:
    """The .skeleton files of a folder or zip.

    A folder may hold both zips or both folders of NTU 120; all are taken.

    Raises:
      DataError: there are none, or a zip is damaged.
    """
    return raw_files(source, ".skeleton", folders=FOLDERS, archives=ARCHIVES)


def read(raw: Sequence[RawFile], workers: int | None = None) -> Iterator[Recording | DataError]:
    """Each file's Recording, or what is wrong with that file, in the order given.

    Args:
      workers: processes; default all cores.
    """
    return in_parallel(_read_one, raw, workers)


def _read_one(file: RawFile) -> Recording | DataError:
    try:
        return parse(file.read(), file.where)
    except DataError as error:
        return error


def parse(text: bytes, where: str) -> Recording:
    """The recording of one file.

    Args:
      text: content of the file.
      where: its path; the stem is the recording's name.

    Raises:
      DataError: truncated, not of this format, fewer than 25 joints, NaN or infinite coordinates;
        it names the line. A file without any body gives a Recording of no rows.
    """
    name = where.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".skeleton")
    text = text.rstrip() + b"\n"
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    begins = np.concatenate([[0], ends[:-1] + 1])
    bounds = list(zip(begins.tolist(), ends.tolist()))

    def line(i: int) -> bytes:
        begin, end = bounds[i]
        return text[begin:end]

    ids: dict[bytes, int] = {}
    first: list[int] = []  # line of the first joint of every body
    frame: list[int] = []
    body: list[int] = []
    at, num_frames = 0, None
    try:
        num_frames = _count(line(0))
        at = 1
        for t in range(num_frames):
            bodies = _count(line(at))
            at += 1
            for _ in range(bodies):
                key = line(at).split(None, 1)[0]
                at += 1
                joints = _count(line(at))
                if joints < JOINTS:
                    raise ValueError
                at += 1
                first.append(at)
                frame.append(t)
                body.append(ids.setdefault(key, len(ids)))
                at += joints
                if at > len(bounds):
                    raise IndexError
        if first and at == len(bounds) and len(line(at - 1).split()) < _JOINT_FIELDS:
            raise IndexError
    except IndexError:
        raise DataError(
            "the file was cut off", where=f"{where}, line {len(bounds)}",
            found=f"{len(set(frame)):,} frames with a body, and its end",
            expected="a number of frames" if num_frames is None else f"{num_frames:,} frames",
            do="get this file once more",
        ) from None  # fmt: skip
    except ValueError:
        raise DataError(
            "not the .skeleton format", where=f"{where}, line {at + 1}", found=_shown(line(at)),
            expected="a count: of frames, of bodies in a frame, or of the joints of a body (25)",
            do="get this file once more",
        ) from None  # fmt: skip
    rows = (np.array(first, int)[:, None] + np.arange(JOINTS)).ravel()
    points = _points(text, begins[rows])
    if not np.isfinite(points).all():
        bad = rows[np.argmin(np.isfinite(points).all(axis=1))]
        raise DataError(
            "a joint is no three finite numbers", where=f"{where}, line {bad + 1}",
            found=_shown(line(bad)), expected="x y z in metres and nine more fields",
            do="get this file once more",
        )  # fmt: skip
    return Recording(
        name,
        num_frames,
        points.reshape(-1, JOINTS, 3),
        np.array(frame, np.int32),
        np.array(body, np.int32),
        tuple(key.decode("ascii", "replace") for key in ids),
    )


def _count(line: bytes) -> int:
    number = int(line)
    if number < 0:
        raise ValueError
    return number


def _points(text: bytes, begins: np.ndarray) -> np.ndarray:
    """(J,3) float32: the three numbers at each of these J places; NaN where there are none.

    All numbers at once, which is faster than one by one. Right-aligned in columns, the digits of
    a plain decimal are one integer below 10^15, a double exactly, and its quotient by the power of
    ten is the nearest double: what float() gives. Others, such as 1.2E-05, go through float().
    """
    chars = np.frombuffer(b"0" * _WIDTH + text, np.uint8)
    spaces = np.append(np.flatnonzero(chars == ord(" ")), [len(chars) - 1] * 3) - _WIDTH
    stops = spaces[np.searchsorted(spaces, begins)[:, None] + np.arange(3)]
    starts = np.concatenate([begins[:, None], stops[:, :2] + 1], axis=1).ravel()
    stops = stops.ravel()
    length = stops - starts
    before = (
        np.arange(_WIDTH, dtype=np.uint8)
        < (_WIDTH - np.clip(length, 0, _WIDTH)).astype(np.uint8)[:, None]
    )
    table = sliding_window_view(chars, _WIDTH)[stops]  # (3J, 15), the last 15 characters of each
    table = np.where(before, np.uint8(ord("0")), table)
    digit, dot = table - np.uint8(ord("0")), table == ord(".")
    is_digit = digit < 10
    minus = chars[starts + _WIDTH] == ord("-")
    dots = dot.sum(axis=1, dtype=np.uint8)
    plain = is_digit.sum(axis=1, dtype=np.uint8) + dots + minus == _WIDTH
    plain &= (dots <= 1) & (length > minus + dots) & (length <= _WIDTH)
    number = (digit * is_digit).astype(np.float64) @ _PLACES
    decimals = np.where(dots, _WIDTH - 1 - dot.argmax(axis=1), 0)
    power = _POWERS[decimals]
    # The point took a place among the digits: what stands before it moves down by one.
    number = np.where(dots, number - number // (10 * power) * (9 * power), number)
    values = np.where(minus, -number, number) / power
    for i in np.flatnonzero(~plain):
        values[i] = _number(text[starts[i] : stops[i]])
    with np.errstate(over="ignore"):
        return values.astype(np.float32).reshape(-1, 3)


_POWERS = 10.0 ** np.arange(_WIDTH)
_PLACES = np.ascontiguousarray(_POWERS[::-1])


def _number(token: bytes) -> float:
    """One number, NaN if it is none: also if the line ended before it."""
    try:
        return float("nan") if b"\n" in token else float(token)
    except ValueError:
        return float("nan")


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("ascii", "replace"))
