"""Damaged files by the thousand: a reader gives a clip or a DataError, and nothing else.

``SKELJAX_FUZZ=100000 pytest -m slow tests/test_fuzz_readers.py`` tries that many (an hour).
"""

import io
import json
import os
import pickle
import random
import zipfile

import numpy as np
import pytest

import fake_ntu
from skeljax import safe_pickle
from skeljax.data.clean import CLEANINGS
from skeljax.errors import DataError
from skeljax.layouts import get_layout
from skeljax.readers import exchange, kinetics, ntu, nw_ucla, own
from skeljax.readers.checks import check_keypoints
from skeljax.readers.sources import raw_files

MANY = int(os.environ.get("SKELJAX_FUZZ", 20_000))
ODD = [
    b"-1", b"nan", b"NaN", b"inf", b"1e400", b"99999999999999999999", b"0", b"", b" ", b"\n",
    b"\x00", b"\xff\xfe", b"[", b"]" * 9, b"{", b'"', b"null", b"true", b"1_0", b"0x10", b",",
    "\u0663".encode(), b"[" * 3000, b"1" * 5000, b".", b"-", b"e5",
]  # fmt: skip


def damaged(text: bytes, rng: random.Random) -> bytes:
    """The text after one to three accidents."""
    for _ in range(rng.randint(1, 3)):
        i = rng.randrange(len(text) + 1)
        j = min(len(text), i + rng.choice((0, 1, 2, 8, 60)))
        accident = rng.randrange(6)
        if accident == 0:
            text = text[:i]
        elif accident == 1:
            text = text[:i] + rng.choice(ODD) + text[j:]
        elif accident == 2:
            text = text[:i] + rng.randbytes(j - i) + text[j:]
        elif accident == 3:
            text = text[:i] + text[j:]
        elif accident == 4:
            text = text[:j] + text[i:]
        else:  # a whole number for another
            numbers = text.split(b" ")
            numbers[rng.randrange(len(numbers))] = rng.choice(ODD)
            text = b" ".join(numbers)
    return text


def attempt(read, text: bytes) -> None:
    try:
        read(text)
    except DataError:
        pass
    except BaseException as error:
        raise AssertionError(f"{type(error).__name__} on {text[:300]!r}") from error


def read_ntu(text: bytes) -> None:
    recording = ntu.parse(text, "S001C001P001R001A001.skeleton")
    for clean in CLEANINGS.values():
        clip = clean(recording)
        assert clip.keypoints.ndim == 4 and np.isfinite(clip.keypoints).all()


def ucla(text: bytes) -> None:
    nw_ucla.parse(text, "a01_s01_e00_v01.json")


def kinetics_video(text: bytes) -> None:
    kinetics.best_scored(kinetics.parse_openpose(text, "kinetics_train/a.json").keypoints)


def annotations(text: bytes) -> None:
    found = safe_pickle.loads(text, "a.pkl")
    assert not callable(found)


def video(people: int) -> bytes:
    skeleton = [{"pose": [0.5] * 36, "score": [0.25] * 18}] * people
    data = [{"frame_index": t, "skeleton": skeleton} for t in range(2)]
    return json.dumps({"data": data, "label": "a", "label_index": 3}).encode()


def seeds() -> dict:
    joints = [[[0.125, 0.5, 2.0]] * 20] * 2
    body = {"file_name": "a", "skeletons": joints, "label": 1}
    pickled = {
        "split": {"train": ["a"]},
        "annotations": [{"frame_dir": "a", "label": 1, "keypoint": np.zeros((1, 2, 25, 3), "f2")}],
    }
    two = [[(5, fake_ntu.body(0)), (6, fake_ntu.body(1))], [], [(6, fake_ntu.body(2))]]
    return {
        "ntu": (read_ntu, [fake_ntu.skeleton(two), fake_ntu.person(0, frames=2)]),
        "nw_ucla": (ucla, [json.dumps(body).encode()]),
        "kinetics": (kinetics_video, [video(1), video(6)]),
        "pickle": (annotations, [pickle.dumps(pickled, protocol=p) for p in (0, 2, 4)]),
    }


@pytest.mark.parametrize("reader", seeds())
@pytest.mark.parametrize("count", [400, pytest.param(MANY, marks=pytest.mark.slow)])
def test_text(reader, count):
    read, texts = seeds()[reader]
    for text in texts:
        read(text)
    rng = random.Random(f"{reader} {count}")
    for _ in range(count):
        attempt(read, damaged(rng.choice(texts), rng))


