"""What options offer whose values are the names of a table: who adds to the table adds no second
line elsewhere. Light, because ``--help`` reads it.
"""

from __future__ import annotations

__all__ = ["OFFERED", "check_offered"]

from posetrack.errors import unknown_name
from posetrack.inference.runtimes import AUTO, RUNTIMES
from posetrack.options import TrackOptions
from posetrack.trackers import TRACKERS

OFFERED: dict[str, tuple[str, ...]] = {
    "tracker": tuple(TRACKERS),
    "runtime": (AUTO, *RUNTIMES),
}


def check_offered(options: TrackOptions) -> TrackOptions:
    """The options as they are. Raises UsageError for a name that is in no table."""
    for option, names in OFFERED.items():
        if (value := getattr(options, option)) not in names:
            raise unknown_name(option, value, names)
    return options
