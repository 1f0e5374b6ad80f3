"""feeder/*: a clip as the published feeders give it, the random draws of training given."""

from functools import partial
from typing import Literal

import jax
import numpy as np

from parity.kinds.transform import rendered, ucla_points
from parity.shapes import classic, ctvm, padded, to_streams
from skeljax.data import augment, prepare_clip, recipes, sample
from skeljax.readers import Clip
from skeljax.readers.nw_ucla import ACTIONS

MODES = ("joint", "bone", "joint_motion", "bone_motion")
Mode = Literal["joint", "bone", "joint_motion", "bone_motion"]

# The joint in which each of FR-Head's 24 bones ends, in the order of its draws.
FRHEAD_BONES = [
    1, 20, 2, 3, 4, 5, 6, 7, 22, 21, 8, 9, 10, 11, 24, 23, 12, 13, 14, 15, 16, 17, 18, 19,
]  # fmt: skip


def ntu_clips(rows) -> list[Clip]:
    """(N,T,150) of CTR-GCN's npz -> clips (M,T',V,C) of the frames that are not empty."""
    layout, clips = classic("nturgb+d"), []
    for i, row in enumerate(rows):
        keypoints = row.reshape(len(row), 2, 25, 3).transpose(1, 0, 2, 3).astype(np.float32)
        clips.append(prepare_clip.trim(Clip(f"clip{i}", keypoints, 0, layout.name), layout))
    return clips


def ntu_test(clips, window: int, p_interval, mode: str) -> list[np.ndarray]:
    """(C,T,V,M) of every clip by the test recipe, with its crop."""
    (_, (crop, *steps)) = recipes.ctrgcn_ntu(classic("nturgb+d"), window)
    recipe = (type(crop)(window, tuple(p_interval)), *steps)
    return [ctvm(x) for x in rendered(clips, classic("nturgb+d"), recipe, mode)[0]]


@partial(jax.jit, static_argnums=3)
def _drawn(x, start, length, window, angles, factor):
    """(M,window,V,C) of the crop of a padded clip, turned, its bones scaled."""
    x = sample.resize(x, start, length, window)
    x = augment.linear(x, augment.rotation(angles))
    return augment.bone_scale(x, factor, *augment.bone_tree(classic("nturgb+d")), 3)


def ntu_train(clip, ratio, start, window: int, angles=None, draws=None, modes=MODES):
    """(C,T,V,M) of a clip in each mode by the training recipe with its draws given.

    Angles and bone draws of None leave the clip as it is.
    """
    layout, frames = classic("nturgb+d"), clip.keypoints.shape[1]
    length = sample.crop_length(frames, ratio, window)
    factor = np.ones(layout.num_joints, np.float32)
    if draws is not None:
        factor[FRHEAD_BONES] += draws
    factor = augment.symmetric(factor, layout.mirror)
    angles = np.zeros(3, np.float32) if angles is None else angles
    x = _drawn(padded(clip.keypoints), start, length, window, angles, factor)
    return {mode: ctvm(value) for mode, value in to_streams(x, layout, modes).items()}


def ntu_frhead(
    given,
    *,
    split: Literal["train", "test"],
    window_size: int,
    p_interval: list[float],
    random_rot: bool = False,
    random_scale: bool = False,
):
    clips = ntu_clips(given["x"])
    found = {"valid_frames": np.array([clip.keypoints.shape[1] for clip in clips])}
    if "label_onehot" in given:
        found["label"] = given["label_onehot"].argmax(axis=1)
    if split == "test":
        return found | {m: np.stack(ntu_test(clips, window_size, p_interval, m)) for m in MODES}
    low, high = p_interval
    rows = [
        ntu_train(
            clips[c],
            given["uniform01"][r] * (high - low) + low,
            given["bias"][r],
            window_size,
            given["rot"][r] if random_rot else None,
            given["scale_draw"][r] if random_scale else None,
        )
        for r, c in enumerate(given["clip"])
    ]
    return found | {mode: np.stack([row[mode] for row in rows]) for mode in MODES}


