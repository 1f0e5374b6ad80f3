"""Twenty actions as tracks of the puppet: what a right-handed person does, in its own style."""

from __future__ import annotations

import numpy as np

from skeljax.readers.puppet import Pose, standing


class Stage:
    """One performance: its clock and its style.

    Attributes:
      on: (T,) 0 before and after the action, 1 while it lasts.
      rest: the Pose before it.
      rng: draws the style.
    """

    def __init__(self, frames: int, rng: np.random.Generator):
        self.rng = rng
        self.rest = standing(frames)
        self.start, self.end = rng.uniform(0.02, 0.22), rng.uniform(0.78, 0.98)
        self.time = (np.linspace(0, 1, frames) - self.start) / (self.end - self.start)
        rise = rng.uniform(0.15, 0.28)
        self.on = smooth(self.time / rise) * smooth((1 - self.time) / rise)

    def swing(self, low: float, high: float) -> np.ndarray:
        """(T,) sine of `low` to `high` periods while the action lasts, from a random phase."""
        periods, phase = self.rng.uniform(low, high), self.rng.uniform()
        return np.sin(2 * np.pi * (periods * self.time + phase))

    def pulses(self, low: int, high: int) -> np.ndarray:
        """(T,) `low` to `high` bumps from 0 to 1 and back."""
        count = self.rng.integers(low, high + 1)
        return np.sin(np.pi * count * self.time.clip(0, 1)) ** 2

    def ramp(self, low: float, high: float) -> np.ndarray:
        """(T,) from 0 to 1 within a part of the action that lasts `low` to `high` of it."""
        long = self.rng.uniform(low, high)
        return smooth((self.time - self.rng.uniform(0, 1 - long)) / long)

    def goal(self, x: float, y: float, z: float) -> np.ndarray:
        """(3,) a place, missed by a little."""
        return np.array([x, y, z]) + self.rng.normal(0, 0.06, 3)

    def size(self, value: float) -> float:
        """An amplitude, more or less."""
        return value * self.rng.uniform(0.65, 1.25)

    def hand(self, side: str, goal: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """(T, 3) track of a hand from rest (weight 0) to the goal (weight 1)."""
        rest = getattr(self.rest, f"{side}_hand")
        return rest + weight[:, None] * (goal - rest)

    def hands(self, x: float, y: float, z: float, weight: np.ndarray, move=0.0) -> dict:
        """Both hands to mirrored places; `move` (T, 3) is added to the left, mirrored right."""
        left, right = self.goal(x, y, z), self.goal(-x, y, z)
        flip = np.array([-1, 1, 1])
        return {
            "left_hand": self.hand("left", left + move, weight),
            "right_hand": self.hand("right", right + move * flip, weight),
        }


def smooth(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def along(track, x: float, y: float, z: float) -> np.ndarray:
    """(T,) times a direction: (T, 3)."""
    return np.asarray(track)[:, None] * np.array([x, y, z])


def sit_down(s: Stage) -> dict:
    down = s.ramp(0.35, 0.7)
    return {
        "pelvis": along(down, 0, -s.size(0.45), -0.33),
        "trunk": along(4 * down * (1 - down), s.size(35), 0, 0),
        **s.hands(-0.05, -0.68, 0.5, down),
    }


def stand_up(s: Stage) -> dict:
    return {name: track[::-1] for name, track in sit_down(s).items()}


def punch(s: Stage) -> dict:
    hit = s.pulses(1, 3)
    guard = s.hands(-0.18, -0.1, 0.4, s.on)
    reach = s.goal(0.2, 0, 0.97) - s.goal(0.18, -0.1, 0.4)
    return {
        "left_hand": guard["left_hand"],
        "right_hand": guard["right_hand"] + (s.on * hit)[:, None] * reach,
        "trunk": along(s.on * hit, 4, s.size(22), 0),
    }


def throw(s: Stage) -> dict:
    release = s.rng.uniform(0.45, 0.6)
    back = smooth(s.time / (release - 0.1)) * smooth((release - s.time) / 0.15)
    out = smooth((s.time - release + 0.12) / 0.15) * smooth((1 - s.time) / 0.3)
    rest = s.rest.right_hand
    hand = s.hand("right", s.goal(-0.25, 0.3, -0.45), back)
    return {
        "right_hand": hand + out[:, None] * (s.goal(0.15, -0.05, 0.95) - rest),
        "trunk": along(out - back, 5, s.size(22), 0),
    }


def drink(s: Stage) -> dict:
    sips = s.on * (1 - 0.35 * s.pulses(1, 2))
    return {
        "right_hand": s.hand("right", s.goal(0.3, 0.18, 0.38), sips),
        "head": along(sips, -s.size(16), 0, 0),
    }


def answer_the_phone(s: Stage) -> dict:
    return {
        "right_hand": s.hand("right", s.goal(0.12, 0.3, 0.14), s.on),
        "head": along(s.on, 4, 0, s.size(9)),
    }


def wave_one_hand(s: Stage) -> dict:
    side = along(s.swing(2, 5), s.size(0.24), 0, 0)
    return {"right_hand": s.hand("right", s.goal(-0.3, 0.4, 0.3) + side, s.on)}


def wave_both_hands(s: Stage) -> dict:
    return s.hands(0.3, 0.6, 0.2, s.on, along(s.swing(2, 5), s.size(0.24), 0, 0))


def jump(s: Stage) -> dict:
    beat = s.on * np.sin(2 * np.pi * s.rng.integers(1, 4) * s.time.clip(0, 1) - 0.5 * np.pi)
    up, crouch = beat.clip(0), (-beat).clip(0)
    height = s.size(0.26)
    return {
        "pelvis": along(up, 0, height, 0) + along(crouch, 0, -0.2, -0.05),
        "left_foot": along(up, 0, height, 0),
        "right_foot": along(up, 0, height, 0),
        "trunk": along(crouch, 20, 0, 0),
        **s.hands(0.25, -0.3, 0.4, up * s.rng.uniform(0.2, 1)),
    }


def squat(s: Stage) -> dict:
    down = s.on * s.pulses(1, 3)
    return {
        "pelvis": along(down, 0, -s.size(0.42), -0.12),
        "trunk": along(down, s.size(28), 0, 0),
        **s.hands(-0.05, -0.1, 0.85, down * s.rng.uniform(0, 1)),
    }


def bow(s: Stage) -> dict:
    down = s.on * s.pulses(1, 2)
    return {
        "trunk": along(down, s.size(48), 0, 0),
        "head": along(down, s.size(15), 0, 0),
        **s.hands(0.08, -0.75, 0.5, down),
    }


def pick_up(s: Stage) -> dict:
    down = smooth(s.time / 0.4) * smooth((0.85 - s.time) / 0.4)
    held = smooth((s.time - 0.45) / 0.3)
    hand = s.hand("right", s.goal(0.1, -0.7, 0.68), down)
    return {
        "right_hand": hand + held[:, None] * s.goal(0.2, 0.5, 0.3),
        "trunk": along(down, s.size(58), 0, 0),
        "pelvis": along(down, 0, -s.size(0.36), -0.15),
    }


def clap(s: Stage) -> dict:
    apart = 0.12 * (1 + s.swing(3, 7))
    return s.hands(-0.33, -0.2, 0.55, s.on, along(apart, 1, 0, 0))


def point(s: Stage) -> dict:
    aim = s.goal(s.rng.uniform(-0.4, 0.2), s.rng.uniform(-0.2, 0.25), 0.93)
    return {"right_hand": s.hand("right", aim, s.on)}


def kick(s: Stage) -> dict:
    hit = s.on * s.pulses(1, 2)
    return {
        "right_foot": along(hit, 0, s.size(0.45), s.size(0.65)),
        "trunk": along(hit, -s.size(8), 0, 0),
        "left_hand": s.hand("left", s.goal(0.3, -0.7, 0.35), hit),
    }


def walk_in_place(s: Stage, weight=None, steps=(3, 6)) -> dict:
    weight = s.on if weight is None else weight
    beat, lift = weight * s.swing(*steps), s.size(0.16)
    arms = along(beat, 0, 0.06, s.size(0.3))
    return {
        "left_foot": along(beat.clip(0), 0, lift, 0.7 * lift),
        "right_foot": along((-beat).clip(0), 0, lift, 0.7 * lift),
        "left_hand": s.rest.left_hand - arms,
        "right_hand": s.rest.right_hand + arms,
    }


def turn_around(s: Stage) -> dict:
    way = s.rng.choice([-1, 1]) * s.rng.uniform(150, 360)
    turned = s.ramp(0.6, 0.95)
    return {"heading": way * turned, **walk_in_place(s, 4 * turned * (1 - turned), (2, 4))}


def shake_hands(s: Stage, other: Stage) -> tuple[dict, dict, np.ndarray]:
    pump = along(s.swing(2, 5), 0, s.size(0.08), 0)
    first, second = (
        {"right_hand": each.hand("right", each.goal(0.28, -0.35, 0.72) + pump, s.on)}
        for each in (s, other)
    )
    return first, second, 0.95 + 0.35 * (1 - s.on)


def hug(s: Stage, other: Stage) -> tuple[dict, dict, np.ndarray]:
    first, second = (
        {**each.hands(-0.1, 0.05, 0.7, s.on), "trunk": along(s.on, 8, 0, 0)} for each in (s, other)
    )
    return first, second, 0.45 + 0.6 * (1 - s.on)


def push(s: Stage, other: Stage) -> tuple[dict, dict, np.ndarray]:
    out = smooth((s.time - 0.3) / 0.15)
    ready = s.hands(-0.15, -0.15, 0.4, s.on)
    thrust = along(s.on * out, 0, 0.08, 0.5)
    back = smooth((s.time - 0.4) / 0.2)
    stagger = {"trunk": along(back * (1 - back), -s.size(60), 0, 0)}
    stagger |= walk_in_place(other, 4 * back * (1 - back), (2, 4))
    return (
        {name: hand + thrust for name, hand in ready.items()},
        stagger,
        0.8 + s.size(0.4) * back,
    )


ALONE = {
    "sit down": sit_down, "punch": punch, "drink": drink, "wave one hand": wave_one_hand,
    "jump": jump, "bow": bow, "clap": clap, "walk in place": walk_in_place, "kick": kick,
    "throw": throw, "wave both hands": wave_both_hands, "squat": squat, "stand up": stand_up,
    "point": point, "turn around": turn_around, "answer the phone": answer_the_phone,
    "pick up": pick_up,
}  # fmt: skip
TOGETHER = {"hug": hug, "push": push, "shake hands": shake_hands}


def perform(action: str, frames: int, rng: np.random.Generator) -> tuple[Pose, ...]:
    """One Pose a body: of one person, or of two who face each other.

    Some act left-handed: the mirror image. Nobody stands still: all sway a little.
    """
    stage = Stage(frames, rng)
    if action in ALONE:
        poses = [stage.rest._replace(**ALONE[action](stage))]
    else:
        other = Stage(frames, rng)
        first, second, apart = TOGETHER[action](stage, other)
        poses = [stage.rest._replace(**first), stage.rest._replace(**second)]
        poses[1] = poses[1]._replace(
            heading=poses[1].heading + 180.0, place=along(apart, 0, 0, 1.0)
        )
    if rng.uniform() < 0.2:
        poses = [mirrored(pose) for pose in poses]
    return tuple(_sway(pose, rng) for pose in poses)


def mirrored(pose: Pose) -> Pose:
    """The same with left and right exchanged."""
    flip, turn = np.array([-1, 1, 1]), np.array([1, -1, -1])
    return Pose(
        left_hand=pose.right_hand * flip, right_hand=pose.left_hand * flip,
        left_foot=pose.right_foot * flip, right_foot=pose.left_foot * flip,
        pelvis=pose.pelvis * flip, trunk=pose.trunk * turn, head=pose.head * turn,
        heading=-pose.heading, place=pose.place * flip,
    )  # fmt: skip


def _sway(pose: Pose, rng: np.random.Generator) -> Pose:
    """Slow idle movement of trunk, head and hands."""
    drift = wander(rng, (len(pose.heading), 4, 3))
    return pose._replace(
        trunk=pose.trunk + 3 * drift[:, 0],
        head=pose.head + 6 * drift[:, 1],
        left_hand=pose.left_hand + 0.05 * drift[:, 2],
        right_hand=pose.right_hand + 0.05 * drift[:, 3],
    )


def wander(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise (T, ...) of unit size that changes slowly: a few sines of random phase over T."""
    t = np.linspace(0, 1, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    rates, phases = rng.uniform(0.3, 3, (3, *shape[1:])), rng.uniform(0, 1, (3, *shape[1:]))
    waves = np.sin(2 * np.pi * (rates[:, None] * t + phases[:, None]))
    return waves.sum(0) * np.sqrt(2 / 3)
