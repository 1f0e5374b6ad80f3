"""PYSKL pickles of any layout become packed splits."""

import pickle

import numpy as np
import pytest

from skeljax.data.store import Store
from skeljax.errors import ConfigError, DataError
from skeljax.pack import main


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    annotations = [
        {
            "frame_dir": f"v{i}", "label": i % 2, "total_frames": 3 + i, "img_shape": (100, 200),
            "keypoint": rng.uniform(0, 100, (1 + i, 3 + i, 17, 2)).astype(np.float16),
            "keypoint_score": rng.uniform(0, 1, (1 + i, 3 + i, 17)).astype(np.float16),
        }
        for i in range(4)
    ]  # fmt: skip
    split = {"train1": ["v0", "v3"], "test1": ["v1"], "train2": ["v1"], "test2": ["v2", "gone"]}
    file = tmp_path / "ucf.pkl"
    file.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    return file, {one["frame_dir"]: one for one in annotations}


def test_a_protocol_is_packed(path, tmp_path):
    file, annotations = path
    arguments = [str(file), "--layout", "coco17", "--out", str(tmp_path), "--protocol", "1"]
    main(arguments)
    train, test = (Store.load(tmp_path / f"{part}.npz") for part in ("train", "test"))
    assert train.name.tolist() == ["v0", "v3"] and test.name.tolist() == ["v1"]
    assert train.bodies == 2 and train.label.tolist() == [0, 1]
    one = annotations["v3"]
    np.testing.assert_array_equal(train.keypoints(1)[..., :2], one["keypoint"][:2])
    np.testing.assert_array_equal(train.keypoints(1)[..., 2], one["keypoint_score"][:2])
    main([*arguments, "--prepare", "prenorm2d"])
    x = Store.load(tmp_path / "train.npz").keypoints(1)
    want = np.float32(one["keypoint"][:2]) / np.float32([100, 50]) - 1
    np.testing.assert_allclose(x[..., :2], want, atol=1e-6)


def test_wrong_requests_are_named(path, tmp_path):
    arguments = [str(path[0]), "--layout", "coco17", "--out", str(tmp_path)]
    with pytest.raises(ConfigError, match="train1, train2"):
        main(arguments)
    with pytest.raises(DataError, match="gone"):
        main([*arguments, "--protocol", "2"])
    with pytest.raises(DataError, match="does not fit layout"):
        main([str(path[0]), "--layout", "ntu25", "--out", str(tmp_path), "--protocol", "1"])
