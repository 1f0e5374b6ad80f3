"""What must hold for the joints of any clip, said in words where it does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skeljax.errors import DataError
from skeljax.layouts import Layout

_SHOWN = 20  # faults told one by one; the rest is counted


def check_keypoints(values, layout: Layout, where) -> np.ndarray:
    """`values`, (T, V, C) or (M, T, V, C) numbers, as (M, T, V, C) float32.

    Args:
      values: an array or nested lists; without a body axis it is one body.
      layout: says V and C.
      where: the file, for the message.

    Raises:
      DataError: ragged or non-numeric values, no frame, another number of joints or channels than
        the layout's, NaN or infinite coordinates.
    """
    V, C = layout.num_joints, layout.channels
    expected = f"(frames, {V}, {C}) or (bodies, frames, {V}, {C}) numbers, layout {layout.name}"
    try:
        array = np.asarray(values, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            "the joints are no array of numbers", where=where, found=_first_odd(values, V, C),
            expected=expected,
        ) from None  # fmt: skip
    if array.ndim == 3:
        array = array[None]
    if array.size == 0:
        raise DataError(
            "the clip has no frames", where=where, found=f"shape {array.shape}", expected=expected
        )
    if array.ndim != 4:
        raise DataError(
            "the joints have the wrong shape", where=where, found=np.shape(values),
            expected=expected,
        )  # fmt: skip
    if array.shape[2] != V:
        raise DataError("wrong number of joints", where=where, found=array.shape[2], expected=V)
    if array.shape[3] != C:
        raise DataError(
            "wrong number of values a joint", where=where, found=array.shape[3], expected=C
        )
    if not np.isfinite(array).all():
        body, frame, joint, _ = np.argwhere(~np.isfinite(array))[0]
        raise DataError(
            "a coordinate is NaN or infinite",
            where=where,
            found=f"body {body}, frame {frame}, joint {layout.joints[joint]}: "
            f"{array[body, frame, joint].tolist()}",
            expected="finite numbers; zeros where a body is absent",
        )
    return array


def _first_odd(values, V: int, C: int) -> str:
    """Which frame of nested lists `values` is not V joints of C numbers."""
    for t, frame in enumerate(values if isinstance(values, list) else ()):
        try:
            shape = np.asarray(frame, np.float32).shape
        except (TypeError, ValueError, OverflowError):
            return f"frame {t}: ragged or not numbers"
        if shape != (V, C):
            return f"frame {t}: shape {shape}"
    return type(values).__name__


def listing(items: Sequence[str], what: str) -> str:
    """``3 bad files:`` and the first of them, one a line."""
    lines = [f"      {line}" for item in items[:_SHOWN] for line in item.splitlines()]
    if len(items) > _SHOWN:
        lines.append(f"      ... and {len(items) - _SHOWN:,} more")
    return "\n".join([f"{len(items):,} {what}" + ":" * bool(items), *lines])
