"""The NW-UCLA reader: every form of the source, every kind of bad file."""

import json
import os
import pathlib
import zipfile

import numpy as np
import pytest

import fake_nw_ucla
from skeljax.errors import DataError
from skeljax.readers import Clip, nw_ucla

NAMES = ["a01_s02_e03_v01", "a05_s01_e00_v02", "a12_s10_e04_v03"]
NAME = NAMES[0]


def read(*sources):
    return list(nw_ucla.read(file for source in sources for file in nw_ucla.files(source)))


def test_a_file_becomes_a_clip_unchanged():
    content = fake_nw_ucla.content("a12_s10_e04_v03")
    clip = nw_ucla.parse(json.dumps(content), "x/a12_s10_e04_v03.json")
    np.testing.assert_array_equal(clip.keypoints[0], np.float32(content["skeletons"]))
    assert clip.keypoints.dtype == np.float32
    assert (clip.name, clip.label, clip.layout) == ("a12_s10_e04_v03", 9, "ucla20")
    assert clip.facts == {"subject": 10, "camera": 3, "replication": 4}


def make_folder(path):
    return fake_nw_ucla.write(path, NAMES)


def make_all_sqe(path):
    fake_nw_ucla.write(path / "all_sqe", NAMES)
    return path


def make_repository_folder(path):
    fake_nw_ucla.write(path / "data" / "NW-UCLA" / "all_sqe", NAMES)
    (path / "data" / "NW-UCLA" / "val_label.pkl").write_bytes(b"")
    return path


def make_zip(path):
    return fake_nw_ucla.write_zip(path / "anything.zip", NAMES)


def make_folder_with_zip(path):
    fake_nw_ucla.write_zip(path / "NW-UCLA.zip", NAMES, "NW-UCLA/all_sqe/")
    return path


def make_mac_zip(path):
    path = fake_nw_ucla.write_zip(path / "all_sqe.zip", NAMES)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"__MACOSX/all_sqe/._{NAME}.json", b"\x00\x05\x16\x07")
    return path


@pytest.mark.parametrize(
    "make",
    [
        make_folder,
        make_all_sqe,
        make_repository_folder,
        make_zip,
        make_folder_with_zip,
        make_mac_zip,
    ],
)
def test_every_form_of_the_source_gives_the_same_clips(make, tmp_path):
    clips = read(make(tmp_path))
    assert [clip.name for clip in clips] == NAMES
    for clip in clips:
        expected = np.float32(fake_nw_ucla.content(clip.name)["skeletons"])
        np.testing.assert_array_equal(clip.keypoints[0], expected)


def test_wrong_sources_are_named(tmp_path):
    with pytest.raises(DataError, match=r"does not exist[^$]*nowhere"):
        read(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no \.json files[^$]*empty folder"):
        read(tmp_path / "empty")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holiday\.jpg[^$]*all_sqe\.zip"):
        read(tmp_path / "other")


def test_a_truncated_zip_is_no_zip(tmp_path):
    path = fake_nw_ucla.write_zip(tmp_path / "all_sqe.zip", NAMES)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"all_sqe\.zip[^$]*bytes that begin with b'PK"):
        read(path)
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DataError, match="15 bytes that begin with b'<!DOCTYPE"):
        read(path)


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"no \.json files in the zip"):
        read(tmp_path / "x.zip")


def test_a_damaged_member_spoils_only_itself(tmp_path):
    path = fake_nw_ucla.write_zip(tmp_path / "all_sqe.zip", NAMES)
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo(f"all_sqe/{NAMES[1]}.json").header_offset
    data = bytearray(path.read_bytes())
    data[at + 120 : at + 140] = bytes(20)
    path.write_bytes(data)
    first, bad, last = read(path)
    assert isinstance(first, Clip) and isinstance(last, Clip)
    assert f"{NAMES[1]}.json" in str(bad) and "cannot read" in str(bad)


def changed(**changes):
    return json.dumps(fake_nw_ucla.content(NAME) | changes)


