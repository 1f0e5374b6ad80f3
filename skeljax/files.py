"""Files that are whole or absent, and messages for those that cannot be read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from skeljax.errors import DataError


@contextlib.contextmanager
def atomic(path) -> Iterator[BinaryIO]:
    """A binary file that takes the name `path` only when the block ends without an error.

    Raises:
      DataError: the place cannot be written to.
    """
    path = pathlib.Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(draft, "wb") as file:
            yield file
        os.replace(draft, path)
    except OSError as error:
        raise DataError("cannot write the file", where=path, found=error.strerror) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


@contextlib.contextmanager
def alone(folder: pathlib.Path) -> Iterator[None]:
    """Only one process at a time works in `folder`; the lock ends with its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read_npz(path, needs: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """All arrays of an .npz by name; pickled objects in it are refused.

    Raises:
      DataError: no such file, no .npz, an array of objects, or one of `needs` is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
    except OSError as error:
        raise DataError("cannot read the file", where=path, found=error.strerror or error) from None
    except Exception as error:  # a damaged header may fail in Python's own parser
        raise DataError("this is no .npz of plain arrays", where=path, found=error) from None
    for name in needs:
        if name not in arrays:
            found = ", ".join(sorted(arrays)) or "nothing"
            raise DataError(f"the file has no array {name!r}", where=path, found=found)
    return arrays


def read_json(path):
    """The value of a JSON file.

    Raises:
      DataError: no such file, or no JSON (names the line).
    """
    try:
        return json.loads(pathlib.Path(path).read_text())
    except OSError as error:
        raise DataError("cannot read the file", where=path, found=error.strerror) from None
    except json.JSONDecodeError as error:
        where = f"{path}, line {error.lineno}"
        raise DataError("the file is no valid JSON", where=where, found=error.msg) from None
    except UnicodeDecodeError:
        raise DataError("the file is no text", where=path) from None


def write_json(path, value) -> None:
    """Writes a JSON file, whole or not at all."""
    with atomic(path) as file:
        file.write((json.dumps(value, indent=1) + "\n").encode())
