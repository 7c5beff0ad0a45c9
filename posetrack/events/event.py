"""An event, and the kinds of them."""

from __future__ import annotations

__all__ = ["KINDS", "Event", "Kind", "by_severity"]

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event: ``severity`` 0..1 is that of an event of its kind that is as bad as it gets;
    ``suspicious``: somebody should look there.
    """

    severity: float
    suspicious: bool
    text: str


# Severity is an order of what to look at first, not a probability. Identities come first: one
# exchange spoils all that follows.
KINDS: dict[str, Kind] = {
    "switch": Kind(1.0, True, "two people change places from one frame to the next"),
    "looks": Kind(0.95, True, "somebody looks like somebody else, in the video of a review"),
    "jump": Kind(0.9, True, "somebody is not where they were going"),
    "appears": Kind(0.8, True, "a track begins inside the picture"),
    "vanishes": Kind(0.8, True, "a track ends inside the picture"),
    "sides": Kind(0.7, True, "left and right are exchanged"),
    "size": Kind(0.6, True, "somebody is much higher or lower at once"),
    "gap": Kind(0.5, True, "somebody is missing, and back"),
    "crossing": Kind(0.4, True, "the boxes of two people lie over each other"),
    "birth": Kind(0.0, False, "a track begins with the clip or at the picture's edge"),
    "death": Kind(0.0, False, "a track ends with the clip or at the picture's edge"),
    "id switch": Kind(1.0, True, "a true person goes on under another identity"),
    "id transfer": Kind(1.0, True, "an identity goes on to another true person"),
    "miss": Kind(0.6, True, "a true person whom no track has"),
    "false track": Kind(0.6, True, "a track where nobody is"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """A ``kind`` of ``KINDS`` at a ``frame``, and what to say of it in one sentence.

    ``ids`` are identities of the tracks: the first is the one that it is about, the second who else
    is part of it. It lasts from ``first`` to ``last``, both included; ``frame`` is where to look.
    ``severity`` 0..1. ``time_s`` is None where neither times nor a rate are known; ``truth`` are
    identities of the ground truth.
    """

    kind: str
    frame: int
    ids: tuple[int, ...]
    text: str
    severity: float = 0.0
    last: int = -1
    first: int = -1
    time_s: float | None = None
    truth: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.last < self.frame:
            object.__setattr__(self, "last", self.frame)
        if self.first < 0:
            object.__setattr__(self, "first", self.frame)

    @property
    def suspicious(self) -> bool:
        """Whether somebody should look there."""
        return KINDS[self.kind].suspicious

    def touches(self, frame: int) -> bool:
        """Whether it lasts at a frame, or begins or ends beside it."""
        return self.first - 1 <= frame <= self.last + 1

    def to_dict(self) -> dict[str, Any]:
        """For JSON and tables, in the order of columns."""
        return {
            "kind": self.kind,
            "frame": self.frame,
            "first_frame": self.first,
            "last_frame": self.last,
            "time_s": self.time_s,
            "ids": list(self.ids),
            "truth_ids": list(self.truth),
            "severity": round(self.severity, 3),
            "suspicious": self.suspicious,
            "text": self.text,
        }


def by_severity(events: Iterable[Event]) -> list[Event]:
    """The worst first, then in the order of frames."""
    return sorted(events, key=lambda e: (-e.severity, e.frame, e.kind, e.ids))
