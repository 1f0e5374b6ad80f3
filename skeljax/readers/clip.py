"""Clip: what every reader gives and every cleaning takes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Clip:
    """One recorded action.

    Attributes:
      name: unique within its dataset, for example ``S001C001P001R001A011``.
      keypoints: (M, T, V, C) float32; M bodies really there, zeros where a body is absent.
        C is the layout's coordinates (2 or 3) plus one confidence channel where the layout has it.
        Units are the sensor's: metres for Kinect, pixels or fractions of the image for 2-D.
      label: 0-based class, or None where unknown.
      layout: name of the Layout of the V joints.
      facts: what else the source says (subject, camera, setup, replication, ...).
    """

    name: str
    keypoints: np.ndarray
    label: int | None
    layout: str
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def replace(self, **changes) -> Clip:
        return dataclasses.replace(self, **changes)
