"""Keypoint average precision of PoseTrack (mAP), as the official tool takes it.

People are assigned first, by the share of a true person's joints that a prediction finds (PCKh),
then every predicted joint is right or wrong, and each joint has a precision-recall curve over all
frames.
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
    """What one sequence gives to the curves: ``score`` (P, J), ``present`` and ``correct`` (P, J),
    true joints (J,).
    """

    score: Floats
    present: Mask
    correct: Mask
    truth: Ints


@dataclass(frozen=True, slots=True)
class ApResult:
    """Per joint and, last, their mean (J + 1,), in percent: ``ap``, ``precision``, ``recall``; and
    counts (J,).
    """

    ap: Floats
    precision: Floats
    recall: Floats
    truth: Ints
    predicted: Ints
    correct: Ints


def ap_input(scene: Scene) -> ApInput:
    """Decide for every predicted joint of a scene whether it is right.

    A predicted person keeps the true person of whom they find the largest share of joints (the
    first of equals), a true person then takes the best of those who kept them; nobody gets a second
    choice.
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
    return (
        order[np.flatnonzero(np.diff(sorted_key, prepend=sorted_key[:1] - 1))]
        if len(order)
        else order
    )


def average_precision(parts: Sequence[ApInput], protocol: Protocol) -> ApResult:
    """AP over all sequences together: joints of all frames in one list a joint.

    AP is the area under the precision envelope at every change of recall (the VOC 2010 way). Of
    equal scores the later joint comes first; NaN scores come before all others.
    """
    score, present, correct = (
        np.concatenate([getattr(p, what) for p in parts]).T
        for what in ("score", "present", "correct")
    )
    truth = np.sum([p.truth for p in parts], axis=0)
    predicted, right = present.sum(axis=1), (present & correct).sum(axis=1)
    fractions = _curves(np.where(present, score, -np.inf), present, present & correct, truth)
    empty = predicted == 0
    fractions[:, empty] = np.where(
        truth[empty] > 0, 0.0, 0.0 if protocol.no_data_is_zero else np.nan
    )
    if not protocol.no_truth_is_zero:
        fractions[::2, ~empty & (truth == 0)] = np.nan
    ap, precision, recall = (np.append(row, _mean(row)) * 100 for row in fractions)
    return ApResult(ap, precision, recall, truth, predicted, right)


def _curves(score: Floats, present: Mask, right: Mask, truth: Ints) -> Floats:
    """AP, last precision and last recall of each joint, as fractions, (3, J); inputs are (J, P).

    Absent joints may stand anywhere in the order: they change neither precision nor recall.
    """
    if not score.shape[1]:
        return np.zeros((3, len(truth)))
    order = np.argsort(score, axis=1, kind="stable")[:, ::-1]
    found = np.cumsum(np.take_along_axis(right, order, axis=1), axis=1)
    precision = found / np.maximum(np.cumsum(np.take_along_axis(present, order, axis=1), axis=1), 1)
    recall = found / np.maximum(truth, 1)[:, None]
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    area = (np.diff(recall, prepend=0.0, axis=1) * envelope).sum(axis=1)
    return np.stack([area, precision[:, -1], recall[:, -1]])


def _mean(values: Floats) -> float:
    """Mean of the joints that have a value; NaN where none has."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")
