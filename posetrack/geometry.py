"""Boxes, crops and affine maps, to the letter of the official HRNet code (crops) and plain geometry
(boxes).

Conventions: points are (x, y) pixels with the centre of the first pixel at 0; boxes are ``x1, y1,
x2, y2``; sizes are (width, height). A crop is described as the official code does it: ``center`` in
pixels and ``scale``, the crop's width and height in units of 200 px. The map image -> crop has **no
half-pixel term**: the crop's centre lands on ``(W / 2, H / 2)``, and a heatmap uses the same map
with its own size: heatmap point (0, 0) is the crop's corner.
"""

from __future__ import annotations

__all__ = [
    "BOX_EXTENSION",
    "BOX_PADDING",
    "PIXEL_STD",
    "box_to_center_scale",
    "clean_coco_boxes",
    "clip_boxes",
    "crop_affine",
    "crop_image",
    "flip_joints",
    "heatmap_to_image",
    "invert_affine",
    "iou_matrix",
    "keypoint_boxes",
    "nms",
    "transform_points",
]

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.structures import Image

PIXEL_STD = 200.0  # px per unit of ``scale``; official HRNet code
BOX_PADDING = 1.25  # factor by which a box grows before it is cropped; official HRNet code
# of a box around keypoints, in length, half on each side; Xiao et al. 2018, section 3
BOX_EXTENSION = 0.15

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


# --- crops
# --------------------------------------------------------------------------------------------------


def box_to_center_scale(
    xyxy: Array, size_wh: tuple[int, int], padding: float = BOX_PADDING
) -> tuple[Float32, Float32]:
    """Centre (N, 2) px and scale (N, 2) in 200 px of the crops around boxes (N, 4), grown to the
    aspect of ``size_wh``.

    As in the official code a box whose centre x is exactly -1 is not padded.
    """
    xyxy = np.asarray(xyxy, np.float64).reshape(-1, 4)
    aspect = size_wh[0] / size_wh[1]
    wh = xyxy[:, 2:] - xyxy[:, :2]
    center = (xyxy[:, :2] + wh * 0.5).astype(np.float32)
    width = np.maximum(wh[:, 0], wh[:, 1] * aspect)
    height = np.maximum(wh[:, 1], wh[:, 0] / aspect)
    scale = (np.stack([width, height], axis=1) / PIXEL_STD).astype(np.float32)
    scale[center[:, 0] != -1] *= np.float32(padding)
    return center, scale


def crop_affine(
    center: Array, scale: Array, size_wh: tuple[int, int], rotation_deg: Array | float = 0.0
) -> Float64:
    """Matrices (N, 2, 3) image -> crop of ``size_wh`` for centres (N, 2), scales (N, 2) and
    rotations (N,) in degrees.

    Only the width of ``scale`` counts: zoom ``a = W / (200 * scale_x)``, ``crop = a * R * (p -
    center) + (W/2, H/2)`` with ``R = [[cos, sin], [-sin, cos]]``.
    """
    center = np.asarray(center, np.float64).reshape(-1, 2)
    zoom = size_wh[0] / (PIXEL_STD * np.asarray(scale, np.float64).reshape(-1, 2)[:, 0])
    angle = np.deg2rad(np.broadcast_to(np.asarray(rotation_deg, np.float64), zoom.shape))
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    linear = np.stack([np.stack([cos, sin], axis=1), np.stack([-sin, cos], axis=1)], axis=1)
    middle = np.array(size_wh, np.float64) / 2
    shift = middle - np.einsum("nij,nj->ni", linear, center)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def invert_affine(affine: Array) -> Float64:
    """Inverses of affine matrices (..., 2, 3)."""
    linear = np.linalg.inv(np.asarray(affine[..., :2], np.float64))
    shift = -np.einsum("...ij,...j->...i", linear, affine[..., 2])
    return np.concatenate([linear, shift[..., None]], axis=-1)


def transform_points(points: Array, affine: Array) -> Float64:
    """Points (..., P, 2) under matrices (..., 2, 3). NaN stays NaN."""
    moved: Float64 = (
        np.einsum("...ij,...pj->...pi", affine[..., :2], points) + affine[..., None, :, 2]
    )
    return moved


def crop_image(image: Image, affine: Array, size_wh: tuple[int, int]) -> Image:
    """The crop (H, W, 3) of an image under one matrix (2, 3) image -> crop: bilinear, black
    outside.
    """
    import cv2

    crop: Image = cv2.warpAffine(
        image, np.asarray(affine, np.float64), size_wh, flags=cv2.INTER_LINEAR
    )
    return crop


