"""Whole-clip preparations, run once on the host when a Store is built: Clip -> Clip, NumPy.

Their name is part of the data fingerprint.
"""

from __future__ import annotations

import functools

import numpy as np

from skeljax.data import sample
from skeljax.errors import DataError
from skeljax.layouts import Layout
from skeljax.readers.clip import Clip


def trim(clip: Clip, layout: Layout) -> Clip:
    """The leading frames, as many as are not empty: CTR-GCN's notion of a clip's length."""
    frames = max(sample.valid_frames_np(clip.keypoints), 1)
    return clip.replace(keypoints=clip.keypoints[:, :frames])


def trim_copy(clip: Clip, layout: Layout) -> Clip:
    """`trim`; then one body alone is copied into the place of the second, as in the NTU 120 arrays
    of CTR-GCN, FR-Head and LST (frhead.md 1.5), with which their NTU 120 numbers were made."""
    clip = trim(clip, layout)
    if len(clip.keypoints) > 1:
        return clip
    return clip.replace(keypoints=np.repeat(clip.keypoints, 2, axis=0))


def contrastive(clip: Clip, layout: Layout, frames: int, counted: bool = False) -> Clip:
    """The contrastive family's form (skelemixclr.md 1.2): every body centred on its own root joint
    in each frame, resized to `frames`, and turned about y so that its shoulders lie along x.

    The clip ends with the last frame that has the first body. 2-D skeletons are not turned.

    Args:
      counted: slip of the public code: as many leading frames as have joint 0 of the first body off
        the origin, so that gaps cut the end, and clips centred on joint 0 stand still.
    """
    x = clip.keypoints
    first = x[0, :, :, : layout.dims]
    if counted:
        length = max(int(first[:, 0].any(axis=-1).sum()), 1)
    else:
        length = int((first.any(axis=(1, 2)) * np.arange(1, len(first) + 1)).max(initial=1))
    points = x[:, :length, :, : layout.dims]
    points = sample.resize_np(points - points[:, :, layout.centre, None], frames)
    if layout.dims == 3:
        if layout.align_x is None:
            raise DataError(
                "contrastive needs the layout's align_x joints", where=f"layout {layout.name}"
            )
        points = np.stack([turn_to_camera(body, layout.align_x) for body in points])
    scores = sample.resize_np(x[:, :length, :, layout.dims :], frames)
    keypoints = np.concatenate([points, scores], axis=-1)
    return clip.replace(keypoints=keypoints.astype(np.float32))


def turn_to_camera(x: np.ndarray, shoulders: tuple[int, int]) -> np.ndarray:
    """One body (T,V,3) turned about the y axis in each frame, the first shoulder minus the second
    to +x; the sense of the turn is one for the whole clip, by the side it faces more."""
    across = (x[:, shoulders[0]] - x[:, shoulders[1]]).astype(np.float64)
    across[:, 1] = 0
    cosine = across[:, 0] / (np.linalg.norm(across, axis=-1) + 1e-4)
    angle = np.arccos(np.clip(cosine, -1, 1)) * (-1 if across[:, 2].sum() >= 0 else 1)
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    turned = [cos * x[..., 0] - sin * x[..., 2], x[..., 1], sin * x[..., 0] + cos * x[..., 2]]
    return np.stack(turned, axis=-1)


def prenorm3d(clip: Clip, layout: Layout) -> Clip:
    """PYSKL's 3-D normalisation about the layout's own centre and axes (brl.md 3.2)."""
    if layout.align_z is None or layout.align_x is None:
        raise DataError(
            "prenorm3d needs the layout's align_z and align_x joints", where=f"layout {layout.name}"
        )
    points = normalise_3d(clip.keypoints, layout.centre_on, layout.align_z, layout.align_x)[0]
    return clip.replace(keypoints=points)


def prenorm3d_no_spine(clip: Clip, layout: Layout) -> Clip:
    """`prenorm3d` without the first of its turns (PYSKL's align_spine=False): the spine stays as it
    leans, the shoulders go along x; for DG-STGCN and ProtoGCN (backbones_more.md 1)."""
    if layout.align_x is None:
        raise DataError(
            "prenorm3d_no_spine needs the layout's align_x joints", where=f"layout {layout.name}"
        )
    points = normalise_3d(clip.keypoints, layout.centre_on, None, layout.align_x)[0]
    return clip.replace(keypoints=points)


def prenorm3d_float16(clip: Clip, layout: Layout) -> Clip:
    """PYSKL's 3-D normalisation as published: float16 annotations, and with V != 25 joints the
    centre is the last joint and the axes are those of NTU."""
    centre = 1 if layout.num_joints == 25 else layout.num_joints - 1
    points = normalise_3d(clip.keypoints, centre, (0, 1), (8, 4), np.float16)[0]
    return clip.replace(keypoints=points)


def prenorm2d(clip: Clip, layout: Layout) -> Clip:
    """Pixels to [-1,1]; the image's (height, width) is the clip's fact ``img_shape``."""
    shape = clip.facts.get("img_shape", (1080, 1920))
    return clip.replace(keypoints=normalise_2d(clip.keypoints, shape))


