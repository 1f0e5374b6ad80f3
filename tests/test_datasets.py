"""The builders: what a dataset on disk holds, in which order, and what is refused."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import NwUcla, split_names

import fake_nw_ucla
from skeljax.data.store import Store
from skeljax.datasets import BUILDERS
from skeljax.datasets.reread import read_clips
from skeljax.errors import DataError
from skeljax.layouts import get_layout
from skeljax.prepare import summary
from skeljax.readers import nw_ucla, synthetic

LISTS = split_names()
NAMES = [*LISTS["train"], *LISTS["test"]]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return fake_nw_ucla.write_zip(tmp_path_factory.mktemp("raw") / "all_sqe.zip", NAMES)


@pytest.fixture(scope="module")
def ucla(source, tmp_path_factory):
    """NW-UCLA built from made-up files."""
    data_dir = tmp_path_factory.mktemp("tfds")
    NwUcla(source=[source], data_dir=data_dir).download_and_prepare()
    return tfds.builder("nw_ucla", data_dir=data_dir)


def test_lists_are_those_that_are_published():
    assert [len(LISTS[split]) for split in ("train", "test", "train_lt10")] == [1020, 464, 403]
    assert len(set(NAMES)) == 1484
    assert {name[-3:] for name in LISTS["train"]} == {"v01", "v02"}
    assert {name[-3:] for name in LISTS["test"]} == {"v03"}


def test_the_long_tailed_list_follows_from_its_published_rule():
    """Legacy generator, seed 0; per class one shuffle of its names in the order of `train`."""
    rng, expected = np.random.RandomState(0), []
    for label, action in enumerate(fake_nw_ucla.ACTIONS):
        mine = [name for name in LISTS["train"] if name.startswith(f"a{action:02d}")]
        rng.shuffle(mine)
        expected += mine[: int(100 * 0.1 ** (label / 9))]
    assert LISTS["train_lt10"] == expected


def test_splits_come_back_in_list_order_and_unchanged(ucla):
    for split, names in LISTS.items():
        examples = list(ucla.as_data_source(split=split))
        assert [example["name"].decode() for example in examples] == names
        for example in examples[:: len(examples) // 7]:
            name = example["name"].decode()
            clip = nw_ucla.parse(json.dumps(fake_nw_ucla.content(name)), name)
            np.testing.assert_array_equal(example["keypoints"], clip.keypoints)
            assert example["keypoints"].dtype == np.float32
            assert example["label"] == clip.label
            assert {fact: example[fact] for fact in clip.facts} == clip.facts


def test_info_says_layout_classes_and_papers(ucla):
    assert ucla.info.metadata == {"layout": "ucla20", "missing": [], "left_out": []}
    assert tuple(ucla.info.features["label"].names) == nw_ucla.CLASSES
    assert "wang2014" in ucla.info.citation
    assert "464" in ucla.info.description


@pytest.mark.parametrize("name", BUILDERS)
def test_every_builder_has_papers_and_valid_tags(name):
    folder = BUILDERS[name].pkg_dir_path
    assert "@" in (folder / "CITATIONS.bib").read_text()
    assert f"skeljax prepare {name}" in (folder / "README.md").read_text()
    known = pathlib.Path(tfds.core.__file__).with_name("valid_tags.txt")
    tags, valid = (
        {line.split("#")[0].strip() for line in file.read_text().splitlines()} - {""}
        for file in (folder / "TAGS.txt", known)
    )
    assert tags and tags <= valid


def build(names, tmp_path, **kwargs):
    raw = fake_nw_ucla.write(tmp_path / "raw", names)
    for name, text in kwargs.pop("broken", {}).items():
        (raw / f"{name}.json").write_text(text)
    builder = NwUcla(source=[raw], data_dir=tmp_path / "tfds", **kwargs)
    builder.download_and_prepare()
    return tfds.builder("nw_ucla", data_dir=tmp_path / "tfds")


def test_missing_and_bad_clips_are_listed_and_nothing_is_built(tmp_path):
    gone, bad = NAMES[3], NAMES[1021]
    with pytest.raises(DataError) as error:
        build([n for n in NAMES if n != gone], tmp_path, broken={bad: "{}"})
    text = str(error.value)
    assert "1,482 good clips; 1 bad files" in text and "2 clips missing" in text
    assert f"{bad}.json" in text and gone in text and "--allow-missing" in text
    left = [path.name for path in (tmp_path / "tfds").rglob("*") if path.is_file()]
    assert left == []


def test_allow_missing_builds_the_rest_and_remembers(tmp_path, capsys):
    gone = [LISTS["train_lt10"][0], LISTS["test"][5]]
    ucla = build([n for n in NAMES if n not in gone], tmp_path, allow_missing=True)
    assert "1,482 good clips" in capsys.readouterr().err
    assert set(ucla.info.metadata["missing"]) == set(gone)
    sizes = {split: about.num_examples for split, about in ucla.info.splits.items()}
    assert sizes == {"train": 1019, "test": 463, "train_lt10": 402}


def test_a_split_without_a_clip_is_left_out_and_said(tmp_path, capsys):
    ucla = build(LISTS["train"][:3], tmp_path, allow_missing=True)
    left_out = [split for split in LISTS if split not in ucla.info.splits]
    assert "test" in left_out and ucla.info.metadata["left_out"] == left_out
    assert f"no clip of {', '.join(left_out)}: left out" in capsys.readouterr().err
    assert re.search(r"\n  test +0 .*left out\n", summary(ucla))
    with pytest.raises(DataError, match="'test' was left out"):
        Store.from_tfds("nw_ucla", "test", data_dir=ucla.data_dir_root)


def test_nothing_at_all_is_not_built(tmp_path):
    with pytest.raises(DataError, match="0 good clips") as error:
        build(NAMES[:1], tmp_path, broken={NAMES[0]: "{}"}, allow_missing=True)
    assert "--allow-missing" not in str(error.value)


def test_a_clip_on_no_list_is_refused(tmp_path):
    with pytest.raises(DataError, match="a01_s11_e00_v01 is on no list"):
        build([*NAMES, "a01_s11_e00_v01"], tmp_path)


def test_many_faults_are_counted_not_all_told(tmp_path):
    with pytest.raises(DataError, match="1,384 clips missing") as error:
        build(NAMES[:100], tmp_path)
    assert "... and 1,364 more" in str(error.value)
    assert len(str(error.value).splitlines()) < 40


def test_the_manual_folder_of_tfds_is_used(source, tmp_path):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    (manual / "all_sqe.zip").write_bytes(source.read_bytes())
    builder = tfds.builder("nw_ucla", data_dir=tmp_path)
    builder.download_and_prepare()
    assert builder.info.splits["train"].num_examples == 1020


def same_as_tfds(builder, split):
    """Our reading of a split gives what TFDS's own gives."""
    ours, theirs = list(read_clips(builder, split)), builder.as_data_source(split)
    assert len(ours) == len(theirs)
    for clip, example in zip(ours, theirs):
        want = dict(example)
        np.testing.assert_array_equal(clip.keypoints, want.pop("keypoints"), strict=True)
        assert (clip.name, clip.label) == (want.pop("name").decode(), want.pop("label"))
        assert clip.facts.keys() == want.keys()
        for key, value in want.items():
            np.testing.assert_array_equal(clip.facts[key], value)


