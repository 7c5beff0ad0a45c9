"""What people look like: the colours along their limbs, to know somebody again who was out of
sight.
"""

from __future__ import annotations

__all__ = ["COLOUR_BINS", "describe", "likeness"]

from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.structures import FloatArray, Image, Poses

LEVELS = 5  # of each of red, green and blue
COLOUR_BINS = LEVELS**3
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
    return _histograms(image[y, x], certain[seen], np.nonzero(seen)[0], len(poses))


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