def frames(T, V=20, C=3):
    return np.zeros((T, V, C)).tolist()


def with_value(value):
    skeletons = frames(3)
    skeletons[1][7][2] = value
    return changed(skeletons=skeletons)


BAD = {
    "no JSON": (changed()[:50], "no valid JSON"),
    "not text": (b"\xff\xfe\x00", "no valid JSON"),
    "no object": ("[1, 2]", "no label, skeletons"),
    "no skeletons": (json.dumps({"label": 1}), "no skeletons"),
    "no label": (json.dumps({"skeletons": frames(2)}), "no label"),
    "joint count": (changed(skeletons=frames(2, V=25)), "wrong number of joints\n.*\n.*25\n.*20"),
    "planar": (changed(skeletons=frames(2, C=2)), "values a joint\n.*\n.*2\n.*3"),
    "ragged": (changed(skeletons=frames(2) + frames(1, V=19)), r"frame 2: shape \(19, 3\)"),
    "words": (changed(skeletons="none"), "no array of numbers\n.*\n.*str"),
    "flat": (changed(skeletons=[1.0, 2.0]), "wrong shape"),
    "NaN": (with_value(float("nan")), "NaN or infinite\n.*\n.*frame 1, joint left_hand"),
    "infinite": (with_value(float("inf")), "NaN or infinite"),
    "null": (with_value(None), "NaN or infinite"),
    "no frames": (changed(skeletons=[]), "no frames"),
    "two bodies": (changed(skeletons=[frames(2), frames(2)]), "more than one body"),
    "label 0": (changed(label=0), r"label out of range\n.*\n.*0\n.*1\.\.10"),
    "label 11": (changed(label=11), "label out of range"),
    "label text": (changed(label="1"), "label out of range"),
    "label of another action": (changed(label=2), r"label 2 \(pick up with two hands\)"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_a_bad_file_is_named_and_the_others_are_read(text, message, tmp_path):
    folder = fake_nw_ucla.write(tmp_path, NAMES)
    file = folder / f"{NAME}.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    bad, *good = read(folder)
    assert isinstance(bad, DataError) and str(file) in str(bad)
    with pytest.raises(DataError, match=message):
        raise bad
    assert [clip.name for clip in good] == NAMES[1:]


def test_a_foreign_name_is_reported(tmp_path):
    fake_nw_ucla.write(tmp_path, NAMES)
    (tmp_path / "a01_s01 (copy).json").write_text("{}")
    faults = [result for result in read(tmp_path) if isinstance(result, DataError)]
    assert len(faults) == 1
    assert "aAA_sSS_eEE_vVV.json" in str(faults[0])


def test_a_name_twice_is_reported_with_both_places(tmp_path):
    folder = fake_nw_ucla.write(tmp_path / "b", NAMES)
    archive = fake_nw_ucla.write_zip(tmp_path / "all_sqe.zip", NAMES[:1])
    results = read(archive, folder)
    faults = [str(result) for result in results if isinstance(result, DataError)]
    assert len(results) == 4 and len(faults) == 1
    assert str(folder) in faults[0] and str(archive) in faults[0]


def test_the_real_files_agree_with_the_public_lists(shared_data):
    lists = pathlib.Path(
        os.environ.get("SKELJAX_PARITY", shared_data.parent / "parity"),
        "frhead/ucla_lists/data.npz",
    )
    if not lists.is_file():
        pytest.skip(f"no parity case at {lists}; set SKELJAX_PARITY")
    clips = {clip.name: clip for clip in read(shared_data / "nw_ucla")}
    assert len(clips) == 1484
    with np.load(lists) as expected:
        for part in ("train", "val"):
            chosen = [clips[name] for name in expected[f"out/{part}_names"]]
            lengths = [clip.keypoints.shape[1] for clip in chosen]
            np.testing.assert_array_equal([c.label for c in chosen], expected[f"out/{part}_label"])
            np.testing.assert_array_equal(lengths, expected[f"out/{part}_length"])
