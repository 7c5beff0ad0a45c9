"""What people look like: the colours along their limbs, to know somebody again who was out of
sight.

Colours of the whole body together (``describe``), or of its upper and lower half apart
(``describe_halves``): a red shirt over blue trousers is not a blue shirt over red ones. Of two
looks of PETS2009 10 to 60 frames apart, one person's are the more alike ones in 91 of 100 pairs of
pairs by the whole, in 95 by halves.
"""

from __future__ import annotations

__all__ = [
    "COLOUR_BINS",
    "HALVES",
    "describe",
    "describe_halves",
    "half_likeness",
    "likeness",
]

from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.structures import FloatArray, Image, Poses, Skeleton

LEVELS = 5  # of each of red, green and blue
COLOUR_BINS = LEVELS**3
HALVES = 2  # of a body: down to the hips, and the legs
LEG_JOINTS = ("knee", "ankle", "heel", "toe", "foot")  # parts of the names of joints of legs
PER_LIMB = 6  # places on a limb that are looked at
ENDS = 0.1  # of a limb at either end are left out: joints lie at the edge of clothes

_CORNERS = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(8, 3)
_STRIDES = np.array([LEVELS**2, LEVELS, 1])


def describe(image: Image, poses: Poses, min_joint_score: float) -> FloatArray:
    """Histograms (N, ``COLOUR_BINS``) of the colours on the limbs of each pose, each of sum 1.

    Only limbs count whose two joints score at least ``min_joint_score``, each by the lower score of
    the two. A colour goes in parts to the eight levels around it, so that a little more light
    changes little. All zero where no limb is to be seen.
    """
    colours, weight, owner, _ = _colours(image, poses, min_joint_score)
    return _histograms(colours, weight, owner, len(poses))


def describe_halves(image: Image, poses: Poses, min_joint_score: float) -> FloatArray:
    """The same for limbs down to the hips and for those of the legs, (N, ``HALVES``,
    ``COLOUR_BINS``).
    """
    colours, weight, owner, limb = _colours(image, poses, min_joint_score)
    half = _is_leg(poses.skeleton)[limb]
    both = _histograms(colours, weight, HALVES * owner + half, HALVES * len(poses))
    return both.reshape(len(poses), HALVES, COLOUR_BINS)


def _is_leg(skeleton: Skeleton) -> npt.NDArray[np.int64]:
    """1 for limbs (L,) that end below the hips, else 0."""
    below = [any(part in name.lower() for part in LEG_JOINTS) for name in skeleton.joints]
    return np.array([int(below[a] or below[b]) for a, b in skeleton.limbs], np.int64)


def _colours(
    image: Image, poses: Poses, min_joint_score: float
) -> tuple[Image, FloatArray, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The colours (P, 3) at places along limbs that are to be seen, with the weight (P,), the
    pose (P,) and the limb (P,) of each.
    """
    limbs = np.array(poses.skeleton.limbs, np.int64).reshape(-1, 2)
    share = np.linspace(ENDS, 1 - ENDS, PER_LIMB)[:, None]
    ends = poses.xy[:, limbs]  # (N, L, 2, 2)
    places = (ends[:, :, :1] * (1 - share) + ends[:, :, 1:] * share).reshape(
        len(poses), len(limbs) * PER_LIMB, 2
    )
    height, width = image.shape[:2]
    rounded = np.rint(places)
    certain = np.repeat(poses.score[:, limbs].min(axis=2), PER_LIMB, axis=1)
    seen = ((rounded >= 0) & (rounded < (width, height))).all(axis=2) & (
        certain >= min_joint_score
    )  # not for NaN
    x, y = rounded[seen].astype(np.int64).T
    owner, place = np.nonzero(seen)
    return image[y, x], certain[seen], owner, place // PER_LIMB


def _histograms(
    colours: Image, weight: FloatArray, owner: npt.NDArray[np.int64], count: int
) -> FloatArray:
    """Colours (P, 3) spread over the levels around them, summed by owner, each owner's sum 1."""
    level = colours.astype(np.float64) * ((LEVELS - 1) / 255)
    low = np.minimum(level.astype(np.int64), LEVELS - 2)
    above = (level - low)[:, None]
    part = np.where(_CORNERS, above, 1 - above).prod(axis=2) * weight[:, None]  # (P, 8)
    cell = owner[:, None] * COLOUR_BINS + (low[:, None] + _CORNERS) @ _STRIDES
    sums = np.bincount(cell.ravel(), part.ravel(), count * COLOUR_BINS).reshape(count, COLOUR_BINS)
    total = sums.sum(axis=1, keepdims=True)
    return (sums / np.where(total > 0, total, 1)).astype(np.float32)


def likeness(
    a: npt.NDArray[np.floating[Any]], b: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    """Bhattacharyya coefficients (N, M) of histograms (N, D) and (M, D): 1 for equal ones, 0 for
    nothing in common.
    """
    coefficients: npt.NDArray[np.float64] = (
        np.sqrt(a.astype(np.float64)) @ np.sqrt(b.astype(np.float64)).T
    )
    return coefficients


def half_likeness(
    a: npt.NDArray[np.floating[Any]], b: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    """``likeness`` (N, M) of looks (N, H, D) and (M, H, D): the mean of the halves that are to be
    seen of both; NaN where there is none.
    """
    alike = np.einsum("nhd,mhd->nmh", np.sqrt(a.astype(np.float64)), np.sqrt(b.astype(np.float64)))
    shared = (a.sum(axis=2) > 0)[:, None] & (b.sum(axis=2) > 0)[None]
    mean = alike.sum(axis=2) / np.maximum(shared.sum(axis=2), 1)
    return np.where(shared.any(axis=2), mean, np.nan)
