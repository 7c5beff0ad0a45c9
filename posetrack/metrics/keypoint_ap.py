"""Keypoint average precision of PoseTrack (mAP), as the official tool takes it.

People are assigned first, by the share of a true person's joints that a prediction finds (PCKh), then every predicted
joint is right or wrong, and each joint has a precision-recall curve over all frames.
"""

from __future__ import annotations

__all__ = ["ApInput", "ApResult", "ap_input", "average_precision"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.metrics.protocols import Protocol
from posetrack.metrics.scenes import Scene

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ApInput:
    """What one sequence gives to the curves: ``score`` (P, J), ``present`` and ``correct`` (P, J), true joints (J,)."""

    score: Floats
    present: Mask
    correct: Mask
    truth: Ints


@dataclass(frozen=True, slots=True)
class ApResult:
    """Per joint and, last, their mean (J + 1,), in percent: ``ap``, ``precision``, ``recall``; and counts (J,)."""

    ap: Floats
    precision: Floats
    recall: Floats
    truth: Ints
    predicted: Ints
    correct: Ints


def ap_input(scene: Scene) -> ApInput:
    """Decide for every predicted joint of a scene whether it is right.

    A predicted person keeps the true person of whom they find the largest share of joints (the first of equals), a true
    person then takes the best of those who kept them; nobody gets a second choice.
    """
    assigned = _assign(scene)
    pairs = np.flatnonzero(assigned)
    correct = np.zeros((len(scene.pred), scene.distance.shape[1]), np.bool_)
    correct[scene.pair_pred[pairs]] = scene.match[pairs]
    return ApInput(scene.pred.score, scene.pred.present, correct, scene.gt.present.sum(axis=0))


def _assign(scene: Scene) -> Mask:
    """Which pairs are assigned, (N,): at most one a true and one a predicted person."""
    count = scene.gt.present.sum(axis=1)[scene.pair_gt]
    share = scene.match.sum(axis=1) / np.maximum(count, 1)
    order = np.arange(len(share))
    best = _first(np.lexsort((order, -share, scene.pair_pred)), scene.pair_pred)
    best = best[share[best] > 0]
    best = best[np.argsort(best)]
    taken = best[_first(np.lexsort((best, -share[best], scene.pair_gt[best])), scene.pair_gt[best])]
    mask = np.zeros(len(share), np.bool_)
    mask[taken] = True
    return mask


def _first(order: Ints, key: Ints) -> Ints:
    """The first element of ``order`` of every value of ``key``; ``order`` sorts by ``key``."""
    sorted_key = key[order]
    return order[np.flatnonzero(np.diff(sorted_key, prepend=sorted_key[:1] - 1))] if len(order) else order


def average_precision(parts: Sequence[ApInput], protocol: Protocol) -> ApResult:
    """AP over all sequences together: joints of all frames in one list a joint.

    AP is the area under the precision envelope at every change of recall (the VOC 2010 way). Of equal scores the later
    joint comes first; NaN scores come before all others.
    """
    score, present, correct = (
        np.concatenate([getattr(p, what) for p in parts]) for what in ("score", "present", "correct")
    )
    truth = np.sum([p.truth for p in parts], axis=0)
    joints = score.shape[1]
    figures = np.zeros((3, joints))
    for j in range(joints):
        rows = np.flatnonzero(present[:, j])
        figures[:, j] = _curve(score[rows, j], correct[rows, j], int(truth[j]), protocol)
    totals = [_mean(row) for row in figures]
    ap, precision, recall = np.concatenate([figures, np.array(totals)[:, None]], axis=1) * 100
    return ApResult(ap, precision, recall, truth, present.sum(axis=0), (present & correct).sum(axis=0))


def _curve(score: Floats, correct: Mask, truth: int, protocol: Protocol) -> tuple[float, float, float]:
    """AP, last precision and last recall of one joint, as fractions."""
    if not len(score):
        none = 0.0 if truth or protocol.no_data_is_zero else np.nan
        return none, none, none
    found = np.cumsum(correct[np.argsort(score, kind="stable")[::-1]])
    precision = found / np.arange(1, len(found) + 1)
    if not truth and not protocol.no_truth_is_zero:
        return np.nan, float(precision[-1]), np.nan
    recall = found / max(truth, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    area = float(np.sum(np.diff(recall, prepend=0.0) * envelope))
    return area, float(precision[-1]), float(recall[-1])


def _mean(values: Floats) -> float:
    """Mean of the joints that have a value; NaN where none has."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
