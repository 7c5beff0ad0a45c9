"""Left and right made consistent over time.

A network that sees a person from behind, or two legs that pass each other, sometimes calls left
what it called right a frame before. Bodies do not jump: of all ways to exchange the sides, frame by
frame, the one is taken in which joints move on most smoothly from the two places before (Viterbi's
algorithm over whether the sides are exchanged in this frame and the one before). What the file says
counts as well: an exchange costs something for every second that it lasts, so that a whole track is
never turned round, and where the motion does not tell, nothing is changed. Trunk, arms and legs are
decided apart.
"""

from __future__ import annotations

__all__ = ["mend_sides", "side_exchanges"]

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from posetrack.refining.series import Mark, Series
from posetrack.structures import Skeleton

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# parts that are exchanged as one; other pairs (eyes, ears) go with the trunk
PARTS = {
    "arms": ("elbow", "wrist"),
    "legs": ("knee", "ankle", "heel", "big_toe", "small_toe"),
    "trunk": ("shoulder", "hip", "eye", "ear"),
}
# Costs are distances in persons' sizes, summed over the joints of a part.
MAX_LEAP = 0.25  # beyond, a place is wrong in any case and tells nothing
COST_PER_S = 1.0  # of a part being exchanged
COST_OF_CHANGE = 0.05  # of beginning or ending to be
CLOSE = 0.03  # of left and right: there the sides mean nothing and are kept
BREAK_S = 0.5  # unseen so long, a person may have turned


def mend_sides(s: Series, skeleton: Skeleton) -> Series:
    """The series with sides exchanged where that makes its motion smooth, and marked."""
    xy, score, marks = s.xy.copy(), s.score.copy(), s.marks
    for pairs, exchanged in side_exchanges(s, skeleton):
        rows = np.flatnonzero(exchanged)
        left, right = np.array(pairs).T
        ours, theirs = np.concatenate([left, right]), np.concatenate([right, left])
        at = rows[:, None]
        for values in (xy, score):
            values[at, ours] = values[at, theirs]
        where = np.zeros(marks.shape, bool)
        where[at, ours] = True
        marks = replace(s, marks=marks).marked(where, Mark.SIDES)
    return replace(s, xy=xy, score=score, marks=marks)


def side_exchanges(s: Series, skeleton: Skeleton) -> list[tuple[list[tuple[int, int]], Bools]]:
    """For every part its pairs of joints, and in which frames (T,) they are exchanged."""
    found = []
    for words in PARTS.values():
        pairs = [
            (a, b) for a, b in skeleton.flip_pairs if skeleton.joints[a].split("_", 1)[-1] in words
        ]
        if pairs:
            found.append((pairs, _exchanged(s, pairs)))
    return found


def _exchanged(s: Series, pairs: list[tuple[int, int]]) -> Bools:
    """In which frames (T,) the joints of these pairs are on each other's side."""
    whole = np.asarray(s.present[:, np.array(pairs)].all(axis=2))  # (T, pairs)
    rows = np.flatnonzero(np.asarray(whole.any(axis=1)) & s.seen)
    result = np.zeros(len(s.frame), bool)
    if len(rows) < 3:
        return result
    places = s.xy[rows][:, np.array(pairs)] / s.size  # (R, pairs, sides, 2)
    costs = _costs(places, s.time_s[rows])
    keep = COST_PER_S * np.diff(s.time_s[rows], prepend=s.time_s[rows[0]])
    result[rows] = _cheapest(costs, keep)
    apart = np.hypot(*np.moveaxis(places[:, :, 0] - places[:, :, 1], -1, 0))
    result[rows[np.nan_to_num(apart).max(axis=1) < CLOSE]] = False
    return result


def _costs(places: Floats, time_s: Floats) -> Floats:
    """Costs (R, 2, 2) of going on to each frame: whether it is exchanged against the one before,
    and that one against the one before it.
    """
    before, last = places[:-2], places[1:-1]
    step, last_step = time_s[2:] - time_s[1:-1], time_s[1:-1] - time_s[:-2]
    share = np.clip(step / np.maximum(last_step, 1e-9), 0, 2)[:, None, None, None]
    costs = np.zeros((len(places), 2, 2))
    for earlier in (0, 1):
        older = before[:, :, ::-1] if earlier else before
        expected = last + share * (last - older)
        for now in (0, 1):
            here = places[2:, :, ::-1] if now else places[2:]
            away = np.minimum(np.hypot(*np.moveaxis(here - expected, -1, 0)), MAX_LEAP)
            # a pair that is not whole says nothing
            away = np.nan_to_num(away.sum(axis=2)).sum(axis=1)
            costs[2:, now, earlier] = away + COST_OF_CHANGE * now
    broken = np.flatnonzero((step > BREAK_S) | (last_step > BREAK_S)) + 2
    costs[broken] = 0
    return costs


def _cheapest(costs: Floats, keep: Floats) -> Bools:
    """The cheapest course (R,) of exchanges; ``keep`` (R,) is the price of one that lasts."""
    total = np.array([[0, keep[1]], [keep[0], keep[0] + keep[1]]])  # [before, now]
    total[0, 1] += COST_OF_CHANGE
    total[1, 0] += COST_OF_CHANGE
    back = np.zeros((len(costs), 2, 2), np.int64)
    states = np.arange(2)
    earlier, last, now = np.meshgrid(states, states, states, indexing="ij")
    for r in range(2, len(costs)):
        through = total[:, :, None] + costs[r][last ^ now, earlier ^ last] + keep[r] * now
        back[r] = through.argmin(axis=0)
        total = through.min(axis=0)
    course = np.zeros(len(costs), np.int64)
    course[-2], course[-1] = np.unravel_index(total.argmin(), (2, 2))
    for r in range(len(costs) - 1, 1, -1):
        course[r - 2] = back[r][course[r - 1], course[r]]
    return course.astype(bool)