def heatmap_to_image(
    points: Array,
    center: Array,
    scale: Array,
    heatmap_wh: tuple[int, int],
    rotation_deg: Array | float = 0.0,
) -> Float32:
    """Heatmap points (N, K, 2) back to image pixels, for crops given as to ``crop_affine``."""
    back = invert_affine(crop_affine(center, scale, heatmap_wh, rotation_deg))
    return transform_points(np.asarray(points, np.float64), back).astype(np.float32)


def flip_joints(
    xy: Array, visible: Array, width: int, flip_pairs: Iterable[tuple[int, int]]
) -> tuple[Float64, npt.NDArray[np.bool_]]:
    """Joints (K, 2) and visibility (K,) of the mirrored image: ``x' = width - x - 1``, left and
    right swapped.

    As in the official code an invisible joint becomes (0, 0).
    """
    xy, visible = np.array(xy, np.float64), np.array(visible, bool)
    xy[:, 0] = width - xy[:, 0] - 1
    for a, b in flip_pairs:
        xy[[a, b]], visible[[a, b]] = xy[[b, a]], visible[[b, a]]
    return np.where(visible[:, None], xy, 0.0), visible


# --- boxes
# --------------------------------------------------------------------------------------------------


def iou_matrix(a: Array, b: Array) -> Float32:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4); 0 where both are empty."""
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    width, height = (
        np.maximum(
            np.minimum.outer(a[:, i + 2], b[:, i + 2]) - np.maximum.outer(a[:, i], b[:, i]), 0
        )
        for i in (0, 1)
    )
    overlap = width * height
    union = _area(a)[:, None] + _area(b)[None] - overlap
    return np.where(union > 0, overlap / np.where(union > 0, union, 1), 0).astype(np.float32)


def nms(xyxy: Array, score: Array, max_iou: float) -> npt.NDArray[np.int64]:
    """Indices kept by greedy non-maximum suppression, best first: a box goes if its IoU with a kept
    one is > max_iou.

    Equal scores keep their order.
    """
    apart = iou_matrix(xyxy, xyxy) <= max_iou
    left = np.ones(len(apart), bool)
    kept: list[int] = []
    for i in np.argsort(-np.asarray(score, np.float64), kind="stable").tolist():
        if left[i]:
            kept.append(i)
            left &= apart[i]
    return np.array(kept, np.int64)


def keypoint_boxes(xy: Array, extension: float = BOX_EXTENSION) -> Float32:
    """Boxes (N, 4) around keypoints (N, K, 2), extended by ``extension`` in length; absent
    keypoints are NaN.

    A person without any keypoint gets a box of NaN.
    """
    xy = np.asarray(xy, np.float64)
    absent = np.isnan(xy).any(axis=2, keepdims=True)
    low = np.where(absent, np.inf, xy).min(axis=1, initial=np.inf)
    high = np.where(absent, -np.inf, xy).max(axis=1, initial=-np.inf)
    empty = (low > high).any(axis=1, keepdims=True)
    low, high = np.where(empty, np.nan, low), np.where(empty, np.nan, high)
    margin = (high - low) * (extension / 2)
    return np.concatenate([low - margin, high + margin], axis=1).astype(np.float32)


def clip_boxes(xyxy: Array, size_wh: tuple[int, int]) -> Float32:
    """Boxes (N, 4) cut at the borders of an image: x in 0..W-1, y in 0..H-1."""
    limit = np.array([size_wh[0] - 1, size_wh[1] - 1] * 2, np.float64)
    return np.clip(np.asarray(xyxy, np.float64).reshape(-1, 4), 0, limit).astype(np.float32)


def clean_coco_boxes(xywh: Array, size_wh: tuple[int, int]) -> Float32:
    """COCO annotation boxes x, y, w, h (N, 4) as boxes inside the image, as the official COCO
    loader cleans them.
    """
    xywh = np.asarray(xywh, np.float64).reshape(-1, 4)
    low = np.maximum(xywh[:, :2], 0)
    high = np.minimum(np.array(size_wh) - 1.0, low + np.maximum(xywh[:, 2:] - 1, 0))
    return np.concatenate([low, high], axis=1).astype(np.float32)


def _area(xyxy: Float64) -> Float64:
    area: Float64 = np.prod(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 0), axis=1)
    return area
