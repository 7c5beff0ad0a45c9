"""Which of two people is the same: boxes merged, duplicate poses suppressed, similarities matched
greedily.
"""

from __future__ import annotations

__all__ = [
    "MIN_SHARED_JOINTS",
    "greedy_match",
    "merge_boxes",
    "optimal_match",
    "pose_similarity",
    "reliable_joints",
    "swallowed",
    "unite_boxes",
    "without_duplicates",
]

from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.geometry import iou_matrix, nms
from posetrack.oks import oks, oks_nms
from posetrack.options import SWALLOW_GAIN, SWALLOWED_SHARE
from posetrack.structures import Boxes, FloatArray, Poses

# joints; two poses that share fewer reliable ones say nothing about each other
MIN_SHARED_JOINTS = 3

Indices = npt.NDArray[np.int64]


def greedy_match(
    similarity: npt.NDArray[np.floating[Any]], min_similarity: float
) -> list[tuple[int, int]]:
    """Pairs (row, column) of a similarity matrix (N, M), best first, every row and column at most
    once.

    Only pairs of at least ``min_similarity`` are taken; of equal ones the lowest row, then the
    lowest column goes first, so that the result does not depend on chance.
    """
    rows, columns = np.nonzero(similarity >= min_similarity)
    best_first = np.argsort(-similarity[rows, columns], kind="stable")
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for row, column in zip(rows[best_first].tolist(), columns[best_first].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            pairs.append((row, column))
            used_rows.add(row)
            used_columns.add(column)
    return pairs


def optimal_match(worth: npt.NDArray[np.floating[Any]], least: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of a matrix (N, M) of the largest total worth (Kuhn 1955); pairs below
    ``least`` are no pairs, and -inf is allowed.
    """
    possible = worth >= least
    if _nothing_to_choose(possible) and (worth[possible] > 0).all():
        return [(int(r), int(c)) for r, c in np.argwhere(possible)]
    from scipy.optimize import linear_sum_assignment  # takes half a second to load

    rows, columns = linear_sum_assignment(np.where(possible, worth, 0.0), maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if possible[r, c]]


def _nothing_to_choose(possible: npt.NDArray[np.bool_]) -> bool:
    """Whether each row and each column of a matrix (N, M) has one pair at most."""
    return bool((possible.sum(axis=0) <= 1).all() and (possible.sum(axis=1) <= 1).all())


def merge_boxes(
    detected: Boxes, proposed: Boxes, max_iou: float
) -> tuple[Indices, Indices, Boxes, npt.NDArray[np.bool_]]:
    """Which detected boxes stay and which proposed ones, as rising indices, these with their new
    scores, and which of them were swallowed.

    The detected ones have been through NMS already. A proposal goes where a detection overlaps it
    more than ``max_iou``: what is seen now places a person better than what flow carried here,
    whatever their scores. Two proposals leave each other alone, because they are two people until
    their poses say otherwise. A detection that has swallowed two of them, as a box around an
    embrace does, is neither of them: it goes, both stay, and their scores rise to its own, because
    it does say that people are there, two of them. (Xiao et al. 2018 unify all boxes by one NMS,
    which costs identities.)
    """
    single, score, both = (
        np.ones(len(detected), bool),
        proposed.score.copy(),
        np.zeros(len(proposed), bool),
    )
    for n, box in enumerate(detected.xyxy):
        pair = swallowed(box, proposed.xyxy, max_iou)
        single[n] = len(pair) == 0
        score[pair] = np.maximum(score[pair], detected.score[n])
        both[pair] = True
    kept = np.flatnonzero(single)
    overlap = iou_matrix(detected.xyxy[kept], proposed.xyxy).max(axis=0, initial=0)
    stays = overlap <= max_iou
    return kept, np.flatnonzero(stays), Boxes(proposed.xyxy, score)[stays], both[stays]


def unite_boxes(
    detected: Boxes, proposed: Boxes, max_iou: float
) -> tuple[Indices, Indices, Boxes, npt.NDArray[np.bool_]]:
    """What ``merge_boxes`` gives, by one suppression of all boxes by their scores (Xiao et al.
    2018, section 3.2): nothing is swallowed.
    """
    boxes = Boxes.concat([detected, proposed])
    kept = np.sort(nms(boxes.xyxy, boxes.score, max_iou))
    stays = kept[kept >= len(detected)] - len(detected)
    return kept[kept < len(detected)], stays, proposed[stays], np.zeros(len(stays), bool)


def swallowed(
    box: FloatArray, people: FloatArray, max_iou: float, gain: float = SWALLOW_GAIN
) -> Indices:
    """The two of ``people`` (P, 4), both mostly inside, who explain ``box`` (4,) clearly better
    than one of all does.

    Their indices, or none. Two whose boxes overlap more than ``max_iou`` are too close to tell;
    "clearly" is ``gain`` more IoU.
    """
    overlap = np.maximum(
        np.minimum(box[2:], people[:, 2:]) - np.maximum(box[:2], people[:, :2]), 0
    ).prod(axis=1)
    area = (people[:, 2:] - people[:, :2]).prod(axis=1)
    inside = np.flatnonzero(overlap >= SWALLOWED_SHARE * area)
    two = np.argwhere(np.triu(iou_matrix(people[inside], people[inside]) <= max_iou, 1))
    if len(two) == 0:
        return np.zeros(0, np.int64)
    pairs = inside[two]  # (Q, 2)
    low, high = people[pairs, :2].min(axis=1), people[pairs, 2:].max(axis=1)
    together = iou_matrix(box[None], np.concatenate([low, high], axis=1))[0]
    clearly = together.max() >= iou_matrix(box[None], people).max() + gain
    return pairs[together.argmax()] if clearly else np.zeros(0, np.int64)


def reliable_joints(poses: Poses, min_joint_score: float) -> npt.NDArray[np.float32]:
    """``poses.xy`` (N, K, 2) with NaN where a joint's score is below ``min_joint_score``."""
    xy: npt.NDArray[np.float32] = np.where(
        (poses.score >= min_joint_score)[:, :, None], poses.xy, np.nan
    )
    return xy


def pose_similarity(a: Poses, b: Poses, min_joint_score: float) -> npt.NDArray[np.float64]:
    """OKS (N, M) of two sets of poses over the joints that score at least ``min_joint_score`` in
    both.

    The area is that of the boxes. Pairs that share fewer than ``MIN_SHARED_JOINTS`` such joints
    have similarity 0.
    """
    xy_a, xy_b = reliable_joints(a, min_joint_score), reliable_joints(b, min_joint_score)
    similarity = oks(xy_a, xy_b, a.boxes.area, b.boxes.area, a.skeleton.oks_sigmas, absent="skip")
    present_a, present_b = (~np.isnan(xy[:, :, 0]) for xy in (xy_a, xy_b))
    shared = present_a.astype(np.int64) @ present_b.astype(np.int64).T
    return np.where(shared >= MIN_SHARED_JOINTS, similarity, 0.0)


def without_duplicates(
    poses: Poses, max_oks: float, min_joint_score: float, apart: npt.NDArray[np.bool_] | None = None
) -> Indices:
    """Indices, rising, of the poses left when two that lie on one body (OKS above ``max_oks``) keep
    the better only.

    Of those marked in ``apart`` (N,) both stay.
    """
    kept = oks_nms(
        reliable_joints(poses, min_joint_score),
        poses.boxes.score,
        poses.boxes.area,
        poses.skeleton.oks_sigmas,
        max_oks,
        absent="skip",
        apart=apart,
    )
    return np.sort(kept)
