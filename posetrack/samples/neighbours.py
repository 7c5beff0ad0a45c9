"""Somebody else pasted beside, before or behind the person of a training crop, who is still the one
to be found.
"""

from __future__ import annotations

__all__ = ["add_neighbour"]

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.geometry import transform_points
from posetrack.samples.boxes import JOINTS
from posetrack.samples.crops import Crop
from posetrack.samples.silhouettes import silhouette
from posetrack.skeletons import joint_map
from posetrack.structures import Image, Skeleton

Float32 = npt.NDArray[np.float32]

HEIGHT = (0.75, 1.3)  # of the neighbour, in heights of the person
APART = (
    0.25,
    0.9,
)  # of their middles sideways, in widths of the person or half heights, what is more
UP_DOWN = 0.15  # of their middles, in heights, at most
TURN_RAD = 0.35  # at most
MAX_COVERED = 0.5  # share of the person's joints that may lie under a neighbour who stands in front


def add_neighbour(
    image: Image, xy: Float32, other: Crop, skeleton: Skeleton, rng: np.random.Generator
) -> Image:
    """The crop (H, W, 3) with ``other`` pasted in along their shape; the person's joints ``xy`` (K,
    2) stay.

    Half of the neighbours stand behind. The crop comes back unchanged where a shape that is needed
    is not known, or the person would be hidden.
    """
    height, width = image.shape[:2]
    order = joint_map(skeleton, JOINTS)
    low, high = _extent(xy)
    affine = _beside(low, high, other, rng)
    behind = rng.random() < 0.5
    corner = np.zeros(2, np.float32)
    moved = transform_points(other.xy, affine).astype(np.float32)
    shape = silhouette(_sorted(moved, order), corner, (width, height))
    if shape is None:
        return image
    if behind:
        own = silhouette(_sorted(xy, order), corner, (width, height))
        if own is None:
            return image
        shape = shape * (1 - own)
    elif _covered(xy, shape) > MAX_COVERED:
        return image
    patch = cv2.warpAffine(other.image, affine, (width, height), flags=cv2.INTER_LINEAR).astype(
        np.float32
    )
    pasted: Image = np.round(image + (patch - image) * shape[..., None]).astype(np.uint8)
    return pasted


def _beside(
    low: Float32, high: Float32, other: Crop, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """The matrix (2, 3) that puts ``other`` next to a person whose joints reach from ``low`` to
    ``high``.
    """
    size = high - low
    long_side = float(max(size.max(), 8.0))
    scale = (
        long_side * rng.uniform(*HEIGHT) / max(float((other.xyxy[2:] - other.xyxy[:2]).max()), 1.0)
    )
    side = rng.choice((-1.0, 1.0))
    shift = np.array(
        [
            side * rng.uniform(*APART) * max(size[0], long_side / 2),
            rng.uniform(-1, 1) * UP_DOWN * size[1],
        ]
    )
    turn, mirror = rng.uniform(-TURN_RAD, TURN_RAD), rng.choice((-1.0, 1.0))
    linear = scale * np.array(
        [[np.cos(turn) * mirror, -np.sin(turn)], [np.sin(turn) * mirror, np.cos(turn)]]
    )
    target = (low + high) / 2 + shift
    return np.column_stack([linear, target - linear @ ((other.xyxy[:2] + other.xyxy[2:]) / 2)])


def _sorted(xy: Float32, order: list[int]) -> Float32:
    """Joints in ``JOINTS`` order, NaN where there is none."""
    return np.where((np.array(order) >= 0)[:, None], xy[order], np.nan).astype(np.float32)


def _extent(xy: Float32) -> tuple[Float32, Float32]:
    known = xy[np.isfinite(xy).all(axis=1)]
    if not len(known):
        return np.zeros(2, np.float32), np.zeros(2, np.float32)
    return known.min(axis=0), known.max(axis=0)


def _covered(xy: Float32, shape: Float32) -> float:
    """The share of known joints that lie under ``shape`` (H, W)."""
    known = xy[np.isfinite(xy).all(axis=1)]
    if not len(known):
        return 1.0
    at = np.clip(known.round().astype(int), 0, np.array(shape.shape[::-1]) - 1)
    return float((shape[at[:, 1], at[:, 0]] > 0.5).mean())
