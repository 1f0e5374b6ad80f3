"""One file of any kind as a clip: the same as its own reader's, or a message."""

import json

import numpy as np
import pytest

from skeljax.data import single
from skeljax.errors import ConfigError, DataError
from skeljax.layouts import get_layout
from skeljax.readers import kinetics, ntu

POINTS = np.random.default_rng(0).uniform(0.1, 1, (2, 3, 20, 3)).astype(np.float32)  # M T V C
UCLA = get_layout("ucla20")


def skeleton(bodies, frames: int = 3, joints: int = 25) -> str:
    """A .skeleton file in which the joint v of body b in frame t is at (b, t, v)."""
    lines = [f"{frames}"]
    for t in range(frames):
        lines.append(f"{bodies}")
        for b in range(bodies):
            lines += [f"{100 + b} 0 1 1 1 1 0 0 0 2", f"{joints}"]
            lines += [f"{b} {t} {v} 0 0 0 0 0 0 0 0 2" for v in range(joints)]
    return "\n".join(lines) + "\n"


def write(path, values):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, values)
    elif path.suffix == ".json":
        path.write_text(json.dumps(values.tolist()))
    else:
        frames = np.moveaxis(values, 0, 1).reshape(values.shape[1], -1)
        path.write_text("\n".join(",".join(map(repr, row)) for row in frames.tolist()))
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".json", ".csv"])
def test_arrays_of_every_kind(suffix, tmp_path):
    clip = single.read(write(tmp_path / f"take{suffix}", POINTS), UCLA)
    np.testing.assert_array_equal(clip.keypoints, POINTS)
    assert (clip.name, clip.label, clip.layout) == ("take", None, "ucla20")


def test_nw_ucla_of_any_name(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"file_name": "x", "skeletons": POINTS[0].tolist()}))
    np.testing.assert_array_equal(single.read(path, UCLA).keypoints, POINTS[:1])


def test_kinetics_with_and_without_a_label(tmp_path):
    person = {"pose": np.linspace(0.1, 0.9, 36).tolist(), "score": [0.5] * 18}
    content = {"data": [{"frame_index": t, "skeleton": [person]} for t in range(4)]}
    path = tmp_path / "clip.json"
    path.write_text(json.dumps(content))
    found = single.read(path, get_layout("openpose18")).keypoints
    ours = kinetics.parse_openpose(json.dumps(content | {"label_index": 3}), "clip.json")
    np.testing.assert_array_equal(found, kinetics.best_scored(ours.keypoints))
    assert found.shape == (1, 4, 18, 3)


@pytest.mark.parametrize("name", single.CLEANINGS)
def test_an_ntu_file_is_cleaned_as_the_dataset_was(name, tmp_path):
    path = tmp_path / "S001C001P001R001A002.skeleton"
    path.write_text(skeleton(bodies=2, frames=14))
    recording = ntu.parse(path.read_bytes(), path.name)
    found = single.read(path, get_layout("ntu25"), name)
    np.testing.assert_array_equal(found.keypoints, single.CLEANINGS[name](recording).keypoints)
    assert found.label is None


def test_the_cleaning_follows_from_the_dataset():
    names = ["ntu60/xsub", "ntu120/xset_pyskl", "ntu60/xview_listed", "nw_ucla", "my_data"]
    assert [*map(single.cleaning_of, names)] == ["ctrgcn", "pyskl", "listed", "ctrgcn", "ctrgcn"]


def text(content):
    return lambda path: path.write_text(content)


BAD = {
    "absent": ("a.npy", lambda path: None, "no such file"),
    "another kind": ("a.mp4", text(""), "did you mean|one of .csv"),
    "no JSON": ("a.json", text("{"), "no valid JSON"),
    "other keys": ("a.json", text('{"pose": []}'), "keys are missing[^$]*pose"),
    "ragged lists": ("a.json", text("[[[1, 2, 3]], [[1]]]"), "no array of numbers"),
    "other joints": ("a.npy", lambda path: np.save(path, POINTS[..., :5, :]), "joints[^$]*20"),
    "a short line": ("a.csv", text("1,2,3\n"), "frame 0[^$]*3[^$]*20 joints x 3 values"),
    "words": ("a.csv", text(",".join(["1"] * 59 + ["x"])), "not all values are numbers"),
    "nothing": ("a.csv", text(""), "no frames"),
    "NaN": ("a.csv", text(",".join(["nan"] * 60)), "NaN"),
    "a clip of NTU": ("a.skeleton", text(skeleton(1)), "joints[^$]*25[^$]*20"),
    "a folder like a clip": ("a.skeleton", lambda path: path.mkdir(), "no frames"),
    "a cut clip": ("a.skeleton", text(skeleton(1)[:99]), r"cut off|not the \.skeleton format"),
}


@pytest.mark.parametrize("name, make, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_named(name, make, message, tmp_path):
    make(tmp_path / name)
    with pytest.raises((DataError, ConfigError), match=message) as caught:
        single.read(tmp_path / name, UCLA)
    assert name in str(caught.value)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.skeleton").write_text(skeleton(1))
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(DataError, match=r"cannot read[^$]*a\.skeleton[^$]*Permission"):
        single.read(tmp_path / "a.skeleton", get_layout("ntu25"))
