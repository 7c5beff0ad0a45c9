"""How drawn people move: joint angles over time for walking, jumping, waving and more, and paths on
the ground.

A posture is one flat vector of angles in radians (``ANGLES`` names them), so that motions blend by
plain addition. Arms and legs hang straight down at zero. Positive flexion brings the thigh or arm
forward, bends elbow and knee the way they bend; positive abduction leads away from the body; twist
turns about the limb's own axis, outward.
"""

from __future__ import annotations

__all__ = ["ANGLES", "MOTIONS", "Path", "blend", "posture"]

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

_SIDED = "arm_flex arm_abduct arm_twist elbow leg_flex leg_abduct leg_twist knee ankle".split()
ANGLES: dict[str, int] = {
    name: i
    for i, name in enumerate(
        "lean roll swivel spine spine_side spine_twist head_nod head_turn head_tilt lift".split()
        + [f"left_{a}" for a in _SIDED]
        + [f"right_{a}" for a in _SIDED]
    )
}
CYCLE_M = 0.82  # length of a walking cycle (two steps) at normal speed, in body heights
DEGREE = np.pi / 180


def posture(**angles: float) -> Vector:
    """A vector of ``ANGLES`` from names and degrees (``lift``: metres); ``both_x`` sets left and
    right.
    """
    vector = np.zeros(len(ANGLES))
    for name, value in angles.items():
        names = [f"left_{name[5:]}", f"right_{name[5:]}"] if name.startswith("both_") else [name]
        for n in names:
            vector[ANGLES[n]] = value if n == "lift" else value * DEGREE
    return vector


def blend(a: Vector, b: Vector, share: float) -> Vector:
    """From ``a`` (share 0) to ``b`` (share 1), eased at both ends."""
    s = float(np.clip(share, 0, 1))
    return a + (b - a) * (s * s * (3 - 2 * s))


def _bump(phase: float, centre: float, width: float) -> float:
    """A bell of height 1 at ``centre`` on the circle 0..1."""
    d = (phase - centre + 0.5) % 1 - 0.5
    return float(np.exp(-0.5 * (d / width) ** 2))


def _step(side: str, p: float, run: float) -> dict[str, float]:
    """Leg and opposite-arm angles in degrees at cycle phase ``p`` (0: this side's heel strikes);
    run 0..1.

    The curves follow the shape of published gait charts: hip from +30 to -10 degrees, knee flexing
    twice, 18 degrees while loading and 60 in the swing, ankle pushing off at 62 % of the cycle.
    """
    other = "right" if side == "left" else "left"
    swing = np.cos(2 * np.pi * (p + 0.03))
    return {
        f"{side}_leg_flex": 9 + 8 * run + (21 + 14 * run) * swing,
        f"{side}_knee": 4
        + 10 * run
        + (14 + 18 * run) * _bump(p, 0.14, 0.07)
        + (56 + 38 * run) * _bump(p, 0.72, 0.1),
        f"{side}_ankle": 8 * _bump(p, 0.42, 0.12)
        - 20 * _bump(p, 0.63, 0.06)
        - 6 * _bump(p, 0.06, 0.04),
        f"{side}_leg_abduct": 1.5,
        f"{side}_leg_twist": 6,
        f"{other}_arm_flex": -2 + (20 + 22 * run) * swing,
        f"{other}_arm_abduct": 7 + 6 * run,
        f"{other}_elbow": 16 + 62 * run + (10 + 14 * run) * swing,
    }


def _walk(t: float, tempo: float, run: float = 0.0) -> Vector:
    """Walking (run 0) to running (run 1); ``t`` counts cycles (two steps)."""
    p = t * tempo
    sway = 2 * np.pi * p
    return posture(
        lean=3 + 9 * run,
        swivel=-6 * np.cos(sway),
        spine_twist=11 * np.cos(sway),
        roll=2 * np.sin(sway),
        spine_side=-2 * np.sin(sway),
        head_nod=2 + 2 * np.cos(2 * sway),
        lift=0.05 * run * abs(np.sin(sway)),
        **_step("left", p % 1, run),
        **_step("right", (p + 0.5) % 1, run),
    )


def _run(t: float, tempo: float) -> Vector:
    """Running: more lean, bent arms, high heels."""
    return _walk(t, tempo, 1.0)


def _stand(t: float, tempo: float) -> Vector:
    """Standing: weight shifts from leg to leg, arms hang loosely, the head looks around."""
    a, b = np.sin(1.1 * tempo * t), np.sin(0.7 * tempo * t + 1)
    return posture(
        roll=1.5 * a,
        spine_side=-2 * a,
        spine_twist=5 * b,
        head_turn=18 * b,
        head_nod=4 + 4 * a,
        left_leg_abduct=4 + a,
        right_leg_abduct=4 - a,
        both_leg_twist=8,
        left_knee=5 + 3 * a,
        right_knee=5 - 3 * a,
        both_leg_flex=3,
        both_arm_abduct=7 + 2 * b,
        both_elbow=14 + 5 * a,
        both_arm_flex=3 * b,
    )


def _wave(t: float, tempo: float) -> Vector:
    """Waving with the left arm raised."""
    s = np.sin(7 * tempo * t)
    raised = posture(
        left_arm_abduct=100, left_arm_twist=85, left_elbow=62 + 28 * s, head_tilt=4 * s
    )
    calm = _stand(t, tempo)
    for name in ("left_arm_abduct", "left_arm_twist", "left_elbow"):
        calm[ANGLES[name]] = 0
    result: Vector = calm + raised
    return result


