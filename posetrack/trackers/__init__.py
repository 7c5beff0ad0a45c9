"""Trackers: one file each. A tracker gives the poses of each frame identities that last.

Its contract has two methods, called once a frame and in this order (see ``base.Tracker``):

* ``propose(frame, flow, detected) -> Boxes``: where the people it remembers should be now;
* ``update(frame, poses, flow) -> Tracks``: the poses found there and by the detector, with
  identities.

Add yours: a class in a file of its own and a line in ``TRACKERS``.
"""

from __future__ import annotations

__all__ = ["DETECTED", "REPEATED", "TRACKERS", "Tracker", "TrackerSettings", "build_tracker"]

from posetrack.errors import unknown_name
from posetrack.structures import Skeleton
from posetrack.trackers.base import DETECTED, REPEATED, Tracker, TrackerSettings
from posetrack.trackers.byte import ByteTracker
from posetrack.trackers.flow import FlowTracker
from posetrack.trackers.fused import FusedTracker
from posetrack.trackers.iou import IouTracker
from posetrack.trackers.oks import OksTracker
from posetrack.trackers.paper import PaperTracker

TRACKERS: dict[str, type[Tracker]] = {
    "fused": FusedTracker,  # place and colours together: the default
    "paper": PaperTracker,  # Xiao et al. 2018 to the letter
    "flow": FlowTracker,  # the first edition's: the paper's with additions
    "oks": OksTracker,  # the same without flow
    "iou": IouTracker,  # overlap of boxes
    "byte": ByteTracker,  # boxes, their motion, two rounds: for comparison
}


def build_tracker(
    name: str, skeleton: Skeleton, settings: TrackerSettings | None = None
) -> Tracker:
    """The tracker of that name, with an empty memory. Raises UsageError for an unknown one."""
    if name not in TRACKERS:
        raise unknown_name("tracker", name, TRACKERS)
    return TRACKERS[name](skeleton, settings or TrackerSettings())
