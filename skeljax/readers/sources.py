"""Raw files as people have them: folders, zips, or a folder that holds them."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import multiprocessing
import os
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence

from skeljax.errors import DataError

LARGEST = 64 << 20  # bytes of one file; a clip of ours is below 5 MB, a zip bomb is not
_BATCH = 32  # files sent to a process at once
_SERIAL = 200  # fewer files are read faster by one process than the others start


@dataclasses.dataclass(frozen=True)
class RawFile:
    """One file of a source, in a folder or in a zip. It can be sent to another process.

    Attributes:
      path: of the file, or of the zip it is in.
      member: its name within the zip; never used as a path.
    """

    path: str
    member: str | None = None

    @property
    def where(self) -> str:
        return f"{self.path}/{self.member}" if self.member else self.path

    @property
    def stem(self) -> str:
        return pathlib.PurePath(self.member or self.path).stem

    def read(self) -> bytes:
        """Its bytes.

        Raises:
          DataError: the file cannot be read, is beyond any clip's size, or the zip is damaged at
            this member.
        """
        try:
            if self.member:
                archive = _zip(self.path)
                size = archive.getinfo(self.member).file_size
            else:
                size = os.stat(self.path).st_size
            if size > LARGEST:
                raise DataError(
                    "the file is too large for one clip", where=self.where,
                    found=f"{size:,} bytes", expected=f"at most {LARGEST:,}",
                )  # fmt: skip
            if self.member:
                return archive.read(self.member)
            with open(self.path, "rb") as file:
                return file.read()
        except (
            OSError, EOFError, RuntimeError, KeyError, ValueError, zipfile.BadZipFile, zlib.error,
        ) as error:  # fmt: skip
            raise DataError(
                "cannot read the file", where=self.where, found=error, do="get the data once more"
            ) from None


def _zip(path: str) -> zipfile.ZipFile:
    """The open archive; each process has its own, they would move one another's position."""
    return _open_zip(path, os.stat(path).st_mtime_ns, os.getpid())


@functools.lru_cache(maxsize=8)
def _open_zip(path: str, changed: int, process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def in_parallel(read_one: Callable, files: Sequence[RawFile], workers: int | None = None):
    """``read_one(file)`` of each file, in order, by several processes where there are many files.

    Only a few files are read ahead of what is taken: memory does not grow with their number.

    Args:
      read_one: a function of a module; it gives what is wrong with a file rather than raising it.
      workers: processes; default all cores.

    Raises:
      DataError: a process was killed, as the system does where memory ends.
    """
    workers = workers or len(os.sched_getaffinity(0))
    if workers == 1 or len(files) < _SERIAL:
        yield from map(read_one, files)
        return
    # Not forked: the caller may have JAX's threads. What all need is imported once, by the server.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", read_one.__module__])
    batches = (files[i : i + _BATCH] for i in range(0, len(files), _BATCH))
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        ahead = collections.deque()
        try:
            for batch in batches:
                ahead.append(pool.submit(_read_batch, read_one, batch))
                if len(ahead) > 3 * workers:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        except concurrent.futures.process.BrokenProcessPool:
            raise DataError(
                "a process that read files was killed", where=files[0].path,
                do="free memory, or ask for fewer cores: taskset -c 0 skeljax prepare ...",
            ) from None  # fmt: skip


def _read_batch(read_one: Callable, files: Sequence[RawFile]) -> list:
    return [read_one(file) for file in files]


def raw_files(
    source, suffix: str, *, folders: Iterable[str] = (), archives: Iterable[str] = ()
) -> list[RawFile]:
    """All files of `source` that end in `suffix`, sorted by name.

    Args:
      source: a zip; a folder of such files; or a folder that holds some of `folders` with them in
        it, or some of `archives`. What one place has is not taken again from the next.
      suffix: for example ``.json``.
      folders: where inside `source` the files may lie.
      archives: names of zips that may lie there instead.

    Raises:
      DataError: no such path, no such file in it, or a zip that cannot be opened.
    """
    source = pathlib.Path(source).expanduser()
    if not source.exists():
        raise DataError("the source does not exist", where=source, do="check the path of --source")
    if source.is_file():
        return _in_zip(source, suffix)
    found: dict[str, list[RawFile]] = {}  # by name: a zip often lies beside its unpacked folder
    for folder in (source, *(source / name for name in folders)):
        paths = sorted(path for path in folder.glob(f"*{suffix}") if _wanted(path.name, suffix))
        here = [RawFile(str(path)) for path in paths]
        if not here:
            for archive in archives:
                if (folder / archive).is_file():
                    here += _in_zip(folder / archive, suffix)
        new: dict[str, list[RawFile]] = {}
        for file in here:
            if file.stem not in found:
                new.setdefault(file.stem, []).append(file)
        found |= new
    if found:
        return [file for files in found.values() for file in files]
    entries = sorted(path.name for path in source.iterdir())
    raise DataError(
        f"no {suffix} files in the source",
        where=source,
        found=", ".join(entries[:5]) + (", ..." if len(entries) > 5 else "") or "an empty folder",
        expected=f"{suffix} files, or one of " + ", ".join([*folders, *archives]),
        do="pass the folder or the zip that holds them as --source",
    )


def _in_zip(path: pathlib.Path, suffix: str) -> list[RawFile]:
    try:
        names = _zip(str(path)).namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        with path.open("rb") as file:
            start = file.read(16)
        raise DataError(
            "not a zip, or one that was cut off",
            where=path,
            found=f"{error}; {path.stat().st_size:,} bytes that begin with {start!r}",
            expected="a complete zip",
            do="download it again, or unpack it and pass the folder",
        ) from None
    members = sorted(name for name in names if _wanted(name, suffix))
    if not members:
        raise DataError(
            f"no {suffix} files in the zip", where=path, do="pass the zip that holds them"
        )
    return [RawFile(str(path), name) for name in members]


def _wanted(name: str, suffix: str) -> bool:
    """Whether the name ends in `suffix` and is none of the hidden files macOS puts beside it."""
    return name.endswith(suffix) and not pathlib.PurePosixPath(name).name.startswith(".")
