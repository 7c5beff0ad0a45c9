"""After ByteTrack (Zhang et al., ECCV 2022), for comparison: boxes alone, their motion and two
rounds. On the same boxes the authors' kind of tracker in the package ``trackers`` is much better
(``benchmarks/identities.py``), so this says little about it.

Everybody is moved on by a Kalman filter. Boxes the detector is sure of are assigned first, to all
who are remembered; the rest goes to those left who were seen in the last frame; a sure box that
is nobody's begins somebody new, who is shown once the next frame confirms it (in the first frame at
once). Poses are along for the ride, and no box is proposed.
"""

from __future__ import annotations

__all__ = ["ByteTracker"]

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from posetrack.geometry import iou_matrix
from posetrack.matching import optimal_match
from posetrack.structures import Boxes, Flow, Frame, Poses, Skeleton, Tracks
from posetrack.trackers.base import DETECTED, TrackerSettings, box_score
from posetrack.trackers.kalman import BoxMotion

# the paper's and its code's
SURE = 0.6  # score of a box of the first round
NEW = 0.7  # of one that begins somebody new
MIN_IOU, MIN_WEAK_IOU, MIN_TENTATIVE_IOU = 0.2, 0.5, 0.3

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class ByteTracker:
    """See the module's text. Of the settings only ``memory`` counts."""

    uses_flow: ClassVar[bool] = False
    one_nms: ClassVar[bool] = False
    takes_repeated: ClassVar[bool] = False

    def __init__(self, skeleton: Skeleton, settings: TrackerSettings) -> None:
        self.settings = settings
        self._id, self._age = np.zeros(0, np.int64), np.zeros(0, np.int64)  # id 0: tentative
        self._motion = BoxMotion.start(np.zeros((0, 4), np.float32))
        self._next_id, self._frame_index = 1, -1

    def propose(self, frame: Frame, flow: Flow, detected: Boxes | None = None) -> Boxes:
        return Boxes.empty()

    def update(self, frame: Frame, poses: Poses, flow: Flow, carried: Ints | None = None) -> Tracks:
        first, self._frame_index = self._frame_index < 0, frame.index
        self._advance()
        if carried is not None:
            poses = poses[np.flatnonzero(carried == DETECTED)]
        score = box_score(poses)
        who = self._assign(poses.boxes.xyxy, score >= SURE)
        ids = self._remember(poses.boxes.xyxy, who, (who < 0) & (score >= NEW), first)
        shown = np.flatnonzero(ids > 0)
        order = shown[np.argsort(ids[shown])]
        return Tracks(ids[order], poses[order])

    def _advance(self) -> None:
        """Everybody one frame later, without those gone for too long."""
        stays = (self._age < self.settings.memory) & ((self._id > 0) | (self._age < 1))
        self._id, self._age = self._id[stays], self._age[stays] + 1
        self._motion = self._motion[stays].predicted()

    def _assign(self, xyxy: npt.NDArray[np.float32], sure: Mask) -> Ints:
        """For each box (N, 4) the row of the person it is, or -1: in three rounds."""
        who = np.full(len(xyxy), -1)
        iou = iou_matrix(xyxy, self._motion.xyxy)
        known = self._id > 0
        rounds = (
            (sure, known, MIN_IOU),
            (~sure, known & (self._age == 1), MIN_WEAK_IOU),
            (sure, ~known, MIN_TENTATIVE_IOU),
        )
        for boxes, people, least in rounds:
            free = np.ones(len(people), bool)
            free[who[who >= 0]] = False
            possible = (boxes & (who < 0))[:, None] & (people & free)
            for box, person in optimal_match(np.where(possible, iou, -np.inf), least):
                who[box] = person
        return who

    def _remember(self, xyxy: npt.NDArray[np.float32], who: Ints, new: Mask, first: bool) -> Ints:
        """Take in what was seen; the identities (N,) of the boxes, 0 where nobody is shown."""
        seen = np.flatnonzero(who >= 0)
        rows = who[seen]
        self._motion = BoxMotion.concat(
            self._motion.updated(rows, xyxy[seen]), BoxMotion.start(xyxy[new])
        )
        self._age[rows] = 0
        confirmed = rows[self._id[rows] == 0]
        self._id[confirmed] = self._numbers(len(confirmed))
        born = self._numbers(int(new.sum())) if first else np.zeros(new.sum(), np.int64)
        ids = np.zeros(len(who), np.int64)
        ids[seen], ids[new] = self._id[rows], born
        self._id = np.concatenate([self._id, born])
        self._age = np.concatenate([self._age, np.zeros(len(born), np.int64)])
        return ids

    def _numbers(self, count: int) -> Ints:
        """So many new identities."""
        self._next_id += count
        return np.arange(self._next_id - count, self._next_id)

    # --- going on from a saved state ----------------------------------------------------------

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "id": self._id,
            "age": self._age,
            "mean": self._motion.mean,
            "covariance": self._motion.covariance,
            "counters": np.array([self._next_id, self._frame_index]),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        self._id, self._age = state["id"].copy(), state["age"].copy()
        self._motion = BoxMotion(state["mean"], state["covariance"])
        self._next_id, self._frame_index = (int(n) for n in state["counters"])
