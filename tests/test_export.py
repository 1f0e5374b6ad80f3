"""Prepared sets in others' forms: read back they are the same clips."""

import numpy as np
import pytest
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import split_names

import fake_nw_ucla
from skeljax.errors import ConfigError, DataError
from skeljax.prepare import main
from skeljax.readers import Clip, exchange
from skeljax.safe_pickle import load


def clips(names, V=25, C=3, seed=0) -> dict[str, Clip]:
    """Clips of one or two bodies, of several lengths; an empty frame inside."""
    rng = np.random.default_rng(seed)
    found = {}
    for i, name in enumerate(names):
        x = rng.normal(size=(1 + i % 2, 4 + i, V, C)).astype(np.float32)
        x[:, 1] = 0
        found[name] = Clip(name, x, int(name[-3:]) - 1, "ntu25")
    return found


NAMES = {
    "train": ["S001C001P001R001A005", "S001C001P001R001A001", "S001C002P001R001A002"],
    "test": ["S001C001P003R001A003", "S001C001P003R001A060"],
}


def loaders(made):
    return {part: [lambda n=n: made[n] for n in names] for part, names in NAMES.items()}


def same(got: Clip, want: Clip, dtype=np.float32):
    assert (got.name, got.label) == (want.name, want.label)
    np.testing.assert_array_equal(got.keypoints, want.keypoints.astype(dtype))


@pytest.mark.parametrize("copy_alone", [False, True])
def test_ctrgcn_npz(tmp_path, copy_alone):
    made = clips([*NAMES["train"], *NAMES["test"]])
    exchange.write_ctrgcn(tmp_path / "a.npz", loaders(made), 60, copy_alone)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:  # as CTR-GCN's feeder does
        assert data["x_train"].shape == (3, 8, 150) and data["y_test"].shape == (2, 60)
        alone = data["x_train"][0].reshape(8, 2, 25, 3)
        assert alone[:, 1].any() == copy_alone
    back = exchange.read_ctrgcn(tmp_path / "a.npz", NAMES)
    for name, clip in made.items():
        same(back[name](), clip)
    with pytest.raises(DataError, match="not those of the published list"):
        exchange.read_ctrgcn(tmp_path / "a.npz", {**NAMES, "train": NAMES["train"][:2]})
    turned = {**NAMES, "train": NAMES["train"][::-1]}
    with pytest.raises(DataError, match=r"y_train\[0\]"):
        exchange.read_ctrgcn(tmp_path / "a.npz", turned)


def test_ctrgcn_npz_that_is_compressed_or_none(tmp_path):
    made = clips([*NAMES["train"], *NAMES["test"]])
    exchange.write_ctrgcn(tmp_path / "a.npz", loaders(made), 60)
    with np.load(tmp_path / "a.npz") as data:
        np.savez_compressed(tmp_path / "b.npz", **data)
    same(
        exchange.read_ctrgcn(tmp_path / "b.npz", NAMES)[NAMES["train"][1]](),
        made[NAMES["train"][1]],
    )
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:5000])
    for name in ("c.npz", "none.npz"):
        with pytest.raises(DataError, match=name):
            exchange.read_ctrgcn(tmp_path / name, NAMES)


def test_stgcn_files(tmp_path):
    made = clips([*NAMES["train"], *NAMES["test"]])
    exchange.write_stgcn(tmp_path, loaders(made), ".skeleton")
    data = np.load(tmp_path / "val_data.npy")
    assert data.shape == (2, 3, 300, 25, 2) and data.dtype == np.float32
    names, labels = load(tmp_path / "train_label.pkl")
    assert names == [f"{name}.skeleton" for name in NAMES["train"]] and labels == [4, 0, 1]
    for name, read in exchange.read_stgcn(tmp_path, "ntu25").items():
        same(read(), made[name])
    (tmp_path / "val_label.pkl").unlink()
    with pytest.raises(DataError, match=r"val_label\.pkl"):
        exchange.read_stgcn(tmp_path, "ntu25")


def test_pyskl_pickle_keeps_scores_and_image_size(tmp_path):
    made = [
        clip.replace(facts={"img_shape": np.array([480, 640])})
        for clip in clips(NAMES["train"], V=17, C=3).values()
    ]
    exchange.write_pyskl(tmp_path / "a.pkl", {"train": NAMES["train"]}, made, dims=2)
    splits, annotations = exchange.read_pyskl(tmp_path / "a.pkl")
    assert splits == {"train": NAMES["train"]}
    one = annotations[NAMES["train"][0]]
    assert one["keypoint"].shape[-1] == 2 and one["keypoint"].dtype == np.float16
    assert one["keypoint_score"].shape == one["keypoint"].shape[:-1] and one["total_frames"] == 4
    for want in made:
        got = exchange.pyskl_clip(annotations[want.name], "coco17", "a.pkl")
        same(got, want, np.float16)
        assert got.facts["img_shape"] == (480, 640)


def test_the_verb_exports_all_forms(tmp_path, capsys):
    listed = split_names()
    few = [*listed["train_lt10"][:5], *listed["test"][:3]]
    source = fake_nw_ucla.write(tmp_path / "all_sqe", few)
    main(["nw_ucla", "--data_dir", str(tmp_path), "--source", str(source), "--allow-missing"])
    for form in ("a.pkl", "files", "a.npz"):
        main(["nw_ucla", "--data_dir", str(tmp_path), "--export", str(tmp_path / form)])
    assert "train, val, train_lt10" in capsys.readouterr().out
    splits, annotations = exchange.read_pyskl(tmp_path / "a.pkl")
    assert len(splits["train"]) == 5 and splits["val"] == listed["test"][:3]
    data = np.load(tmp_path / "files" / "train_data.npy", mmap_mode="r")
    with np.load(tmp_path / "a.npz") as npz:
        rows, labels = npz["x_train"], npz["y_train"].argmax(axis=1)
    for i, name in enumerate(splits["train"]):
        want = np.float32(fake_nw_ucla.content(name)["skeletons"])
        frames = len(want)
        np.testing.assert_array_equal(data[i, :, :frames, :, 0].transpose(1, 2, 0), want)
        np.testing.assert_array_equal(rows[i, :frames, :60].reshape(want.shape), want)
        np.testing.assert_array_equal(annotations[name]["keypoint"][0], np.float16(want))
        assert annotations[name]["label"] == labels[i]
    with pytest.raises(ConfigError, match="PYSKL"):
        main(["nw_ucla", "--data_dir", str(tmp_path), "--export", str(tmp_path / "a.csv")])
