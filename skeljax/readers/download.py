"""One file from a public address."""

from __future__ import annotations

import http.client
import pathlib
import urllib.request

from skeljax.errors import DataError
from skeljax.progress import progress

_BLOCK = 1 << 18


def fetch(url: str, target: pathlib.Path, do: str) -> pathlib.Path:
    """`url` as the file `target`, unless that is there. A part never bears the final name.

    Args:
      do: what to do where there is no network.

    Raises:
      DataError: no network, the address is gone, or the file came incomplete.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, part.open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0)
            blocks = iter(lambda: answer.read(_BLOCK), b"")
            what = f"download {target.name}, blocks of 256 KiB"
            for block in progress(blocks, what, total=-(-size // _BLOCK)):
                file.write(block)
            if size and file.tell() != size:
                raise OSError(f"{file.tell():,} of {size:,} bytes came")
        return part.rename(target)
    except (OSError, http.client.HTTPException) as error:
        raise DataError("cannot download", where=url, found=error, do=do) from None
    finally:
        part.unlink(missing_ok=True)
