"""Who is in the tracks and when: what the lanes of the timeline and the cards of people show."""

from __future__ import annotations

__all__ = ["PersonLane", "lanes_of"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.structures import IntArray
from posetrack.track_table import TrackTable

COLUMNS = 2048  # of a lane; where a clip is longer, several frames share one


@dataclass(frozen=True, slots=True)
class PersonLane:
    """One identity: ``frames`` of presence, mean ``score``, ``runs`` (R, 2) of first and last frame
    without a gap, ``columns`` uint8 (0: not there, 1 to 255: score 0 to 1), and a ``best`` frame
    with the ``box`` (4,) of the person there.
    """

    identity: int
    frames: int
    score: float
    runs: IntArray
    columns: npt.NDArray[np.uint8]
    best: int
    box: npt.NDArray[np.float64]


def lanes_of(table: TrackTable, count: int) -> list[PersonLane]:
    """A lane for each identity of a clip of ``count`` frames, in the order of their beginnings."""
    order = np.argsort(table.id, kind="stable")
    identities, starts = np.unique(table.id[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(identities) else []
    lanes = [_lane(table, rows, count) for rows in parts]
    return sorted(lanes, key=lambda lane: (int(lane.runs[0, 0]), lane.identity))


def _lane(table: TrackTable, rows: IntArray, count: int) -> PersonLane:
    frame = table.frame[rows]
    boxes = table.poses.boxes[rows]
    score = np.nan_to_num(boxes.score.astype(np.float64), nan=1.0)  # ground truth has none
    size = np.nan_to_num(np.sqrt(boxes.area.astype(np.float64)))
    best = int((score * size).argmax())
    return PersonLane(
        identity=int(table.id[rows[0]]),
        frames=len(rows),
        score=float(score.mean()),
        runs=_runs(table, frame),
        columns=_columns(frame, score, count),
        best=int(frame[best]),
        box=boxes.xyxy[best].astype(np.float64),
    )


def _runs(table: TrackTable, frame: IntArray) -> IntArray:
    """First and last frames of presence without a gap; frames that the tracks lack are none."""
    place = np.searchsorted(table.frames, frame)
    breaks = np.flatnonzero(np.diff(place) > 1)
    runs: IntArray = np.column_stack(
        [frame[np.r_[0, breaks + 1]], frame[np.r_[breaks, len(frame) - 1]]]
    )
    return runs


def _columns(frame: IntArray, score: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.uint8]:
    width = min(count, COLUMNS)
    column = np.minimum(frame * width // count, width - 1)
    total = np.bincount(column, score, minlength=width)
    there = np.bincount(column, minlength=width)
    mean = total / np.maximum(there, 1)
    return np.where(there > 0, 1 + np.round(254 * np.clip(mean, 0, 1)), 0).astype(np.uint8)
