"""Xiao et al. 2018, section 3, to the letter: for whoever reproduces or ablates it.

The people of the last frame, and only they, are moved along the flow and proposed, by boxes around
their joints; one suppression by score unites these boxes with the detections (``one_nms``); poses
take the identities of the poses of the last L frames, all moved to the frame, by greedy matching of
OKS. Nothing fades, nobody is kept apart, nobody is known again by their looks. The paper prints
none of the numbers: ``--memory`` (L), ``--min-oks``, ``--box-nms`` and the scores are options.
"""

from __future__ import annotations

__all__ = ["PaperTracker"]

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from posetrack.geometry import keypoint_boxes
from posetrack.matching import greedy_match, reliable_joints
from posetrack.structures import Boxes, FloatArray, Flow, Frame, Poses, Tracks
from posetrack.trackers.flow import FlowTracker


class PaperTracker(FlowTracker):
    """See the module's text."""

    one_nms: ClassVar[bool] = True
    takes_repeated: ClassVar[bool] = False

    def propose(self, frame: Frame, flow: Flow, detected: Boxes | None = None) -> Boxes:
        self._advance(frame, flow)
        last = self._memory[self._memory.age == 1]
        xyxy = keypoint_boxes(reliable_joints(last.poses, self.settings.min_joint_score))
        known = np.flatnonzero(np.isfinite(xyxy).all(axis=1))
        return Boxes(xyxy, last.box_score)[known]

    def _assign(
        self, frame: Frame, poses: Poses, carried: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int64]:
        similarity = self._similarity(poses, self._memory.poses)
        people, of = np.unique(self._memory.id, return_inverse=True)
        best = np.full((len(poses), len(people)), -np.inf)
        np.maximum.at(best.T, of, similarity.T)
        ids = np.zeros(len(poses), np.int64)
        for pose, person in greedy_match(best, self.settings.min_oks):
            ids[pose] = people[person]
        born = (ids == 0) & (poses.boxes.score >= self.settings.min_new_score)
        ids[born] = np.arange(self._next_id, self._next_id + born.sum())
        self._next_id += int(born.sum())
        return ids

    def _boxes(self, tracks: Tracks) -> FloatArray:
        return tracks.poses.boxes.xyxy
