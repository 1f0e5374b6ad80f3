"""A jointed body that follows a few tracks: where its joints are in a room, frame by frame.

The trunk turns by forward kinematics; arms and legs reach for hands and feet by two-bone inverse
kinematics. Axes: x to the body's left, y up, z forward; metres; the floor is y = 0.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

SIDES = (("left", 1.0), ("right", -1.0))


@dataclasses.dataclass(frozen=True)
class Body:
    """Lengths in metres of one subject."""

    thigh: float = 0.44
    shank: float = 0.42
    ankle: float = 0.08
    foot: float = 0.16
    hips: float = 0.09  # half the distance between the hips
    trunk: float = 0.50
    shoulders: float = 0.19
    neck: float = 0.09
    head: float = 0.15
    upper_arm: float = 0.29
    forearm: float = 0.26
    hand: float = 0.09

    @property
    def leg(self) -> float:
        return self.thigh + self.shank

    @property
    def arm(self) -> float:
        return self.upper_arm + self.forearm


def draw_body(rng: np.random.Generator) -> Body:
    """A subject: taller or smaller (about 1.5 to 1.9 m), with limbs of their own proportions."""
    size = 1 + 0.12 * rng.uniform(-1, 1)
    return Body(
        **{
            field.name: field.default * size * (1 + 0.08 * rng.uniform(-1, 1))
            for field in dataclasses.fields(Body)
        }
    )


class Pose(NamedTuple):
    """Tracks of one body over T frames, in units of its own limbs so that all bodies can do it.

    Attributes:
      left_hand, right_hand: (T, 3) wrist from the shoulder, arm lengths, axes of the trunk.
      left_foot, right_foot: (T, 3) ankle from where it stands, leg lengths.
      pelvis: (T, 3) from where it is when standing, leg lengths.
      trunk, head: (T, 3) degrees: pitch forward, yaw to the left, roll to the right.
      heading: (T,) degrees the whole body is turned to the left.
      place: (T, 3) metres, in the room.
    """

    left_hand: np.ndarray
    right_hand: np.ndarray
    left_foot: np.ndarray
    right_foot: np.ndarray
    pelvis: np.ndarray
    trunk: np.ndarray
    head: np.ndarray
    heading: np.ndarray
    place: np.ndarray


def standing(T: int) -> Pose:
    """Arms hanging, feet on the floor, no movement."""
    zero = np.zeros((T, 3))
    return Pose(
        left_hand=np.add(zero, (0.12, -0.94, 0.06)), right_hand=np.add(zero, (-0.12, -0.94, 0.06)),
        left_foot=zero, right_foot=zero, pelvis=zero, trunk=zero, head=zero,
        heading=np.zeros(T), place=zero,
    )  # fmt: skip


def joints(body: Body, pose: Pose) -> dict[str, np.ndarray]:
    """(T, 3) of every joint the puppet has, metres in the room; names as in the layouts."""
    half, whole = rotation(0.5 * pose.trunk), rotation(pose.trunk)
    up = np.array([0, body.trunk, 0])
    base = pose.pelvis * body.leg + (0, body.ankle + 0.985 * body.leg, 0)
    middle = base + half @ (0.5 * up)
    top = middle + whole @ (0.5 * up)
    neck = top + whole @ (0, 0.5 * body.neck, 0)
    face = whole @ rotation(pose.head)
    head = neck + face @ (0, 0.5 * body.neck + 0.6 * body.head, 0)
    at = {"spine_base": base, "spine_mid": middle, "spine_shoulder": top, "neck": neck,
          "head": head, "nose": head + face @ (0, -0.02, 0.1)}  # fmt: skip
    for side, sign in SIDES:
        at[f"{side}_eye"] = head + face @ (sign * 0.032, 0.015, 0.085)
        at[f"{side}_ear"] = head + face @ (sign * 0.075, 0, 0)
        _arm(at, side, sign, body, getattr(pose, f"{side}_hand"), whole, top)
        _leg(at, side, sign, body, getattr(pose, f"{side}_foot"), base)
    turn = rotation(np.stack([0 * pose.heading, pose.heading, 0 * pose.heading], -1))
    return {
        name: np.einsum("tij,tj->ti", turn, position) + pose.place for name, position in at.items()
    }


def _arm(at, side, sign, body, hand, trunk, top):
    shoulder = top + trunk @ (sign * body.shoulders, -0.03, 0)
    target = shoulder + np.einsum("tij,tj->ti", trunk, hand * body.arm)
    bend = trunk @ (sign * 0.5, -1, -0.35)
    elbow, wrist = reach(shoulder, target, body.upper_arm, body.forearm, bend)
    along = (wrist - elbow) / body.forearm
    palm = wrist + along * 0.6 * body.hand
    at[f"{side}_shoulder"], at[f"{side}_elbow"], at[f"{side}_wrist"] = shoulder, elbow, wrist
    at[f"{side}_hand"] = palm
    at[f"{side}_hand_tip"] = palm + along * body.hand
    at[f"{side}_thumb"] = palm + along * 0.3 * body.hand + trunk @ (-sign * 0.035, 0.02, 0.015)


def _leg(at, side, sign, body, foot, base):
    hip = np.add(base, (sign * body.hips, 0, 0))
    target = foot * body.leg + (sign * 1.15 * body.hips, body.ankle, 0)
    forward = np.broadcast_to((0.1 * sign, 0, 1.0), hip.shape)
    knee, ankle = reach(hip, target, body.thigh, body.shank, forward)
    toes = np.cross((ankle - knee) / body.shank, (1.0, 0, 0))
    at[f"{side}_hip"], at[f"{side}_knee"], at[f"{side}_ankle"] = hip, knee, ankle
    at[f"{side}_foot"] = ankle + body.foot * toes


def reach(start, target, first: float, second: float, bend) -> tuple[np.ndarray, np.ndarray]:
    """Two-bone inverse kinematics: middle and end (T, 3) of a limb from `start` towards `target`.

    Args:
      start, target: (T, 3) metres; a target out of reach is approached as far as the limb goes.
      first, second: lengths of the two bones.
      bend: (T, 3) the direction in which the middle joint points.
    """
    way = target - start
    distance = np.linalg.norm(way, axis=-1, keepdims=True)
    way = way / np.maximum(distance, 1e-6)
    distance = np.clip(distance, abs(first - second) + 0.05, 0.999 * (first + second))
    cosine = (first**2 + distance**2 - second**2) / (2 * first * distance)
    aside = bend - (bend * way).sum(-1, keepdims=True) * way
    aside = aside / np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-6)
    sine = np.sqrt(np.maximum(1 - cosine**2, 0))
    return start + first * (cosine * way + sine * aside), start + distance * way


def rotation(angles: np.ndarray) -> np.ndarray:
    """(..., 3) degrees of pitch, yaw and roll to matrices (..., 3, 3) = yaw @ pitch @ roll."""
    sx, sy, sz = np.moveaxis(np.sin(np.radians(angles)), -1, 0)
    cx, cy, cz = np.moveaxis(np.cos(np.radians(angles)), -1, 0)
    rows = [
        [cy * cz + sy * sx * sz, cz * sy * sx - cy * sz, cx * sy],
        [cx * sz, cx * cz, -sx],
        [cy * sx * sz - cz * sy, cy * cz * sx + sy * sz, cy * cx],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)
