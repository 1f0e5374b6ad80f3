"""Which bodies of a recording make the clip: the three chains that published numbers rest on.

``ctrgcn`` (CTR-GCN, FR-Head, LST), ``pyskl`` (PYSKL, BRL) and ``listed`` (ST-GCN's and the
contrastive family's) differ in interval rules, trimming and the order of the bodies, so they are
three functions Recording -> Clip and not one with switches. All distances are metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skeljax.errors import DataError
from skeljax.readers.clip import Clip
from skeljax.readers.ntu import JOINTS, LAYOUT, Recording

_SHORT = 11  # frames; a track of no more is noise
_WIDE = 0.8  # a body wider than this share of its height is noise in that frame
_NOISY = 0.69754  # share of such frames from which the whole track is noise


class Track(NamedTuple):
    """One tracking id.

    Attributes:
      id: Kinect's.
      points: (n, 25, 3), all its appearances glued together: as published, a body that leaves and
        returns is collapsed in time.
      start: frame of its first appearance, counted over the frames that have a body.
      motion: sum over x, y, z of the variance over frames and joints.
    """

    id: str
    points: np.ndarray
    start: int
    motion: float

    @property
    def stop(self) -> int:
        return self.start + len(self.points)


def tracks(recording: Recording) -> list[Track]:
    """The tracks of a recording in order of first appearance."""
    rows = [np.flatnonzero(recording.body == i) for i in range(len(recording.ids))]
    frame = np.unique(recording.frame, return_inverse=True)[1]
    return [
        track(recording.points[row], int(frame[row[0]]), key)
        for key, row in zip(recording.ids, rows)
    ]


def track(points: np.ndarray, start: int, key: str = "") -> Track:
    return Track(key, points, start, _motion(points))


def _motion(points: np.ndarray) -> float:
    return float(points.reshape(-1, 3).var(axis=0).sum())


def denoise(found: Sequence[Track]) -> list[Track]:
    """The tracks that are no noise, the one that moves most first. At least one is left.

    Tracks of up to 11 frames go (of none but such the longest stays; the originals fail), then
    those that are wider than high too often. Frames in which a body is so do not count for its
    motion, but stay.
    """
    if len(found) == 1:
        return list(found)
    longest = max(found, key=lambda track: len(track.points))
    kept = [track for track in found if len(track.points) > _SHORT] or [longest]
    for one in list(kept):
        if len(kept) == 1:
            return kept
        low, high = one.points.min(axis=1), one.points.max(axis=1)
        good = (high - low)[:, 0] <= _WIDE * (high - low)[:, 1]
        if good.all():
            continue
        at = next(i for i, track in enumerate(kept) if track is one)
        if 1 - good.mean() >= _NOISY:
            del kept[at]
        else:
            kept[at] = one._replace(motion=min(one.motion, _motion(one.points[good])))
    return sorted(kept, key=lambda track: -track.motion)


def two_slots(kept: Sequence[Track], frames: int, touch: int) -> np.ndarray:
    """(2, frames, 25, 3): the first track in slot 0; each further one in the first slot that is
    free at its time, or nowhere.

    Args:
      touch: frames by which two tracks in one slot may overlap.
    """
    out = np.zeros((2, frames, JOINTS, 3), np.float32)
    busy = [(0, 0), (0, 0)]  # as published, slot 1 counts as busy from frame 0 on
    for i, track in enumerate(kept):
        for slot, (start, stop) in enumerate(busy):
            overlap = min(stop, track.stop) - max(start, track.start)
            if i == 0 or overlap <= touch:
                out[slot, track.start : track.stop] = track.points
                hull = (min(start, track.start), max(stop, track.stop))
                busy[slot] = hull if i else (track.start, track.stop)
                break
    return out


def ctrgcn(recording: Recording) -> Clip:
    """CTR-GCN's chain (frhead.md 1.3-1.5); M is 1 where the published arrays have 75 columns."""
    return _clip(recording, translate(actors(recording)))


