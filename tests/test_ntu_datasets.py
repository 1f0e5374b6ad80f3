"""The NTU builders, from generated raw files to TFDS: names, splits, cleanings, imports."""

import hashlib
import pickle
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import fake_ntu
from skeljax.data import clean, longtail
from skeljax.datasets import ntu_names
from skeljax.errors import DataError
from skeljax.prepare import prepare
from skeljax.readers import ntu
from test_datasets import same_as_tfds

# sha256 of the published lists, one name a line (brl.md 1.6)
LISTS = {
    ("ntu60", "xsub"): ("4bc0779e83d192d0", "2cce99ef2be828a2", "992425d1b1f67414"),
    ("ntu60", "xview"): ("7ac11c28379ee988", "5507e59373288535", "e4777be86c39a357"),
    ("ntu120", "xsub"): ("3d1058b7817640a5", "9eb339922064ab63", "7978b035e9a24c2b"),
    ("ntu120", "xset"): ("4eac40d4b0403a8e", "06bc03b7b60cfff7", "cb849477aefd71aa"),
}
SIZES = {
    ("ntu60", "xsub"): (40091, 16487),
    ("ntu60", "xview"): (37646, 18932),
    ("ntu120", "xsub"): (63026, 50919),
    ("ntu120", "xset"): (54468, 59477),
}


@pytest.mark.parametrize("of", LISTS, ids="/".join)
def test_lists_are_the_published_ones(of):
    names = ntu_names.split_names(*of)
    assert (len(names["train"]), len(names["test"])) == SIZES[of]
    assert not set(names["train"]) & set(names["test"])
    assert {*names["train"], *names["test"]} == set(ntu_names.available(of[0]))
    for split, digest in zip(("train_lt10", "train_lt50", "train_lt100"), LISTS[of]):
        text = longtail.as_text(names[split]).encode()
        assert hashlib.sha256(text).hexdigest()[:16] == digest
        assert set(names[split]) <= set(names["train"])


