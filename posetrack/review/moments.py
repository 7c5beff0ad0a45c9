"""Suspicious moments: where somebody should look first."""

from __future__ import annotations

__all__ = ["Moment", "find_moments"]

from dataclasses import dataclass

import numpy as np

from posetrack.structures import FloatArray, IntArray
from posetrack.track_table import TrackTable

EDGE = 0.03  # of the picture's longer side: who begins or ends this near to its edge walked in
OVERLAP = 0.3  # intersection over union of two boxes that cross
BETWEEN_S = 0.5  # of two crossings of the same pair that count as one
REACH_S = 2.0  # between one's end and another's beginning that may be the same person


@dataclass(frozen=True, slots=True)
class Moment:
    """A ``kind`` of trouble at a ``frame`` with the people ``ids``, and what to say of it."""

    kind: str
    frame: int
    ids: tuple[int, ...]
    text: str


def find_moments(table: TrackTable, size_wh: tuple[int, int], fps: float) -> list[Moment]:
    """The suspicious moments of tracks in a picture of that size, by frame."""
    rows = {int(i): table.of(int(i)) for i in np.unique(table.id)}
    found = [*_ends(table, rows, size_wh, fps), *_crossings(table, rows, fps)]
    return sorted(found, key=lambda m: (m.frame, m.kind, m.ids))


def _ends(
    table: TrackTable, rows: dict[int, IntArray], size_wh: tuple[int, int], fps: float
) -> list[Moment]:
    """Tracks that begin or end inside the picture, with who may be the same person."""
    first, last = int(table.frames[0]), int(table.frames[-1])
    xyxy = table.poses.boxes.xyxy
    begins = {i: int(table.frame[r[0]]) for i, r in rows.items()}
    ends = {i: int(table.frame[r[-1]]) for i, r in rows.items()}
    found = []
    for i, r in rows.items():
        if begins[i] > first and _inside(xyxy[r[0]], size_wh):
            near = [
                (_distance(xyxy[r[0]], xyxy[rows[j][-1]]), j)
                for j in rows
                if j != i and 0 < begins[i] - ends[j] <= REACH_S * fps
            ]
            who = (i, min(near)[1]) if near else (i,)
            text = f"{i} appears inside the picture"
            found.append(Moment("appears", begins[i], who, text))
        if ends[i] < last and _inside(xyxy[r[-1]], size_wh):
            text = f"{i} vanishes inside the picture"
            found.append(Moment("vanishes", ends[i], (i,), text))
    return found


def _inside(box: FloatArray, size_wh: tuple[int, int]) -> bool:
    edge = EDGE * max(size_wh)
    size = np.array(size_wh)
    return bool((box[:2] > edge).all() and (box[2:] < size - edge).all())


def _distance(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(a - b).sum())


def _crossings(table: TrackTable, rows: dict[int, IntArray], fps: float) -> list[Moment]:
    """Where the boxes of two people lie over each other, at the frame where they do most."""
    found = []
    identities = sorted(rows)
    for n, i in enumerate(identities):
        for j in identities[n + 1 :]:
            frame, a, b = np.intersect1d(
                table.frame[rows[i]], table.frame[rows[j]], return_indices=True
            )
            xyxy = table.poses.boxes.xyxy
            shared = _overlaps(xyxy[rows[i][a]], xyxy[rows[j][b]])
            for part in _spells(frame, shared > OVERLAP, BETWEEN_S * fps):
                at = int(frame[part[shared[part].argmax()]])
                found.append(Moment("crossing", at, (i, j), f"{i} and {j} cross"))
    return found


def _overlaps(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of boxes (N, 4), pair by pair."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    union = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - both
    shared: FloatArray = both / np.maximum(union, 1e-6)
    return shared


def _spells(frame: IntArray, marked: np.ndarray, between: float) -> list[IntArray]:
    """The places that are marked, apart where more than ``between`` frames lie between them."""
    places = np.flatnonzero(marked)
    if not len(places):
        return []
    return np.split(places, np.flatnonzero(np.diff(frame[places]) > between) + 1)
