"""The one affine warp of a training sample, for image and joints alike, and what it can reach.

"official" restates the distributions of the HRNet code (``lib/dataset/JointsDataset.py``):

- half body: people with more than 8 labelled joints, with probability 0.3; the upper half if a
  standard normal number is below 0.5 (69 %), the other one where the chosen half has fewer than 3
  joints, none where that has fewer than 2. The centre is the mean of the joints; their box, grown
  to the input's aspect, times 1.5 takes the place of the padded box.
- scale: factor N(1, 0.35) cut to 0.65..1.35; angle N(0, 45) cut to -90..90, with probability 0.6.
- mirroring about the centre of the crop.

"uniform" is what the bundled networks were trained under: uniform draws within the limits, either
half at even odds with the middle and the padded box of its joints, mirroring of the crop itself.
"""

from __future__ import annotations

__all__ = ["Reach", "draw_affine"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.geometry import (
    PIXEL_STD,
    box_to_center_scale,
    crop_affine,
    keypoint_boxes,
    transform_points,
)
from posetrack.pose.upright import lean_deg, turned_center_scale
from posetrack.samples.augment import Augmentation
from posetrack.skeletons import canonical_joint
from posetrack.structures import Skeleton

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Place = tuple[Float32, Float32]  # centre (1, 2) px and scale (1, 2) in 200 px of a crop

MIN_HALF_JOINTS = 3  # labelled joints that a half is chosen for; official code: more than 2
MIN_JOINTS = 2  # of the half that is left to choose; official code
UPPER_BELOW = 0.5  # a standard normal number below means the upper half; official code
HALF_BODY_GROWTH = 1.5  # of the box around the half's joints; official code
HALF_BODY_EXTENSION = 0.5  # the same growth, for ``keypoint_boxes``
ROTATION_LIMIT = 2  # in standard deviations; official code
_UPPER = ("nose", "head", "eye", "ear", "shoulder", "elbow", "wrist", "thorax", "neck")


def draw_affine(
    xyxy: Float32,
    xy: Float32,
    skeleton: Skeleton,
    size_wh: tuple[int, int],
    padding: float,
    how: Augmentation,
    rng: np.random.Generator,
) -> tuple[Float64, Float32, bool]:
    """Draw the one warp of a sample from its box (4,) and joints (K, 2; NaN absent), both in image
    pixels.

    Returns the matrix (2, 3) image -> crop, the joints (K, 2) in the crop (left and right swapped
    where mirrored) and whether it is mirrored.
    """
    official = how.geometry == "official"
    center, scale, rotation, box = _draw_place(xyxy, xy, skeleton, size_wh, padding, how, rng)
    center = center + rng.uniform(-how.shift, how.shift, (1, 2)) * (box[2:] - box[:2])
    scale = scale * (_normal_scale(how, rng) if official else _uniform(1, how.scale, rng))
    if rng.random() < how.p_rotation:
        rotation += _normal_angle(how, rng) if official else _uniform(0, how.rotation_deg, rng)
    affine = crop_affine(center, scale, size_wh, rotation)[0]
    mirrored = bool(rng.random() < how.p_flip) and bool(skeleton.flip_pairs)
    if mirrored:
        affine = _mirrored(affine, center[0], size_wh, official)
        xy = xy[list(skeleton.flip_order)]
    return affine, transform_points(xy, affine).astype(np.float32), mirrored


def _uniform(middle: float, spread: float, rng: np.random.Generator) -> float:
    return rng.uniform(middle - spread, middle + spread)


def _normal_scale(how: Augmentation, rng: np.random.Generator) -> float:
    return float(np.clip(1 + how.scale * rng.standard_normal(), 1 - how.scale, 1 + how.scale))


def _normal_angle(how: Augmentation, rng: np.random.Generator) -> float:
    """Degrees."""
    limit = ROTATION_LIMIT * how.rotation_deg
    return float(np.clip(how.rotation_deg * rng.standard_normal(), -limit, limit))


def _mirrored(
    affine: Float64, center: Float64, size_wh: tuple[int, int], official: bool
) -> Float64:
    """The matrix (2, 3) of the mirrored sample.

    The official code mirrors image and centre before it crops, so that the person stays where they
    were; mirroring the crop's own pixels moves them by one.
    """
    if official:
        about_center = np.array([[-1, 0, 2 * center[0]], [0, 1, 0], [0, 0, 1]])
        return affine @ about_center
    whole = np.concatenate([affine, [[0, 0, 1]]])
    return np.array([[-1, 0, size_wh[0] - 1], [0, 1, 0]]) @ whole


def _draw_place(
    xyxy: Float32,
    xy: Float32,
    skeleton: Skeleton,
    size_wh: tuple[int, int],
    padding: float,
    how: Augmentation,
    rng: np.random.Generator,
) -> tuple[Float32, Float32, float, Float32]:
    """Where the crop lies before it is scaled and turned: centre (1, 2), scale (1, 2), the angle in
    degrees that shows the person upright, and the box (4,) whose sizes shifts are in.
    """
    box, is_half = xyxy, False
    if how.geometry == "official":
        half = _draw_official_half(xy, skeleton, size_wh, how, rng)
        if half is not None:
            return (*half, 0.0, xyxy)
    elif rng.random() < how.p_half_body:
        box, is_half = _draw_plain_half(xyxy, xy, skeleton, rng), True
    place = box_to_center_scale(box[None], size_wh, padding)
    if not is_half and how.p_upright and rng.random() < how.p_upright:
        return (*_turned(xy, skeleton, size_wh, padding, place), box)
    return (*place, 0.0, box)


def _turned(
    xy: Float32, skeleton: Skeleton, size_wh: tuple[int, int], padding: float, place: Place
) -> tuple[Float32, Float32, float]:
    """Centre, scale and angle in degrees of a crop that shows the person upright; ``place`` where
    the joints span no box.
    """
    angle = -float(np.nan_to_num(lean_deg(xy[None], skeleton))[0])
    center, scale = turned_center_scale(xy[None], np.array([angle]), size_wh, padding)
    return (center, scale, angle) if scale.min() > 0 else (*place, angle)


# --- half bodies
# --------------------------------------------------------------------------------------------------


def _draw_official_half(
    xy: Float32,
    skeleton: Skeleton,
    size_wh: tuple[int, int],
    how: Augmentation,
    rng: np.random.Generator,
) -> Place | None:
    """Centre and scale of the upper or the lower half of a body, None where the whole is kept."""
    upper, lower = _halves(xy, skeleton)
    if len(upper) + len(lower) <= how.half_body_joints or rng.random() >= how.p_half_body:
        return None
    if rng.standard_normal() < UPPER_BELOW and len(upper) >= MIN_HALF_JOINTS:
        return _official_half(upper, size_wh)
    return _official_half(lower if len(lower) >= MIN_HALF_JOINTS else upper, size_wh)


def _draw_plain_half(
    xyxy: Float32, xy: Float32, skeleton: Skeleton, rng: np.random.Generator
) -> Float32:
    """A box (4,) around the upper or the lower half, the whole one where that has too few
    joints.
    """
    upper, lower = _halves(xy, skeleton)
    box = _plain_half_box(upper if rng.random() < 0.5 else lower)
    return xyxy if box is None else box


def _halves(xy: Float32, skeleton: Skeleton) -> tuple[Float32, Float32]:
    """The labelled joints (N, 2) of the upper and (M, 2) of the lower body."""
    is_upper = [any(part in canonical_joint(j) for part in _UPPER) for j in skeleton.joints]
    labelled, upper = ~np.isnan(xy[:, 0]), np.array(is_upper)
    return xy[upper & labelled], xy[~upper & labelled]


def _official_half(joints: Float32, size_wh: tuple[int, int]) -> Place | None:
    if len(joints) < MIN_JOINTS:
        return None
    box = keypoint_boxes(joints[None], 0.0)
    _, scale = box_to_center_scale(box, size_wh, HALF_BODY_GROWTH)
    return joints.mean(axis=0, keepdims=True), scale


def _plain_half_box(joints: Float32) -> Float32 | None:
    if len(joints) < MIN_HALF_JOINTS:
        return None
    box = keypoint_boxes(joints[None], HALF_BODY_EXTENSION)[0]
    return box if (box[2:] - box[:2]).min() > 1 else None


# --- what can be reached
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reach:
    """What samples of somebody may show: the crops of a run's ``stages``, each an input size, a
    padding and an augmentation.
    """

    skeleton: Skeleton
    stages: Sequence[tuple[tuple[int, int], float, Augmentation]]

    def __call__(self, xyxy: Float32, xy: Float32) -> Float32:
        """The box (4,) of all pixels that any draw can reach, for a box (4,) and joints (K, 2)."""
        boxes = [
            _extent(place, xyxy, how)
            for size_wh, padding, how in self.stages
            for place in self._places(xyxy, xy, size_wh, padding, how)
        ]
        corners = np.stack(boxes)
        return np.concatenate([corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)])

    def _places(
        self,
        xyxy: Float32,
        xy: Float32,
        size_wh: tuple[int, int],
        padding: float,
        how: Augmentation,
    ) -> list[tuple[Float32, Float32]]:
        """Centres (2,) and scales (2,) of the crops before they are scaled, turned and moved."""
        whole = box_to_center_scale(xyxy[None], size_wh, padding)
        places = [whole]
        if how.p_half_body:
            halves = (
                _place_of_half(half, size_wh, padding, how) for half in _halves(xy, self.skeleton)
            )
            places += [half for half in halves if half is not None]
        if how.p_upright:
            places.append(_turned(xy, self.skeleton, size_wh, padding, whole)[:2])
        tall = size_wh[1] / size_wh[0]  # only the width of a scale counts (``crop_affine``)
        return [
            (center[0], scale[0, 0] * np.array([1, tall], np.float32)) for center, scale in places
        ]


def _place_of_half(
    joints: Float32, size_wh: tuple[int, int], padding: float, how: Augmentation
) -> Place | None:
    if how.geometry == "official":
        return _official_half(joints, size_wh)
    box = _plain_half_box(joints)
    return None if box is None else box_to_center_scale(box[None], size_wh, padding)


def _extent(place: tuple[Float32, Float32], xyxy: Float32, how: Augmentation) -> Float32:
    """The box (4,) that a crop may touch once it is scaled, turned and moved; a pixel more for the
    interpolation.
    """
    center, scale = place
    half = scale * (PIXEL_STD / 2 * (1 + how.scale))
    if how.p_upright or (how.p_rotation and how.rotation_deg):
        half = np.full(2, np.linalg.norm(half))
    half = half + how.shift * (xyxy[2:] - xyxy[:2]) + 1
    return np.concatenate([center - half, center + half]).astype(np.float32)
