"""One person over time, as arrays: what is refined; and tracks made of such series again."""

from __future__ import annotations

__all__ = ["MARK_NAMES", "Mark", "Series", "frames_with", "series_of"]

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, replace
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from posetrack.structures import Boxes, FrameLabels, Poses, Skeleton, Tracks
from posetrack.track_table import TrackTable

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


class Mark(IntFlag):
    """What was done to a joint; several can hold."""

    SMOOTHED = 1
    FILLED = 2
    OUTLIER = 4
    SIDES = 8


# for the header of a file, so that it can be read without this program
MARK_NAMES = {
    str(int(Mark.SMOOTHED)): "smoothed",
    str(int(Mark.FILLED)): "filled: not seen, between where it was seen",
    str(int(Mark.OUTLIER)): "an outlier that was replaced",
    str(int(Mark.SIDES)): "left and right exchanged",
}


@dataclass(frozen=True, slots=True)
class Series:
    """A person in T frames that follow each other, from the first to the last one seen.

    ``frame`` (T,) indices and ``time_s`` (T,); ``seen`` (T,) whether the person was there at all;
    ``xy`` (T, K, 2) pixels and ``score`` (T, K), NaN where absent; ``box`` (T, 4) and ``box_score``
    (T,); ``marks`` (T, K) bits of ``Mark``; ``place`` (T,) among the people of the frame, -1 where
    not seen.
    """

    identity: int
    frame: npt.NDArray[np.int64]
    time_s: Floats
    seen: Bools
    xy: Floats
    score: Floats
    box: Floats
    box_score: Floats
    marks: Marks
    place: npt.NDArray[np.int64]

    @property
    def present(self) -> Bools:
        """Which joints have a place, (T, K)."""
        return np.asarray(np.isfinite(self.xy).all(axis=2))

    @property
    def size(self) -> float:
        """The person's size in pixels: the median of the boxes' longer sides; 1 at least."""
        sides = np.nanmax(self.box[self.seen][:, 2:] - self.box[self.seen][:, :2], axis=1)
        sides = sides[np.isfinite(sides)]
        return float(max(np.median(sides), 1.0)) if len(sides) else 1.0

    def marked(self, where: Bools, mark: Mark) -> Marks:
        """The marks with one more where ``where`` (T, K) holds."""
        return np.where(where, self.marks | np.uint8(mark), self.marks).astype(np.uint8)


def series_of(table: TrackTable, marks: Marks | None = None) -> list[Series]:
    """A series for each identity, in the order of identities; ``marks`` (N, K) of the rows."""
    if marks is None:
        marks = np.zeros(table.poses.score.shape, np.uint8)
    return [_series(table, marks, int(identity)) for identity in np.unique(table.id)]


def _series(table: TrackTable, marks: Marks, identity: int) -> Series:
    rows = table.of(identity)
    first, last = np.searchsorted(table.frames, table.frame[rows[[0, -1]]])
    frame, time_s = table.frames[first : last + 1], table.time_s[first : last + 1]
    at = np.searchsorted(frame, table.frame[rows])
    T, K = len(frame), table.poses.score.shape[1]

    def spread(values: npt.NDArray[np.float32], *shape: int) -> Floats:
        full = np.full((T, *shape), np.nan)
        full[at] = values[rows]
        return full

    seen, place = np.zeros(T, bool), np.full(T, -1, np.int64)
    seen[at], place[at] = True, table.place[rows]
    found = np.zeros((T, K), np.uint8)
    found[at] = marks[rows]
    poses = table.poses
    return Series(
        identity,
        frame,
        time_s,
        seen,
        spread(poses.xy, K, 2),
        spread(poses.score, K),
        spread(poses.boxes.xyxy, 4),
        spread(poses.boxes.score),
        found,
        place,
    )


def frames_with(
    series: Iterable[Series], source: SequenceABC[FrameLabels], skeleton: Skeleton
) -> Iterator[FrameLabels]:
    """The frames of ``source`` with the people of ``series`` in place of theirs: those seen in
    their old order, then those filled in.
    """
    people: dict[int, list[tuple[int, int, Series, int]]] = {}
    for number, s in enumerate(series):
        there = s.seen | np.isfinite(s.box).all(axis=1)
        for t in np.flatnonzero(there).tolist():
            order = int(s.place[t]) if s.seen[t] else len(source) + number
            people.setdefault(int(s.frame[t]), []).append((order, s.identity, s, t))
    for labels in source:
        here = sorted(people.get(labels.index, []), key=lambda person: person[:2])
        yield _frame(labels, [(s, t) for _, _, s, t in here], skeleton)


def _frame(
    labels: FrameLabels, people: list[tuple[Series, int]], skeleton: Skeleton
) -> FrameLabels:
    if not people:
        return replace(labels, tracks=Tracks.empty(skeleton), head_xyxy=None, marks=None)
    boxes = Boxes([s.box[t] for s, t in people], [s.box_score[t] for s, t in people])  # type: ignore[arg-type]
    poses = Poses(
        np.array([s.xy[t] for s, t in people], np.float32),
        np.array([s.score[t] for s, t in people], np.float32),
        boxes,
        skeleton,
    )
    heads = labels.head_xyxy
    if heads is not None:
        nothing = np.full(4, np.nan, np.float32)
        rows = [heads[s.place[t]] if s.seen[t] else nothing for s, t in people]
        heads = np.array(rows, np.float32)
    tracks = Tracks(np.array([s.identity for s, _ in people]), poses)
    marks = np.array([s.marks[t] for s, t in people], np.uint8)
    return replace(labels, tracks=tracks, head_xyxy=heads, marks=marks if marks.any() else None)
