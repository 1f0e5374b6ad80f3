import dataclasses
import hashlib
import pathlib

import numpy as np
import pytest

import tiny
from skeljax import longtail as verb
from skeljax.data import longtail
from skeljax.errors import DataError


def test_published_counts():
    """BRL's tables: head, tail and sum of each list."""
    for classes, most, imbalance, total, tail in [
        (60, 600, 0.1, 14142, [62, 60]),
        (60, 600, 0.02, 9150, [12, 12]),
        (60, 600, 0.01, 7892, [6, 6]),
        (120, 600, 0.1, 28182, [61, 60]),
        (120, 600, 0.01, 15600, [6, 6]),
        (120, 400, 0.02, 12069, [8, 8]),
        (10, 100, 0.1, 403, [12, 10]),
    ]:
        counts = longtail.exponential_counts(classes, most, imbalance)
        assert (counts[0], counts.sum(), counts[-2:].tolist()) == (most, total, tail)


def test_step_counts():
    assert longtail.step_counts(5, 40, 0.1).tolist() == [40, 40, 4, 4, 4]


def test_lists_hold_the_counts_and_are_grouped_by_class():
    labels = np.arange(300) % 3
    names = [f"clip{i}A{y + 1:03}" for i, y in enumerate(labels)]
    counts = [50, 20, 5]
    chosen = longtail.sample_list(names, labels, counts)
    drawn = [longtail.ntu_label(name) for name in chosen]
    assert drawn == sorted(drawn) and np.bincount(drawn).tolist() == counts
    assert len(set(chosen)) == 75 and chosen == longtail.sample_list(names, labels, counts)
    assert chosen != longtail.sample_list(names, labels, counts, seed=1)
    shorter = longtail.prefix_list(chosen, drawn, [10, 4, 1])
    assert shorter == chosen[:10] + chosen[50:54] + chosen[70:71]
    with pytest.raises(DataError, match="class 2 has too few"):
        longtail.sample_list(names, labels, [50, 20, 101])


def sha256(names):
    return hashlib.sha256(longtail.as_text(names).encode()).hexdigest()[:16]


def test_nw_ucla_list_is_the_one_of_the_published_algorithm():
    folder = pathlib.Path(__file__).parents[1] / "datasets" / "nw_ucla"
    names = longtail.read_names(folder / "train.txt")
    actions = sorted({name[:3] for name in names})
    labels = [actions.index(name[:3]) for name in names]
    chosen = longtail.sample_list(names, labels, longtail.exponential_counts(10, 100, 0.1))
    assert sha256(chosen) == "cf33b354a77e8f84"
    assert chosen == longtail.read_names(folder / "train_lt10.txt")


@pytest.mark.parametrize(
    "split, imbalance, digest",
    [
        ("xsub", 0.02, "2cce99ef2be828a2"),
        ("xsub", 0.01, "992425d1b1f67414"),
        ("xview", 0.02, "5507e59373288535"),
        ("xview", 0.01, "e4777be86c39a357"),
    ],
)
def test_shorter_ntu60_lists_are_prefixes_of_the_factor_10_list(
    shared_data, split, imbalance, digest
):
    path = shared_data / "ntu_lists" / f"NTU60_{split}_exp_10.txt"
    if not path.is_file():
        pytest.skip(f"no {path}")
    names = longtail.read_names(path)
    labels = [longtail.ntu_label(name) for name in names]
    counts = longtail.exponential_counts(60, 600, imbalance)
    assert sha256(longtail.prefix_list(names, labels, counts)) == digest


def test_a_list_of_packed_data(tmp_path, capsys):
    folder, out = tiny.dataset(tmp_path / "data", train=40, test=4), tmp_path / "tail.txt"
    verb.main([str(folder), "--factor", "5", "--out", str(out)])
    assert "20 of 40 clips, 10 to 2 a class" in capsys.readouterr().out
    drawn = [int(name.removeprefix("clip")) % 4 for name in longtail.read_names(out)]
    assert np.bincount(drawn).tolist() == [10, 5, 3, 2]
    store = tiny.store(8)
    dataclasses.replace(store, label=np.where(store.label == 3, -1, store.label)).save(
        folder / "train.npz"
    )
    with pytest.raises(DataError, match=r"without a label(.|\n)*2 of 8"):
        verb.main([str(folder)])


def test_names_files(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("b\na\n\nc c \n")
    assert longtail.read_names(path) == ["b", "a", "c c"]
    path.write_text(longtail.as_text(["x", "y"]))
    assert path.read_text() == "x\ny" and longtail.read_names(path) == ["x", "y"]
    for text, message in [("", "empty"), ("a\nb\na\n", "differ(.|\n)*found: +a")]:
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            longtail.read_names(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"names\.txt"):
        longtail.read_names(path)
    with pytest.raises(DataError, match=r"none\.txt"):
        longtail.read_names(tmp_path / "none.txt")


def test_labelled_subset_takes_the_share_of_every_class():
    labels = np.repeat([4, 0, 2], [100, 40, 10])
    chosen = longtail.labelled_subset(labels, 0.1)
    assert np.bincount(labels[chosen], minlength=5).tolist() == [4, 0, 1, 0, 10]
    assert (np.diff(chosen) > 0).all()


def test_labelled_subset_leaves_no_class_out_where_asked():
    labels = np.repeat([4, 0, 2], [100, 40, 10])
    published, kept = (longtail.labelled_subset(labels, 0.01, at_least=n) for n in (0, 1))
    assert np.bincount(labels[published], minlength=5).tolist() == [0, 0, 0, 0, 1]
    assert np.bincount(labels[kept], minlength=5).tolist() == [1, 0, 1, 0, 1]
