"""Kinetics-Skeleton in its two public forms, which give results that cannot be compared.

ST-GCN's: OpenPose, 18 joints, one JSON a video; PYSKL's: HRNet, 17 joints, an index pickle and the
keypoints of each video in pickles of their own (kpfiles).
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from skeljax import safe_pickle
from skeljax.errors import DataError
from skeljax.readers.clip import Clip
from skeljax.readers.kinetics_classes import CLASSES
from skeljax.readers.sources import RawFile, in_parallel, raw_files

OPENPOSE_FOLDERS = tuple(
    f"{top}{part}"
    for top in ("", "kinetics-skeleton/", "data/Kinetics/kinetics-skeleton/")
    for part in ("kinetics_train", "kinetics_val")
)
OPENPOSE_ARCHIVES = ("kinetics-skeleton.zip", "kinetics_skeleton.zip")

_PEOPLE = 5  # of a frame, as listed; the feeders read no more
_LONGEST = 3000  # frames; published clips have 300


def openpose_files(source) -> list[RawFile]:
    """The JSON files of all videos; those of the labels are none of them.

    Raises:
      DataError: there are none, or a zip is damaged.
    """
    found = raw_files(source, ".json", folders=OPENPOSE_FOLDERS, archives=OPENPOSE_ARCHIVES)
    return [file for file in found if not file.stem.endswith("_label")]


def openpose_part(file: RawFile) -> str:
    """``train`` or ``test``, by the folder a file lies in.

    Raises:
      DataError: it lies in none of both.
    """
    folder = pathlib.PurePosixPath(file.where.replace("\\", "/")).parent.name
    parts = {"kinetics_train": "train", "kinetics_val": "test"}
    if folder not in parts:
        raise DataError(
            "no telling whether a video trains or tests", where=file.where,
            found=f"folder {folder}", expected="kinetics_train or kinetics_val",
        )  # fmt: skip
    return parts[folder]


def read_openpose(files: Sequence[RawFile], workers=None) -> Iterator[Clip | DataError]:
    """Each file's Clip, or what is wrong with it, in the order given."""
    return in_parallel(_read_one, files, workers)


def _read_one(file: RawFile) -> Clip | DataError:
    try:
        clip = parse_openpose(file.read(), file.where)
        return clip.replace(facts=clip.facts | {"part": openpose_part(file)})
    except DataError as error:
        return error


def parse_openpose(text: bytes | str, where: str) -> Clip:
    """The clip of one JSON: {"data": [{"frame_index", "skeleton": [{"pose", "score"}]}], "label",
    "label_index"}.

    Returns:
      Clip with keypoints (M, T, 18, 3): x and y as fractions of the image, and the score; the
      first five people of each frame as listed, zero where there is none. Fact: class, in words.

    Raises:
      DataError: no JSON, missing keys, other shapes, NaN, or no skeleton at all.
    """
    expected = "frame_index, skeleton: [pose: 36 numbers, score: 18 numbers]"
    at = None
    try:
        content = json.loads(text)
        rows, label = [], int(content["label_index"])
        for at, frame in enumerate(content["data"]):  # noqa: B007
            t = frame["frame_index"]
            if type(t) is not int or not 0 <= t < _LONGEST:
                raise ValueError(f"frame_index {t!r}")
            for body, person in enumerate(frame["skeleton"][:_PEOPLE]):
                pose = np.asarray(person["pose"], np.float32).reshape(18, 2)
                score = np.asarray(person["score"], np.float32).reshape(18, 1)
                rows.append((body, t, np.concatenate([pose, score], axis=1)))
        frames = 1 + max((frame["frame_index"] for frame in content["data"]), default=0)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        where = where if at is None else f"{where}, data[{at}]"
        raise DataError(
            "not a Kinetics-Skeleton JSON", where=where,
            found=f"{type(error).__name__}: {error}"[:200], expected=expected,
        ) from None  # fmt: skip
    name = pathlib.PurePath(where).name.removesuffix(".json")
    if not 0 <= label < len(CLASSES):
        raise DataError("label out of range", where=where, found=label, expected="0..399")
    if not rows:
        raise DataError("no frame has a skeleton", where=where, do="leave this file out")
    bodies, times, values = zip(*rows)
    x = np.zeros((max(bodies) + 1, frames, 18, 3), np.float32)
    x[list(bodies), list(times)] = values
    if not np.isfinite(x).all():
        raise DataError("a coordinate is NaN or infinite", where=where)
    return Clip(name, x, label, "openpose18", {"class": str(content.get("label", ""))})


