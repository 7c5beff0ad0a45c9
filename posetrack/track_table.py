"""All people of a clip as one table of parallel arrays: what looks over a whole clip at once.

A row is a person in a frame, rows are sorted by frame. Ten thousand frames of twenty people are
60 MB, and a question to all of them is one numpy expression.
"""

from __future__ import annotations

__all__ = ["TrackTable", "frames_of", "table_of"]

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.structures import FrameLabels, Index, IntArray, Poses, Skeleton, Tracks


@dataclass(frozen=True, slots=True)
class TrackTable:
    """The N people of F frames.

    ``frames`` (F,) are the frames' indices, rising, ``time_s`` (F,) their times; ``frame`` (N,) is
    each person's frame index, sorted, ``id`` (N,) the identity, ``place`` (N,) the person's place
    among those of its frame when the table was made.
    """

    frames: IntArray
    time_s: npt.NDArray[np.float64]
    frame: IntArray
    id: IntArray
    place: IntArray
    poses: Poses

    def __repr__(self) -> str:
        people = len(np.unique(self.id))
        return f"TrackTable({len(self)} rows: {people} identities, {len(self.frames)} frames)"

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index: Index) -> TrackTable:
        """The same frames with some of the people, in the table's order."""
        return replace(
            self,
            frame=self.frame[index],
            id=self.id[index],
            place=self.place[index],
            poses=self.poses[index],
        )

    def rows(self, first: int | None, last: int | None) -> slice:
        """The rows of frames ``first`` to ``last``, both included; None: from the start, to the
        end.
        """
        low = 0 if first is None else int(np.searchsorted(self.frame, first, "left"))
        high = len(self) if last is None else int(np.searchsorted(self.frame, last, "right"))
        return slice(low, max(low, high))

    def of(self, identity: int) -> IntArray:
        """The rows of one identity, rising."""
        return np.flatnonzero(self.id == identity)

    def times(self) -> npt.NDArray[np.float64]:
        """The time of each row, (N,) seconds."""
        if not len(self):
            return np.zeros(0)
        times: npt.NDArray[np.float64] = self.time_s[np.searchsorted(self.frames, self.frame)]
        return times


def table_of(frames: Iterable[FrameLabels], skeleton: Skeleton) -> TrackTable:
    """The table of some frames; raises ValueError where their indices do not rise."""
    labels = list(frames)
    index = np.array([f.index for f in labels], np.int64)
    if (np.diff(index) <= 0).any():
        raise ValueError("table_of: the frames' indices do not rise")
    counts = np.array([len(f.tracks) for f in labels], np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    identities = [f.tracks.id for f in labels]
    return TrackTable(
        frames=index,
        time_s=np.array([f.time_s for f in labels], np.float64),
        frame=np.repeat(index, counts),
        id=np.concatenate(identities) if identities else np.zeros(0, np.int64),
        place=np.arange(int(counts.sum())) - starts,
        poses=Poses.concat([f.tracks.poses for f in labels], skeleton),
    )


def frames_of(table: TrackTable, source: SequenceABC[FrameLabels]) -> Iterator[FrameLabels]:
    """The frames of a changed table, with all else that their ``source`` frames say.

    Arrays of ``source`` with one row a person (head boxes) follow their persons.
    """
    bounds = np.searchsorted(table.frame, [*(f.index for f in source), np.iinfo(np.int64).max])
    for n, labels in enumerate(source):
        rows = slice(int(bounds[n]), int(bounds[n + 1]))
        tracks = Tracks(table.id[rows], table.poses[rows])
        yield replace(labels, tracks=tracks, **_followers(labels, table.place[rows]))


def _followers(labels: FrameLabels, place: IntArray) -> dict[str, Any]:
    """The fields of a frame that have a row a person, for the persons left."""
    values = {f.name: getattr(labels, f.name) for f in fields(labels)}
    return {
        name: value[place]
        for name, value in values.items()
        if isinstance(value, np.ndarray) and len(value) == len(labels.tracks)
    }