def archive(compress=zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compress) as file:
        file.writestr("S001C001P001R001A001.skeleton", fake_ntu.person(0, frames=1))
        file.writestr("../../../S001C001P001R001A002.skeleton", b"1\n0\n")
    return out.getvalue()


def npz() -> bytes:
    out = io.BytesIO()
    x, y = np.ones((1, 3, 150), np.float32), np.eye(60)[:1]
    np.savez(out, x_train=x, y_train=y, x_test=x, y_test=y)
    return out.getvalue()


@pytest.mark.parametrize("count", [150, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "kind",
    ["zip", "stored zip", "npz", "npy", "pkl", "landmarks", "people", "coco", "csv", "array",
     "arrays", "deflated"],
)  # fmt: skip
def test_containers(kind, count, tmp_path):
    names = {"train": ["S001C001P001R001A001"], "test": ["S001C001P003R001A001"]}

    def read_zip(path):
        for file in raw_files(path, ".skeleton"):
            ntu._read_one(file)

    def read_npz(path):
        for load in exchange.read_ctrgcn(path, names).values():
            load()

    def read_npy(path):
        for load in exchange.read_stgcn(path.parent, "ntu25").values():
            load()

    def read_pkl(path):
        _, found = exchange.read_pyskl(path)
        for one in found.values():
            exchange.pyskl_clip(one, "ntu25", path)

    def read_own(path):
        layout = get_layout("coco17")
        check_keypoints(own.read(path, layout), layout, path)

    data = io.BytesIO()
    np.save(data, np.ones((1, 3, 4, 25, 2), np.float32))
    label = pickle.dumps((["a.skeleton"], [0]))
    for part in ("train", "val"):
        (tmp_path / f"{part}_label.pkl").write_bytes(label)
        (tmp_path / f"{part}_data.npy").write_bytes(data.getvalue())
    mine = {"array": io.BytesIO(), "arrays": io.BytesIO(), "deflated": io.BytesIO()}
    for form, save in zip(mine, (np.save, np.savez, np.savez_compressed)):
        save(mine[form], np.ones((2, 17, 3), np.float32))
    joint, flat = {"x": 0.25, "y": 0.5, "visibility": 1}, [0.5] * 51
    one = {"frame_dir": "a", "label": 1, "total_frames": 2, "keypoint": [[[[0.5] * 3] * 25] * 2]}
    read, text, name = {
        "zip": (read_zip, archive(), "a.zip"),
        "stored zip": (read_zip, archive(zipfile.ZIP_STORED), "a.zip"),
        "npz": (read_npz, npz(), "a.npz"),
        "npy": (read_npy, data.getvalue(), "train_data.npy"),
        "pkl": (read_pkl, pickle.dumps({"split": {}, "annotations": [one]}), "a.pkl"),
        "landmarks": (read_own, json.dumps([[joint] * 17, [], [joint] * 17]).encode(), "a.json"),
        "people": (
            read_own,
            json.dumps([{"people": [{"pose_keypoints_2d": flat}] * 2}] * 2).encode(),
            "a.json",
        ),
        "coco": (read_own, json.dumps([{"image_id": 1, "keypoints": flat}] * 2).encode(), "a.json"),
        "array": (read_own, mine["array"].getvalue(), "a.npy"),
        "arrays": (read_own, mine["arrays"].getvalue(), "a.npz"),
        "deflated": (read_own, mine["deflated"].getvalue(), "a.npz"),
        "csv": (read_own, ("x," * 50 + "y\n" + ",".join(map(str, flat))).encode(), "a.csv"),
    }[kind]
    path, rng = tmp_path / name, random.Random(f"{kind} {count}")
    path.write_bytes(text)
    read(path)
    for i in range(count):
        path.unlink()
        path = path if kind == "npy" else tmp_path / f"{i % 7}{name}"
        path.write_bytes(damaged(text, rng))
        attempt(lambda _, path=path: read(path), path.read_bytes())


@pytest.mark.parametrize(
    "text, message",
    [
        (b"\x80\x02cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR.", "2,147,483,647 zeros"),
        (b"\x80\x02cnumpy\nndarray\n.", "ends at"),
        (b"\x80\x02]r\xff\xff\xff\xff\x94", "EOFError"),  # place 2^32 of the memo
    ],
)
def test_a_few_bytes_of_a_pickle_do_not_take_all_memory(text, message):
    with pytest.raises(DataError, match=message):
        safe_pickle.loads(text, "a.pkl")
