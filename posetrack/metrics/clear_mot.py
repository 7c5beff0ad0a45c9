"""CLEAR MOT per joint (Bernardin & Stiefelhagen, 2008), as poseval takes it from motmetrics.

In a frame, and for each joint by itself: (1) a true person keeps the prediction it was last matched
with, however long ago, if that one is there, within reach and free; (2) the others are assigned at
least total distance among the assignments with the most pairs - a pair whose true person remembers
somebody else is a switch; (3) the rest are misses and false positives.

Frames have to be walked in order, but sequences and joints are independent: all of them take each
step together, as arrays (sequence, true person, prediction, joint).
"""

from __future__ import annotations

__all__ = ["MotCounts", "Tracking", "clear_mot"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.metrics.protocols import Protocol
from posetrack.metrics.scenes import MAX_DISTANCE, Scene, need_identities

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NOBODY = -1


@dataclass(frozen=True, slots=True)
class MotCounts:
    """Counts per sequence and joint, (S, J). ``objects`` are true joints, ``predictions`` predicted
    ones.

    ``distance`` sums the distances of matched pairs; ``distance_events`` those of all motmetrics
    events, as poseval does: every pair within reach, matched pairs again, and again where an
    identity ascends, transfers or migrates.
    """

    misses: Ints
    switches: Ints
    false_positives: Ints
    objects: Ints
    predictions: Ints
    distance: Floats
    distance_events: Floats

    @property
    def detections(self) -> Ints:
        """Matches and switches."""
        return self.objects - self.misses


@dataclass(frozen=True, slots=True)
class Tracking:
    """The counts, and for every scene which prediction (row, -1: none) each true joint got, list of
    (G, J).

    ``counted_gt`` are masks of the true people (G,) in frames that took part.
    """

    counts: MotCounts
    matched: list[Ints]
    counted_gt: list[Mask]


def clear_mot(scenes: Sequence[Scene], protocol: Protocol) -> Tracking:
    """Track every joint through every scene. Raises FormatError where an identity is missing."""
    for scene in scenes:
        need_identities(scene)
    walk = _Walk(scenes, protocol)
    for step in range(walk.steps):
        walk.advance(step)
    return walk.result()


class _Walk:
    """The state of all sequences and joints while the frames go by.

    Rows of all scenes are concatenated. ``memory`` (S, O, J) is the prediction a true identity was
    last matched with, ``last_owner`` (S, H, J) the true identity that a predicted one was last
    *newly* matched with.
    """

    def __init__(self, scenes: Sequence[Scene], protocol: Protocol) -> None:
        self.scenes, self.protocol = scenes, protocol
        S, J = len(scenes), scenes[0].distance.shape[1]
        self.gt = _People(
            [s.gt.track_id for s in scenes],
            [s.gt_frame for s in scenes],
            [s.gt.present for s in scenes],
        )
        self.pred = _People(
            [s.pred.track_id for s in scenes],
            [s.pred_frame for s in scenes],
            [s.pred.present for s in scenes],
        )
        frames = np.array([s.frames for s in scenes])
        self.frames = frames if protocol.counts_last_frame else np.maximum(frames - 1, 0)
        self.steps = int(self.frames.max(initial=0))
        self.memory = np.full((S, self.gt.identities, J), NOBODY)
        self.last_owner = np.full((S, self.pred.identities, J), NOBODY)
        self.column_of = np.full(
            (S, self.pred.identities + 1), NOBODY
        )  # the last column stays empty, for NOBODY
        self.matched = np.full((len(self.gt.identity), J), NOBODY)
        self.matched_distance = np.zeros((len(self.gt.identity), J))
        self.switched = np.zeros((S, J), np.int64)
        self.extra_distance = np.zeros((S, J))
        self._sort_pairs()

    def _sort_pairs(self) -> None:
        """The pairs of counted frames; ``order`` sorts them by step, ``bounds`` is where in it each
        step begins.
        """
        gt, pred, distance, self.reachable = [], [], [], np.zeros(self.switched.shape)
        for s, scene in enumerate(self.scenes):
            counted = slice(np.searchsorted(scene.gt_frame[scene.pair_gt], self.frames[s]))
            within = scene.distance[counted] <= MAX_DISTANCE
            self.reachable[s] = scene.distance[counted].sum(axis=0, where=within)
            gt.append(scene.pair_gt[counted] + self.gt.offsets[s])
            pred.append(scene.pair_pred[counted] + self.pred.offsets[s])
            distance.append(np.where(within, scene.distance[counted], np.inf))
        self.pair_gt, self.pair_pred, self.distance = (
            np.concatenate(gt),
            np.concatenate(pred),
            np.concatenate(distance),
        )
        step = self.gt.frame[self.pair_gt]
        self.order = np.argsort(step, kind="stable")
        self.bounds = np.searchsorted(step[self.order], np.arange(self.steps + 1))

    def advance(self, step: int) -> None:
        """One frame of every sequence that has people on both sides in it."""
        pairs = self.order[self.bounds[step] : self.bounds[step + 1]]
        gt, pred = self.pair_gt[pairs], self.pair_pred[pairs]
        if not len(gt):
            return
        scenes, a = np.unique(self.gt.scene[gt], return_inverse=True)
        row, column = self.gt.place[gt], self.pred.place[pred]
        shape = (len(scenes), int(row.max()) + 1, int(column.max()) + 1, self.distance.shape[1])
        reach = np.full(shape, np.inf)
        reach[a, row, column] = self.distance[pairs]
        gt_rows, pred_rows = np.full(shape[:2], NOBODY), np.full((shape[0], shape[2]), NOBODY)
        gt_rows[a, row], pred_rows[a, column] = gt, pred
        chosen = self._keep(scenes, reach, gt_rows, pred_rows)
        kept = chosen >= 0
        self._assign(reach, gt_rows, pred_rows, chosen)
        self._remember(scenes, reach, gt_rows, pred_rows, chosen, ~kept & (chosen >= 0))
        self._record(reach, gt_rows, pred_rows, chosen)

    def _keep(self, scenes: Ints, reach: Floats, gt_rows: Ints, pred_rows: Ints) -> Ints:
        """Step 1: the column (A, G, J) with which each true joint keeps its memory, or NOBODY."""
        A, G, P, J = reach.shape
        identity = self.pred.identity[pred_rows]
        known = np.nonzero(pred_rows >= 0)
        self.column_of[scenes[known[0]], identity[known]] = known[1]
        chosen = np.full((A, G, J), NOBODY)
        free = np.ones((A, P, J), np.bool_)
        a, j = np.arange(A)[:, None], np.arange(J)
        for g in range(G):
            memory = self.memory[scenes[:, None], self.gt.identity[gt_rows[:, g]][:, None], j]
            memory[gt_rows[:, g] < 0] = NOBODY
            column = self.column_of[scenes[:, None], memory]
            ok = (column >= 0) & free[a, column, j] & np.isfinite(reach[a, g, column, j])
            chosen[:, g][ok] = column[ok]
            free[np.nonzero(ok)[0], column[ok], np.nonzero(ok)[1]] = False
        self.column_of[scenes] = NOBODY
        return chosen

    def _assign(self, reach: Floats, gt_rows: Ints, pred_rows: Ints, chosen: Ints) -> None:
        """Step 2: pair the true joints and predictions that step 1 left; changes ``chosen``."""
        left = np.isfinite(reach)
        a, g, j = np.nonzero(chosen >= 0)
        left[a, :, chosen[a, g, j], j] = False
        left[a, g, :, j] = False
        rival = (left.sum(axis=1) > 1).any(axis=1) | (left.sum(axis=2) > 1).any(axis=1)
        for a1, j1 in zip(*np.nonzero(rival), strict=True):
            rows = np.flatnonzero(self.gt.present[gt_rows[a1], j1] & (gt_rows[a1] >= 0))
            columns = np.flatnonzero(self.pred.present[pred_rows[a1], j1] & (pred_rows[a1] >= 0))
            cost, there = (
                reach[a1][np.ix_(rows, columns)][..., j1],
                left[a1][np.ix_(rows, columns)][..., j1],
            )
            left[a1, :, :, j1] = False
            r, c = _solve(cost, there)
            left[a1, rows[r], columns[c], j1] = True
        a, g, p, j = np.nonzero(left)
        chosen[a, g, j] = p

    def _remember(
        self, scenes: Ints, reach: Floats, gt_rows: Ints, pred_rows: Ints, chosen: Ints, new: Mask
    ) -> None:
        """Count the switches among the ``new`` pairs and change the memory, true person by true
        person.
        """
        for g in np.flatnonzero(new.any(axis=(0, 2))):
            a, j = np.nonzero(new[:, g])
            column = chosen[a, g, j]
            s, distance = scenes[a], reach[a, g, column, j]
            obj, hyp = self.gt.identity[gt_rows[a, g]], self.pred.identity[pred_rows[a, column]]
            before, owner = self.memory[s, obj, j], self.last_owner[s, hyp, j]
            switch = (before >= 0) & (before != hyp)
            transfer = (owner >= 0) & (owner != obj)
            again = (switch & (owner < 0)).astype(np.int64) + transfer + (transfer & (before < 0))
            np.add.at(self.switched, (s, j), switch)
            np.add.at(self.extra_distance, (s, j), distance * again)
            self.memory[s, obj, j], self.last_owner[s, hyp, j] = hyp, obj

    def _record(self, reach: Floats, gt_rows: Ints, pred_rows: Ints, chosen: Ints) -> None:
        a, g, j = np.nonzero(chosen >= 0)
        column = chosen[a, g, j]
        self.matched[gt_rows[a, g], j] = pred_rows[a, column]
        self.matched_distance[gt_rows[a, g], j] = reach[a, g, column, j]

    def result(self) -> Tracking:
        """All counts."""
        S = len(self.scenes)
        both = _both_sides(self.gt, self.pred, self.frames)
        counted_gt, counted_pred = (
            _counted(p, both, self.frames, self.protocol) for p in (self.gt, self.pred)
        )
        dummies = np.zeros((S, 1), np.int64)
        if self.protocol.dummy_frames:
            dummies[:, 0] = self.frames - both.sum(axis=1)
        objects = _sum(self.gt, self.gt.present & counted_gt[:, None], S) + dummies
        predictions = _sum(self.pred, self.pred.present & counted_pred[:, None], S) + dummies
        found = _sum(self.gt, self.matched >= 0, S)
        distance = _sum(self.gt, self.matched_distance, S)
        counts = MotCounts(
            misses=objects - found,
            switches=self.switched,
            false_positives=predictions - found,
            objects=objects,
            predictions=predictions,
            distance=distance,
            distance_events=self.reachable + distance + self.extra_distance,
        )
        local = self.matched - np.where(
            self.matched >= 0, self.pred.offsets[self.gt.scene][:, None], 0
        )
        return Tracking(counts, self.gt.split(local), self.gt.split(counted_gt))


class _People:
    """The people of all scenes on one side: rows one after another, identities numbered from 0 in
    each scene.
    """

    def __init__(self, ids: list[Ints], frames: list[Ints], present: list[Mask]) -> None:
        sizes = np.array([len(i) for i in ids])
        self.offsets = np.cumsum(sizes) - sizes
        self.scene = np.repeat(np.arange(len(ids)), sizes)
        self.frame = np.concatenate(frames)
        self.present = np.concatenate(present)
        numbered = [np.unique(i, return_inverse=True) for i in ids]
        self.identity = np.concatenate([n for _, n in numbered])
        self.identities = max((len(u) for u, _ in numbered), default=0)
        starts = np.flatnonzero(np.diff(self.frame, prepend=-1) | np.diff(self.scene, prepend=-1))
        lengths = np.diff(starts, append=len(self.frame))
        self.place = np.arange(len(self.frame)) - np.repeat(
            starts, lengths
        )  # the row's number in its frame

    def split(self, rows: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Rows of all scenes cut into one array a scene."""
        return np.split(rows, self.offsets[1:])


def _solve(cost: Floats, there: Mask) -> tuple[Ints, Ints]:
    """The assignment with the most existing pairs and, of those, the least cost; only existing
    pairs are returned.
    """
    from scipy.optimize import linear_sum_assignment

    # The number that motmetrics puts in place of a missing pair, so that equal costs are settled
    # alike.
    large = 2 * min(cost.shape) * (cost[there].max() + 1) + 1
    r, c = linear_sum_assignment(np.where(there, cost, large))
    real = there[r, c]
    return r[real], c[real]


def _both_sides(gt: _People, pred: _People, frames: Ints) -> Mask:
    """In which counted frames (S, T) both sides have somebody."""
    there = np.zeros((2, len(frames), int(frames.max(initial=0)) + 1), np.bool_)
    for side, people in enumerate((gt, pred)):
        inside = people.frame < frames[people.scene]
        there[side, people.scene[inside], people.frame[inside]] = True
    both: Mask = there[0] & there[1]
    return both


def _counted(people: _People, both: Mask, frames: Ints, protocol: Protocol) -> Mask:
    inside = people.frame < frames[people.scene]
    if not protocol.dummy_frames:
        return inside
    return inside & both[people.scene, np.where(inside, people.frame, 0)]


def _sum(people: _People, values: npt.NDArray[Any], scenes: int) -> npt.NDArray[Any]:
    """Sum of the rows of each scene, (S, J)."""
    dtype = np.float64 if values.dtype.kind == "f" else np.int64
    total: npt.NDArray[Any] = np.zeros((scenes, values.shape[1]), dtype)
    there = np.flatnonzero(
        np.diff(people.offsets, append=len(values))
    )  # reduceat cannot sum nothing
    if len(there):
        total[there] = np.add.reduceat(values, people.offsets[there], axis=0, dtype=dtype)
    return total
