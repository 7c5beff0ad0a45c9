"""Object keypoint similarity between poses where they were: the papers' tracker without flow."""

from __future__ import annotations

__all__ = ["OksTracker"]

import numpy as np
import numpy.typing as npt

from posetrack.matching import pose_similarity
from posetrack.structures import Poses
from posetrack.trackers.base import MemoryTracker


class OksTracker(MemoryTracker):
    """Two poses are one person when their joints lie close, measured by the size of the person."""

    def _similarity(self, poses: Poses, remembered: Poses) -> npt.NDArray[np.float64]:
        return pose_similarity(poses, remembered, self.settings.min_joint_score)
