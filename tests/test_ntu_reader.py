"""The .skeleton reader against a line-by-line one, and what it says of files that are wrong."""

import os
import re
import signal
import zipfile

import numpy as np
import pytest

import fake_ntu
from skeljax.errors import DataError
from skeljax.readers import ntu
from skeljax.readers.sources import RawFile, in_parallel

NAME = "S018C002P041R002A077"


def slow(text: bytes):
    """Frames of (id, points), read one token at a time."""
    tokens = iter(text.split())
    frames = []
    for _ in range(int(next(tokens))):
        bodies = []
        for _ in range(int(next(tokens))):
            key = next(tokens).decode()
            [next(tokens) for _ in range(9)]
            rows = [[next(tokens) for _ in range(12)] for _ in range(int(next(tokens)))]
            bodies.append((key, np.array([[float(v) for v in row[:3]] for row in rows[:25]])))
        frames.append(bodies)
    return frames


def test_parses_as_a_slow_reader_does():
    rng = np.random.default_rng(0)
    frames = [
        [(9, rng.normal(size=(25, 3))), (4, rng.normal(size=(25, 3)) * 1e-5)],
        [],
        [(4, np.round(rng.normal(size=(25, 3)) * 100)), (9, -np.zeros((25, 3)))],
        [(11, rng.normal(size=(25, 3)) * 1e6), (4, np.full((25, 3), 12345678.125))],
    ]
    text = fake_ntu.skeleton(frames)
    recording = ntu.parse(text, f"folder/{NAME}.skeleton")
    want = [(t, i, key, x) for t, b in enumerate(slow(text)) for i, (key, x) in enumerate(b)]
    assert recording.num_frames == 4
    assert recording.frame.tolist() == [t for t, *_ in want]
    assert recording.slot.tolist() == [slot for _, slot, *_ in want]
    assert [recording.ids[i] for i in recording.body] == [key for _, _, key, _ in want]
    np.testing.assert_array_equal(recording.points, np.float32([x for *_, x in want]))
    assert recording.facts == {"setup": 18, "camera": 2, "subject": 41, "replication": 2}
    assert recording.label == 76


def test_numbers_in_every_form():
    good = ["0", "-0", "1", "-1", ".5", "-.5", "5.", "1e2", "-1E-05", "+3", "007"]
    good += ["123456789012.5", "0.1234567890123456789"]
    lines = fake_ntu.skeleton([[(1, np.zeros((25, 3)))]]).split(b"\r\n")
    for form in good:
        lines[5] = f"1 {form} 2 {' '.join('0' * 9)}".encode()
        assert ntu.parse(b"\n".join(lines), "a").points[0, 1, 1] == np.float32(float(form))
    for form in ["1.2.3", ".", "-.", "nan", "-inf", "1e39", "x", "--1", "-"]:
        lines[5] = f"1 {form} 2 {' '.join('0' * 9)}".encode()
        with pytest.raises(DataError, match=rf"in: +a, line 6\n[^\n]*{re.escape(form)}"):
            ntu.parse(b"\n".join(lines), "a")
    for row in [b"1.5 2.5 3.5", b"1.5 2.5", b"1.5  2.5 3.5 4.5", b"1.5\t2.5 3.5 4.5", b""]:
        lines[5] = row
        with pytest.raises(DataError, match=r"in: +a, line 6\n"):
            ntu.parse(b"\n".join(lines), "a")


def test_numbers_of_every_length_are_those_of_float():
    """Around all limits of the fast path: 0 to 10 digits before and after the point."""
    rng = np.random.default_rng(1)

    def digits(n):
        return "".join(map(str, rng.integers(0, 10, n)))

    forms = [
        sign + digits(before) + "." + digits(after)
        for sign in ("", "-") for before in range(11) for after in range(11) if before + after
    ]  # fmt: skip
    forms += ["0"] * (-len(forms) % 75)
    rng.shuffle(forms)
    for part in np.reshape(forms, (-1, 75)):
        rows = [" ".join(xyz) + " 0" * 9 for xyz in part.reshape(25, 3)]
        text = "\n".join(["1", "1", "7 0 1 1 1 1 0 0 0 2", "25", *rows])
        want = part.astype(np.float64).astype(np.float32)
        np.testing.assert_array_equal(ntu.parse(text.encode(), "a").points.ravel(), want)