def _jump(t: float, tempo: float) -> Vector:
    """Jumping on the spot: crouch, fly with arms up, land."""
    p = (0.75 * tempo * t) % 1
    crouch, fly = _bump(p, 0.22, 0.09) + 0.7 * _bump(p, 0.8, 0.06), _bump(p, 0.5, 0.1)
    return posture(
        lean=26 * crouch - 2 * fly,
        head_nod=-12 * crouch,
        both_leg_flex=5 + 62 * crouch + 8 * fly,
        both_knee=6 + 92 * crouch + 16 * fly,
        both_ankle=26 * crouch - 34 * fly,
        both_leg_abduct=5,
        both_leg_twist=9,
        both_arm_flex=8 - 38 * crouch + 145 * fly,
        both_arm_abduct=9 + 14 * fly,
        both_elbow=18 + 20 * crouch + 12 * fly,
        lift=0.42 * fly if p > 0.3 and p < 0.75 else 0.0,
    )


def _jumping_jack(t: float, tempo: float) -> Vector:
    """Legs and arms spread and close again."""
    s = 0.5 - 0.5 * np.cos(2 * np.pi * 0.8 * tempo * t)
    return posture(
        both_arm_abduct=10 + 150 * s,
        both_arm_twist=40 * s,
        both_elbow=12 + 20 * s,
        both_leg_abduct=3 + 21 * s,
        both_leg_twist=6,
        both_knee=10 + 10 * np.sin(np.pi * s),
        both_leg_flex=4,
        lift=0.09 * np.sin(np.pi * s),
    )


def _squat(t: float, tempo: float) -> Vector:
    """Knee bends with the arms held forward."""
    s = 0.5 - 0.5 * np.cos(2 * np.pi * 0.45 * tempo * t)
    return posture(
        lean=4 + 30 * s,
        both_leg_flex=4 + 80 * s,
        both_knee=6 + 98 * s,
        both_ankle=20 * s,
        both_leg_abduct=9,
        both_leg_twist=14,
        both_arm_flex=10 + 84 * s,
        both_arm_abduct=6,
        both_elbow=10,
        head_nod=-16 * s,
    )


def _dance(t: float, tempo: float) -> Vector:
    """Swinging hips and arms in turns."""
    w = 2 * np.pi * 0.7 * tempo * t
    a, b = np.sin(w), np.sin(w + 1.3)
    return posture(
        roll=6 * a,
        swivel=16 * b,
        spine_side=-9 * a,
        spine_twist=-22 * b,
        head_tilt=6 * a,
        head_turn=10 * b,
        left_arm_flex=35 + 45 * a,
        right_arm_flex=35 - 45 * a,
        both_arm_abduct=28 + 18 * b,
        both_elbow=75 + 25 * b,
        left_leg_flex=14 + 14 * a,
        right_leg_flex=14 - 14 * a,
        left_knee=24 + 22 * a,
        right_knee=24 - 22 * a,
        both_leg_abduct=10,
        both_leg_twist=14,
        both_ankle=9,
    )


def _reach(t: float, tempo: float) -> Vector:
    """Bending down to the floor and stretching up, as one who picks things from the ground and
    shelves them.
    """
    s = np.sin(2 * np.pi * 0.33 * tempo * t)
    down, up = max(-s, 0.0), max(s, 0.0)
    return posture(
        lean=52 * down,
        spine=24 * down - 6 * up,
        both_leg_flex=5 + 66 * down,
        both_knee=8 + 58 * down,
        both_ankle=10 * down,
        left_arm_flex=14 + 60 * down + 140 * up,
        right_arm_flex=10 + 66 * down + 60 * up,
        both_arm_abduct=9,
        left_elbow=14 + 8 * up,
        right_elbow=20 + 45 * up,
        both_leg_abduct=7,
        both_leg_twist=10,
        head_nod=14 * down - 16 * up,
    )


# name -> (angles at time t in seconds and tempo about 1; add yours here)
MOTIONS: dict[str, Callable[[float, float], Vector]] = {
    "dance": _dance,
    "jump": _jump,
    "jumping_jack": _jumping_jack,
    "reach": _reach,
    "run": _run,
    "squat": _squat,
    "stand": _stand,
    "walk": _walk,
    "wave": _wave,
}


@dataclass(frozen=True, slots=True)
class Path:
    """A way to and fro between two points of the ground, ``start`` and ``goal`` (x, z) metres, at
    ``speed`` m/s.

    ``offset_s`` shifts the clock. A person who arrives turns round within ``TURN_S`` seconds and
    walks back; a speed of 0 stays at ``start`` facing ``goal``.
    """

    start: tuple[float, float]
    goal: tuple[float, float]
    speed: float
    offset_s: float = 0.0

    TURN_S = 0.7

    def at(self, t: float) -> tuple[float, float, float]:
        """Position x, z and heading (0: towards the camera, +90 degrees: to the right of the
        picture), radians.
        """
        dx, dz = self.goal[0] - self.start[0], self.goal[1] - self.start[1]
        heading, length = float(np.arctan2(dx, dz)), float(np.hypot(dx, dz))
        if self.speed == 0 or length == 0:
            return self.start[0], self.start[1], heading
        leg_s = length / self.speed
        legs, inside = divmod(t + self.offset_s, leg_s + self.TURN_S)
        share = min(inside / leg_s, 1.0)
        turned = np.clip((inside - leg_s) / self.TURN_S, 0, 1) * np.pi
        if int(legs) % 2:
            share, turned = 1 - share, turned + np.pi
        return self.start[0] + share * dx, self.start[1] + share * dz, heading + float(turned)