def prenorm2d_present(clip: Clip, layout: Layout) -> Clip:
    """`prenorm2d`, but a body is zero in the frames without it, not in a corner of the image: so
    that mirroring does not move it."""
    there = (clip.keypoints != 0).any(axis=(2, 3), keepdims=True)
    made = prenorm2d(clip, layout)
    return made.replace(keypoints=np.where(there, made.keypoints, 0))


def prenorm2d_auto(clip: Clip, layout: Layout) -> Clip:
    """PYSKL's later 2-D normalisation: each axis of the clip to [-1,1], if it spans more than 10
    on both (pixels); coordinates that are fractions already stay as they are."""
    x = clip.keypoints.copy()
    points = x[..., :2]
    low, high = points.min(axis=(0, 1, 2)), points.max(axis=(0, 1, 2))
    if (high - low > 10).all():
        points -= (low + high) / 2
        points /= (high - low) / 2
    return clip.replace(keypoints=x)


def unit(clip: Clip, layout: Layout) -> Clip:
    """Centre joint of the first body and frame in the origin, largest coordinate 1.

    For one's own data in any unit; keeps the aspect ratio, absent bodies and the confidence.
    """
    x = clip.keypoints.copy()
    points = x[..., : layout.dims]
    there = (x != 0).any(axis=(2, 3))
    if not there.any():
        return clip
    body, frame = np.argwhere(there.T)[0][::-1]
    points[there] -= points[body, frame, layout.centre_on].copy()
    points /= max(np.abs(points).max(), 1e-6)
    return clip.replace(keypoints=x)


def normalise_3d(
    keypoints: np.ndarray,
    centre: int = 1,
    axis_z: tuple[int, int] | None = (0, 1),
    axis_x: tuple[int, int] = (8, 4),
    dtype=np.float32,
) -> tuple[np.ndarray, np.ndarray]:
    """PreNormalize3D of PYSKL: body order, empty frames, centring, axis alignment.

    Args:
      keypoints: (M,T,V,3), M 1 or 2.
      centre: joint put in the origin, of the first body in its first frame.
      axis_z: joints (a, b), b - a is turned to +z (NTU: up the spine); None: no such turn.
      axis_x: joints (a, b), a - b is turned to +x after that (NTU: right shoulder - left).
      dtype: in which centring and the angles are evaluated; np.float16 is upstream's practice.

    Returns:
      (M,T',V,3) float32 with the frames left, and the centre (3,).

    Raises:
      DataError: more than two bodies.
    """
    x = keypoints.astype(dtype)
    if len(x) > 2:
        raise DataError("prenorm3d takes one or two bodies", found=len(x), do="choose bodies first")
    if x.sum(dtype=np.float64) == 0:
        return x.astype(np.float32), np.zeros(3, np.float32)
    kept = [np.flatnonzero(~np.isclose(body, 0).all(axis=(1, 2))) for body in x]
    if len(x) == 2 and len(kept[0]) < len(kept[1]):
        x, kept = x[::-1], kept[::-1]
    if not len(kept[0]):  # as good as zeros, all of it
        return x.astype(np.float32), np.zeros(3, np.float32)
    x = x[:, kept[0]]
    origin = x[0, 0, centre].copy()
    there = (x != 0).any(axis=-1, keepdims=True)
    x = np.where(there, x - origin, x)
    if axis_z:
        x = x @ _turn(x[0, 0, axis_z[1]] - x[0, 0, axis_z[0]], np.array([0, 0, 1])).T
    x = x @ _turn(x[0, 0, axis_x[0]] - x[0, 0, axis_x[1]], np.array([1, 0, 0])).T
    return x.astype(np.float32), origin.astype(np.float32)


def _turn(vector: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3,3) rotation by Rodrigues' formula that takes the direction of `vector` to `target`."""
    axis = np.cross(vector, target)
    if np.abs(vector).sum() < 1e-6:
        return np.eye(3)
    cosine = np.dot(vector / np.linalg.norm(vector), target)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.abs(axis).sum() < 1e-6 or np.abs(angle) < 1e-6:
        return np.eye(3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]], np.float64)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def normalise_2d(keypoints: np.ndarray, img_shape: tuple[int, int] = (1080, 1920)) -> np.ndarray:
    """Pixels (..., 2 or 3) to [-1,1] of an image of (height, width); a third channel stays."""
    height, width = img_shape
    x = keypoints.astype(np.float32)
    x[..., 0] = (x[..., 0] - width / 2) / (width / 2)
    x[..., 1] = (x[..., 1] - height / 2) / (height / 2)
    return x


PREPARATIONS = {
    "contrastive50": functools.partial(contrastive, frames=50),
    "contrastive64": functools.partial(contrastive, frames=64),
    "contrastive50_counted": functools.partial(contrastive, frames=50, counted=True),
    "contrastive64_counted": functools.partial(contrastive, frames=64, counted=True),
    "none": lambda clip, layout: clip,
    "prenorm2d": prenorm2d,
    "prenorm2d_auto": prenorm2d_auto,
    "prenorm2d_present": prenorm2d_present,
    "prenorm3d": prenorm3d,
    "prenorm3d_float16": prenorm3d_float16,
    "prenorm3d_no_spine": prenorm3d_no_spine,
    "trim": trim,
    "trim_copy": trim_copy,
    "unit": unit,
}