def test_joints_beyond_25_are_left_out():
    text = fake_ntu.skeleton([[(1, np.arange(81).reshape(27, 3))]] * 2, joints=27)
    points = ntu.parse(text, "a").points
    np.testing.assert_array_equal(points[1], np.arange(75).reshape(25, 3))


def test_a_file_without_bodies_has_no_rows():
    recording = ntu.parse(b"2\n0\n0\n", "a")
    assert (recording.num_frames, recording.points.shape, recording.ids) == (2, (0, 25, 3), ())
    assert recording.slot.shape == (0,)


@pytest.mark.parametrize(
    "text, line, what",
    [
        (b"", 1, "format"),
        (b"\xff\xfe1\x000\x00", 1, "format"),
        (b"-3\n0\n", 1, "format"),
        (b"1\n-1\n", 2, "format"),
        (b"1000000000000\n0\n", 2, "cut off"),
        (b"1\n99999999\n1 0 1 1 1 1 0 0 0 2\n25\n", 4, "cut off"),
        (b"1\n1\n1 0 1 1 1 1 0 0 0 2\n99999999\n0 0 0\n", 5, "cut off"),
        (b"1\n1\n1 0 1 1 1 1 0 0 0 2\n24\n", 4, "format"),
        (b"9" * 5000, 1, "format"),
        (b"{}", 1, "format"),
    ],
)
def test_wrong_files_are_named_with_the_line(text, line, what):
    with pytest.raises(DataError, match=rf"{what}[^$]*in: +a/b, line {line}\n"):
        ntu.parse(text, "a/b")


def test_cut_anywhere_it_is_refused():
    text = fake_ntu.person(0, frames=3).rstrip()
    whole = len(text)
    for size in [*range(0, whole - 1, 7), *range(whole - 40, whole - 1)]:
        with pytest.raises(DataError):
            ntu.parse(text[:size], "a")


def test_folders_zips_and_damaged_members(tmp_path):
    (tmp_path / "nturgb+d_skeletons").mkdir()
    (tmp_path / "nturgb+d_skeletons" / "S001C001P001R001A001.skeleton").write_bytes(
        fake_ntu.person(1)
    )
    with zipfile.ZipFile(tmp_path / ntu.ARCHIVES[1], "w") as archive:
        archive.writestr(f"nturgb+d_skeletons/{NAME}.skeleton", fake_ntu.person(2))
        archive.writestr("../../climbing.skeleton", fake_ntu.person(3))
        archive.writestr("__MACOSX/._x.skeleton", b"x")
    files = ntu.files(tmp_path)
    assert sorted(file.stem for file in files) == ["S001C001P001R001A001", NAME, "climbing"]
    results = list(ntu.read(files))
    assert all(isinstance(result, ntu.Recording) for result in results)
    assert not list(tmp_path.parent.rglob("climbing*"))
    zipped = bytearray((tmp_path / ntu.ARCHIVES[1]).read_bytes())
    zipped[80] ^= 255
    (tmp_path / "bad.zip").write_bytes(zipped)
    faults = [r for r in ntu.read(ntu.files(tmp_path / "bad.zip")) if isinstance(r, DataError)]
    assert len(faults) == 1 and NAME in str(faults[0])


def test_a_zip_beside_its_unpacked_folder_is_taken_once(tmp_path):
    folder = tmp_path / "nturgb+d_skeletons"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / ntu.ARCHIVES[0], "w") as archive:
        for i in (1, 2):
            name = f"S001C001P001R001A00{i}.skeleton"
            archive.writestr(name, fake_ntu.person(i, frames=1))
            (folder / name).write_bytes(fake_ntu.person(i, frames=1))
    (folder / f"{NAME}.skeleton").write_bytes(fake_ntu.person(3, frames=1))
    files = ntu.files(tmp_path)
    assert [file.stem[-1] for file in files] == ["1", "2", "7"]
    assert [file.member is None for file in files] == [False, False, True]


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.skeleton", bytes(70 << 20))
    (result,) = ntu.read(ntu.files(tmp_path / "bomb.zip"))
    assert "too large" in str(result)


def test_many_files_are_read_by_several_processes_in_order(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(205):
            archive.writestr(f"S001C001P001R001A{i:03d}.skeleton", fake_ntu.person(i, frames=1))
    results = list(ntu.read(ntu.files(tmp_path / "a.zip"), workers=2))
    assert [result.label for result in results] == list(range(-1, 204))


def killed(file):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_said(tmp_path):
    with pytest.raises(DataError, match="killed"):
        list(in_parallel(killed, [RawFile(str(tmp_path))] * 300, workers=2))
