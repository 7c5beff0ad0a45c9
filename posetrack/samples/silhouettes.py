"""Roughly the shape of a labelled person, to cut them out and paste them in front of others.

A rectangle pasted over somebody shows its edges; a shape lets two people touch, overlap and embrace
as they do in life.
"""

from __future__ import annotations

__all__ = ["silhouette"]

import numpy as np

from posetrack.samples.boxes import HEAD_LIMITS, HEAD_OF_BODY, JOINTS
from posetrack.structures import FloatArray

# Limbs and their thickness in head lengths, rather generous: what is theirs matters more than what
# is not.
_LIMBS = (
    ("ankle", "knee", 0.75),
    ("knee", "hip", 1.0),
    ("wrist", "elbow", 0.65),
    ("elbow", "shoulder", 0.75),
)
_ENDS = {"ankle": 0.55, "wrist": 0.45}  # feet and hands, as discs of this radius in head lengths
_TRUNK = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_TRUNK_MARGIN = 0.9  # thickness of the trunk's outline in head lengths
_HEAD_RADIUS = 0.62
_SOFT = 0.06  # blur of the edge in head lengths


def silhouette(
    joints: FloatArray, offset: FloatArray, size_wh: tuple[int, int]
) -> FloatArray | None:
    """How much of every pixel is the person's, (H, W) float32 from 0 to 1, in a window that begins
    at ``offset``.

    ``joints`` (14, 2) are pixels in ``JOINTS`` order. None where joints that are needed for a shape
    are not known.
    """
    import cv2

    at = dict(zip(JOINTS.joints, joints - offset, strict=True))
    if not np.isfinite(joints[:12]).all():
        return None
    side = float((np.nanmax(joints, axis=0) - np.nanmin(joints, axis=0)).max())
    head = float(np.linalg.norm(at["head_top"] - at["neck"]))  # NaN where one is not known
    head = (
        HEAD_OF_BODY * side
        if np.isnan(head)
        else float(np.clip(head, HEAD_LIMITS[0] * side, HEAD_LIMITS[1] * side))
    )
    mask = np.zeros((size_wh[1], size_wh[0]), np.uint8)

    def point(xy: FloatArray) -> tuple[int, int]:
        return round(float(xy[0])), round(float(xy[1]))

    def thick(heads: float) -> int:
        return max(1, round(heads * head))

    for one in ("left_", "right_"):
        for a, b, heads in _LIMBS:
            cv2.line(mask, point(at[one + a]), point(at[one + b]), 255, thick(heads))
        for joint, heads in _ENDS.items():
            cv2.circle(mask, point(at[one + joint]), thick(heads), 255, -1)
    trunk = np.array([point(at[name]) for name in _TRUNK])
    cv2.fillConvexPoly(mask, cv2.convexHull(trunk), 255)
    cv2.polylines(mask, [trunk], True, 255, thick(_TRUNK_MARGIN))
    if np.isfinite(joints[12:]).all():
        cv2.line(
            mask,
            point((at["neck"] + at["head_top"]) / 2),
            point(at["neck"]),
            255,
            thick(_HEAD_RADIUS),
        )
        cv2.circle(mask, point((at["neck"] + at["head_top"]) / 2), thick(_HEAD_RADIUS), 255, -1)
    soft: FloatArray = (
        cv2.GaussianBlur(mask, (0, 0), max(0.5, _SOFT * head)).astype(np.float32) / 255
    )
    return soft
