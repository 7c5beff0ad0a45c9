"""Points of the body by name: joints of any skeleton, and middles between them."""

from __future__ import annotations

__all__ = ["POINTS", "has_point", "point"]

import numpy as np
import numpy.typing as npt

from posetrack.skeletons import canonical_joint
from posetrack.structures import Skeleton

Floats = npt.NDArray[np.float64]

# Name: what gives it, the first that the skeleton has; several joints: their middle.
POINTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "hips": (("left_hip", "right_hip"), ("pelvis",)),
    "shoulders": (("left_shoulder", "right_shoulder"), ("thorax",)),
    "neck": (("head_bottom",), ("thorax",), ("left_shoulder", "right_shoulder")),
    "head": (("head_top",), ("left_eye", "right_eye"), ("nose",)),
    "feet": (("left_ankle", "right_ankle"),),
}


def _recipe(skeleton: Skeleton, name: str) -> list[int] | None:
    """The joints whose middle the point is, None where the skeleton lacks it."""
    index = {canonical_joint(joint): k for k, joint in enumerate(skeleton.joints)}
    for joints in POINTS.get(name, ((canonical_joint(name),),)):
        if all(joint in index for joint in joints):
            return [index[joint] for joint in joints]
    return None


def has_point(skeleton: Skeleton, name: str) -> bool:
    """Whether a skeleton has a point, by the name of a joint or of ``POINTS``."""
    return _recipe(skeleton, name) is not None


def point(skeleton: Skeleton, xy: Floats, name: str) -> Floats:
    """A point over time, (T, 2) pixels, of places ``xy`` (T, K, 2); NaN where a joint it needs is
    absent. Raises KeyError where the skeleton has no such point.
    """
    joints = _recipe(skeleton, name)
    if joints is None:
        raise KeyError(name)
    middle: Floats = xy[:, joints].mean(axis=1)
    return middle
