"""People who come back: known again by where they were lost and what they look like.

A pose that was hidden cannot be found again by its joints: the person has moved on, and optical
flow has carried the memory away with whoever stood in front. Before somebody new is born, those who
are missing are looked through. (Not in the papers, which number such people anew;
``revive=0`` does as they do. What it is worth on drawn clips: ``benchmarks/ablation.py``.)
"""

from __future__ import annotations

__all__ = ["Missing"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.geometry import iou_matrix
from posetrack.matching import greedy_match
from posetrack.structures import Boxes, Frame, Poses, Tracks
from posetrack.trackers.appearance import COLOUR_BINS, describe, likeness
from posetrack.trackers.exchange import Meetings, renamed

# of colours; chosen by eye on a few real clips; others in like clothes reach it too
MIN_LIKENESS = 0.85
# how far from where they were lost somebody may come back: this much of the longer side of their
# box,
REACH = 0.5
REACH_PER_FRAME = 0.06  # more for every frame since: a fast walk,
MAX_REACH = 3.0  # at most
# of the picture's sides: how near to its edge somebody leaves; the next one who comes may wear the
# same
EDGE = 0.01
LOOK_GAIN = 0.1  # share of what somebody looks like now in what they are remembered as
MAX_COVER = 0.1  # IoU with another person up to which the colours are somebody's own


class Missing:
    """Everybody seen in the last ``frames`` frames: identity (P,), frame (P,), box (P, 4) and look
    (P, D).
    """

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._id, self._seen = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._xyxy, self._look = (
            np.zeros((0, 4), np.float32),
            np.zeros((0, COLOUR_BINS), np.float32),
        )
        self._meetings = Meetings()

    def find(
        self, frame: Frame, poses: Poses, present: npt.NDArray[np.int64], min_joint_score: float
    ) -> list[tuple[int, int]]:
        """Pairs (pose, identity): which of ``poses``, of nobody so far, is who of those not in
        ``present``.

        A pose that looks more like one of those present is not somebody missing, and who was last
        seen at the edge of the picture has left.
        """
        if not self.frames or not len(poses) or not len(self._id):
            return []
        alike = likeness(describe(frame.image, poses, min_joint_score), self._look)
        here = np.isin(self._id, present)
        rival = alike[:, here].max(axis=1, initial=0)
        possible = (
            self._near(frame, poses.boxes) & ~here & ~self._left(frame) & (alike > rival[:, None])
        )
        worth = np.where(possible, alike, -np.inf)
        return [(pose, int(self._id[person])) for pose, person in greedy_match(worth, MIN_LIKENESS)]

    def _near(self, frame: Frame, boxes: Boxes) -> npt.NDArray[np.bool_]:
        """Which boxes (N) are within the reach of whom (P), (N, P)."""
        low, high = self._xyxy[:, :2], self._xyxy[:, 2:]
        away = (boxes.xyxy[:, None, :2] + boxes.xyxy[:, None, 2:] - low - high) / 2
        reach = np.minimum(REACH + REACH_PER_FRAME * (frame.index - self._seen), MAX_REACH)
        near: npt.NDArray[np.bool_] = np.linalg.norm(away, axis=2) <= reach * (high - low).max(
            axis=1
        )
        return near

    def _left(self, frame: Frame) -> npt.NDArray[np.bool_]:
        """Who has walked out of the picture, (P,)."""
        margin = EDGE * np.array(frame.size_wh)
        out: npt.NDArray[np.bool_] = np.logical_or(
            (self._xyxy[:, :2] < margin).any(axis=1),
            (self._xyxy[:, 2:] > frame.size_wh - margin).any(axis=1),
        )
        return out

    def see(self, frame: Frame, tracks: Tracks, min_joint_score: float) -> dict[int, int]:
        """Remember the people of ``frame``; gives identities that changed hands, and what they
        should be from now on.

        Colours are learnt only of those whom nobody covers and who are certainly themselves, and of
        new ones.
        """
        if not self.frames:
            return {}
        boxes = tracks.poses.boxes.xyxy
        look = describe(frame.image, tracks.poses, min_joint_score)
        together = iou_matrix(boxes, boxes) > MAX_COVER
        np.fill_diagonal(together, False)
        known_looks = dict(zip(self._id.tolist(), self._look, strict=True))
        changes = self._meetings.exchanges(tracks.id, look, together, known_looks)
        ids = renamed(tracks.id, changes)
        clear = (
            ~together.any(axis=1)
            & look.any(axis=1)
            & ~np.isin(ids, list(self._meetings.suspects()))
        )
        known, old = np.nonzero(ids[:, None] == self._id)
        before = self._look[old]
        blank = before.sum(axis=1, keepdims=True) == 0
        gain = np.where(blank, 1.0, np.where(clear[known, None], LOOK_GAIN, 0.0))
        look[known] = before + gain * (look[known] - before)
        stays = ~np.isin(self._id, ids) & (self._seen > frame.index - self.frames)
        self._id = np.concatenate([self._id[stays], ids])
        self._seen = np.concatenate([self._seen[stays], np.full(len(ids), frame.index)])
        self._xyxy = np.concatenate([self._xyxy[stays], boxes])
        self._look = np.concatenate([self._look[stays], look.astype(np.float32)])
        return changes

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything remembered, as arrays."""
        return {
            "missing_id": self._id,
            "missing_seen": self._seen,
            "missing_xyxy": self._xyxy,
            "missing_look": self._look,
            **self._meetings.state(),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what ``state`` gave."""
        self._id, self._seen = state["missing_id"], state["missing_seen"]
        self._xyxy, self._look = state["missing_xyxy"], state["missing_look"]
        self._meetings.restore(state)
