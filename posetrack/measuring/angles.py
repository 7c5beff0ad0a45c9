"""Angles of joints and of segments, defined in two tables. ``docs/measures.md`` draws them.

Add yours: one line in ``JOINT_ANGLES`` or ``SEGMENT_ANGLES``. All are angles in the picture: they
are those of the body where it moves in a plane that the camera looks at squarely.
"""

from __future__ import annotations

__all__ = [
    "JOINT_ANGLES",
    "SEGMENT_ANGLES",
    "JointAngle",
    "can_measure",
    "facing",
    "joint_angle",
    "segment_angle",
    "turn",
    "with_sides",
]

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.measuring.points import has_point, point
from posetrack.structures import Skeleton

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JointAngle:
    """The turn from the segment ``upper`` (two points, first to second) to the segment ``lower``.

    ``sign`` makes flexion positive for somebody who looks to the right of the picture (clockwise
    turns are positive before); ``zero`` is taken off: the turn of somebody who stands upright.
    """

    upper: tuple[str, str]
    lower: tuple[str, str]
    sign: int
    zero: float = 0.0


# {side} is left or right
JOINT_ANGLES: dict[str, JointAngle] = {
    "{side}_ankle_dorsiflexion": JointAngle(
        ("{side}_knee", "{side}_ankle"), ("{side}_heel", "{side}_big_toe"), -1, 90.0
    ),
    "{side}_knee_flexion": JointAngle(
        ("{side}_hip", "{side}_knee"), ("{side}_knee", "{side}_ankle"), 1
    ),
    "{side}_hip_flexion": JointAngle(("shoulders", "hips"), ("{side}_hip", "{side}_knee"), -1),
    "{side}_shoulder_flexion": JointAngle(
        ("shoulders", "hips"), ("{side}_shoulder", "{side}_elbow"), -1
    ),
    "{side}_elbow_flexion": JointAngle(
        ("{side}_shoulder", "{side}_elbow"), ("{side}_elbow", "{side}_wrist"), -1
    ),
    "neck_flexion": JointAngle(("hips", "shoulders"), ("neck", "head"), 1),
}
# from the first point to the second
SEGMENT_ANGLES: dict[str, tuple[str, str]] = {
    "{side}_foot": ("{side}_heel", "{side}_big_toe"),
    "{side}_shank": ("{side}_ankle", "{side}_knee"),
    "{side}_thigh": ("{side}_knee", "{side}_hip"),
    "pelvis": ("right_hip", "left_hip"),
    "trunk": ("hips", "shoulders"),
    "shoulder_line": ("right_shoulder", "left_shoulder"),
    "head": ("neck", "head"),
    "{side}_arm": ("{side}_elbow", "{side}_shoulder"),
    "{side}_forearm": ("{side}_wrist", "{side}_elbow"),
}

# --- facing: what tells whether somebody looks to the right (+1) or to the left (-1)
FACING_S = 1.0  # seconds that are looked at together
NEAR = 0.1  # of the person's size: a nose so far before the neck is in full profile
HOLD = 0.15  # of a cue between -1 and 1, below which the last direction holds
_AHEAD = (("neck", "nose"), ("left_heel", "left_big_toe"), ("right_heel", "right_big_toe"))
_BENDS = {"{side}_knee_flexion": 2.0, "{side}_elbow_flexion": 1.0}  # and how much they count


def with_sides(table: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """The names of a table for both sides: name, its pattern in the table, side ("" for none)."""
    names = []
    for pattern in table:
        sides = ("left", "right") if "{side}" in pattern else ("",)
        names += [(pattern.format(side=side), pattern, side) for side in sides]
    return names


def turn(u: Floats, v: Floats) -> Floats:
    """Degrees, -180 to 180, by which ``u`` (T, 2) must turn clockwise (as seen) to point like
    ``v``.
    """
    cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    degrees: Floats = np.degrees(np.arctan2(cross, (u * v).sum(axis=1)))
    return degrees


def _segment(skeleton: Skeleton, xy: Floats, ends: tuple[str, str], side: str) -> Floats:
    a, b = (point(skeleton, xy, end.format(side=side)) for end in ends)
    return b - a


def can_measure(skeleton: Skeleton, names: tuple[str, ...], side: str) -> bool:
    """Whether a skeleton has all these points."""
    return all(has_point(skeleton, name.format(side=side)) for name in names)


def joint_angle(
    skeleton: Skeleton, xy: Floats, pattern: str, side: str, looks: Floats | None
) -> Floats | None:
    """A joint angle over time, (T,) degrees, NaN where a joint is absent; None where the skeleton
    lacks one. ``looks`` (T,) is what ``facing`` gives; None: angles without sign.
    """
    angle = JOINT_ANGLES[pattern]
    if not can_measure(skeleton, angle.upper + angle.lower, side):
        return None
    upper, lower = (_segment(skeleton, xy, ends, side) for ends in (angle.upper, angle.lower))
    if looks is None:
        return np.abs(turn(upper, lower)) - angle.zero
    degrees = turn(upper, lower) * angle.sign * looks - angle.zero
    return (degrees + 180) % 360 - 180


def segment_angle(skeleton: Skeleton, xy: Floats, pattern: str, side: str) -> Floats | None:
    """The direction of a segment over time, (T,) degrees anticlockwise from the right of the
    picture, -180 to 180; None where the skeleton lacks a point.
    """
    ends = SEGMENT_ANGLES[pattern]
    if not can_measure(skeleton, ends, side):
        return None
    along = _segment(skeleton, xy, ends, side)
    degrees: Floats = np.degrees(np.arctan2(-along[:, 1], along[:, 0]))
    return degrees


def facing(skeleton: Skeleton, time_s: Floats, xy: Floats, size: float) -> Floats:
    """Whether somebody looks to the right (1) or to the left (-1) of the picture, (T,).

    By what is before the body (the nose before the neck, the toe before the heel) and by what only
    bends one way (knees and elbows), over about a second. Where nothing tells, as before; in the
    beginning, to the right.
    """
    cues = []
    for back, front in (
        ("neck", "nose"),
        ("left_heel", "left_big_toe"),
        ("right_heel", "right_big_toe"),
    ):
        if can_measure(skeleton, (back, front), ""):
            ahead = _segment(skeleton, xy, (back, front), "")[:, 0]
            cues.append(np.clip(ahead / (NEAR * size), -1, 1))
    for pattern, weight in _BENDS.items():
        for side in ("left", "right"):
            bend = joint_angle(skeleton, xy, pattern, side, np.ones(len(xy)))
            if bend is not None:
                cues.append(weight * np.sin(np.radians(bend)))
    if not cues or not len(xy):
        return np.ones(len(xy))
    return _held(_around(time_s, np.nan_to_num(np.stack(cues)).mean(axis=0)))


def _around(time_s: Floats, cue: Floats) -> Floats:
    """The mean of a cue within half of ``FACING_S`` of each time."""
    total = np.concatenate([[0.0], np.cumsum(cue)])
    low = np.searchsorted(time_s, time_s - FACING_S / 2)
    high = np.searchsorted(time_s, time_s + FACING_S / 2, side="right")
    mean: Floats = (total[high] - total[low]) / (high - low)
    return mean


def _held(cue: Floats) -> Floats:
    """The sign of a cue; where it is weak, the last one, and the first one before it."""
    strong = np.flatnonzero(np.abs(cue) >= HOLD)
    if not len(strong):
        return np.full(len(cue), 1.0 if cue.sum() >= 0 else -1.0)
    last = np.searchsorted(strong, np.arange(len(cue)), side="right") - 1
    return np.sign(cue[strong[np.maximum(last, 0)]])
