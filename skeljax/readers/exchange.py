"""The forms in which others keep prepared sets, read and written: PYSKL's annotation pickle,
CTR-GCN's npz and ST-GCN's npy with pkl. Nothing in a file that is read is executed."""

from __future__ import annotations

import contextlib
import pathlib
import pickle
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import BinaryIO

import numpy as np

from skeljax import safe_pickle
from skeljax.errors import DataError
from skeljax.files import atomic
from skeljax.readers.clip import Clip

_PARTS = {"train": "train", "test": "val"}  # ours -> PYSKL's and ST-GCN's


# PYSKL: {"split": {name: [ids]}, "annotations": [{frame_dir, label, total_frames, keypoint ...}]}


def read_pyskl(path) -> tuple[dict[str, list[str]], dict[str, dict]]:
    """The splits and the annotations by name.

    Raises:
      DataError: no such pickle.
    """
    found = safe_pickle.load(path)
    try:
        annotations = {str(one["frame_dir"]): one for one in found["annotations"]}
        splits = {str(k): [str(name) for name in v] for k, v in found.get("split", {}).items()}
    except (TypeError, KeyError, AttributeError) as error:
        raise DataError(
            "not a PYSKL annotation pickle", where=path, found=repr(error),
            expected="{'split': {name: [ids]}, 'annotations': [{'frame_dir': ..., ...}]}",
        ) from None  # fmt: skip
    return splits, annotations


def pyskl_clip(annotation: Mapping, layout: str, where) -> Clip:
    """The clip of one annotation; 2-D ones keep the score as confidence.

    Raises:
      DataError: keys are missing or of the wrong shape.
    """
    name = str(annotation["frame_dir"])
    try:
        keypoints = np.asarray(annotation["keypoint"], np.float32)
        if "keypoint_score" in annotation:
            score = np.asarray(annotation["keypoint_score"], np.float32)
            keypoints = np.concatenate([keypoints, score[..., None]], axis=-1)
        label = int(annotation["label"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            "an annotation cannot be read", where=f"{where}, {name}", found=repr(error),
            expected="keypoint (M,T,V,C), label, and keypoint_score (M,T,V) for 2-D",
        ) from None  # fmt: skip
    facts = {}
    if "img_shape" in annotation:
        facts["img_shape"] = tuple(int(size) for size in annotation["img_shape"])
    return Clip(name, keypoints, label, layout, facts)


def write_pyskl(path, splits: Mapping[str, Sequence[str]], clips: Iterable[Clip], dims: int):
    """Writes the pickle; keypoints are float16, as in the public ones.

    Args:
      splits: PYSKL's names of splits -> names of clips.
      dims: coordinates a joint; a channel behind them becomes keypoint_score.
    """
    annotations = []
    for clip in clips:
        x = clip.keypoints.astype(np.float16)
        one = {
            "frame_dir": clip.name, "label": clip.label, "total_frames": x.shape[1],
            "keypoint": x[..., :dims],
        }  # fmt: skip
        if x.shape[-1] > dims:
            one["keypoint_score"] = x[..., dims]
        if "img_shape" in clip.facts:
            shape = tuple(int(size) for size in clip.facts["img_shape"])
            one |= {"img_shape": shape, "original_shape": shape}
        annotations.append(one)
    with atomic(path) as file:
        lists = {key: list(names) for key, names in splits.items()}
        pickle.dump({"split": lists, "annotations": annotations}, file, protocol=4)


# CTR-GCN: x_train, x_test (N, T_max, M*V*C) float32, y_train, y_test one-hot; rows in list order.


def read_ctrgcn(path, names: Mapping[str, Sequence[str]]) -> dict[str, Callable[[], Clip]]:
    """Loaders of the clips by name. The file holds no names: its rows are those of the lists.

    Args:
      names: the train and test clips in the published order.

    Raises:
      DataError: no such npz, or its rows are not those lists'.
    """
    loaders = {}
    for part in ("train", "test"):
        x, y = array_in_npz(path, f"x_{part}"), array_in_npz(path, f"y_{part}")
        listed = names[part]
        if x.ndim != 3 or x.shape[2] != 150 or len(x) != len(listed) or len(y) != len(x):
            raise DataError(
                f"the {part} clips are not those of the published list", where=path,
                found=f"x_{part} {x.shape}, y_{part} {y.shape}",
                expected=f"({len(listed)}, frames, 150)", do="choose the protocol of this file",
            )  # fmt: skip
        labels = np.argmax(y, axis=1)
        for row, name in enumerate(listed):
            if labels[row] != int(name[-3:]) - 1:
                raise DataError(
                    "the rows are not in the order of the published list",
                    where=f"{path}, y_{part}[{row}]", found=f"class {labels[row]}", expected=name,
                )  # fmt: skip
            loaders[name] = lambda x=x, row=row, name=name, y=int(labels[row]): Clip(
                name,
                _without_copy(_unpadded(np.array(x[row]).reshape(-1, 2, 25, 3).swapaxes(0, 1))),
                y,
                "ntu25",
            )
    return loaders


def _without_copy(x: np.ndarray) -> np.ndarray:
    return x[:1] if len(x) == 2 and np.array_equal(x[0], x[1]) else x


def write_ctrgcn(
    path,
    parts: Mapping[str, Sequence[Callable[[], Clip]]],
    classes: int,
    copy_alone: bool = False,
) -> None:
    """Writes the npz, clip by clip: memory does not grow with it.

    Args:
      parts: loaders of the clips of train and test, in order.
      copy_alone: put one body alone in both places, as the published NTU 120 arrays have it.
    """
    longest = max(load().keypoints.shape[1] for clips in parts.values() for load in clips)
    with atomic(path) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for part, clips in parts.items():
            onehot = np.zeros((len(clips), classes), np.float64)
            shape = None
            with contextlib.ExitStack() as stack:
                for i, load in enumerate(clips):
                    clip = load()
                    row = np.zeros((longest, 2, *clip.keypoints.shape[2:]), np.float32)
                    x = clip.keypoints[:2]
                    x = np.repeat(x, 2, axis=0) if copy_alone and len(x) == 1 else x
                    row[: x.shape[1], : len(x)] = x.swapaxes(0, 1)
                    if shape is None:
                        shape = (len(clips), longest, row[0].size)
                        member = stack.enter_context(
                            archive.open(f"x_{part}.npy", "w", force_zip64=True)
                        )
                        _header(member, shape, np.float32)
                    member.write(row.tobytes())
                    onehot[i, clip.label] = 1
            with archive.open(f"y_{part}.npy", "w", force_zip64=True) as member:
                _header(member, onehot.shape, np.float64)
                member.write(onehot.tobytes())


def _header(file: BinaryIO, shape, dtype) -> None:
    about = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, about)