def actors(recording: Recording, drop_empty: bool = True) -> np.ndarray:
    """(M,T,25,3) of CTR-GCN's chain before it is centred.

    Args:
      drop_empty: leave out frames whose coordinates sum to zero (files of several bodies only).
    """
    found = tracks(_with_bodies(recording))
    if len(found) == 1:
        return found[0].points[None]
    kept = denoise(found)
    frames = max(len(np.unique(recording.frame)), *(track.stop for track in found))
    # The published rule compares last frames, not ends: neighbours may share one frame.
    x = two_slots(kept, frames, touch=1)[: min(len(kept), 2)]
    there = x.sum(axis=(0, 2, 3)) != 0
    return x[:, there] if drop_empty and there.any() else x


def translate(x: np.ndarray) -> np.ndarray:
    """(M,T,25,3) with joint 1 of body 0, when it first appears, in the origin; absent bodies of
    two stay zero."""
    absent = x.sum(axis=(2, 3), keepdims=True) == 0
    seen = (x[0] != 0).any(axis=(1, 2))
    x = x - x[0, np.argmax(seen), 1]
    return np.where(absent, 0, x) if len(x) == 2 else x


def pyskl(recording: Recording) -> Clip:
    """PYSKL's chain (brl.md 1.2c), before its cast to float16: prenorm3d_float16 does that."""
    return _clip(recording, pyskl_keypoints(tracks(_with_bodies(recording))))


def pyskl_keypoints(found: Sequence[Track]) -> np.ndarray:
    """(M,T,25,3), M 1 or 2."""
    kept = denoise(found)
    if len(kept) == 1:
        return kept[0].points[None]
    x = two_slots(kept, max(track.stop for track in kept), touch=0)
    there = np.flatnonzero(np.abs(x).sum(axis=(0, 2, 3)) >= 1e-3)
    if len(there):
        x = x[:, there[0] : there[-1] + 1]
    first, second = np.abs(x[:, 0, 1]).sum(axis=-1)
    return x[::-1] if first < 1e-3 < second else x


def listed(recording: Recording, bodies: int = 2) -> Clip:
    """The first bodies of each frame in the order of the file, without tracking (brl.md 1.2a)."""
    return _clip(recording, by_slot(_with_bodies(recording), bodies))


def energetic(recording: Recording) -> Clip:
    """Of the first four bodies by place in the frame the two that vary most (brl.md 1.2b)."""
    x = by_slot(_with_bodies(recording), 4)
    energy = [body[body.sum(axis=(1, 2)) != 0].reshape(-1, 3) for body in x]
    energy = [points.std(axis=0).sum() if len(points) else 0.0 for points in energy]
    return _clip(recording, x[np.argsort(energy)[::-1][:2]])


def by_slot(recording: Recording, bodies: int) -> np.ndarray:
    """(M,F,25,3): body i of each frame in slot i; M is the most bodies of a frame, up to `bodies`.

    Frames without a body are zero.
    """
    slot = recording.slot
    kept = slot < bodies
    count = slot[kept].max() + 1
    out = np.zeros((count, recording.num_frames, JOINTS, 3), np.float32)
    out[slot[kept], recording.frame[kept]] = recording.points[kept]
    return out


def _with_bodies(recording: Recording) -> Recording:
    if not len(recording.points):
        raise DataError(
            "no frame has a body", where=recording.name,
            found=f"{recording.num_frames} frames", do="leave this file out",
        )  # fmt: skip
    return recording


def _clip(recording: Recording, keypoints: np.ndarray) -> Clip:
    x = np.ascontiguousarray(keypoints, np.float32)
    return Clip(recording.name, x, recording.label, LAYOUT, recording.facts)


CLEANINGS = {"ctrgcn": ctrgcn, "pyskl": pyskl, "listed": listed}
