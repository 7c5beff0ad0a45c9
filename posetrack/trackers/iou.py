"""Overlap of boxes where they were: the plainest tracker, for comparison and for poses without
reliable joints.
"""

from __future__ import annotations

__all__ = ["IouTracker"]

import numpy as np
import numpy.typing as npt

from posetrack.geometry import iou_matrix
from posetrack.structures import FloatArray, Poses, Tracks
from posetrack.trackers.base import MemoryTracker


class IouTracker(MemoryTracker):
    """Two poses are one person when their boxes overlap."""

    def _similarity(self, poses: Poses, remembered: Poses) -> npt.NDArray[np.float64]:
        return iou_matrix(poses.boxes.xyxy, remembered.boxes.xyxy).astype(np.float64)

    def _boxes(self, tracks: Tracks) -> FloatArray:
        return tracks.poses.boxes.xyxy  # as seen: boxes that lag behind would overlap less
