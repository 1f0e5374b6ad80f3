"""Synthetic clips: they follow from their names, and bodies move as bodies do."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from skeljax.errors import ConfigError, DataError
from skeljax.layouts import get_layout
from skeljax.readers import motions, puppet, synthetic

JOINTS = get_layout("ntu25").joints
ACTIONS = [*motions.ALONE, *motions.TOGETHER]


def perform(action, seed=0, frames=60, body=None):
    """Joints of the first body, without any sensor."""
    rng = np.random.default_rng(seed)
    poses = motions.perform(action, frames, rng)
    return puppet.joints(body or puppet.Body(), poses[0])


def test_splits_have_the_promised_sizes_and_share_no_subject():
    train, test, tail = (synthetic.names(split) for split in synthetic.SPLITS)
    assert (len(train), len(test), len(tail)) == (720, 240, 279)
    assert not {name[8:12] for name in train} & {name[8:12] for name in test}
    assert set(tail) < set(train) and len(set(train)) == 720
    assert set(Counter(name[-3:] for name in train).values()) == {36}
    assert set(Counter(name[-3:] for name in test).values()) == {12}


def test_the_tail_falls_from_36_to_3_clips():
    counts = [n for _, n in sorted(Counter(n[-3:] for n in synthetic.names("train_lt10")).items())]
    assert counts == [int(36 * 0.1 ** (c / 19)) for c in range(20)]
    assert (counts[0], counts[-1]) == (36, 3)


def test_cameras_see_every_action():
    seen = {(name[4:8], name[-4:]) for name in synthetic.names("train")}
    assert len(seen) == 3 * 20


MAKE = """
import sys
from skeljax.readers import synthetic
print(float(synthetic.make(sys.argv[1], sys.argv[2]).keypoints.astype("f8").sum()))
"""


@pytest.mark.parametrize("layout", ["ntu25", "coco17"])
def test_a_clip_follows_from_its_name_in_any_process(layout):
    name = synthetic.names("test")[57]
    here = [clip for clip in synthetic.clips(layout, "test", 58)][-1]
    assert here.name == name
    out = subprocess.run(
        [sys.executable, "-c", MAKE, name, layout], capture_output=True, text=True, check=True
    )
    assert float(out.stdout) == here.keypoints.astype("f8").sum()


@pytest.mark.parametrize("layout", ["ntu25", "coco17"])
def test_clips_fit_their_layout(layout):
    spec = get_layout(layout)
    for clip in synthetic.clips(layout, "test", 40):
        bodies, frames = clip.keypoints.shape[:2]
        assert clip.keypoints.shape[2:] == (spec.num_joints, spec.channels)
        assert clip.keypoints.dtype == np.float32 and np.isfinite(clip.keypoints).all()
        assert 30 <= frames <= 90
        assert bodies == (2 if synthetic.CLASSES[clip.label] in motions.TOGETHER else 1)
        assert set(clip.facts) == set(synthetic.FACTS[layout])


def test_classes_are_the_actions():
    assert sorted(synthetic.CLASSES) == sorted(ACTIONS)
    labels = {clip.label for clip in synthetic.clips("ntu25", "train", 20)}
    assert labels == set(range(20))


def test_wrong_names_are_refused():
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        synthetic.names("trian")
    with pytest.raises(ConfigError, match="coco17"):
        synthetic.make("S001C001P001R001A001", "ucla20")
    with pytest.raises(DataError, match=r"A001\.\.A020"):
        synthetic.make("S001C001P001R001A021")


def test_rotation_is_a_rotation_and_pitch_bows_forward():
    turn = puppet.rotation(np.random.default_rng(0).uniform(-180, 180, (50, 3)))
    eye = np.broadcast_to(np.eye(3), turn.shape)
    np.testing.assert_allclose(turn @ turn.swapaxes(1, 2), eye, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turn), 1)
    np.testing.assert_allclose(puppet.rotation([90, 0, 0]) @ [0, 1, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(puppet.rotation([0, 90, 0]) @ [0, 0, 1], [1, 0, 0], atol=1e-12)


def test_reach_keeps_bone_lengths_and_arrives_where_it_can():
    rng = np.random.default_rng(0)
    start, way, bend = rng.normal(size=(3, 200, 3))
    way *= rng.uniform(0.15, 0.5, (200, 1)) / np.linalg.norm(way, axis=-1, keepdims=True)
    middle, end = puppet.reach(start, start + way, 0.3, 0.25, bend)
    np.testing.assert_allclose(end, start + way, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(middle - start, axis=-1), 0.3)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=-1), 0.25)
    _, short = puppet.reach(start, start + 10 * way, 0.3, 0.25, bend)
    assert (np.linalg.norm(short - start, axis=-1) < 0.55).all()


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length_while_moving(action):
    body = puppet.draw_body(np.random.default_rng(3))
    at = perform(action, body=body)
    for first, second, length in (
        ("right_shoulder", "right_elbow", body.upper_arm),
        ("left_elbow", "left_wrist", body.forearm),
        ("left_hip", "left_knee", body.thigh),
        ("right_knee", "right_ankle", body.shank),
        ("left_hip", "right_hip", 2 * body.hips),
    ):
        np.testing.assert_allclose(np.linalg.norm(at[first] - at[second], axis=-1), length)


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_sinks_into_the_floor_and_only_jumpers_leave_it(action):
    at = perform(action, seed=1)
    lowest = np.minimum(at["left_ankle"][:, 1], at["right_ankle"][:, 1]) - puppet.Body().ankle
    assert lowest.min() > -0.02
    assert (lowest.max() > 0.1) == (action == "jump")


def height(action, joint="spine_base", seed=2):
    return perform(action, seed)[joint][:, 1]


def test_actions_do_what_their_names_say():
    assert height("sit down")[0] - height("sit down")[-1] > 0.2
    assert height("stand up")[-1] - height("stand up")[0] > 0.2
    assert abs(height("squat")[0] - height("squat")[-1]) < 0.05 < np.ptp(height("squat"))
    assert height("jump").max() - height("jump")[0] > 0.1
    assert height("bow", "head")[0] - height("bow", "head").min() > 0.1
    lower = np.minimum(height("pick up", "right_hand"), height("pick up", "left_hand"))
    assert lower.min() < 0.45
    raised = [height("wave both hands", f"{side}_hand").max() for side in ("left", "right")]
    assert min(raised) > height("wave both hands", "neck").mean()
    higher = np.maximum(height("kick", "left_foot"), height("kick", "right_foot"))
    assert higher.max() > 0.3
    at = perform("turn around", 2)
    across = at["left_shoulder"] - at["right_shoulder"]
    cosine = across @ across[0] / np.linalg.norm(across, axis=-1) / np.linalg.norm(across[0])
    assert cosine.min() < -0.7


def test_two_face_each_other_and_their_hands_meet():
    poses = motions.perform("shake hands", 60, np.random.default_rng(5))
    first, second = (puppet.joints(puppet.Body(), pose) for pose in poses)

    def ahead(at):
        return np.cross(at["left_hip"] - at["right_hip"], [0, 1.0, 0])[30]

    assert ahead(first) @ (second["neck"] - first["neck"])[30] > 0
    assert ahead(second) @ (first["neck"] - second["neck"])[30] > 0
    gaps = [
        np.linalg.norm(first[f"{side}_hand"] - second[f"{side}_hand"], axis=-1).min()
        for side in ("left", "right")
    ]
    assert min(gaps) < 0.25


def test_mirrored_twice_is_the_same():
    pose = motions.perform("punch", 40, np.random.default_rng(0))[0]
    twice = motions.mirrored(motions.mirrored(pose))
    for once, again in zip(pose, twice):
        np.testing.assert_array_equal(once, again)
    at, seen = (puppet.joints(puppet.Body(), p) for p in (pose, motions.mirrored(pose)))
    np.testing.assert_allclose(seen["left_wrist"], at["right_wrist"] * (-1, 1, 1), atol=1e-9)


def test_the_sensor_sees_no_mirror_image():
    """Right-handed space: left to right shoulder, up, and ahead stay in order before the sensor."""
    ahead, up, left = 0, 0, 0
    for clip in synthetic.clips("ntu25", "train", 60):
        x = clip.keypoints[0].astype(float)
        x = x[np.abs(x).sum((1, 2)) > 0][0]
        at = dict(zip(JOINTS, x))
        across = at["left_hip"] - at["right_hip"]
        toes = sum(at[f"{s}_foot"] - at[f"{s}_ankle"] for s in ("left", "right"))
        ahead += np.sign(np.cross(across, at["neck"] - at["spine_base"]) @ toes)
        up += np.sign(at["head"][1] - at["left_foot"][1])
        left += np.sign(-across[0])  # the sensor's x grows to its own left, the subject's right
    assert ahead > 50 and up == 60 and left > 50


def test_the_image_shows_people_upright_with_a_confidence():
    names = get_layout("coco17").joints
    for clip in synthetic.clips("coco17", "test", 20):
        x = clip.keypoints[0]
        x = x[(x != 0).any((1, 2))]
        u, v, score = np.moveaxis(x, -1, 0)
        assert ((score > 0) & (score <= 1)).all()
        assert np.median(v[:, names.index("nose")]) < np.median(v[:, names.index("left_ankle")])
        height, width = clip.facts["img_shape"]
        inside = (u > 0) & (u < width) & (v > 0) & (v < height)
        assert inside.mean() > 0.9


def test_sensors_lose_a_body_now_and_then_but_never_all_of_it():
    lost = 0
    for clip in synthetic.clips("ntu25", "train", 200):
        empty = (clip.keypoints == 0).all((2, 3))
        assert not empty[0].all()
        lost += empty.any()
    assert 5 < lost < 60
