"""Score files: round trips, other people's pickles, and files that are not what they seem."""

import collections
import json
import os
import pickle
import subprocess

import numpy as np
import pytest

from skeljax import labels, safe_pickle, scores
from skeljax.errors import ConfigError, DataError


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    return scores.Scores(
        scores=rng.standard_normal((5, 3)).astype(np.float32),
        name=np.array([f"clip{i}" for i in range(5)]),
        label=np.array([0, 1, 2, 1, 0], np.int32),
        classes=np.array(["wave", 'say "hi", loudly', "sit"]),
        train_counts=np.array([9, 5, 1]),
    )


@pytest.mark.parametrize("suffix", [".npz", ".json", ".csv"])
def test_round_trip(sample, tmp_path, suffix):
    path = tmp_path / f"scores{suffix}"
    scores.write(path, sample)
    back = scores.read(path)
    np.testing.assert_array_equal(back.scores, sample.scores)
    for field in ("name", "label", "classes"):
        np.testing.assert_array_equal(getattr(back, field), getattr(sample, field))
    if suffix != ".csv":
        np.testing.assert_array_equal(back.train_counts, sample.train_counts)
        assert back.train_counts.max() == 9, "an array, also of .json: a report asks for it"
    assert back.kind == "logits"
    assert os.listdir(tmp_path) == [path.name]


def test_a_run_folder_is_its_scores(sample, tmp_path):
    scores.write(tmp_path / "scores.npz", sample)
    np.testing.assert_array_equal(scores.read(tmp_path).train_counts, [9, 5, 1])


def test_public_pickles_are_what_public_scripts_read(sample, tmp_path):
    scores.write(tmp_path / "epoch1_test_score.pkl", sample)
    found = pickle.loads((tmp_path / "epoch1_test_score.pkl").read_bytes())
    assert list(found) == sample.name.tolist()
    np.testing.assert_array_equal(found["clip3"], sample.scores[3])

    scores.write(tmp_path / "best_pred.pkl", sample, as_list=True)
    found = pickle.loads((tmp_path / "best_pred.pkl").read_bytes())
    np.testing.assert_array_equal(found, sample.scores)
    assert scores.read(tmp_path / "best_pred.pkl").name is None


def test_probabilities_are_recognised(tmp_path):
    path = tmp_path / "pred.pkl"
    path.write_bytes(pickle.dumps([np.array([0.25, 0.75])]))
    assert scores.read(path).kind == "probabilities"
    path.write_bytes(pickle.dumps({0: np.array([0.25, -0.75])}))
    assert scores.read(path).kind == "logits"
    assert scores.read(path).name.tolist() == ["0"]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_survive_the_safe_loader(tmp_path, protocol):
    value = collections.OrderedDict(
        a=np.arange(6, dtype=np.float16).reshape(2, 3), b=np.float64(2.5), c=["x", {"y": (1,)}],
        d=np.array(["é", "z"]), e={1, 2}, f=b"\xff", g=np.array(["o", 3], object), h=np.int64(4),
        i=np.asfortranarray(np.eye(2)),
    )  # fmt: skip
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    found = safe_pickle.load(path)
    assert type(found) is collections.OrderedDict
    for key in value:
        if isinstance(value[key], np.ndarray):
            np.testing.assert_array_equal(found[key], value[key])
            assert found[key].dtype == value[key].dtype
        else:
            assert found[key] == value[key]


def test_module_paths_of_numpy_1_are_known(tmp_path):
    new = pickle.dumps(np.arange(3.0), 2)
    assert b"numpy._core.multiarray" in new
    path = tmp_path / "old.pkl"
    path.write_bytes(new.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    np.testing.assert_array_equal(safe_pickle.load(path), np.arange(3.0))


class _Runs:
    def __init__(self, function, *args):
        self.what = function, args

    def __reduce__(self):
        return self.what


@pytest.mark.parametrize(
    "payload",
    [
        lambda mark: _Runs(os.system, f"touch {mark}"),
        lambda mark: _Runs(subprocess.call, ["touch", mark]),
        lambda mark: _Runs(eval, f"open({mark!r}, 'w')"),
        lambda mark: _Runs(open, mark, "w"),
        lambda mark: _Runs(np.save, mark, np.zeros(1)),
        lambda mark: [np.zeros(2), {"deep": _Runs(os.mkdir, mark)}],
    ],
    ids=["system", "subprocess", "eval", "open", "numpy", "nested"],
)
def test_a_pickle_that_runs_code_is_refused_and_nothing_runs(tmp_path, payload):
    mark, path = tmp_path / "ran", tmp_path / "scores.pkl"
    path.write_bytes(pickle.dumps(payload(str(mark))))
    with pytest.raises(DataError, match="more than arrays"):
        scores.read(path)
    assert os.listdir(tmp_path) == ["scores.pkl"]


def test_a_dotted_name_is_no_way_round(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
    with pytest.raises(DataError, match=r"ndarray\.tofile"):
        safe_pickle.load(path)


def test_damaged_files_are_said_to_be_damaged(tmp_path, sample):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps([np.zeros(3)] * 4)[:-9])
    with pytest.raises(DataError, match="no readable pickle"):
        scores.read(path)
    path = tmp_path / "x.npz"
    scores.write(path, sample)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"no \.npz"):
        scores.read(path)
    np.savez(path, scores=np.array([None, 1], object))
    with pytest.raises(DataError, match=r"no \.npz of plain"):
        scores.read(path)
    np.savez(path, logits=np.zeros((2, 3)))
    with pytest.raises(DataError, match="no array 'scores'"):
        scores.read(path)


