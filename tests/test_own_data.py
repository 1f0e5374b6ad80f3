"""A folder of one's own clips: read, packed, checked, and every mistake in words."""

import numpy as np
import pytest

from skeljax import check, pack
from skeljax.data.store import Store
from skeljax.errors import ConfigError, DataError
from skeljax.layouts import get_layout
from skeljax.readers import Clip, arrays

ROWS = ["name,label,subject,split", "a,wave,1,train", "b,clap,2,train", "c,wave,3,test"]
LAYOUT = """
dims = 2
confidence = true
centre = "hip"
joints = [["hip", "hip"], ["left_hand", "hip"], ["right_hand", "hip"]]
"""


@pytest.fixture
def folder(tmp_path):
    """Three clips of three joints, x, y and a confidence; the third has two bodies."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", rng.uniform(size=(4, 3, 3)))
    np.savez(tmp_path / "b.npz", rng.uniform(size=(6, 3, 3)).astype(np.float16))
    np.save(tmp_path / "c.npy", rng.uniform(size=(2, 5, 3, 3)))
    (tmp_path / "labels.csv").write_text("\n".join(ROWS) + "\n")
    (tmp_path / "mine.toml").write_text(LAYOUT)
    return tmp_path


def read(folder):
    return list(arrays.read(folder, get_layout(str(folder / "mine.toml"))))


def rewrite(folder, *rows):
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def test_clips_are_the_arrays(folder):
    a, b, c = read(folder)
    np.testing.assert_array_equal(a.keypoints[0], np.load(folder / "a.npy").astype(np.float32))
    assert [clip.keypoints.shape for clip in (a, b, c)] == [
        (1, 4, 3, 3),
        (1, 6, 3, 3),
        (2, 5, 3, 3),
    ]
    assert [clip.label for clip in (a, b, c)] == [1, 0, 1]
    assert c.facts == {"subject": 3, "split": "test"}


def test_a_table_from_a_spreadsheet_is_read(folder):
    text = "\ufeff" + "\r\n".join(["name, label", '"a", "wave, twice"', "b, clap"])
    (folder / "labels.csv").write_bytes(text.encode())
    assert arrays.classes(arrays.table(folder)) == ("clap", "wave, twice")
    assert [clip.name for clip in read(folder)] == ["a", "b"]


def test_numbers_as_labels_are_ordered_by_size(folder):
    rewrite(folder, "name,label", "a,10", "b,9", "c,2")
    assert arrays.classes(arrays.table(folder)) == ("2", "9", "10")
    assert [clip.label for clip in read(folder)] == [2, 1, 0]


def test_packed_splits_are_whole_stores(folder, tmp_path, capsys):
    pack.main([str(folder), "--layout", str(folder / "mine.toml"), "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert "2 clips of 2 classes" in out and "train.npz" in out
    train, test = (Store.load(tmp_path / "out" / f"{split}.npz") for split in ("train", "test"))
    assert list(train.name) == ["a", "b"] and list(test.name) == ["c"]
    assert train.classes == test.classes == ("clap", "wave")
    np.testing.assert_array_equal(train.keypoints(1)[0], read(folder)[1].keypoints[0])
    assert list(train.facts["subject"]) == [1, 2] and "split" not in train.facts


def test_the_layout_travels_with_the_packed_clips(folder, tmp_path):
    packed = pack.pack(folder, str(folder / "mine.toml"), tmp_path / "out")["train"]
    (folder / "mine.toml").unlink()
    loaded = Store.load(tmp_path / "out" / "train.npz")
    assert loaded.layout == packed.layout and get_layout(loaded.layout) is loaded.layout
    assert loaded.layout.joints == ("hip", "left_hand", "right_hand") and loaded.layout.confidence
    assert str(tmp_path).encode() not in (tmp_path / "out" / "train.npz").read_bytes()


def test_without_a_split_column_all_is_train(folder, tmp_path):
    rewrite(folder, "name,label", "a,wave", "b,clap")
    stores = pack.pack(folder, str(folder / "mine.toml"), tmp_path / "out")
    assert {split: len(store) for split, store in stores.items()} == {"train": 2}


def test_a_preparation_is_applied_and_remembered(folder, tmp_path):
    stores = pack.pack(folder, str(folder / "mine.toml"), tmp_path / "out", prepare="unit")
    assert stores["train"].preparation == "unit"
    assert np.abs(stores["train"].frames[..., :2]).max() == 1
    with pytest.raises(ConfigError, match="did you mean 'unit'"):
        pack.pack(folder, str(folder / "mine.toml"), tmp_path / "out", prepare="unti")


TABLES = {
    "no table": (None, r"cannot read the table[^$]*labels\.csv[^$]*name,label"),
    "no label": (["name,class", "a,wave"], "no column 'label'[^$]*line 1[^$]*name, class"),
    "no clips": (["name,label"], "no clips"),
    "a value too few": (["name,label,subject", "a,wave"], "line 2"),
    "a value too much": (["name,label", "a,wave,3"], "line 2[^$]*2 values"),
    "empty label": (["name,label", "a,"], "line 2"),
    "name twice": (["name,label", "a,x", "b,x", "a,y"], "line 4[^$]*a, also in line 2"),
    "no text": (b"name,label\n\xff\xfe,1\n", "UTF-8"),
}


@pytest.mark.parametrize("rows, message", TABLES.values(), ids=TABLES)
def test_a_wrong_table_is_named_with_its_line(rows, message, folder):
    if rows is None:
        (folder / "labels.csv").unlink()
    elif isinstance(rows, bytes):
        (folder / "labels.csv").write_bytes(rows)
    else:
        rewrite(folder, *rows)
    with pytest.raises(DataError, match=message):
        read(folder)


def truncate(folder):
    path = folder / "b.npz"
    path.write_bytes(path.read_bytes()[:100])


def several(folder):
    np.savez(folder / "b.npz", x=np.zeros(2), y=np.zeros(2))


def objects(folder):
    (folder / "b.npz").unlink()
    np.save(folder / "b.npy", np.array([{}], object), allow_pickle=True)


FILES = {
    "gone": (
        lambda folder: (folder / "b.npz").unlink(),
        "no file\n.*line 3\n.*b.npy, .npz, .json, .csv",
    ),
    "truncated": (truncate, "cannot read the array\n.*b.npz"),
    "several arrays": (several, "more than one array[^$]*x, y"),
    "pickled objects": (objects, "cannot read the array"),
    "joints": (
        lambda folder: np.savez(folder / "b.npz", np.zeros((4, 5, 3))),
        "joints\n.*b.npz\n.*5\n.*3",
    ),
    "NaN": (lambda folder: np.savez(folder / "b.npz", np.full((1, 3, 3), np.nan)), "NaN"),
}


@pytest.mark.parametrize("damage, message", FILES.values(), ids=FILES)
def test_a_bad_file_is_named_and_the_others_are_read(damage, message, folder, tmp_path, capsys):
    damage(folder)
    first, bad, last = read(folder)
    assert isinstance(first, Clip) and isinstance(last, Clip)
    with pytest.raises(DataError, match=message):
        raise bad
    arguments = (folder, str(folder / "mine.toml"), tmp_path / "out")
    with pytest.raises(DataError, match="2 good clips; 1 bad files"):
        pack.pack(*arguments)
    assert not (tmp_path / "out").exists()
    stores = pack.pack(*arguments, allow_missing=True)
    assert [len(store) for store in stores.values()] == [1, 1]
    assert "1 bad files" in capsys.readouterr().err


def store(split="train", names="abc", classes=("x", "y", "z")):
    rng = np.random.default_rng(list(map(ord, split)))
    clips = [
        Clip(name, rng.uniform(0.1, 1, (1, 2 + i, 17, 3)).astype(np.float32), i % 2, "coco17")
        for i, name in enumerate(names)
    ]
    return Store.from_clips(clips, layout="coco17", classes=classes, split=split, dataset="own")


def test_check_finds_nothing_wrong_with_good_data(tmp_path, capsys):
    store(classes=("x", "y")).save(tmp_path / "train.npz")
    store("test", "de", ("x", "y")).save(tmp_path / "test.npz")
    assert check.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith("fine")
    assert "own train" in out and "2, 1 to 2 clips each" in out
    assert "2 to 4 a clip, median 3" in out
    assert store(classes=("x", "y")).fingerprint in out


def test_check_says_what_is_wrong(tmp_path, capsys):
    bad = store()
    bad.frames[:2] = 0
    bad.frames[2, 0, 3, 0] = np.nan
    bad.frames[5:9, ..., 2] = 7
    bad.save(tmp_path / "train.npz")
    store("test", "cd").save(tmp_path / "test.npz")
    assert check.main([str(tmp_path)]) == 1
    wrong = capsys.readouterr().out.split("wrong:")[1]
    for line in (
        "1 clips are in test and in train: c",
        "train: 1 clips with NaN or infinite coordinates: b",
        "train: 1 clips without any body: a",
        "train: 1 classes without a clip: z",
        "confidence runs from 0 to 7",
    ):
        assert line in wrong, wrong


def test_check_finds_copies(tmp_path, capsys):
    one = store(names="a", classes=("x",))
    clip = Clip("b", one.keypoints(0), 0, "coco17")
    both = [clip.replace(name="a"), clip]
    Store.from_clips(both, layout="coco17", classes=("x",)).save(tmp_path / "s.npz")
    assert check.main([str(tmp_path / "s.npz")]) == 1
    assert "1 clips whose frames are those of another clip: b" in capsys.readouterr().out


def test_check_looks_at_a_layout(folder, capsys):
    assert check.main([str(folder / "mine.toml")]) == 0
    out = capsys.readouterr().out
    assert "left_hand/right_hand" in out and "no upper body" in out


def test_check_refuses_what_it_does_not_know(tmp_path):
    with pytest.raises(DataError, match="no packed splits"):
        check.main([str(tmp_path)])
    with pytest.raises(ConfigError, match="did you mean 'synthetic'"):
        check.main(["sinthetic"])
    with pytest.raises(DataError, match="skeljax prepare nw_ucla"):
        check.main(["nw_ucla", "--data_dir", str(tmp_path)])
