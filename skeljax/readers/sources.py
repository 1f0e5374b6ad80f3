"""Raw files as people have them: a folder, a zip, or a folder that holds the zip."""

from __future__ import annotations

import dataclasses
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterable

from skeljax.errors import DataError


@dataclasses.dataclass(frozen=True)
class RawFile:
    """One file of a source, in a folder or in a zip.

    Attributes:
      where: its path, ``archive.zip/member`` inside a zip.
      load: gives its bytes.
    """

    where: str
    load: Callable[[], bytes]

    @property
    def stem(self) -> str:
        return pathlib.PurePath(self.where).stem

    def read(self) -> bytes:
        """Its bytes.

        Raises:
          DataError: the file cannot be read, or the zip is damaged at this member.
        """
        try:
            return self.load()
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(
                "cannot read the file", where=self.where, found=error, do="get the data once more"
            ) from None


def raw_files(
    source, suffix: str, *, folders: Iterable[str] = (), archives: Iterable[str] = ()
) -> list[RawFile]:
    """All files of `source` that end in `suffix`, sorted by name.

    Args:
      source: a zip; a folder of such files; or a folder that holds one of `folders` with them in
        it or one of `archives`.
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
    for folder in (source, *(source / name for name in folders)):
        found = sorted(path for path in folder.glob(f"*{suffix}") if _wanted(path.name, suffix))
        if found:
            return [RawFile(str(path), path.read_bytes) for path in found]
        for archive in archives:
            if (folder / archive).is_file():
                return _in_zip(folder / archive, suffix)
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
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        with path.open("rb") as file:
            start = file.read(16)
        raise DataError(
            "not a zip, or one that was cut off",
            where=path,
            found=f"{error}; {path.stat().st_size:,} bytes that begin with {start!r}",
            expected="a complete zip",
            do="download it again, or unpack it and pass the folder",
        ) from None
    members = sorted(name for name in archive.namelist() if _wanted(name, suffix))
    if not members:
        raise DataError(
            f"no {suffix} files in the zip", where=path, do="pass the zip that holds them"
        )
    return [RawFile(f"{path}/{name}", lambda name=name: archive.read(name)) for name in members]


def _wanted(name: str, suffix: str) -> bool:
    """Whether the name ends in `suffix` and is none of the hidden files macOS puts beside it."""
    return name.endswith(suffix) and not pathlib.PurePosixPath(name).name.startswith(".")
