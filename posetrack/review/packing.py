"""What the page is sent: poses of some frames in bytes, all else as JSON objects."""

from __future__ import annotations

__all__ = ["clip_facts", "pack_poses", "state_facts", "times_of"]

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.editing.encoding import describe_edit
from posetrack.palette import PALETTE
from posetrack.review.people import PersonLane
from posetrack.review.session import Session, State
from posetrack.track_table import TrackTable

Times = npt.NDArray[np.float64]


def pack_poses(table: TrackTable, first: int, last: int) -> bytes:
    """The people of frames ``first`` to ``last``, both included, little-endian.

    int32: N people, K joints; N times int32: the frame; float64: the identity (they may need 53
    bits), after four bytes of nothing where that is needed to stand on eight; N times float32: x1,
    y1, x2, y2, score of the box, then x, y, score of each joint. Absent values are NaN.
    """
    rows = table.rows(first, last)
    poses = table.poses[rows]
    n, k = len(poses), len(poses.skeleton)
    joints = np.concatenate([poses.xy, poses.score[..., None]], axis=2).reshape(n, 3 * k)
    values = np.concatenate([poses.boxes.xyxy, poses.boxes.score[:, None], joints], axis=1)
    frame = np.concatenate([[n, k], table.frame[rows], np.zeros(n % 2)])
    return (
        frame.astype("<i4").tobytes()
        + table.id[rows].astype("<f8").tobytes()
        + values.astype("<f4").tobytes()
    )


def clip_facts(
    session: Session, times: Times, size_wh: tuple[int, int], fps: float
) -> dict[str, Any]:
    """What does not change: name, size, ``times`` of all frames, the skeleton, the colours."""
    sequence, skeleton = session.sequence, session.sequence.skeleton
    return {
        "name": sequence.name,
        "tracks": session.tracks.name,
        "log": session.log_path.name,
        "count": len(times),
        "first": int(session.base.frames[0]),
        "size_wh": size_wh,
        "fps": fps,
        "times": np.round(times, 5).tolist(),
        "joints": skeleton.joints,
        "limbs": skeleton.limbs,
        "colors": [f"rgb({r},{g},{b})" for r, g, b in PALETTE],
    }


def times_of(table: TrackTable, count: int, fps: float) -> Times:
    """The time of every frame of the video, (count,) seconds; of those that the tracks lack, by
    their neighbours and the rate.
    """
    index = np.arange(count, dtype=np.float64)
    first, last = table.frames[0], table.frames[-1]
    times = np.interp(index, table.frames, table.time_s)
    times += np.minimum(index - first, 0) / fps + np.maximum(index - last, 0) / fps
    rising: Times = np.maximum.accumulate(np.nan_to_num(times))
    return rising


def state_facts(state: State, lanes: Iterable[PersonLane], next_identity: int) -> dict[str, Any]:
    """What a change changes: people, edits, what can be undone and done again."""
    done, undone = state.history.done, state.history.undone
    return {
        "version": state.version,
        "next": next_identity,
        "people": [_person(lane, state.names.get(lane.identity)) for lane in lanes],
        "edits": [describe_edit(edit) for edit in done],
        "undo": describe_edit(done[-1]) if done else None,
        "redo": describe_edit(undone[-1]) if undone else None,
    }


def _person(lane: PersonLane, name: str | None) -> dict[str, Any]:
    return {
        "id": lane.identity,
        "name": name,
        "frames": lane.frames,
        "score": round(lane.score, 3),
        "runs": lane.runs.tolist(),
        "columns": base64.b64encode(lane.columns.tobytes()).decode("ascii"),
        "picture": f"/person/{lane.identity}.jpg?frame={lane.best}",
    }
