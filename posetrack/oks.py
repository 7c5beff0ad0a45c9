"""Object keypoint similarity (OKS), and the non-maximum suppression and rescoring built on it.

The formula is COCO's, in the form the official HRNet evaluator uses between two predicted poses
(the mean of both areas, every joint counted): for joint ``i`` at distance ``d`` pixels

    e_i = d**2 / (2 sigma_i)**2 / ((area_a + area_b) / 2 + eps) / 2          OKS = mean_i exp(-e_i)

**Absent joints** (``xy = NaN``) the official code does not know. Here a joint absent from either
pose scores 0 and still counts (``absent="miss"``, the default: the mean stays over all K joints),
or is left out of the mean (``absent="skip"``: only joints present in both count, and two poses that
share no joint have OKS 0). Without NaN the two are the same and equal to the official value.
"""

from __future__ import annotations

__all__ = ["MAX_SOFT_NMS_POSES", "oks", "oks_nms", "rescore", "soft_oks_nms"]

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
EPSILON = float(np.spacing(1))  # the official code's guard against an area of 0
MAX_SOFT_NMS_POSES = 20  # poses that the official soft NMS keeps at most in an image


def oks(
    xy_a: Floats,
    xy_b: Floats,
    area_a: Floats,
    area_b: Floats,
    sigmas: Floats | tuple[float, ...],
    *,
    absent: Literal["miss", "skip"] = "miss",
    score_b: Floats | None = None,
    min_score_b: float | None = None,
) -> npt.NDArray[np.float64]:
    """OKS of every pose of ``xy_a`` (N, K, 2) with every pose of ``xy_b`` (M, K, 2), pixels: (N, M)
    in 0..1.

    ``area_a`` (N,) and ``area_b`` (M,) are square pixels (the official evaluator gives the padded
    box), ``sigmas`` (K,) as in ``Skeleton.oks_sigmas``. With ``min_score_b`` only joints whose
    ``score_b`` (M, K) is above it count, and no joint left gives 0; the official code too asks the
    second pose alone, by an oversight kept here.
    """
    a, b = np.asarray(xy_a, np.float64), np.asarray(xy_b, np.float64)
    mean_area = (
        np.asarray(area_a, np.float64)[:, None] + np.asarray(area_b, np.float64)[None, :]
    ) / 2 + EPSILON
    squared = ((b[None] - a[:, None]) ** 2).sum(axis=-1)  # (N, M, K)
    e = squared / (np.asarray(sigmas, np.float64) * 2) ** 2 / mean_area[:, :, None] / 2
    shared = ~np.isnan(squared)
    similarity = np.where(shared, np.exp(-np.where(shared, e, 0)), 0)
    counted = shared if absent == "skip" else np.ones_like(shared)
    if min_score_b is not None:
        if score_b is None:
            raise ValueError("oks: min_score_b needs score_b")
        counted = counted & (np.asarray(score_b) > min_score_b)[None]
    total = np.where(counted, similarity, 0).sum(axis=-1)
    mean: npt.NDArray[np.float64] = total / np.maximum(counted.sum(axis=-1), 1)
    return mean


def oks_nms(
    xy: Floats,
    score: Floats,
    area: Floats,
    sigmas: Floats | tuple[float, ...],
    max_oks: float,
    *,
    absent: Literal["miss", "skip"] = "miss",
    joint_score: Floats | None = None,
    min_joint_score: float | None = None,
    apart: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int64]:
    """Greedy suppression: indices of the poses (N, K, 2) to keep, best ``score`` (N,) first.

    A pose goes when its OKS with a better kept one is above ``max_oks``. Of equal scores the later
    pose comes first, as in the official code. ``joint_score`` (N, K) and ``min_joint_score`` are
    ``oks``'s visibility threshold. Poses marked in ``apart`` (N,) are known to be different people:
    they do not suppress each other.
    """
    similarity = oks(
        xy, xy, area, area, sigmas, absent=absent, score_b=joint_score, min_score_b=min_joint_score
    )
    if apart is not None:
        similarity = np.where(apart[:, None] & apart, 0.0, similarity)
    order = _by_score(score)
    keep: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        keep.append(int(best))
        order = rest[similarity[best, rest] <= max_oks]
    return np.asarray(keep, np.int64)


def soft_oks_nms(
    xy: Floats,
    score: Floats,
    area: Floats,
    sigmas: Floats | tuple[float, ...],
    max_oks: float,
    *,
    absent: Literal["miss", "skip"] = "miss",
    joint_score: Floats | None = None,
    min_joint_score: float | None = None,
) -> npt.NDArray[np.int64]:
    """Soft suppression: an order of at most ``MAX_SOFT_NMS_POSES`` poses, each weakened by the
    better ones like it.

    A score is multiplied by ``exp(-OKS**2 / max_oks)`` for every pose taken before it; no low score
    drops a pose.
    """
    similarity = oks(
        xy, xy, area, area, sigmas, absent=absent, score_b=joint_score, min_score_b=min_joint_score
    )
    order = _by_score(score)
    left = np.asarray(score, np.float64)[order]
    keep: list[int] = []
    while len(order) and len(keep) < MAX_SOFT_NMS_POSES:
        best, order = order[0], order[1:]
        keep.append(int(best))
        left = left[1:] * np.exp(-(similarity[best, order] ** 2) / max_oks)
        again = _by_score(left)
        order, left = order[again], left[again]
    return np.asarray(keep, np.int64)


def rescore(
    joint_score: Floats, box_score: Floats, min_joint_score: float = 0.2
) -> npt.NDArray[np.float64]:
    """Score of a pose: box score (N,) times the mean of its joint scores (N, K) above
    ``min_joint_score``, or 0.

    The threshold of the official configurations (IN_VIS_THRE) is 0.2. Joints without a score (NaN)
    do not count.
    """
    joints = np.asarray(joint_score, np.float64)
    counted = joints > min_joint_score
    mean = np.where(counted, joints, 0).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
    product: npt.NDArray[np.float64] = mean * np.asarray(box_score, np.float64)
    return product


def _by_score(score: Floats) -> npt.NDArray[np.intp]:
    """Indices by descending score; of equal scores the later one first."""
    return np.argsort(score, kind="stable")[::-1]
