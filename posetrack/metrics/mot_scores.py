"""Percentages from tracking counts: MOTA, MOTP both ways, precision, recall and IDF1 per joint and
their mean.
"""

from __future__ import annotations

__all__ = ["MotScores", "idf1", "mot_scores"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.metrics.clear_mot import MotCounts
from posetrack.metrics.protocols import Protocol

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MotScores:
    """Percent per joint and, last, the mean of the joints that have a value, (J + 1,).

    ``motp`` is what the protocol prints as MOTP; ``motp_matched`` is over matched pairs, the
    published meaning.
    """

    mota: Floats
    motp: Floats
    motp_matched: Floats
    precision: Floats
    recall: Floats


def mot_scores(counts: MotCounts, protocol: Protocol) -> MotScores:
    """Scores from counts (J,) of one sequence, or summed over several."""
    errors = counts.misses + counts.switches + counts.false_positives
    found = counts.detections
    events = counts.distance_events if protocol.motp_over_all_events else counts.distance
    without = 0.0 if protocol.motp_over_all_events else np.nan  # poseval: 0 where nothing was found
    return MotScores(
        mota=_with_mean(1 - _ratio(errors, counts.objects)),
        motp=_with_mean(_where(found, 1 - _ratio(events, found), without)),
        motp_matched=_with_mean(_where(found, 1 - _ratio(counts.distance, found), without)),
        precision=_with_mean(_ratio(found, found + counts.false_positives)),
        recall=_with_mean(_ratio(found, counts.objects)),
    )


def idf1(true_positives: Ints, counts: MotCounts) -> Floats:
    """IDF1 in percent per joint and their mean, (J + 1,): 2 IDTP / (true joints + predicted
    joints).
    """
    return _with_mean(_ratio(2 * true_positives, counts.objects + counts.predictions))


def _ratio(part: npt.NDArray[np.float64] | Ints, whole: Ints) -> Floats:
    """part / whole, NaN where whole is 0."""
    ratio: Floats = np.where(whole > 0, part / np.maximum(whole, 1), np.nan)
    return ratio


def _where(condition: Ints, values: Floats, other: float) -> Floats:
    chosen: Floats = np.where(condition > 0, values, other)
    return chosen


def _with_mean(fractions: Floats) -> Floats:
    percent = fractions * 100
    there = percent[~np.isnan(percent)]
    return np.append(percent, there.mean() if len(there) else np.nan)
