"""Suspicious moments: where somebody should look first, and whom to choose there."""

from __future__ import annotations

__all__ = ["Moment", "find_moments"]

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from posetrack.review.motions import Track, distance, tracks_of
from posetrack.structures import FloatArray, IntArray
from posetrack.track_table import TrackTable

Floats = npt.NDArray[np.float64]

EDGE = 0.03  # of the picture's longer side: who begins or ends this near to its edge walked in
OVERLAP = 0.3  # intersection over union of two boxes that cross
BETWEEN_S = 0.5  # of two moments of the same kind and people that count as one
REACH_S = 2.0  # between one's end and another's beginning that may be the same person
NEAR = 2.0  # heights between them at most
AWAY_S = 0.2  # a gap that is worth a look
NEARER = 0.5  # who is this much nearer to the other's way than to the own has changed places


@dataclass(frozen=True, slots=True)
class Moment:
    """A ``kind`` of trouble at a ``frame`` with the people ``ids``, and what to say of it.

    The first of ``ids`` is the one that it is about, the second who else may be the same person.
    """

    kind: str
    frame: int
    ids: tuple[int, ...]
    text: str


def find_moments(table: TrackTable, size_wh: tuple[int, int], fps: float) -> list[Moment]:
    """The suspicious moments of tracks in a picture of that size, by frame."""
    tracks = tracks_of(table)
    switches = _switches(tracks)
    known = {(m.frame, i) for m in switches for i in m.ids}
    found = [
        *switches,
        *_ends(table, tracks, size_wh, fps),
        *_crossings(tracks, fps),
        *(m for t in tracks for m in _alone(t, fps) if (m.frame, t.identity) not in known),
    ]
    return sorted(found, key=lambda m: (m.frame, m.kind, m.ids))


# --- one person
# --------------------------------------------------------------------------------------------------


def _alone(track: Track, fps: float) -> list[Moment]:
    """Jumps, changes of size, exchanged sides and gaps of one person."""
    who, frame = track.identity, track.frame
    found = []
    for kind, marked, text in (
        ("jump", track.jumps(), f"{who} jumps"),
        ("size", track.size_changes(), f"{who} changes its size at once"),
        ("sides", track.side_changes(), f"left and right of {who} are exchanged"),
    ):
        spells = _spells(frame, marked, BETWEEN_S * fps)
        found += [Moment(kind, int(frame[part[0]]), (who,), text) for part in spells]
    for n in np.flatnonzero(np.diff(track.time_s) > AWAY_S + 1 / fps):
        away = float(track.time_s[n + 1] - track.time_s[n])
        found.append(Moment("gap", int(frame[n]), (who,), f"{who} is away for {away:.1f} s"))
    return found


def _ends(
    table: TrackTable, tracks: list[Track], size_wh: tuple[int, int], fps: float
) -> list[Moment]:
    """Tracks that begin or end inside the picture, with who may be the same person."""
    first, last = int(table.frames[0]), int(table.frames[-1])
    found = []
    for t in tracks:
        if t.frame[0] > first and _inside(t.box[0], size_wh):
            who = (t.identity, *_before(t, tracks, fps))
            found.append(
                Moment("appears", int(t.frame[0]), who, f"{t.identity} appears inside the picture")
            )
        if t.frame[-1] < last and _inside(t.box[-1], size_wh):
            text = f"{t.identity} vanishes inside the picture"
            found.append(Moment("vanishes", int(t.frame[-1]), (t.identity,), text))
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


def _inside(box: FloatArray, size_wh: tuple[int, int]) -> bool:
    edge = EDGE * max(size_wh)
    return bool((box[:2] > edge).all() and (box[2:] < np.array(size_wh) - edge).all())


# --- two people
# --------------------------------------------------------------------------------------------------


def _switches(tracks: list[Track]) -> list[Moment]:
    """Where one jumps to where another was in the frame before, and that one to there."""
    found = set()
    for one in tracks:
        for n in np.flatnonzero(one.jumps()).tolist():
            frame = int(one.frame[n])
            for other in tracks:
                m = other.at(frame) if other is not one else -1
                if m > 0 and _changed_places(one, n, other, m):
                    found.add((frame, *sorted((one.identity, other.identity))))
    return [Moment("switch", f, (a, b), f"{a} and {b} change places") for f, a, b in found]


def _changed_places(one: Track, n: int, other: Track, m: int) -> bool:
    straight = distance(one, n, one, n - 1) + distance(other, m, other, m - 1)
    crossed = distance(one, n, other, m - 1) + distance(other, m, one, n - 1)
    return crossed < NEARER * straight


def _crossings(tracks: list[Track], fps: float) -> list[Moment]:
    """Where the boxes of two people lie over each other, at the frame where they do most."""
    found = []
    for one, other in combinations(tracks, 2):
        if one.frame[-1] < other.frame[0] or other.frame[-1] < one.frame[0]:
            continue
        frame, a, b = np.intersect1d(one.frame, other.frame, return_indices=True)
        shared = _overlaps(one.box[a], other.box[b])
        ids = one.identity, other.identity
        for part in _spells(frame, shared > OVERLAP, BETWEEN_S * fps):
            at = int(frame[part[shared[part].argmax()]])
            found.append(Moment("crossing", at, ids, f"{ids[0]} and {ids[1]} cross"))
    return found


def _overlaps(a: FloatArray, b: FloatArray) -> Floats:
    """Intersection over union of boxes (N, 4), pair by pair."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - both
    shared: Floats = both / np.maximum(union, 1e-6)
    return shared


def _spells(frame: IntArray, marked: npt.NDArray[np.bool_], between: float) -> list[IntArray]:
    """The places that are marked, apart where more than ``between`` frames lie between them."""
    places = np.flatnonzero(marked)
    if not len(places):
        return []
    return np.split(places, np.flatnonzero(np.diff(frame[places]) > between) + 1)