def best_scored(keypoints: np.ndarray, bodies: int = 2) -> np.ndarray:
    """ST-GCN's feeder (brl.md 1.5): origin in the image's centre, joints of score 0 at zero, and in
    each frame the bodies of the highest scores, the best first.

    Args:
      keypoints: (M,T,V,3), fractions of the image and a score.

    Returns:
      (min(M, bodies), T, V, 3)
    """
    x = keypoints.copy()
    x[..., :2] -= 0.5
    x[x[..., 2] == 0] = 0
    order = np.argsort(-x[..., 2].sum(axis=-1), axis=0, kind="stable")[:bodies]
    return np.take_along_axis(x, order[..., None, None], axis=0)


# HRNet.


def kpfiles(source) -> dict[str, RawFile]:
    """The pickles of keypoints in a folder or zip, however deep, by their base name.

    Raises:
      DataError: there are none.
    """
    folder = pathlib.Path(source)
    if folder.is_dir():
        found = [RawFile(str(path)) for path in sorted(folder.rglob("*.pkl"))]
    else:
        found = raw_files(source, ".pkl")
    return {pathlib.PurePath(file.member or file.path).name: file for file in found}


def hrnet_clip(annotation: Mapping, raw: RawFile, threshold: float | None = None) -> Clip:
    """The clip of one entry of the index.

    Args:
      raw: the kpfile that `annotation["raw_file"]` names.
      threshold: of the box score from which a skeleton counts; the published recipe trains with
        0.5 and tests with None.

    Returns:
      Clip with keypoints (M, T, 17, 3), pixels and a score, M at most 2; facts: img_shape.

    Raises:
      DataError: keys, shapes or numbers are not what they should be.
    """
    name = str(annotation.get("frame_dir"))
    try:
        skeletons = np.asarray(safe_pickle.loads(raw.read(), raw.where)[name]["keypoint"])
        x, score = decompress(
            np.asarray(annotation["frame_inds"]), skeletons, np.asarray(annotation["box_score"]),
            int(annotation["total_frames"]), threshold=threshold,
        )  # fmt: skip
        keypoints = np.concatenate([x, score[..., None]], axis=-1).astype(np.float32)[:2]
        shape = tuple(int(size) for size in annotation["img_shape"])
        label = int(annotation["label"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            "the keypoints of a video cannot be read", where=f"{raw.where}, {name}",
            found=f"{type(error).__name__}: {error}",
            expected="{frame_dir: {'keypoint': (skeletons, 17, 3)}}, one skeleton an entry of "
            "frame_inds and box_score",
        ) from None  # fmt: skip
    if not np.isfinite(keypoints).all():
        raise DataError("a coordinate is NaN or infinite", where=f"{raw.where}, {name}")
    return Clip(name, keypoints, label, "coco17", {"img_shape": shape})


def decompress(
    frame_inds: np.ndarray,
    skeletons: np.ndarray,
    box_score: np.ndarray,
    total_frames: int,
    squeeze: bool = True,
    max_person: int = 10,
    threshold: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """PYSKL's DecompressPose: a list of S skeletons to bodies and frames.

    Args:
      frame_inds: (S,) frame of each; skeletons (S,V,3) x, y, score; box_score (S,).
      squeeze: leave out frames without a skeleton.
      max_person: where a frame has more, the best by summed score stay.
      threshold: skeletons of a lower box score are left out, unless that leaves none.

    Returns:
      (M,T,V,2) and (M,T,V), both float16.

    Raises:
      ValueError: no skeleton, or arrays that do not fit.
    """
    if not len(frame_inds) == len(skeletons) == len(box_score) > 0:
        raise ValueError(f"{len(frame_inds)} frames, {len(skeletons)} skeletons")
    if threshold is not None and (box_score >= threshold).any():
        frame_inds, skeletons = (
            frame_inds[box_score >= threshold],
            skeletons[box_score >= threshold],
        )
    if squeeze:
        frame = np.unique(frame_inds, return_inverse=True)[1]
        total_frames = frame.max() + 1
    else:
        frame = frame_inds.astype(int)
    order = np.argsort(frame, kind="stable")
    body = np.empty(len(frame), int)
    body[order] = np.arange(len(frame)) - np.searchsorted(frame[order], frame[order])
    x = np.zeros((body.max() + 1, total_frames, *skeletons.shape[1:]), np.float16)
    x[body, frame] = skeletons
    if len(x) > max_person:
        best = np.argsort(-x[..., 2].sum(axis=-1), axis=0, kind="stable")[:max_person]
        x = np.take_along_axis(x, best[..., None, None], axis=0)
    return x[..., :2], x[..., 2]