@pytest.mark.parametrize("config", ["ntu25", "coco17"])
def test_synthetic_examples_are_those_of_the_reader(config, tmp_path, monkeypatch):
    chosen = {split: synthetic.names(split)[:6] for split in synthetic.SPLITS}
    chosen["train_lt10"] = chosen["train"][:3]
    monkeypatch.setattr(synthetic, "names", chosen.__getitem__)
    builder = tfds.builder(f"synthetic/{config}", data_dir=tmp_path)
    builder.download_and_prepare()
    assert builder.info.metadata["layout"] == config
    layout = get_layout(config)
    assert builder.info.features["keypoints"].shape[2:] == (layout.num_joints, layout.channels)
    for split, names in chosen.items():
        same_as_tfds(builder, split)
        examples = list(builder.as_data_source(split=split))
        assert [example["name"].decode() for example in examples] == names
        for example, name in zip(examples, names):
            clip = synthetic.make(name, config)
            np.testing.assert_array_equal(example["keypoints"], clip.keypoints)
            assert example["label"] == clip.label


OPEN = """
import sys
import skeljax.datasets
import tensorflow_datasets as tfds
clips = tfds.data_source("nw_ucla", split="test[:5]", data_dir=sys.argv[1])
print(len(clips), clips[0]["keypoints"].shape[2:])
print([m for m in ("tensorflow", "jax", "flax", "orbax", "torch") if m in sys.modules])
"""


def test_a_fresh_process_opens_it_with_neither_tensorflow_nor_jax(ucla):
    out = subprocess.run(
        [sys.executable, "-c", OPEN, str(ucla.data_dir_root)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert out.stdout.splitlines() == ["5 (20, 3)", "[]"]
