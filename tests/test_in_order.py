"""Writing a split takes little memory and keeps the order."""

import subprocess
import sys

from tensorflow_datasets.core import shuffle

from skeljax.datasets.in_order import InOrder, in_order


def test_gives_back_what_it_got_and_leaves_no_file(tmp_path):
    items = [bytes([i]) * (i * 7 % 11) for i in range(40)]
    box = InOrder(tmp_path, "salt", disable_shuffling=True)
    for i, item in enumerate(items):
        box.add(i, item)
    assert box.num_examples == 40 and box.size == sum(map(len, items))
    assert list(box) == list(enumerate(items)) and not list(tmp_path.iterdir())


def test_tfds_is_as_before_afterwards():
    before = shuffle.Shuffler
    with in_order():
        assert shuffle.Shuffler is InOrder
    assert shuffle.Shuffler is before


PROGRAM = """
import resource, sys
import numpy as np
from skeljax.datasets.base import SkeletonBuilder
from skeljax.layouts import get_layout
from skeljax.readers import Clip

class Big(SkeletonBuilder):
    pkg_dir_path = None
    RELEASE_NOTES = {}
    def _info(self):
        return self.skeleton_info(get_layout("ntu25"), ["a", "b"], {})
    def _split_generators(self, manager):
        names = [f"c{i:03d}" for i in range(300)][::-1]
        def load(name):
            i = int(name[1:])
            return Clip(name, np.full((2, 1000, 25, 3), i, np.float32), i % 2, "ntu25")
        return self.checked_splits(names, [], {"train": names, "test": names[:1]}, load)

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
builder = Big(data_dir=sys.argv[1])
builder.download_and_prepare()
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
clips = builder.as_data_source("train")
assert [clips[i]["name"] for i in (0, 7, 299)] == [b"c299", b"c292", b"c000"]
assert clips[7]["keypoints"].max() == 292
print(grown)
"""


def test_a_split_larger_than_the_memory_it_takes(tmp_path):
    """300 clips of 600 kB: 180 MB on disk."""
    (tmp_path / "big.py").write_text(PROGRAM)
    for name in ("README.md", "CITATIONS.bib", "TAGS.txt"):
        (tmp_path / name).write_text("")
    done = subprocess.run(
        [sys.executable, tmp_path / "big.py", tmp_path / "out"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) < 120_000, "kB"  # fmt: skip