def wanted() -> list[str]:
    """A few names that give every split of every protocol a clip."""
    names = set()
    for of in LISTS:
        for split in ntu_names.split_names(*of).values():
            names.update((split[0], split[1], split[-1]))
    return sorted(names)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Both zips, with a file that is on the missing list, and a second body in some clips."""
    folder = tmp_path_factory.mktemp("raw")
    archives = [zipfile.ZipFile(folder / name, "w") for name in ntu.ARCHIVES]
    for i, name in enumerate(wanted()):
        text = two(i) if i % 3 == 0 else fake_ntu.person(i, frames=13 + i % 4)
        archives[ntu.facts(name)["setup"] > 17].writestr(f"skeletons/{name}.skeleton", text)
    missing = sorted(ntu_names.missing("ntu60"))[0]
    archives[0].writestr(f"skeletons/{missing}.skeleton", b"1\n0\n")
    for archive in archives:
        archive.close()
    return folder


def two(seed: int) -> bytes:
    one, other = fake_ntu.body(seed), fake_ntu.body(seed + 1) + np.array([1, 0, 0])
    return fake_ntu.skeleton(
        [[(5, one + 0.01 * t), (6, other + 0.02 * t * (t % 2))] for t in range(15)]
    )


CONFIGS = [
    f"{dataset}/{protocol}{cleaning}"
    for dataset, protocol in LISTS
    for cleaning in ("", "_pyskl", "_listed")
]


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory):
    """All configs, and how often raw files were parsed for them."""
    folder = tmp_path_factory.mktemp("tfds")
    for name in CONFIGS:
        prepare(name, [raw], folder, allow_missing=True)
    return folder


def test_every_config_opens_in_a_process_that_has_neither_tensorflow_nor_flax(built):
    program = (
        "import sys, skeljax.datasets, tensorflow_datasets as tfds\n"
        f"for name in {CONFIGS!r}:\n"
        "    for split in ('train', 'test', 'train_lt10', 'train_lt50', 'train_lt100'):\n"
        f"        clips = tfds.data_source(name, split=split, data_dir={str(built)!r})\n"
        "        assert clips[0]['keypoints'].shape[2:] == (25, 3), name\n"
        "print(sorted({'tensorflow', 'flax', 'jax'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_raw_files_are_parsed_once_for_all_configs(built):
    shelves = sorted(path.name for path in (built / "skeljax_parsed").glob("ntu_*"))
    assert len(shelves) == 2  # one a zip
    size = sum(p.stat().st_size for p in (built / "skeljax_parsed").rglob("arrays.bin"))
    assert size > 0


@pytest.mark.parametrize("cleaning", clean.CLEANINGS)
def test_clips_are_the_cleaned_recordings_in_list_order(built, raw, cleaning):
    config = "xsub" if cleaning == "ctrgcn" else f"xsub_{cleaning}"
    builder = prepare(f"ntu60/{config}", data_dir=built)
    same_as_tfds(builder, "train_lt10")
    clips = builder.as_data_source("train")
    names = [clip["name"].decode() for clip in clips]
    there = set(wanted())
    assert names == [n for n in ntu_names.split_names("ntu60", "xsub")["train"] if n in there]
    files = {file.stem: file for file in ntu.files(raw)}
    for clip, name in zip(clips, names):
        want = clean.CLEANINGS[cleaning](ntu.parse(files[name].read(), name))
        np.testing.assert_array_equal(clip["keypoints"], want.keypoints)
        assert clip["label"] == int(name[-3:]) - 1
        assert clip["subject"] == int(name[9:12]) and clip["camera"] == int(name[5:8])


def test_an_incomplete_set_is_refused_and_counted(raw, tmp_path, capsys):
    with pytest.raises(DataError, match=r"56,\d{3} clips missing[^$]*56,578 clips"):
        prepare("ntu60/xsub", [raw], tmp_path)
    assert re.search(
        r"of 56,578 usable clips, 56,\d{3} not found; the 302", capsys.readouterr().err
    )
    assert not list((tmp_path / "ntu60").glob("xsub/1*"))


def test_a_handful_of_real_files_is_built(shared_data, tmp_path, capsys):
    builder = prepare("ntu60/xsub", [shared_data / "ntu_samples"], tmp_path, allow_missing=True)
    clips = {clip["name"].decode(): clip for clip in builder.as_data_source("train")}
    assert {name[9:12] for name in clips} == {"001", "008", "015"}
    assert clips["S001C003P008R002A058"]["keypoints"].shape[0] == 2
    assert [int(clip["label"]) for clip in builder.as_data_source("test")] == [2, 16]
    assert "train_lt100" in builder.info.metadata["left_out"]
    assert "5 of 56,578 usable clips" in capsys.readouterr().err


def test_without_a_source_it_says_what_to_get(tmp_path):
    with pytest.raises(DataError, match=r"nturgbd_skeletons_s001_to_s017\.zip"):
        prepare("ntu60/xsub", data_dir=tmp_path)


def test_a_pyskl_pickle_is_a_source_of_the_pyskl_configs_only(raw, built, tmp_path):
    clips = {}
    for split in ("train", "test"):
        for clip in prepare("ntu60/xview_pyskl", data_dir=built).as_data_source(split):
            clips[clip["name"].decode()] = clip
    annotations = [
        {
            "frame_dir": name, "label": int(clip["label"]),
            "keypoint": clip["keypoints"].astype(np.float16),
            "total_frames": clip["keypoints"].shape[1],
        }
        for name, clip in clips.items()
    ]  # fmt: skip
    path = tmp_path / "ntu60_3danno.pkl"
    path.write_bytes(pickle.dumps({"split": {}, "annotations": annotations}))
    builder = prepare("ntu60/xview_pyskl", [path], tmp_path, allow_missing=True)
    for split in ("train", "test", "train_lt100"):
        for clip in builder.as_data_source(split):
            want = clips[clip["name"].decode()]["keypoints"].astype(np.float16)
            np.testing.assert_array_equal(clip["keypoints"], want)
    with pytest.raises(DataError, match="another cleaning"):
        prepare("ntu60/xsub", [path], tmp_path, allow_missing=True)


def test_a_pickle_that_runs_something_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"annotations": [Evil()]}))
    with pytest.raises(DataError, match=r"builtins\.print"):
        prepare("ntu60/xsub_pyskl", [tmp_path / "a.pkl"], tmp_path, allow_missing=True)
