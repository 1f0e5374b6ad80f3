"""``skeljax longtail``: published lists from their arguments, and lists of any dataset."""

import hashlib

import numpy as np
import pytest
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import split_names

import fake_nw_ucla
from skeljax.data.longtail import read_names
from skeljax.errors import DataError
from skeljax.longtail import main, most_possible
from skeljax.prepare import prepare


def test_ntu120_list_is_the_published_one(tmp_path, capsys):
    out = tmp_path / "list.txt"
    main(["ntu120/xset", "--factor", "100", "--most", "400", "--out", str(out)])
    assert hashlib.sha256(out.read_bytes()).hexdigest()[:16] == "cb849477aefd71aa"
    assert "10,378 of 54,468" in capsys.readouterr().out


@pytest.fixture(scope="module")
def ucla(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ucla")
    listed = split_names()
    source = fake_nw_ucla.write_zip(folder / "all_sqe.zip", [*listed["train"], *listed["test"]])
    prepare("nw_ucla", [source], folder)
    return folder


def test_a_prepared_set_gives_its_published_list(ucla, tmp_path):
    out, where = str(tmp_path / "list.txt"), ["--data_dir", str(ucla)]
    main(["nw_ucla", "--factor", "10", "--most", "100", "--out", out, *where])
    assert read_names(out) == split_names()["train_lt10"]
    main(["nw_ucla", "--factor", "10", "--most", "100", "--seed", "1", "--out", out, *where])
    assert read_names(out) != split_names()["train_lt10"]


def test_steps_of_a_subset(ucla, capsys):
    main(
        ["nw_ucla", "--factor", "3", "--shape", "step", "--split", "test", "--data_dir", str(ucla)]
    )
    chosen = capsys.readouterr().out.split()
    counts = np.unique([name[:3] for name in chosen], return_counts=True)[1]
    assert counts.tolist() == [45] * 5 + [15] * 5


def test_most_possible():
    assert most_possible(np.array([10, 10, 10]), 0.1) == 10
    assert most_possible(np.array([10, 2, 10]), 0.2) == 6  # int(6 * 0.2 ** 0.5) is 2
    with pytest.raises(DataError, match="factor"):
        most_possible(np.array([10, 10, 10]), 0.01)


def test_what_is_not_prepared_is_said(tmp_path):
    with pytest.raises(DataError, match="skeljax prepare nw_ucla"):
        main(["nw_ucla", "--data_dir", str(tmp_path)])
