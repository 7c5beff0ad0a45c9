"""Suspicious moments for a review: of motion and of looks, the worst first."""

from __future__ import annotations

__all__ = ["review_moments"]

from collections.abc import Iterable

from posetrack.review.looks import LookChange
from posetrack.review.moments import Moment, find_moments
from posetrack.track_table import TrackTable

# the worst first: an exchange spoils all that follows, people who cross are mostly right
ORDER = ("switch", "looks", "jump", "appears", "vanishes", "sides", "size", "gap", "crossing")
REACH_S = 2.0  # before somebody was last seen to look as before: a switch that explains the change


def review_moments(
    table: TrackTable,
    size_wh: tuple[int, int],
    fps: float,
    changes: Iterable[LookChange] = (),
) -> list[Moment]:
    """The suspicious moments of tracks in a picture of that size, the worst first; with ``changes``
    of looks where these are known.
    """
    found = find_moments(table, size_wh, fps)
    switches = [moment for moment in found if moment.kind == "switch"]
    return sorted([*found, *_looks(changes, switches, fps)], key=_order)


def _order(moment: Moment) -> tuple[int, int, tuple[int, ...]]:
    place = ORDER.index(moment.kind) if moment.kind in ORDER else len(ORDER)
    return place, moment.frame, moment.ids


def _looks(changes: Iterable[LookChange], known: list[Moment], fps: float) -> list[Moment]:
    """Changes of looks that no switch explains; of two who look like each other one."""
    found: list[Moment] = []
    for c in sorted(changes, key=lambda c: c.frame):
        ids = (c.identity,) if c.other is None else tuple(sorted((c.identity, c.other)))
        near = [m for m in (*known, *found) if set(ids) <= set(m.ids)]
        if any(c.since - fps * REACH_S <= m.frame <= c.frame for m in near):
            continue
        who = "somebody else" if c.other is None else f"{c.other} did"
        text = f"{c.identity} looks like {who}, since frame {c.since} to {c.frame}"
        found.append(Moment("looks", c.frame, ids, text))
    return found
