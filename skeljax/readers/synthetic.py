"""Synthetic clips: people of all sizes act before a depth sensor or a camera that errs.

Every clip follows from its name alone (NTU's pattern ``S001C001P001R001A001``: camera, performer,
replication, action), so that any part of the data can be made by itself.
"""

from __future__ import annotations

import hashlib

import numpy as np

from skeljax.errors import DataError, choose
from skeljax.layouts import get_layout
from skeljax.readers.clip import Clip
from skeljax.readers.motions import perform, wander
from skeljax.readers.puppet import SIDES, draw_body, joints, rotation

_WHO = {"subject": (), "camera": (), "replication": ()}
FACTS = {"ntu25": _WHO, "coco17": {**_WHO, "img_shape": (2,)}}  # shapes, by layout
# Frequent to rare in the long-tailed split: what looks alike stands at both ends.
CLASSES = (
    "sit down", "punch", "drink", "wave one hand", "jump", "bow", "hug", "clap", "walk in place",
    "kick", "throw", "wave both hands", "squat", "stand up", "point", "push", "turn around",
    "answer the phone", "pick up", "shake hands",
)  # fmt: skip
SUBJECTS = range(1, 17)
TEST_SUBJECTS = (4, 8, 12, 16)
REPLICATIONS = range(1, 4)
SPLITS = ("train", "test", "train_lt10")

IMAGE = (480, 640)  # pixels, height and width, of coco17
_FOCAL = 525.0  # pixels
_VIEWS = (-45.0, 0.0, 45.0)  # degrees by which cameras 1, 2, 3 see the subject turned


def names(split: str) -> list[str]:
    """Clip names: ``train`` 720, ``test`` 240 of other subjects, ``train_lt10`` 36 to 3 a class.

    Raises:
      ConfigError: no such split.
    """
    if choose("split", split, SPLITS) == "train_lt10":
        return [name for label in range(len(CLASSES)) for name in _long_tailed(label)]
    subjects = [p for p in SUBJECTS if (p in TEST_SUBJECTS) == (split == "test")]
    return [
        f"S001C{1 + (p + r + a) % 3:03d}P{p:03d}R{r:03d}A{a:03d}"
        for p in subjects
        for r in REPLICATIONS
        for a in range(1, len(CLASSES) + 1)
    ]


def clips(layout: str = "ntu25", split: str = "train", limit: int | None = None) -> list[Clip]:
    """The first `limit` clips of a split; classes take turns in train and test.

    Returns:
      Clips with keypoints (M, T, V, C), 1 or 2 bodies and 30 to 90 frames (at about 15 a second):
      metres, x to a Kinect's left, y up, z away from it (ntu25), or pixels of a 640 x 480 image
      and a confidence (coco17).

    Raises:
      ConfigError: no such layout or split.
    """
    return [make(name, layout) for name in names(split)[:limit]]


def make(name: str, layout: str = "ntu25") -> Clip:
    """The clip of that name.

    Raises:
      ConfigError: no such layout.
      DataError: no such action in the name.
    """
    choose("synthetic layout", layout, FACTS)
    camera, subject, replication, action = (int(name[i : i + 3]) for i in (5, 9, 13, 17))
    if not 1 <= action <= len(CLASSES):
        raise DataError(
            "no such synthetic action", found=name, expected=f"A001..A{len(CLASSES):03d}"
        )
    rng = _generator(name)
    poses = perform(CLASSES[action - 1], int(rng.integers(30, 91)), rng)
    bodies = [draw_body(_generator(f"P{subject:03d}"))]
    bodies += [draw_body(rng) for _ in poses[1:]]  # the partner is anybody
    seen = [joints(body, pose) for body, pose in zip(bodies, poses)]
    wanted = get_layout(layout).joints
    room = np.stack([np.stack([at[joint] for joint in wanted], 1) for at in seen])
    view = _VIEWS[camera - 1] + rng.uniform(-25, 25)
    space = _before_sensor(room, view, rng)
    keypoints = _kinect(space, wanted, rng) if layout == "ntu25" else _image(space, wanted, rng)
    _lose_bodies(keypoints, rng)
    known = (subject, camera, replication, IMAGE)
    facts = dict(zip(FACTS[layout], known))
    return Clip(name, keypoints.astype(np.float32), action - 1, layout, facts)


