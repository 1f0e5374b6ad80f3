"""What files from elsewhere hold, before anything is built of them."""

from __future__ import annotations

import pathlib
import zipfile

import numpy as np

from skeljax.errors import DataError
from skeljax.readers import exchange, kinetics, ntu, nw_ucla
from skeljax.readers.sources import RawFile, raw_files

_TRIED = 100  # files of a large source that are parsed; `prepare` parses all

Report = tuple[list[str], list[str]]  # what it holds, what is wrong


def describe(what: str) -> Report | None:
    """What a raw file, zip, folder or others' prepared set holds; None if it is none of them.

    Raises:
      DataError: it cannot be read at all.
    """
    path = pathlib.Path(what).expanduser()
    if path.suffix == ".skeleton":
        return _recording(path)
    if path.suffix == ".pkl":
        return _pyskl(path)
    if path.suffix == ".npz" and path.is_file():
        with zipfile.ZipFile(path) if zipfile.is_zipfile(path) else _Nothing() as archive:
            return _ctrgcn(path) if "x_train.npy" in archive.namelist() else None
    if (path / "train_data.npy").is_file():
        return _stgcn(path)
    if path.suffix == ".zip" or (path.is_dir() and not any(path.glob("*.npz"))):
        return _many(path)
    return None


class _Nothing:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def namelist(self):
        return []


def _recording(path: pathlib.Path) -> Report:
    from skeljax.data import clean

    recording = ntu.parse(RawFile(str(path)).read(), str(path))
    empty = recording.num_frames - len(np.unique(recording.frame))
    lines = [
        f"  NTU RGB+D recording, {recording.num_frames} frames, {empty} of them without a body"
    ]
    if not recording.ids:
        return lines, ["no frame has a body"]
    for track in clean.tracks(recording):
        lines.append(
            f"  body {track.id}: {len(track.points)} frames from {track.start} on, "
            f"motion {track.motion:.3f}"
        )
    for name, chain in clean.CLEANINGS.items():
        bodies, frames = chain(recording).keypoints.shape[:2]
        lines.append(f"  cleaned as {name}: {bodies} bodies, {frames} frames")
    if not ntu.facts(recording.name):
        return lines, ["the name is not SsssCcccPpppRrrrAaaa: no label"]
    return lines, []


def _many(path: pathlib.Path) -> Report | None:
    for suffix, found in ((".skeleton", _ntu_files), (".json", _json_files)):
        folders = {".skeleton": ntu.FOLDERS, ".json": kinetics.OPENPOSE_FOLDERS}[suffix]
        archives = {".skeleton": ntu.ARCHIVES, ".json": nw_ucla.ARCHIVES}[suffix]
        try:
            files = raw_files(path, suffix, folders=folders, archives=archives)
        except DataError as error:
            if "no such" in str(error) or f"no {suffix} files" in error.what:
                continue
            raise
        return found(path, files)
    return None


def _tried(files: list[RawFile]) -> list[RawFile]:
    """Some of the files, evenly spread."""
    return [files[i] for i in np.linspace(0, len(files) - 1, min(len(files), _TRIED)).astype(int)]


def _ntu_files(path: pathlib.Path, files: list[RawFile]) -> Report:
    from skeljax.datasets import ntu_names

    names = {file.stem for file in files}
    lines, wrong = [f"  NTU RGB+D, {len(files):,} .skeleton files"], []
    for dataset in ("ntu60", "ntu120"):
        wanted, known = set(ntu_names.available(dataset)), ntu_names.missing(dataset)
        absent = sorted(wanted - names)
        lines.append(
            f"  {dataset}: {len(wanted & names):,} of {len(wanted):,} usable clips, "
            f"{len(known & names):,} on the list of missing skeletons, {len(absent):,} not found"
            + (f": {', '.join(absent[:3])} ..." if absent and len(absent) < len(wanted) else "")
        )
    strange = sorted(names - set(ntu_names.recorded("ntu120")))
    if strange:
        wrong.append(f"{len(strange):,} files are of no known recording: {', '.join(strange[:5])}")
    if len(names) < len(files):
        wrong.append(f"{len(files) - len(names):,} names come twice")
    lines.append(f"  {len(_tried(files)):,} files parsed to try")
    wrong += [str(r) for r in ntu.read(_tried(files)) if isinstance(r, DataError)]
    lines.append(f"  skeljax prepare ntu60/xsub --source {path}")
    return lines, wrong


