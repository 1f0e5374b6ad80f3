import json

import numpy as np
import pytest
from skeljax.datasets.nw_ucla.nw_ucla_dataset_builder import NwUcla, split_names

import fake_nw_ucla
from skeljax.data.prepare_clip import normalise_3d, prenorm2d, trim, unit
from skeljax.data.store import Store, check_disjoint, fit_bodies
from skeljax.errors import ConfigError, DataError
from skeljax.layouts import get_layout
from skeljax.readers import Clip
from skeljax.readers.nw_ucla import parse

CLASSES = ("sit", "stand", "walk")


def clip(i, frames=7, bodies=1, layout="ucla20", label=None, **facts):
    size = get_layout(layout)
    x = np.random.default_rng(i).normal(size=(bodies, frames, size.num_joints, size.channels))
    return Clip(f"clip{i}", x.astype(np.float32), i % 3 if label is None else label, layout, facts)


def build(clips, **options):
    return Store.from_clips(clips, layout=clips[0].layout, classes=CLASSES, **options)


def test_clips_come_back_as_they_went_in():
    clips = [clip(0, 3), clip(1, 9, bodies=2), clip(2, 1)]
    store = build(clips)
    assert store.frames.shape == (13, 2, 20, 3)
    for i, one in enumerate(clips):
        got = store.keypoints(i)
        np.testing.assert_array_equal(got[: len(one.keypoints)], one.keypoints)
        assert not got[len(one.keypoints) :].any()
    assert store.class_counts.tolist() == [1, 1, 1]


def test_more_bodies_than_asked_for_are_cut():
    store = build([clip(0, bodies=3)], num_person=2)
    np.testing.assert_array_equal(store.keypoints(0), clip(0, bodies=3).keypoints[:2])
    assert fit_bodies(clip(0).keypoints, 2).shape[0] == 2
    assert store.with_bodies(1).bodies == 1


def test_select_and_named_keep_rows_together():
    store = build([clip(i, 3 + i, subject=10 + i) for i in range(6)])
    part = store.named(["clip4", "clip1"])
    assert part.facts["subject"].tolist() == [14, 11]
    np.testing.assert_array_equal(part.keypoints(1), clip(1, 4).keypoints)
    np.testing.assert_array_equal(
        store.select(store.label == 2).name, [n for n in store.name if int(n[4:]) % 3 == 2]
    )
    with pytest.raises(DataError, match=r"2 of 3 names.*\n.*\n.*clip7, clip9"):
        store.named(["clip1", "clip7", "clip9"])