def array_in_npz(path, name: str) -> np.ndarray:
    """One array of an npz, mapped where it is stored plainly: the published ones are 10 GB.

    Raises:
      DataError: no such npz or array.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(f"{name}.npy")
            with archive.open(info) as member:
                version = np.lib.format.read_magic(member)
                read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                shape, fortran, dtype = read(member)
                skipped = member.tell()
        if dtype.hasobject:
            raise ValueError("an array of objects")
        if info.compress_type != zipfile.ZIP_STORED or fortran:
            with np.load(path, allow_pickle=False) as data:
                return data[name]
        with open(path, "rb") as file:
            file.seek(info.header_offset)
            local = file.read(30)
            begin = info.header_offset + 30 + int.from_bytes(local[26:28], "little")
            begin += int.from_bytes(local[28:30], "little")
        return np.memmap(path, dtype, "r", begin + skipped, shape)
    except Exception as error:  # a damaged header may fail in Python's own parser
        raise DataError(
            f"cannot read the array {name!r}", where=path, found=f"{type(error).__name__}: {error}",
            expected="an .npz of CTR-GCN: x_train, y_train, x_test, y_test",
        ) from None  # fmt: skip


# ST-GCN: {train,val}_data.npy (N,C,T_max,V,M) and {train,val}_label.pkl = (names, labels).


def read_stgcn(folder, layout: str, suffix: str = ".skeleton") -> dict[str, Callable[[], Clip]]:
    """Loaders of the clips of a folder by name (without `suffix`).

    Raises:
      DataError: files are missing, or data and labels do not fit.
    """
    folder, loaders = pathlib.Path(folder), {}
    for part in _PARTS.values():
        path = folder / f"{part}_data.npy"
        try:
            x = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # a damaged header may fail in Python's own parser
            found = f"{type(error).__name__}: {error}"
            raise DataError("cannot read the array", where=path, found=found) from None
        found = safe_pickle.load(folder / f"{part}_label.pkl")
        try:
            names, labels = found
            pairs = [(str(n).removesuffix(suffix), int(y)) for n, y in zip(names, labels)]
        except (TypeError, ValueError):
            pairs = []
        if x.ndim != 5 or len(pairs) != len(x):
            raise DataError(
                "data and labels do not fit", where=folder,
                found=f"{part}_data {x.shape}, {len(pairs)} pairs of name and label",
                expected=f"{part}_data (N,C,T,V,M), {part}_label.pkl (N names, N labels)",
            )  # fmt: skip
        for row, (name, label) in enumerate(pairs):
            loaders[name] = lambda x=x, row=row, name=name, y=label: Clip(
                name, _unpadded(np.array(x[row], np.float32).transpose(3, 1, 2, 0)), y, layout
            )
    return loaders


def _unpadded(x: np.ndarray) -> np.ndarray:
    """(M,T,V,C) without empty frames at the end and without absent bodies behind the first."""
    frames = np.flatnonzero((x != 0).any(axis=(0, 2, 3)))
    bodies = np.flatnonzero((x != 0).any(axis=(1, 2, 3)))
    last, count = (frames[-1] + 1, bodies[-1] + 1) if len(frames) else (1, 1)
    return np.ascontiguousarray(x[:count, :last])


def write_stgcn(
    folder, parts: Mapping[str, Sequence[Callable[[], Clip]]], suffix: str = "", frames: int = 300
) -> None:
    """Writes the files of a folder, clip by clip; clips are cut or padded to `frames`."""
    folder = pathlib.Path(folder)
    for part, clips in parts.items():
        if not clips:
            continue
        names, labels = [], []
        with atomic(folder / f"{_PARTS[part]}_data.npy") as file:
            for i, load in enumerate(clips):
                clip = load()
                V, C = clip.keypoints.shape[2:]
                if i == 0:
                    _header(file, (len(clips), C, frames, V, 2), np.float32)
                row = np.zeros((C, frames, V, 2), np.float32)
                x = clip.keypoints[:2, :frames].transpose(3, 1, 2, 0)
                row[:, : x.shape[1], :, : x.shape[3]] = x
                file.write(row.tobytes())
                names.append(clip.name + suffix)
                labels.append(clip.label)
        with atomic(folder / f"{_PARTS[part]}_label.pkl") as file:
            pickle.dump((names, labels), file, protocol=4)
