"""Suspicious moments: where somebody should look first, and whom to choose there; as
``posetrack.events`` finds them in the motion.
"""

from __future__ import annotations

__all__ = ["Moment", "find_moments"]

from posetrack.events.event import Event
from posetrack.events.moments import find_moments as moments_of_motion
from posetrack.track_table import TrackTable

Moment = Event


def find_moments(table: TrackTable, size_wh: tuple[int, int], fps: float) -> list[Moment]:
    """The suspicious moments of tracks in a picture of that size, by frame."""
    return moments_of_motion(table, size_wh, fps)