@pytest.mark.parametrize(
    "name, text, said",
    [
        ("x.json", '{"scores": {"a": [1, 2], "b": [1]}}', "one row of K numbers"),
        ("x.json", '{"scores": {"a": [1]}, "label": {"b": 0}}', "no label"),
        ("x.json", '{"scores": {"a": [1]}, "label": [0]}', "labels have no names"),
        ("x.json", '{"scores": {"a": [1]}, "label": {"a": "wave"}}', "'label' is not what"),
        ("x.json", "{", "no valid JSON"),
        ("x.csv", "name,label,c0\na,0,1\nb,1\n", "line 3"),
        ("x.csv", "name,label,c0\na,0,tall\n", "one row of K numbers"),
        ("x.csv", "clip,c0\n", "columns name,label"),
        ("x.csv", "name,label,c0\na,0,1\na,0,2\n", "must differ"),
    ],
)
def test_text_files_with_faults(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        scores.read(tmp_path / name)


def test_a_binary_file_under_the_name_of_a_text(tmp_path):
    (tmp_path / "x.csv").write_bytes(bytes(range(200, 256)))
    with pytest.raises(DataError, match="cannot read"):
        scores.read(tmp_path / "x.csv")


def test_a_place_below_a_file_is_refused(sample, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        scores.write(tmp_path / "file" / "x.npz", sample)


def test_missing_and_unknown_files(tmp_path, sample):
    with pytest.raises(DataError, match="evaluate the run first"):
        scores.read(tmp_path)
    with pytest.raises(ConfigError, match="unknown score file"):
        scores.write(tmp_path / "x.txt", sample)
    with pytest.raises(DataError, match="no clip names"):
        scores.write(tmp_path / "x.csv", sample.replace(name=None))
    with pytest.raises(DataError, match="'label' does not fit"):
        sample.replace(label=np.zeros(4, np.int32))


def test_labels_from_the_files_people_have(tmp_path):
    annotations = [{"frame_dir": "b", "label": 1}, {"frame_dir": "a", "label": 0}]
    forms = {
        "pyskl.pkl": {"split": {"val": ["a", "b"], "train": []}, "annotations": annotations},
        "ucla.pkl": [{"file_name": "a", "label": 1}, {"file_name": "b", "label": 2}],
        "stgcn.pkl": (["a", "b"], [0, 1]),
    }
    for name, value in forms.items():
        (tmp_path / name).write_bytes(pickle.dumps(value))
    (tmp_path / "x.csv").write_text("name,label\na,0\nb,1\n")
    (tmp_path / "x.json").write_text(json.dumps({"a": 0, "b": 1}))
    for name in (*forms, "x.csv", "x.json"):
        names, label = labels.read(tmp_path / name, "val")
        assert names.tolist() == ["a", "b"], name
        assert label.tolist() == [0, 1], name
    np.save(tmp_path / "x.npy", [0, 1])
    (tmp_path / "x.txt").write_text("0\n1\n")
    for name in ("x.npy", "x.txt"):
        names, label = labels.read(tmp_path / name)
        assert names is None and label.tolist() == [0, 1]
    np.savez(tmp_path / "ctrgcn.npz", y_test=np.eye(3)[[2, 0]])
    names, label = labels.read(tmp_path / "ctrgcn.npz")
    assert names.tolist() == ["test_0", "test_1"] and label.tolist() == [2, 0]


def test_labels_in_no_known_form(tmp_path):
    (tmp_path / "x.csv").write_text("clip,y\na,0\n")
    with pytest.raises(DataError, match=r"write a \.csv"):
        labels.read(tmp_path / "x.csv")
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"split": {"xsub_val": []}, "annotations": []}))
    with pytest.raises(ConfigError, match="did you mean 'xsub_val'"):
        labels.read(tmp_path / "x.pkl", "xsub_va")
