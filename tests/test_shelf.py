"""The shelf of parsed recordings: filled once, anew where its files changed, never by halves."""

import os

import numpy as np
import pytest

from skeljax.datasets.shelf import shelved
from skeljax.errors import DataError
from skeljax.readers.sources import RawFile


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a").write_text("1")
    return [RawFile(str(tmp_path / "a"))]


ITEMS = [
    ("x", {"points": np.arange(6.0).reshape(2, 3), "frame": np.array([4], np.int32)}, {"n": 1}),
    DataError("bad", where="b", found="nothing"),
    ("empty", {"points": np.zeros((0, 3), np.float32)}, {}),
    ("x", {"points": np.zeros(1)}, {}),
]


def test_gives_back_what_was_put_on_it_and_parses_once(files, tmp_path):
    calls = []
    for _ in range(2):
        shelf = shelved(tmp_path / "s", "k", files, lambda: calls.append(1) or ITEMS)
    assert calls == [1] and list(shelf) == ["x", "empty"] and "y" not in shelf
    arrays, meta = shelf["x"]
    np.testing.assert_array_equal(arrays["points"], ITEMS[0][1]["points"])
    assert arrays["frame"].dtype == np.int32 and arrays["frame"].tolist() == [4]
    assert meta == {"n": 1} and shelf["empty"][0]["points"].shape == (0, 3)
    assert "bad" in shelf.faults[0] and "x: two files of the same name" in shelf.faults[1]


def test_changed_files_and_other_members_are_another_shelf(files, tmp_path):
    def count():
        shelved(tmp_path / "s", "k", files, lambda: ITEMS[:1])
        return len([path for path in (tmp_path / "s").iterdir() if path.is_dir()])

    assert (count(), count()) == (1, 1)
    os.utime(files[0].path, ns=(0, 0))
    assert count() == 2
    files.append(RawFile(files[0].path, "member"))
    assert count() == 3


def test_a_parse_that_stops_leaves_nothing(files, tmp_path):
    def stops():
        yield ITEMS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shelved(tmp_path / "s", "k", files, stops)
    assert not [path for path in (tmp_path / "s").iterdir() if path.is_dir()]
    assert len(shelved(tmp_path / "s", "k", files, lambda: ITEMS[:1])) == 1


def test_a_shelf_of_nothing(files, tmp_path):
    assert len(shelved(tmp_path / "s", "k", files, lambda: [])) == 0
    with pytest.raises(DataError, match="gone"):
        shelved(tmp_path / "s", "k", [RawFile(str(tmp_path / "gone"))], lambda: [])