def test_save_and_load_give_the_same_store(tmp_path):
    store = build([clip(i, camera=i) for i in range(4)], dtype=np.float16, prepare="unit")
    store.save(tmp_path / "a.npz")
    again = Store.load(tmp_path / "a.npz")
    assert again.fingerprint == store.fingerprint
    assert again.frames.dtype == np.float16 and again.classes == CLASSES
    assert again.facts["camera"].tolist() == [0, 1, 2, 3]
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_truncated_and_foreign_files_are_refused_by_name(tmp_path):
    path = tmp_path / "a.npz"
    build([clip(0, 400)]).save(path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"keypoints"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz"):
            Store.load(path)
    np.savez(path, frames=np.zeros(3))
    with pytest.raises(DataError, match=r"a\.npz"):
        Store.load(path)
    with pytest.raises(DataError, match=r"none\.npz"):
        Store.load(tmp_path / "none.npz")


@pytest.mark.parametrize("change", ["name", "label", "frames", "split", "prepare"])
def test_fingerprint_sees_every_change_of_the_data(change):
    clips = [clip(0), clip(1)]
    store, options = build(clips), {}
    if change == "name":
        clips[1] = clips[1].replace(name="other")
    elif change == "label":
        clips[1] = clips[1].replace(label=2)
    elif change == "frames":
        x = clips[1].keypoints.copy()
        x[0, -1, -1, -1] += 1e-3
        clips[1] = clips[1].replace(keypoints=x)
    elif change == "split":  # the same frames in two clips of other lengths
        both = np.concatenate([c.keypoints for c in clips], axis=1)
        clips = [c.replace(keypoints=k) for c, k in zip(clips, np.split(both, [5], axis=1))]
    else:
        options = {"prepare": "trim"}
    assert build(clips, **options).fingerprint != store.fingerprint
    assert build([clip(0), clip(1)]).fingerprint == store.fingerprint


def with_nan(c):
    x = c.keypoints.copy()
    x[0, 4, 3, 1] = np.nan
    return c.replace(keypoints=x)


@pytest.mark.parametrize(
    "bad, message",
    [
        (lambda c: with_nan(c), "NaN or infinite(.|\n)*clip1, frame 4"),
        (lambda c: c.replace(keypoints=c.keypoints[:, :0]), "no frame(.|\n)*clip1"),
        (lambda c: c.replace(keypoints=c.keypoints[:, :, :19]), "layout 'ucla20'(.|\n)*clip1"),
        (lambda c: c.replace(keypoints=c.keypoints[..., :2]), "layout 'ucla20'(.|\n)*clip1"),
        (lambda c: c.replace(label=3), "out of range(.|\n)*clip1(.|\n)*0 to 2"),
        (lambda c: c.replace(label=-1), "out of range"),
        (lambda c: c.replace(name="clip0"), "differ(.|\n)*clip0"),
    ],
)
def test_bad_clips_are_refused_by_name(bad, message):
    with pytest.raises(DataError, match=message):
        build([clip(0), bad(clip(1))])


def test_empty_split_overlap_and_unknown_preparation_are_refused():
    with pytest.raises(DataError, match="empty"):
        Store.from_clips([], layout="ucla20", classes=CLASSES)
    store = build([clip(0), clip(1)])
    check_disjoint(store, build([clip(2)]))
    with pytest.raises(DataError, match=r"1 clips are in train and in test(.|\n)*clip1"):
        check_disjoint(store, build([clip(1), clip(2)]))
    with pytest.raises(ConfigError, match="did you mean 'prenorm3d'"):
        build([clip(0)], prepare="prenorm3")


def test_pixels_too_large_for_float16_are_refused():
    far = clip(0).replace(keypoints=clip(0).keypoints + 1e5)
    build([far])
    with pytest.raises(DataError, match=r"float16(.|\n)*clip0"):
        build([far], dtype=np.float16)


def test_an_unknown_label_is_minus_one():
    store = build([clip(0), clip(1).replace(label=None)])
    assert store.label.tolist() == [0, -1] and store.class_counts.tolist() == [1, 0, 0]


@pytest.fixture(scope="module")
def nw_ucla(tmp_path_factory):
    """A TFDS folder with NW-UCLA built from made-up files."""
    raw, data_dir = (tmp_path_factory.mktemp(name) for name in ("raw", "tfds"))
    lists = split_names()
    source = fake_nw_ucla.write_zip(raw / "all_sqe.zip", [*lists["train"], *lists["test"]])
    NwUcla(source=[source], data_dir=data_dir).download_and_prepare()
    return data_dir


def test_a_prepared_dataset_comes_back_in_list_order(nw_ucla):
    store = Store.from_tfds("nw_ucla", "test", data_dir=nw_ucla, prepare="unit")
    assert store.name.tolist() == split_names()["test"]
    assert (store.dataset, store.split, store.layout) == ("nw_ucla", "test", "ucla20")
    assert store.class_counts.tolist() == [48, 50, 45, 49, 47, 47, 43, 43, 47, 45]
    name = store.name[7]
    raw = parse(json.dumps(fake_nw_ucla.content(name)), name)
    wanted = unit(raw, get_layout("ucla20")).keypoints
    np.testing.assert_allclose(store.keypoints(7), wanted, atol=1e-6)
    assert store.facts["subject"][7] == int(name[5:7])


def test_absent_datasets_say_what_to_do(nw_ucla, tmp_path):
    with pytest.raises(
        DataError, match=r"not prepared(.|\n)*skeljax prepare nw_ucla --source PATH"
    ):
        Store.from_tfds("nw_ucla", "train", data_dir=tmp_path)
    with pytest.raises(ConfigError, match="unknown split 'trian': did you mean 'train'"):
        Store.from_tfds("nw_ucla", "trian", data_dir=nw_ucla)
    with pytest.raises(ConfigError, match="unknown dataset 'ucla'"):
        Store.from_tfds("ucla", "train", data_dir=nw_ucla)
    with pytest.raises(ConfigError, match="did you mean 'ntu25'"):
        Store.from_tfds("synthetic/ntu", "train", data_dir=nw_ucla)


def test_prenorm3d_puts_the_spine_upright_and_keeps_lengths():
    x = clip(0, 9, bodies=2, layout="ntu25").keypoints
    x[0, 2], x[1, 3:] = 0, 0  # an empty frame of the first body goes
    y, centre = normalise_3d(x)
    assert y.shape[1] == 8
    np.testing.assert_array_equal(centre, x[0, 0, 1])
    assert not y[0, 0, 1].any()
    right = y[0, 0, 8] - y[0, 0, 4]
    assert right[0] > 0 and np.abs(right[1:]).max() < 1e-5 * right[0]
    kept = np.delete(x, 2, axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(y, axis=2), axis=-1),
        np.linalg.norm(np.diff(kept, axis=2), axis=-1),
        rtol=1e-5,
    )


def test_prenorm3d_takes_the_longer_body_first_and_leaves_nothing_alone():
    x = clip(0, 9, bodies=2, layout="ntu25").keypoints
    x[0, 3:] = 0
    swapped, _ = normalise_3d(x)
    alone, _ = normalise_3d(x[1:])
    np.testing.assert_allclose(swapped[0], alone[0], atol=1e-6)
    assert not normalise_3d(np.zeros_like(x))[0].any()
    with pytest.raises(DataError, match="one or two bodies"):
        normalise_3d(np.concatenate([x, x[:1]]))


def test_trim_unit_and_prenorm2d():
    layout = get_layout("coco17")
    one = clip(0, 6, layout="coco17")
    padded = np.concatenate([one.keypoints, np.zeros_like(one.keypoints)], axis=1)
    np.testing.assert_array_equal(
        trim(one.replace(keypoints=padded), layout).keypoints, one.keypoints
    )
    pixels = one.keypoints * [100, 200, 1] + [900, 500, 0]
    scaled = unit(one.replace(keypoints=fit_bodies(pixels, 2)), layout).keypoints
    assert np.abs(scaled[..., :2]).max() == pytest.approx(1)
    assert not scaled[0, 0, layout.centre_on, :2].any() and not scaled[1].any()
    np.testing.assert_array_equal(scaled[0, ..., 2], pixels[0, ..., 2])
    corners = np.zeros((1, 2, 17, 3), np.float32)
    corners[0, 1] = (640, 480, 0.5)
    got = prenorm2d(one.replace(keypoints=corners, facts={"img_shape": (480, 640)}), layout)
    assert (got.keypoints[0, 0] == (-1, -1, 0)).all()
    assert (got.keypoints[0, 1] == (1, 1, 0.5)).all()
