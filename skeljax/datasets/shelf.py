"""Shelf: parsed recordings on disk, so that the raw files are read once for all configs.

TFDS asks a builder for its clips once a config; parsing 15 GB of text each time would be most of
the work. A shelf is a folder of two files, the arrays one after another and a line of JSON each to
find them. What is asked for is read, the rest is not: memory stays small (and is not mapped: a
mapped file counts as memory of its process). It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from skeljax.errors import DataError
from skeljax.files import alone
from skeljax.readers.sources import RawFile

_FORMAT = "1"  # change it where what readers give changes
Item = tuple[str, dict[str, np.ndarray], dict]  # name, arrays, further values of JSON


class Shelf:
    """Read access by name.

    Attributes:
      meta: the further values of every recording.
      faults: what was wrong with files that gave nothing.
    """

    def __init__(self, folder: pathlib.Path):
        self.meta: dict[str, dict] = {}
        self.faults: list[str] = []
        self._place: dict[str, tuple[int, list]] = {}
        with open(folder / "index.jsonl") as lines:
            for line in lines:
                entry = json.loads(line)
                if "fault" in entry:
                    self.faults.append(entry["fault"])
                else:
                    self.meta[entry["name"]] = entry["meta"]
                    self._place[entry["name"]] = entry["at"], entry["arrays"]
        self._file = open(folder / "arrays.bin", "rb", buffering=0)  # noqa: SIM115 lives as we do

    def __len__(self) -> int:
        return len(self._place)

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __contains__(self, name) -> bool:
        return name in self._place

    def __getitem__(self, name: str) -> tuple[dict[str, np.ndarray], dict]:
        at, described = self._place[name]
        self._file.seek(at)
        arrays = {
            key: np.fromfile(self._file, dtype, int(np.prod(shape))).reshape(shape)
            for key, dtype, shape in described
        }
        return arrays, self.meta[name]


def shelved(
    root, kind: str, files: Sequence[RawFile], parse: Callable[[], Iterable[Item | DataError]]
) -> Shelf:
    """The shelf of these files, filled by `parse` unless it is there.

    Args:
      root: folder of all shelves.
      kind: what is parsed and how; another kind of the same files is another shelf.
      files: what it depends on: their paths, sizes and times.

    Raises:
      DataError: as `parse` does; nothing is left then.
    """
    folder = pathlib.Path(root).expanduser() / f"{kind}_{_digest(files)}"
    with alone(folder.parent):
        if not folder.exists():
            draft = folder.with_name(f"incomplete.{folder.name}")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            try:
                _fill(draft, parse())
                draft.rename(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return Shelf(folder)


def _digest(files: Sequence[RawFile]) -> str:
    digest = hashlib.sha256(_FORMAT.encode())
    for path in dict.fromkeys(file.path for file in files):
        try:
            about = os.stat(path)
        except OSError as error:
            raise DataError("cannot read the file", where=path, found=error.strerror) from None
        line = f"{os.path.abspath(path)} {about.st_size} {about.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    digest.update("\n".join(file.member or "" for file in files).encode("utf-8", "replace"))
    return digest.hexdigest()[:12]


def _fill(folder: pathlib.Path, items: Iterable[Item | DataError]) -> None:
    at, seen = 0, set()
    with open(folder / "arrays.bin", "wb") as data, open(folder / "index.jsonl", "w") as index:
        for item in items:
            if isinstance(item, DataError):
                entry = {"fault": str(item)}
            elif item[0] in seen:
                entry = {"fault": f"{item[0]}: two files of the same name; the first is taken"}
            else:
                name, arrays, meta = item
                seen.add(name)
                described = []
                start = at
                for key, array in arrays.items():
                    described.append([key, array.dtype.str, list(array.shape)])
                    at += data.write(
                        np.ascontiguousarray(array).data.cast("B") if array.size else b""
                    )
                entry = {"name": name, "at": start, "arrays": described, "meta": meta}
            index.write(json.dumps(entry) + "\n")
