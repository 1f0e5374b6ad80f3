"""Examples on their way to TFDS's files, in the order in which they come and not in memory.

TFDS keeps up to 1 GB of examples in memory before it writes them, and all of a split at once where
its order is to be kept: 2 GB for NTU RGB+D 120, 30 GB for Kinetics.
"""

from __future__ import annotations

import contextlib
import pathlib
import struct
from collections.abc import Iterator

from tensorflow_datasets.core import shuffle


class InOrder:
    """What tfds.core.shuffle.Shuffler does for ``disable_shuffling``, by one file on disk."""

    def __init__(self, dirpath, *args, **kwargs):
        del args, kwargs  # salts and switches of shuffling
        # Unlinked while it is open: it cannot be left behind.
        path = pathlib.Path(dirpath) / f"examples_{id(self)}.tmp"
        self._file = path.open("w+b", buffering=1 << 20)
        path.unlink()
        self.size = self.num_examples = 0

    @property
    def bucket_lengths(self) -> list[int]:
        return [self.num_examples]

    def add(self, key: int, data: bytes) -> None:
        if key != self.num_examples:
            raise AssertionError(f"example {key} comes as number {self.num_examples}")
        self._file.write(struct.pack("<Q", len(data)) + data)
        self.size += len(data)
        self.num_examples += 1

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        self._file.seek(0)
        for key in range(self.num_examples):
            (size,) = struct.unpack("<Q", self._file.read(8))
            yield key, self._file.read(size)
        self._file.close()


@contextlib.contextmanager
def in_order() -> Iterator[None]:
    """Within it TFDS writes its examples through `InOrder`."""
    theirs, shuffle.Shuffler = shuffle.Shuffler, InOrder
    try:
        yield
    finally:
        shuffle.Shuffler = theirs
