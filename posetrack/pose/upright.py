"""People who lie, tumble or stand on their hands, turned upright before a network looks at them
(again).
"""

from __future__ import annotations

__all__ = ["lean_deg", "moved_maps", "torso_score", "turned_center_scale"]

import warnings
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.geometry import box_to_center_scale, invert_affine, keypoint_boxes
from posetrack.skeletons import canonical_joint
from posetrack.structures import Skeleton

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def lean_deg(xy: Array, skeleton: Skeleton) -> Float64:
    """How far torsos lean, (N,) degrees in -180..180: 0 upright, 90 with the hips to the right of
    the shoulders.

    ``xy`` are keypoints (N, K, 2) in pixels, NaN where absent. Of each pair one joint is enough;
    NaN without a shoulder or a hip, as for skeletons that have none. ``crop_affine`` with minus
    this angle shows the person upright.
    """
    shoulders, hips = _joints(skeleton, "shoulder"), _joints(skeleton, "hip")
    if not shoulders or not hips:
        return np.full(len(xy), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # the mean of nothing is the NaN that is wanted
        torso = np.nanmean(xy[:, hips], axis=1) - np.nanmean(xy[:, shoulders], axis=1)
    lean: Float64 = np.degrees(np.arctan2(torso[:, 0], torso[:, 1], dtype=np.float64))
    return lean


def torso_score(score: Float32, skeleton: Skeleton) -> Float64:
    """Mean score (N,) of shoulders and hips, from scores (N, K); 0 for a skeleton without them."""
    torso = _joints(skeleton, "shoulder") + _joints(skeleton, "hip")
    return score[:, torso].mean(axis=1, dtype=np.float64) if torso else np.zeros(len(score))


def turned_center_scale(
    xy: Array, turn_deg: Array, size_wh: tuple[int, int], padding: float
) -> tuple[Float32, Float32]:
    """Centres (N, 2) in the image and scales (N, 2) of crops turned by (N,) degrees, tight around
    keypoints (N, K, 2).

    The box that is grown and padded (as by ``box_to_center_scale``) is that of the keypoints
    *after* the turn.
    """
    angle = np.deg2rad(np.asarray(turn_deg, np.float64))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1)
    turned = np.einsum("nij,nkj->nki", turn, np.asarray(xy, np.float64))
    center, scale = box_to_center_scale(keypoint_boxes(turned, 0.0), size_wh, padding)
    return np.einsum("nji,nj->ni", turn, center).astype(np.float32), scale


def moved_maps(maps: Float32, from_affine: Array, to_affine: Array) -> Float32:
    """Heatmaps (N, K, h, w) of one crop of each person as they lie in another; zero where the first
    did not reach.

    The matrices (N, 2, 3) lead from the image to the pixels of the heatmaps, as those of
    ``crop_affine``.
    """
    height, width = maps.shape[2:]
    back = invert_affine(from_affine)
    moved = np.empty_like(maps)
    for i, picture in enumerate(maps.transpose(0, 2, 3, 1)):
        linear = to_affine[i, :, :2] @ back[i, :, :2]
        shift = to_affine[i, :, :2] @ back[i, :, 2] + to_affine[i, :, 2]
        between = np.concatenate([linear, shift[:, None]], axis=1)
        moved[i] = cv2.warpAffine(
            np.ascontiguousarray(picture), between, (width, height)
        ).transpose(2, 0, 1)
    return moved


def _joints(skeleton: Skeleton, part: str) -> list[int]:
    return [i for i, j in enumerate(skeleton.joints) if canonical_joint(j).endswith(part)]
