"""The papers' tracker: remembered poses moved along the optical flow, compared by object keypoint
similarity.
"""

from __future__ import annotations

__all__ = ["FlowTracker", "moved_along"]

from typing import ClassVar

import numpy as np

from posetrack.flow import move_points
from posetrack.structures import Boxes, Flow, Poses
from posetrack.trackers.oks import OksTracker

# Places in a box, as shares of its sides, whose median flow moves it: one place alone may be a
# waving arm.
GRID = (
    np.stack(np.meshgrid(*[np.linspace(0.2, 0.8, 5)] * 2), axis=-1)
    .reshape(25, 2)
    .astype(np.float32)
)


class FlowTracker(OksTracker):
    """Xiao et al. 2018, section 3: flow-based pose similarity over the poses of the last
    L frames.
    """

    uses_flow: ClassVar[bool] = True

    def _move(self, poses: Poses, flow: Flow) -> Poses:
        return moved_along(poses, flow)


def moved_along(poses: Poses, flow: Flow) -> Poses:
    """Joints moved by the flow at each, boxes by the median flow inside; they keep their size."""
    xy = move_points(flow, poses.xy)
    corners = poses.boxes.xyxy.reshape(-1, 2, 2)
    inside = corners[:, :1] + GRID * (corners[:, 1:] - corners[:, :1])  # (N, G, 2)
    shift = np.median(move_points(flow, inside) - inside, axis=1)
    xyxy = (corners + shift[:, None].astype(np.float32)).reshape(-1, 4)
    return Poses(xy, poses.score, Boxes(xyxy, poses.boxes.score), poses.skeleton)
