"""Suspicious moments of tracks: where somebody should look first, and whom to choose there."""

from __future__ import annotations

__all__ = ["find_moments", "in_order", "inside", "spells"]

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import numpy.typing as npt

from posetrack.events.event import KINDS, Event
from posetrack.events.motions import Track, distance, tracks_of
from posetrack.structures import FloatArray, IntArray
from posetrack.track_table import TrackTable

Floats = npt.NDArray[np.float64]

EDGE = 0.03  # of the picture's longer side: who begins or ends this near to its edge walked in
OVERLAP = 0.3  # intersection over union of two boxes that cross
BETWEEN_S = 0.5  # of two moments of the same kind and people that count as one
REACH_S = 2.0  # between one's end and another's beginning that may be the same person
NEAR = 2.0  # heights between them at most
AWAY_S = 0.2  # a gap that is worth a look
LONG_S = 2.0  # a gap as bad as it gets
NEARER = 0.5  # who is this much nearer to the other's way than to the own has changed places


def find_moments(table: TrackTable, size_wh: tuple[int, int] | None, fps: float) -> list[Event]:
    """The suspicious moments of tracks in a picture of that size, by frame. Size None: nobody is
    said to begin or end inside the picture.
    """
    if not len(table):
        return []
    tracks = tracks_of(table)
    switches = _switches(tracks)
    known = {(m.frame, i) for m in switches for i in m.ids}
    return in_order(
        [
            *switches,
            *(_ends(table, tracks, size_wh, fps) if size_wh else ()),
            *_crossings(tracks, fps),
            *(m for t in tracks for m in _alone(t, fps) if (m.frame, t.identity) not in known),
        ]
    )


def in_order(events: Iterable[Event]) -> list[Event]:
    """By frame, kind and people."""
    return sorted(events, key=lambda e: (e.frame, e.kind, e.ids, e.truth))


# --- one person
# --------------------------------------------------------------------------------------------------


def _alone(track: Track, fps: float) -> list[Event]:
    """Jumps, changes of size, exchanged sides and gaps of one person."""
    who, frame = track.identity, track.frame
    found = []
    for kind, marked, text in (
        ("jump", track.jumps(), f"{who} jumps"),
        ("size", track.size_changes(), f"{who} changes its size at once"),
        ("sides", track.side_changes(), f"left and right of {who} are exchanged"),
    ):
        for part in spells(frame, marked, BETWEEN_S * fps):
            first, last = int(frame[part[0]]), int(frame[part[-1]])
            found.append(Event(kind, first, (who,), text, KINDS[kind].severity, last))
    for n in np.flatnonzero(np.diff(track.time_s) > AWAY_S + 1 / fps).tolist():
        away = float(track.time_s[n + 1] - track.time_s[n])
        severity = KINDS["gap"].severity * min(1.0, 0.5 + away / (2 * LONG_S))
        text, back = f"{who} is away for {away:.1f} s", int(frame[n + 1])
        found.append(Event("gap", int(frame[n]), (who,), text, severity, back))
    return found


def _ends(
    table: TrackTable, tracks: list[Track], size_wh: tuple[int, int], fps: float
) -> list[Event]:
    """Tracks that begin or end inside the picture, with who may be the same person."""
    first, last = int(table.frames[0]), int(table.frames[-1])
    found = []
    for t in tracks:
        begin, end, worst = int(t.frame[0]), int(t.frame[-1]), KINDS["appears"].severity
        if begin > first and inside(t.box[0], size_wh):
            who = (t.identity, *_before(t, tracks, fps))
            text = f"{t.identity} appears inside the picture"
            # that there is somebody to merge it with makes it more likely to be a fault
            found.append(Event("appears", begin, who, text, worst * (1.0 if who[1:] else 0.75)))
        if end < last and inside(t.box[-1], size_wh):
            text = f"{t.identity} vanishes inside the picture"
            found.append(Event("vanishes", end, (t.identity,), text, worst * 0.75))
    return found


def _before(track: Track, tracks: list[Track], fps: float) -> tuple[int, ...]:
    """Who ended shortly before a track begins, nearest to its beginning."""
    reach = REACH_S * fps
    near = [
        (distance(track, 0, t, -1) / max(t.height[-1], 1.0), t.identity)
        for t in tracks
        if 0 < track.frame[0] - t.frame[-1] <= reach
    ]
    return min(near)[1:] if near and min(near)[0] <= NEAR else ()


def inside(box: FloatArray, size_wh: tuple[int, int]) -> bool:
    """Whether a box (4,) is away from all edges of the picture."""
    edge = EDGE * max(size_wh)
    return bool((box[:2] > edge).all() and (box[2:] < np.array(size_wh) - edge).all())


# --- two people
# --------------------------------------------------------------------------------------------------


def _switches(tracks: list[Track]) -> list[Event]:
    """Where one jumps to where another was in the frame before, and that one to there."""
    found = set()
    for one in tracks:
        for n in np.flatnonzero(one.jumps()).tolist():
            frame = int(one.frame[n])
            for other in tracks:
                m = other.at(frame) if other is not one else -1
                if m > 0 and _changed_places(one, n, other, m):
                    found.add((frame, *sorted((one.identity, other.identity))))
    worst = KINDS["switch"].severity
    return [Event("switch", f, (a, b), f"{a} and {b} change places", worst) for f, a, b in found]


def _changed_places(one: Track, n: int, other: Track, m: int) -> bool:
    straight = distance(one, n, one, n - 1) + distance(other, m, other, m - 1)
    crossed = distance(one, n, other, m - 1) + distance(other, m, one, n - 1)
    return crossed < NEARER * straight


def _crossings(tracks: list[Track], fps: float) -> list[Event]:
    """Where the boxes of two people lie over each other, at the frame where they do most."""
    found = []
    for one, other in combinations(tracks, 2):
        if one.frame[-1] < other.frame[0] or other.frame[-1] < one.frame[0]:
            continue
        frame, a, b = np.intersect1d(one.frame, other.frame, return_indices=True)
        shared = _overlaps(one.box[a], other.box[b])
        ids = one.identity, other.identity
        right = one.box[a][:, [0, 2]].sum(axis=1) > other.box[b][:, [0, 2]].sum(axis=1)
        for part in spells(frame, shared > OVERLAP, BETWEEN_S * fps):
            at = int(frame[part[shared[part].argmax()]])
            text = f"{ids[0]} and {ids[1]} {_word(right, part)}"
            severity = KINDS["crossing"].severity * float(shared[part].max())
            first, last = int(frame[part[0]]), int(frame[part[-1]])
            found.append(Event("crossing", at, ids, text, severity, last, first))
    return found


def _word(right: npt.NDArray[np.bool_], part: IntArray) -> str:
    """Whether the order of two, from left to right, is another before and after they meet."""
    before, after = max(part[0] - 1, 0), min(part[-1] + 1, len(right) - 1)
    return "cross" if right[before] != right[after] else "meet"


def _overlaps(a: FloatArray, b: FloatArray) -> Floats:
    """Intersection over union of boxes (N, 4), pair by pair."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - both
    shared: Floats = both / np.maximum(union, 1e-6)
    return shared


def spells(frame: IntArray, marked: npt.NDArray[np.bool_], between: float) -> list[IntArray]:
    """The places that are marked, apart where more than ``between`` frames lie between them."""
    places = np.flatnonzero(marked)
    if not len(places):
        return []
    return np.split(places, np.flatnonzero(np.diff(frame[places]) > between) + 1)