def _generator(text: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _long_tailed(label: int) -> list[str]:
    """Of a class of n clips the first n * 0.1**(label / (K - 1)) in an order by hash."""
    mine = [name for name in names("train") if name.endswith(f"A{label + 1:03d}")]
    keep = int(len(mine) * 0.1 ** (label / (len(CLASSES) - 1)))
    return sorted(mine, key=lambda name: hashlib.sha256(name.encode()).digest())[:keep]


def _before_sensor(room: np.ndarray, view: float, rng: np.random.Generator) -> np.ndarray:
    """Room (M, T, V, 3) to a sensor's space: x to its left, y up, z away from it; metres."""
    middle = room.mean((0, 1, 2)) * (1, 0, 1)
    turn = rotation(np.array([rng.uniform(-4, 4), 180 + view, rng.uniform(-2, 2)]))
    stand = (rng.uniform(-0.5, 0.5), -rng.uniform(0.7, 1.2), rng.uniform(2.6, 4.2))
    return (room - middle) @ turn.T + stand


def _limbs(wanted: tuple[str, ...]) -> list[list[int]]:
    """Joints of each arm and leg below shoulder and hip."""
    limbs = (("elbow", "wrist", "hand", "hand_tip", "thumb"), ("knee", "ankle", "foot"))
    return [
        [wanted.index(f"{side}_{part}") for part in limb if f"{side}_{part}" in wanted]
        for side, _ in SIDES
        for limb in limbs
    ]


def _hide(space: np.ndarray, wanted, rng: np.random.Generator) -> np.ndarray:
    """(M, T, V) bool: limbs that the sensor does not see for a part of the clip."""
    hidden = np.zeros(space.shape[:3], bool)
    T = space.shape[1]
    for body in hidden:
        for limb in _limbs(wanted):
            if rng.uniform() < 0.2:
                long = int(T * rng.uniform(0.1, 0.45))
                start = rng.integers(0, T - long)
                body[start : start + long, limb] = True
    return hidden


def _kinect(space: np.ndarray, wanted, rng: np.random.Generator) -> np.ndarray:
    """Metres with a tracker's errors: drift, jitter, hidden limbs guessed; to the millimetre.

    The origin is the first body's spine_mid in the first frame, as in NTU RGB+D once it is clean.
    """
    M, T, V, _ = space.shape
    loose = np.full(V, 1.0)
    loose[[v for limb in _limbs(wanted) for v in limb]] = 1.6
    drift = wander(rng, (T, M, V, 3)).swapaxes(0, 1)
    errors = 0.018 * drift + 0.011 * rng.standard_normal(space.shape)
    hidden = _hide(space, wanted, rng)[..., None]
    errors = errors * loose[:, None] * np.where(hidden, 4, 1)
    seen = space + errors
    return np.round(seen - seen[0, 0, wanted.index("spine_mid")], 3)


def _image(space: np.ndarray, wanted, rng: np.random.Generator) -> np.ndarray:
    """Pixels (u, v) and a confidence, with a pose estimator's errors; to a tenth of a pixel."""
    M, T, V, _ = space.shape
    depth = space[..., 2:].clip(0.5)
    pixels = np.array(IMAGE[::-1]) / 2 - _FOCAL * space[..., :2] / depth
    hidden = _hide(space, wanted, rng)[..., None]
    size = _FOCAL / depth * np.where(hidden, 4, 1)
    drift = wander(rng, (T, M, V, 2)).swapaxes(0, 1)
    pixels = pixels + size * (0.012 * drift + 0.01 * rng.standard_normal(pixels.shape))
    score = np.where(hidden, 0.25, 0.85) + 0.08 * rng.standard_normal((M, T, V, 1))
    return np.concatenate([np.round(pixels, 1), np.round(score.clip(0.05, 1), 3)], -1)


def _lose_bodies(keypoints: np.ndarray, rng: np.random.Generator) -> None:
    """Zeros where the sensor lost a body: now and then, the second one for longer."""
    T = keypoints.shape[1]
    for body, (often, longest) in zip(keypoints, ((0.08, 0.15), (0.2, 0.6))):
        if rng.uniform() < often:
            long = int(T * rng.uniform(0.03, longest))
            start = rng.integers(0, T - long + 1)
            body[start : start + long] = 0
