"""Clips as tools write them: every form gives the same joints, and every mistake a message."""

import json

import numpy as np
import pytest

from skeljax.errors import DataError
from skeljax.layouts import get_layout
from skeljax.readers import own
from skeljax.readers.checks import check_keypoints


def points(layout, bodies=1, frames=4) -> np.ndarray:
    shape = (bodies, frames, layout.num_joints, layout.channels)
    return np.random.default_rng(0).uniform(0.1, 1, shape).astype(np.float32)


def read(path, layout) -> np.ndarray:
    return check_keypoints(own.read(path, layout), layout, path)


def from_json(content, tmp_path, layout) -> np.ndarray:
    (tmp_path / "a.json").write_text(json.dumps(content))
    return read(tmp_path / "a.json", layout)


def landmarks(body) -> list[dict]:
    """(V,C) as MediaPipe's landmarks."""
    keys = ("x", "y", "z", "visibility")
    return [dict(zip(keys, joint)) for joint in body.tolist()]


def test_mediapipe_pose_with_a_frame_without_anybody(tmp_path):
    layout = get_layout("mediapipe33")
    x = points(layout)
    frames = [landmarks(body) for body in x[0]]
    np.testing.assert_array_equal(from_json(frames, tmp_path, layout), x)
    for nobody in ([], None):
        frames[0] = nobody
        np.testing.assert_array_equal(from_json(frames, tmp_path, layout)[:, 1:], x[:, 1:])
        assert not from_json({"keypoints": frames}, tmp_path, layout)[:, 0].any()


def test_mediapipe_hands_two_at_once(tmp_path):
    layout = get_layout("hand21")  # x and y only; z and what else a landmark has are left out
    x = points(layout, bodies=2)
    frames = [
        [[{"x": a, "y": b, "z": 9.0} for a, b in hand] for hand in hands]
        for hands in x.swapaxes(0, 1).tolist()
    ]
    np.testing.assert_array_equal(from_json(frames, tmp_path, layout), x)
    frames[1] = frames[1][:1]
    found = from_json(frames, tmp_path, layout)
    np.testing.assert_array_equal(found[0], x[0])
    assert not found[1, 1].any() and found[1, 2].any()


@pytest.mark.parametrize("name", ["openpose18", "body25"])
def test_openpose_folders_and_lists(name, tmp_path):
    layout = get_layout(name)
    x = points(layout, bodies=2, frames=12)
    frames = [
        {"version": 1.3, "people": [{"pose_keypoints_2d": body.ravel().tolist()} for body in now]}
        for now in x.swapaxes(0, 1)
    ]
    frames[3]["people"] = []
    x[:, 3] = 0
    np.testing.assert_array_equal(from_json(frames, tmp_path, layout), x)
    (tmp_path / "clip").mkdir()
    for t, frame in enumerate(frames):
        (tmp_path / "clip" / f"clip_{t:012d}_keypoints.json").write_text(json.dumps(frame))
    np.testing.assert_array_equal(read(tmp_path / "clip", layout), x)


def test_coco_results_of_several_people(tmp_path):
    layout = get_layout("coco17")
    x = points(layout, bodies=2)
    entries = [
        {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": body.ravel().tolist(), "score": 2.5}
        for t, now in enumerate(x.swapaxes(0, 1)) for body in now
    ]  # fmt: skip
    np.testing.assert_array_equal(from_json(entries, tmp_path, layout), x)


def test_nested_and_flat_lists(tmp_path):
    layout = get_layout("coco17")
    x = points(layout)
    for content in (x.tolist(), x[0].tolist(), x[0].reshape(4, -1).tolist()):
        np.testing.assert_array_equal(from_json(content, tmp_path, layout), x)
        np.testing.assert_array_equal(from_json({"keypoints": content}, tmp_path, layout), x)


def test_csv_columns_by_name_in_any_order(tmp_path):
    layout = get_layout("coco17")
    x = points(layout)
    names = [f"{joint}_{axis}" for joint in layout.joints for axis in "xyc"]
    order = np.random.default_rng(1).permutation(len(names))
    lines = ["time, " + ", ".join(names[i] for i in order)]
    for t, row in enumerate(x[0].reshape(4, -1)):
        lines.append(f"{t}, " + ", ".join(repr(float(row[i])) for i in order))
    (tmp_path / "a.csv").write_text("\n".join(lines))
    np.testing.assert_array_equal(read(tmp_path / "a.csv", layout), x)


BAD = {
    "other joints": ([[{"x": 1, "y": 2, "score": 1}] * 5], "joints[^$]*5[^$]*17"),
    "no score": ([[{"x": 1, "y": 2}] * 17], "no 'score'"),
    "flat of another size": ([{"image_id": 1, "keypoints": [0.5] * 50}], "50[^$]*17 joints x 3"),
    "words": ({"people": [{"pose_keypoints_2d": ["a"] * 51}]}, "not numbers|no array of numbers"),
    "huge": ([[[10**400] * 3] * 17], "no array of numbers"),
    "nobody": ([[], None], "no frames"),
    "a word": ("text", "no array|shape"),
    "other keys": ([{"pose": 1}], "keys are missing[^$]*pose"),
    "mixed": ([[{"x": 1, "y": 2, "score": 1}] * 17, 3], "wrong number of values[^$]*3"),
}


@pytest.mark.parametrize("content, message", BAD.values(), ids=BAD)
def test_what_is_wrong_is_said(content, message, tmp_path):
    with pytest.raises(DataError, match=message) as caught:
        from_json(content, tmp_path, get_layout("coco17"))
    assert "a.json" in str(caught.value)


def test_an_empty_folder_is_no_clip(tmp_path):
    (tmp_path / "clip").mkdir()
    with pytest.raises(DataError, match="no frames"):
        read(tmp_path / "clip", get_layout("coco17"))