def ntu_lst(
    given,
    *,
    split: Literal["train", "test"],
    window_size: int,
    p_interval: list[float],
    variants: dict,
    random_rot: bool = False,
):
    clips, found = ntu_clips(given["x"]), {}
    modes = {
        name: ("bone" if variant["bone"] else "joint") + "_motion" * variant["vel"]
        for name, variant in variants.items()
    }
    if split == "test":
        for name, mode in modes.items():
            rows = ntu_test(clips, window_size, p_interval, mode)
            found |= {f"{name}_{i}": x for i, x in enumerate(rows)}
        return found
    for i, clip in enumerate(clips):
        start, ratio = given[f"crop_{i}"][0], given[f"p_{i}"]
        angles = given[f"rot_{i}"] if random_rot else None
        x = ntu_train(clip, ratio, start, window_size, angles)
        found |= {f"{name}_{i}": x[mode] for name, mode in modes.items()}
    return found


def ucla_clip(raw, split: str, time_steps: int, view, frames) -> dict[str, np.ndarray]:
    """(C,T,V,M) of a clip (T,V,C) of the JSON in each mode, in double precision."""
    if split == "val":
        view, frames = None, sample.linspace_np(len(raw), time_steps)
    with jax.enable_x64(True):
        x = ucla_points(raw, view)[:, frames]
        streams = to_streams(x, classic("nw_ucla"), MODES)
        return {mode: ctvm(value) for mode, value in streams.items()}


def ucla_frhead(
    given,
    *,
    split: Literal["train", "val"],
    time_steps: int,
    clips: list[str],
    repeat: int = 1,
):
    # Going through the list `repeat` times changes how often a clip comes, not the clip.
    rows = []
    for i, name in enumerate(clips):
        view = [given[key][i] for key in ("agx_deg", "agy_deg", "scale") if key in given]
        frames = given["frame_index"][i] if "frame_index" in given else None
        rows.append(ucla_clip(given[f"skeleton/{name}"], split, time_steps, view, frames))
    label = np.array([ACTIONS.index(int(name[1:3])) for name in clips])
    return {"label": label} | {mode: np.stack([row[mode] for row in rows]) for mode in MODES}


def ucla_lst(given, *, split: Literal["train", "val"], modes: list[Mode], time_steps: int):
    found = {}
    for i in range(sum(role.startswith("raw_") for role in given)):
        view = [given.get(f"{key}_{i}") for key in ("angle_x", "angle_y", "scale")]
        clip = ucla_clip(given[f"raw_{i}"], split, time_steps, view, given.get(f"frames_{i}"))
        found |= {f"{mode}_{i}": clip[mode] for mode in modes}
    return found


def skelemixclr(
    given,
    *,
    feeder: Literal["dual", "tri", "multi"],
    shear_amplitude: float,
    padding_ratio: int,
    window_size: int | None = None,
    center: bool | None = None,
    frames: list[int] | None = None,
):
    found = {}
    for i, data in enumerate(given["data"]):
        draws = {role: iter(given[f"draws/{role}"][i]) for role in ("uniform", "randint", "begin")
                 if f"draws/{role}" in given}  # fmt: skip

        def view(x, length=None, draws=draws):
            n = x.shape[1]
            if length is not None:
                x = np.asarray(sample.resize(x, 0, n, length)) if length != n else x
            elif window_size and n > window_size:
                begin = sample.window_start(n, window_size) if center else int(next(draws["begin"]))
                x = x[:, begin : begin + window_size]
            n = x.shape[1]
            x = x[:, sample.mirrored_crop_index(n, next(draws["randint"]), n, padding_ratio)]
            shear = np.array([next(draws["uniform"]) for _ in range(6)])
            assert np.abs(shear).max() <= shear_amplitude
            return ctvm(augment.linear(x, augment.shear_matrix(shear)))

        x = ctvm(data)
        if feeder == "multi":
            found |= {f"{i}/query/{k}": view(x, length) for k, length in enumerate(frames)}
            found[f"{i}/key"] = view(x, frames[0])
        else:
            found |= {f"{i}/view/{k}": view(x) for k in range({"dual": 2, "tri": 3}[feeder])}
        found[f"{i}/label"] = given["label"][i]
    return found


KINDS = {
    "feeder/skelemixclr": skelemixclr,
    "feeder/ntu_frhead": ntu_frhead,
    "feeder/ntu_lst": ntu_lst,
    "feeder/ucla_frhead": ucla_frhead,
    "feeder/ucla_lst": ucla_lst,
}
