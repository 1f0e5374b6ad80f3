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
    text = _AHEAD + text.rstrip() + b"\n"
    chars = np.frombuffer(text, np.uint8)
    is_mark, equal = chars == _SPACE, chars == _DOT
    is_mark |= equal
    is_mark |= np.equal(chars, _END, out=equal)  # new memory costs more than the comparison
    marks = np.flatnonzero(is_mark)
    kinds = chars.take(marks)
    ends = np.flatnonzero(kinds == _END)  # as places among the marks; the first one ends _AHEAD
    starts, stops = (marks[ends[:-1]] + 1).tolist(), marks[ends[1:]].tolist()

    def line(i: int) -> bytes:
        return text[starts[i] : stops[i]]

    def count(i: int) -> int:
        number = int(text[starts[i] : stops[i]])
        if number < 0:
            raise ValueError
        return number

    ids: dict[bytes, int] = {}
    first: list[int] = []  # line of the first joint of every body
    frame: list[int] = []
    body: list[int] = []
    at, num_frames = 0, None
    try:
        num_frames = count(0)
        at = 1
        for t in range(num_frames):
            bodies = count(at)
            at += 1
            for _ in range(bodies):
                key = line(at).split(None, 1)[0]
                at += 1
                joints = count(at)
                if joints < JOINTS:
                    raise ValueError
                at += 1
                first.append(at)
                frame.append(t)
                body.append(ids.setdefault(key, len(ids)))
                at += joints
                if at > len(stops):
                    raise IndexError
        if first and at == len(stops) and len(line(at - 1).split()) < _JOINT_FIELDS:
            raise IndexError
    except IndexError:
        raise DataError(
            "the file was cut off", where=f"{where}, line {len(stops)}",
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
    points = _points(text, marks, kinds, ends[rows])
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


def _points(text: bytes, marks: np.ndarray, kinds: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(J,3) float32: the three numbers at the head of J lines; NaN where there are none.

    All numbers at once, a few machine words each instead of a token each. A joint whose marks go
    dot, space, dot, space, dot, space has three plain decimals: up to eight digits before the space
    and seven before the dot are two words of 64 bits. Their digits together are an integer below
    10^15, a double exactly, and its quotient by the power of ten is the nearest double: what
    float() gives. All other joints, such as one with 1.2E-05 or 0, go through float().

    Args:
      text: of the file, `_AHEAD` before it.
      marks: places of all spaces, dots and line ends; `kinds` are their characters.
      before: (J,) the line end before each line, as a place among the marks.
    """
    chars = np.frombuffer(text, np.uint8)
    words = np.ndarray(len(text) - 7, "<u8", text, strides=(1,))  # the one that begins at each
    six = np.minimum(before + np.arange(1, 7)[:, None], len(marks) - 1)
    places = marks.take(six)
    dot, stop = places[::2], places[1::2]  # (3,J)
    start = np.concatenate([marks[None, before], stop[:2]]) + 1
    minus = chars.take(start) == _MINUS
    whole, decimals = dot - start - minus, stop - dot - 1
    high, good = _digits(words[dot - 8], whole)
    low, good_low = _digits(words[stop - 8], decimals)
    power = _POWERS.take(decimals, mode="clip")
    values = (high * power + low).astype(np.float64) / power
    np.negative(values, out=values, where=minus)
    good &= good_low & (whole <= 7) & (decimals <= 8) & (whole + decimals > 0)
    plain = good.all(axis=0) & (kinds.take(six) == _PLAIN).all(axis=0)
    for i in np.flatnonzero(~plain):
        begin = start[0, i]
        fields = text[begin : text.index(b"\n", begin)].split(b" ", 3)
        # The three are followed by more on the same line.
        values[:, i] = [_number(field) for field in fields[:3]] if len(fields) == 4 else np.nan
    with np.errstate(over="ignore"):
        return values.T.astype(np.float32, order="C")


def _digits(words: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number that the last `count` of eight characters write, and whether all are digits.

    The last character is the highest byte. Neighbours are joined three times: digits to numbers
    below 100, those to numbers below 10^4, those to one.
    """
    n = (words ^ _ZEROS) & _LAST.take(count, mode="clip")
    good = ((n + _TO_HIGH) | n) & _HIGH == 0
    n = (n * np.uint64(1 + (10 << 8)) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    n = (n * np.uint64(1 + (100 << 16)) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return n * np.uint64(1 + (10_000 << 32)) >> np.uint64(32), good


_AHEAD = b"0" * 7 + b"\n"  # so that eight characters end at every place of a text
_SPACE, _DOT, _END, _MINUS = b" .\n-"
_PLAIN = np.frombuffer(b". . . ", np.uint8)[:, None]
_POWERS = 10 ** np.arange(9, dtype=np.uint64)
_ZEROS, _HIGH = np.uint64(0x3030303030303030), np.uint64(0x8080808080808080)
_TO_HIGH = np.uint64(0x7676767676767676)  # added to more than 9 it sets the highest bit of a byte
_LAST = np.array([0] + [(1 << 64) - (1 << 64 - 8 * n) for n in range(1, 9)], np.uint64)


def _number(token: bytes) -> float:
    """One number, NaN if it is none."""
    try:
        return float(token)
    except ValueError:
        return float("nan")


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("ascii", "replace"))