def _json_files(path: pathlib.Path, files: list[RawFile]) -> Report:
    tried = [file for file in _tried(files) if not file.stem.endswith("_label")]
    ucla = list(nw_ucla.read(tried))
    if any(not isinstance(result, DataError) for result in ucla):
        kind, name, results = "NW-UCLA", "nw_ucla", ucla
    else:
        kind, name = "Kinetics-Skeleton of ST-GCN", "kinetics_skeleton/openpose"
        results = list(kinetics.read_openpose(tried))
        if all(isinstance(result, DataError) for result in results):
            return [f"  {len(files):,} JSON files of no known kind"], [str(results[0])]
    lines = [f"  {kind}, {len(files):,} JSON files, {len(tried):,} of them parsed to try"]
    lines.append(f"  skeljax prepare {name} --source {path}")
    return lines, [str(result) for result in results if isinstance(result, DataError)]


def _pyskl(path: pathlib.Path) -> Report:
    splits, annotations = exchange.read_pyskl(path)
    lines, wrong, shapes = [f"  PYSKL annotations of {len(annotations):,} clips"], [], set()
    lines += [f"  split {name}: {len(names):,}" for name, names in splits.items()]
    labels = {int(one["label"]) for one in annotations.values() if "label" in one}
    if labels:
        lines.append(f"  labels {min(labels)} to {max(labels)}")
    for name, one in annotations.items():
        x = one.get("keypoint")
        if x is None and "raw_file" in one:
            shapes.add("none: they are in the files that raw_file names (kpfiles)")
        elif np.ndim(x) != 4:
            wrong.append(f"{name}: keypoint of shape {np.shape(x)}, not (M, T, V, C)")
        else:
            shapes.add(f"{np.shape(x)[2]} joints of {np.shape(x)[3]} coordinates")
            if not np.isfinite(x).all():
                wrong.append(f"{name}: coordinates are NaN or infinite")
    lines += [f"  keypoints: {shape}" for shape in sorted(shapes)]
    for split, names in splits.items():
        gone = [name for name in names if name not in annotations]
        if gone:
            wrong.append(f"{split}: {len(gone):,} names have no annotation: {', '.join(gone[:5])}")
    return lines, wrong


def _ctrgcn(path: pathlib.Path) -> Report:
    from skeljax.datasets import ntu_names

    lines, shapes = ["  CTR-GCN's arrays"], {}
    for part in ("train", "test"):
        x, y = exchange.array_in_npz(path, f"x_{part}"), exchange.array_in_npz(path, f"y_{part}")
        shapes[part] = len(x)
        lines.append(f"  {part}: x {x.shape}, y {y.shape}")
    for dataset, protocol in ntu_names.PROTOCOLS:
        names = ntu_names.split_names(dataset, protocol)
        if all(len(names[part]) == shapes[part] for part in shapes):
            lines.append(f"  as many clips as {dataset}/{protocol} has")
            lines.append(f"  skeljax prepare {dataset}/{protocol} --source {path}")
            return lines, []
    return lines, ["the numbers of clips are those of no NTU protocol"]


def _stgcn(path: pathlib.Path) -> Report:
    found = exchange.read_stgcn(path, ntu.LAYOUT)
    shapes = [np.load(path / f"{p}_data.npy", mmap_mode="r").shape for p in ("train", "val")]
    lines = [f"  ST-GCN's arrays, {len(found):,} clips"]
    lines += [f"  {part}: {shape}" for part, shape in zip(("train", "val"), shapes)]
    return lines, []
