"""``skeljax check`` on files as they come, and against what a complete set holds."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import split_names

import fake_ntu
import fake_nw_ucla
from skeljax.check import main
from skeljax.datasets import ntu_names
from skeljax.errors import DataError
from skeljax.prepare import prepare
from skeljax.readers import exchange

NAME = "S001C001P001R001A001"


def says(capsys, *argv) -> tuple[int, str]:
    code = main([str(word) for word in argv])
    return code, capsys.readouterr().out


def test_one_recording(tmp_path, capsys):
    path = tmp_path / f"{NAME}.skeleton"
    path.write_bytes(fake_ntu.person(0, frames=14))
    code, out = says(capsys, path)
    assert code == 0 and "14 frames" in out and "cleaned as pyskl: 1 bodies, 14 frames" in out
    path.write_bytes(b"3\n0\n0\n0\n")
    assert says(capsys, path)[0] == 1
    path.write_bytes(b"3\n0\n0\n")
    with pytest.raises(DataError, match="line 3"):
        main([str(path)])


def test_a_zip_of_recordings(tmp_path, capsys):
    missing = sorted(ntu_names.missing("ntu60"))[0]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in (NAME, missing, "S099C001P001R001A001"):
            archive.writestr(f"x/{name}.skeleton", fake_ntu.person(0, frames=2))
        archive.writestr("x/S001C001P001R001A002.skeleton", b"1\n")
    code, out = says(capsys, tmp_path / "a.zip")
    assert "ntu60: 2 of 56,578 usable clips, 1 on the list" in out and "56,576 not found" in out
    assert code == 1 and "S099" in out and "cut off" in out


def test_json_files_of_both_kinds(tmp_path, capsys):
    ucla = fake_nw_ucla.write(tmp_path / "all_sqe", split_names()["test"][:4])
    assert "NW-UCLA, 4 JSON files" in says(capsys, ucla)[1]
    folder = tmp_path / "kinetics" / "kinetics_train"
    folder.mkdir(parents=True)
    skeleton = [{"pose": [0.5] * 36, "score": [0.5] * 18}]
    data = [{"frame_index": 0, "skeleton": skeleton}]
    (folder / "v.json").write_text(json.dumps({"data": data, "label": "a", "label_index": 1}))
    code, out = says(capsys, tmp_path / "kinetics")
    assert code == 0 and "Kinetics-Skeleton of ST-GCN, 1 JSON" in out


def test_sets_of_others(tmp_path, capsys):
    one = {"frame_dir": "a", "label": 3, "total_frames": 4, "keypoint": np.zeros((1, 4, 17, 2))}
    found = {"split": {"train1": ["a", "b"]}, "annotations": [one]}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(found))
    code, out = says(capsys, tmp_path / "a.pkl")
    assert code == 1 and "17 joints of 2" in out and "train1: 1 names have no annotation: b" in out
    x, y = np.zeros((2, 5, 150), np.float32), np.eye(60)[:2]
    np.savez(tmp_path / "b.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    code, out = says(capsys, tmp_path / "b.npz")
    assert code == 1 and "(2, 5, 150)" in out and "no NTU protocol" in out
    clip = exchange.Clip("a", np.ones((1, 3, 25, 3), np.float32), 0, "ntu25")
    exchange.write_stgcn(tmp_path / "c", {"train": [lambda: clip], "test": [lambda: clip]})
    assert "(1, 3, 300, 25, 2)" in says(capsys, tmp_path / "c")[1]


def test_a_prepared_set_is_compared_with_the_published_one(tmp_path, capsys):
    listed = split_names()
    source = fake_nw_ucla.write(tmp_path / "raw", [*listed["train_lt10"][:3], *listed["test"][:3]])
    prepare("nw_ucla", [source], tmp_path, allow_missing=True)
    pictures = tmp_path / "pictures"
    where = ["--data_dir", tmp_path, "--classes", "--draw", pictures]
    out = says(capsys, "nw_ucla", *where)[1]
    assert "NOT as published: 464 clips of 14,390 frames, here 3 of" in out
    assert "throw" in out and "###" in out
    assert len(list(pictures.glob("test_*.png"))) == 3


def test_the_real_set_is_as_published(shared_data, tmp_path, capsys):
    prepare("nw_ucla", [shared_data / "nw_ucla" / "all_sqe.zip"], tmp_path)
    out = says(capsys, "nw_ucla", "--data_dir", tmp_path)[1]
    assert out.count("as published") == 3 and "NOT" not in out
