"""Joints that leap away and come back, and short gaps.

An outlier is a place far from where its neighbours on both sides say by straight lines (the median
of three pairs of them), measured against how far that is off around it: fast and bent motion is no
outlier. The worst one goes first, then its neighbours are asked again. Outliers become gaps.

Gaps of up to ``fill_s`` seconds between two places where a joint was seen are filled by a monotone
cubic through the places around it (Fritsch and Carlson 1980), which does not overshoot; where the
whole person was away so briefly, all of them and the box.
"""

from __future__ import annotations

__all__ = ["fill_gaps", "remove_outliers"]

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from posetrack.refining.series import Mark, Series

PAIRS = 3  # of neighbours that say where a joint should be
MIN_PLACES = 5  # of a joint, to say anything
ROUNDS = 6  # places that are off in a row are found one after the other, the worst first
WINDOW_S = 0.24  # on each side: what is further off in time says nothing
MAX_SURPRISE = 7.0  # times the usual distance between a place and what its neighbours say
MIN_LEAP = 0.12  # of the person's size: leaps below are noise, which smoothing is for
CONTEXT = 3  # places on each side of a gap that shape its filling

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def remove_outliers(s: Series) -> Series:
    """The series without joints that leap: those are absent and marked."""
    away = np.stack([_leaps(s.time_s, s.xy[:, k], s.size) for k in range(s.xy.shape[1])], axis=1)
    return replace(
        s, xy=np.where(away[..., None], np.nan, s.xy), marks=s.marked(away, Mark.OUTLIER)
    )


def _leaps(time_s: Floats, xy: Floats, size: float) -> Bools:
    """Which of the places (T, 2) of a joint are outliers, (T,)."""
    away = np.zeros(len(time_s), bool)
    for _ in range(ROUNDS):
        rows = np.flatnonzero(np.isfinite(xy).all(axis=1) & ~away)
        if len(rows) < MIN_PLACES:
            break
        error = _surprise(time_s[rows], xy[rows])
        usual = _rolling_median(time_s[rows], error)
        worst = error >= _rolling_largest(error)
        leaps = worst & (error > np.maximum(MAX_SURPRISE * usual, MIN_LEAP * size))
        if not leaps.any():
            break
        away[rows[leaps]] = True
    return away


def _surprise(times: Floats, points: Floats) -> Floats:
    """How far each place (R, 2) is from where its neighbours say, (R,): the median of what the
    pairs on both sides give by straight lines.
    """
    R = len(times)
    guesses = np.full((PAIRS, R, 2), np.nan)
    for d in range(1, min(PAIRS, (R - 1) // 2) + 1):
        before, after = times[: R - 2 * d], times[2 * d :]
        share = (times[d : R - d] - before) / (after - before)
        line = points[: R - 2 * d] * (1 - share[:, None]) + points[2 * d :] * share[:, None]
        line[after - before > 2 * WINDOW_S] = np.nan
        guesses[d - 1, d : R - d] = line
    known = np.isfinite(guesses).all(axis=2).sum(axis=0) >= 2
    middle = np.full((R, 2), np.nan)
    middle[known] = np.nanmedian(guesses[:, known], axis=0)
    return np.nan_to_num(np.hypot(*(points - middle).T))


def _rolling_median(times: Floats, values: Floats) -> Floats:
    """The median of the values within about ``WINDOW_S`` of each, (R,)."""
    from scipy.ndimage import median_filter

    reach = max(2, round(WINDOW_S / float(np.median(np.diff(times)))))
    return np.asarray(median_filter(values, 2 * reach + 1, mode="reflect"))


def _rolling_largest(values: Floats) -> Floats:
    """The largest of the values beside each, (R,)."""
    from scipy.ndimage import maximum_filter1d

    return np.asarray(maximum_filter1d(values, 2 * PAIRS + 1))


def fill_gaps(s: Series, fill_s: float) -> Series:
    """The series with the gaps of up to ``fill_s`` seconds filled, and marked."""
    xy, score = s.xy.copy(), s.score.copy()
    marks = s.marks.copy()
    for k in range(xy.shape[1]):
        filled = _fill(s.time_s, xy[:, k], fill_s)
        marks[:, k] |= np.where(filled, np.uint8(Mark.FILLED), np.uint8(0))
        _weaker_neighbour(score[:, k], filled)
    box, box_score = s.box.copy(), s.box_score.copy()
    away = _fill(s.time_s, box, fill_s) & ~s.seen
    _weaker_neighbour(box_score, away)
    box = np.where((s.seen | away)[:, None], box, np.nan)
    there = s.seen | away
    return replace(
        s,
        xy=np.where(there[:, None, None], xy, np.nan),
        score=score,
        box=box,
        box_score=box_score,
        marks=np.where(there[:, None], marks, 0).astype(np.uint8),
    )


def _fill(time_s: Floats, values: Floats, fill_s: float) -> Bools:
    """Fill the short gaps of ``values`` (T, D) in place; says which rows were filled, (T,)."""
    from scipy.interpolate import PchipInterpolator

    known = np.flatnonzero(np.isfinite(values).all(axis=1))
    filled = np.zeros(len(values), bool)
    ends = np.flatnonzero(np.diff(known) > 1)
    for i in ends.tolist():
        before, after = known[i], known[i + 1]
        if time_s[after] - time_s[before] > fill_s + _between(time_s, before, after):
            continue
        near = known[max(0, i - CONTEXT + 1) : i + 1 + CONTEXT]
        near = near[np.abs(near - np.where(near <= before, before, after)) < 2 * CONTEXT]
        gap = slice(before + 1, after)
        values[gap] = PchipInterpolator(time_s[near], values[near])(time_s[gap])
        filled[gap] = True
    return filled


def _between(time_s: Floats, before: int, after: int) -> float:
    """Seconds between two frames here: a gap of one frame has two such steps around it, and is as
    long as one.
    """
    return float(time_s[after] - time_s[before]) / float(after - before)


def _weaker_neighbour(score: Floats, filled: Bools) -> None:
    """Give what was filled the lower score of the two beside its gap, in place."""
    rows = np.flatnonzero(filled)
    if not len(rows):
        return
    known = np.flatnonzero(~filled)
    after = np.searchsorted(known, rows)
    score[rows] = np.fmin(score[known[after - 1]], score[known[np.minimum(after, len(known) - 1)]])
