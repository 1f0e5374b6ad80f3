"""Both forms of Kinetics-Skeleton, from generated raw files to TFDS."""

import json
import pickle
import zipfile

import numpy as np
import pytest

from skeljax.errors import DataError
from skeljax.prepare import prepare
from skeljax.readers import kinetics
from test_datasets import same_as_tfds


def video(seed: int, label: int, frames=(0, 2, 5), people: int = 3) -> bytes:
    rng = np.random.default_rng(seed)
    data = [
        {
            "frame_index": t,
            "skeleton": [
                {
                    "pose": rng.uniform(0.1, 1, 36).tolist(),
                    "score": rng.uniform(0.1, 1, 18).tolist(),
                }
                for _ in range(people)
            ],
        }
        for t in frames
    ]
    return json.dumps({"data": data, "label": f"act {label}", "label_index": label}).encode()


def test_openpose_from_zip_and_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "kinetics-skeleton.zip", "w") as archive:
        archive.writestr("kinetics-skeleton/kinetics_train/b.json", video(0, 3))
        archive.writestr("kinetics-skeleton/kinetics_train/a.json", video(1, 399))
        archive.writestr("kinetics-skeleton/kinetics_val/c.json", video(2, 0))
        archive.writestr("kinetics-skeleton/kinetics_train_label.json", "{}")
    builder = prepare("kinetics_skeleton/openpose", [tmp_path], tmp_path)
    train = builder.as_data_source("train")
    assert [clip["name"] for clip in train] == [b"a", b"b"]
    assert builder.info.features["label"].names[3] == "act 3"
    assert len(builder.as_data_source("test")) == 1
    x = train[1]["keypoints"]
    assert x.shape == (2, 6, 18, 3) and not x[:, [1, 3, 4]].any()
    people = json.loads(video(0, 3))["data"][1]["skeleton"]
    best = max(people, key=lambda person: sum(person["score"]))
    np.testing.assert_allclose(x[0, 2, :, 0], np.array(best["pose"][::2]) - 0.5, atol=1e-6)
    np.testing.assert_allclose(x[0, 2, :, 2], best["score"], atol=1e-6)


def test_joints_without_a_score_are_zero():
    content = json.loads(video(0, 3, frames=(0,), people=1))
    content["data"][0]["skeleton"][0]["score"][4] = 0
    x = kinetics.best_scored(kinetics.parse_openpose(json.dumps(content), "a").keypoints)
    assert not x[0, 0, 4].any() and x[0, 0, [3, 5]].all()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda c: c.pop("data"), "KeyError"),
        (lambda c: c.update(label_index=400), "label out of range"),
        (lambda c: c["data"][1].update(frame_index=-1), r"data\[1\]"),
        (lambda c: c["data"][1].update(frame_index=10**9), r"data\[1\]"),
        (lambda c: c["data"][1]["skeleton"][0].update(pose=[0.0] * 35), r"data\[1\]"),
        (lambda c: c["data"][1]["skeleton"][0].update(score=[float("nan")] * 18), "NaN"),
        (lambda c: c.update(data=[]), "no frame has a skeleton"),
    ],
)
def test_wrong_json_is_named(change, message):
    content = json.loads(video(0, 3))
    change(content)
    with pytest.raises(DataError, match=message):
        kinetics.parse_openpose(json.dumps(content), "a.json")


def test_no_telling_the_part_is_an_error_of_that_file(tmp_path):
    (tmp_path / "a.json").write_bytes(video(0, 3))
    (result,) = kinetics.read_openpose(kinetics.openpose_files(tmp_path))
    assert "kinetics_train or kinetics_val" in str(result)


def index(tmp_path, label: int = 7):
    """An index of three videos and their kpfiles; the third has no file."""
    rng = np.random.default_rng(0)
    annotations, kp = [], {}
    for name in ("u", "v", "w"):
        frame_inds = np.repeat(np.array([0, 1, 4], np.int16), 2)
        kp[name] = {"keypoint": rng.uniform(1, 300, (6, 17, 3)).astype(np.float16)}
        annotations.append(
            {
                "frame_dir": name, "label": label, "total_frames": 9, "img_shape": (240, 320),
                "frame_inds": frame_inds, "raw_file": f"data/k400/kpfiles/{name}.pkl",
                "box_score": np.array([0.9, 0.4, 0.9, 0.9, 0.1, 0.2], np.float32),
            }
        )  # fmt: skip
    folder = tmp_path / "kpfiles"
    folder.mkdir()
    for name in ("u", "v"):
        (folder / f"{name}.pkl").write_bytes(pickle.dumps({name: kp[name]}))
    split = {"train": ["u", "w"], "val": ["v"]}
    path = tmp_path / "k400_hrnet.pkl"
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    return path, folder, kp


def test_hrnet_from_index_and_kpfiles(tmp_path):
    path, folder, kp = index(tmp_path)
    with pytest.raises(DataError, match="1 clips missing"):
        prepare("kinetics_skeleton/hrnet", [path, folder], tmp_path)
    builder = prepare("kinetics_skeleton/hrnet", [path, folder], tmp_path, allow_missing=True)
    (train,), (test,) = builder.as_data_source("train"), builder.as_data_source("test")
    # Box scores below 0.5 do not train: frame 4 is gone, frame 0 has one body.
    assert train["keypoints"].shape == (2, 2, 17, 3) and not train["keypoints"][1, 0].any()
    np.testing.assert_array_equal(train["keypoints"][0, 1], kp["u"]["keypoint"][2])
    assert test["keypoints"].shape == (2, 3, 17, 3)
    np.testing.assert_array_equal(test["keypoints"][1, 2], kp["v"]["keypoint"][5])
    assert train["img_shape"].tolist() == [240, 320] and train["label"] == 7
    assert builder.info.features["label"].int2str(7) == "arranging flowers"
    same_as_tfds(builder, "train")


def test_hrnet_without_keypoints_says_what_is_needed(tmp_path):
    path, _, _ = index(tmp_path)
    with pytest.raises(DataError, match="kpfiles"):
        prepare("kinetics_skeleton/hrnet", [path], tmp_path)
