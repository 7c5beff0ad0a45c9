"""How one person moves from frame to frame: what cannot be, or hardly."""

from __future__ import annotations

__all__ = ["Track", "distance", "tracks_of"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.structures import FloatArray, IntArray, Skeleton
from posetrack.track_table import TrackTable

Floats = npt.NDArray[np.float64]
Marked = npt.NDArray[np.bool_]

# in body heights, off the way of the frames before: people who walk stay below 0.1, a runner at 5
# frames a second below 1
JUMP = 0.22
JUMP_A_SECOND = 3.0
SIZE = 1.4  # times as high as in the frame before
APART = 0.08  # heights between a joint and its own place before, at the least, to be exchanged
CROSSED = 0.4  # of that distance, to the place of the other side


@dataclass(frozen=True, slots=True)
class Track:
    """One ``identity`` in N frames: ``frame`` (N,), ``time_s`` (N,), ``box`` (N, 4), ``height``
    (N,) of the box, pixels, ``xy`` (N, K, 2) of the joints.
    """

    identity: int
    frame: IntArray
    time_s: Floats
    box: FloatArray
    height: Floats
    xy: FloatArray
    skeleton: Skeleton

    def steps(self) -> Floats:
        """How far the person went since the frame before, (N, 2) pixels: the median of the joints
        that are known in both, as which are hidden changes; of the boxes where there are none.
        """
        steps = np.zeros((len(self.frame), 2))
        steps[1:] = np.diff((self.box[:, :2] + self.box[:, 2:]).astype(np.float64) / 2, axis=0)
        joints = np.diff(self.xy.astype(np.float64), axis=0)
        known = np.isfinite(joints.sum(axis=2)).any(axis=1)
        if known.any():
            steps[1:][known] = np.nanmedian(joints[known], axis=1)
        return steps

    def jumps(self) -> Marked:
        """Frames in which the person is not where it was going, (N,)."""
        steps, seconds = self.steps(), np.diff(self.time_s, prepend=self.time_s[0])
        goes_on = np.zeros_like(steps)  # with the velocity of the frame before
        if len(steps) > 2:
            near = seconds < 3 * np.median(seconds[1:])  # through a gap nobody goes on as before
            known = near[2:] & near[1:-1]
            goes_on[2:][known] = (steps[1:-1] / seconds[1:-1, None] * seconds[2:, None])[known]
        off = np.hypot(*(steps - goes_on).T) / self._scale()
        found: Marked = off > np.maximum(JUMP, JUMP_A_SECOND * seconds)
        # the frame after a jump is off too, as the velocity of the jump goes on into it
        found[1:] &= ~found[:-1]
        return found

    def at(self, frame: int) -> int:
        """The row of a frame, -1 where the person is not there or was not in the row before."""
        row = int(np.searchsorted(self.frame, frame))
        there = 0 < row < len(self.frame) and self.frame[row] == frame
        return row if there else -1

    def size_changes(self) -> Marked:
        """Frames in which the person is much higher or lower than in the one before, (N,)."""
        ratio = np.ones(len(self.height))
        ratio[1:] = self.height[1:] / np.maximum(self.height[:-1], 1)
        return np.maximum(ratio, 1 / np.maximum(ratio, 1e-6)) > SIZE

    def side_changes(self) -> Marked:
        """Frames in which left joints are where right ones were and the other way round, (N,)."""
        pairs = np.array(self.skeleton.flip_pairs, np.int64).reshape(-1, 2)
        found = np.zeros(len(self.frame), np.bool_)
        if not len(pairs) or len(found) < 2:
            return found
        now, before = self.xy[1:].astype(np.float64), self.xy[:-1].astype(np.float64)
        own = _apart(now[:, pairs], before[:, pairs])
        other = _apart(now[:, pairs], before[:, pairs[:, ::-1]])
        found[1:] = (own > APART * self._scale()[1:]) & (other < CROSSED * own)
        return found

    def _scale(self) -> Floats:
        """A height to measure by, (N,): that of the track, as people bend and boxes flicker."""
        high = float(np.nanmedian(self.height)) if len(self.height) else 1.0
        return np.full(len(self.height), max(high, 1.0))


def _apart(a: Floats, b: Floats) -> Floats:
    """The median distance of joints (N, P, 2, 2) from their places before, (N,); NaN: unknown."""
    far = np.sqrt(((a - b) ** 2).sum(axis=-1)).reshape(len(a), -1)
    known = np.isfinite(far).any(axis=1)
    apart = np.full(len(far), np.nan)
    apart[known] = np.nanmedian(far[known], axis=1)
    return apart


def distance(one: Track, n: int, other: Track, m: int) -> float:
    """How far the pose of ``one`` in row n lies from that of ``other`` in row m, pixels: the median
    of the joints that both have, between the boxes' middles where there are none.
    """
    joints = np.hypot(*(one.xy[n] - other.xy[m]).astype(np.float64).T)
    if np.isfinite(joints).any():
        return float(np.nanmedian(joints))
    return float(np.hypot(*(one.box[n] - other.box[m]).reshape(2, 2).mean(axis=0)))


def tracks_of(table: TrackTable) -> list[Track]:
    """The tracks of a table, by identity."""
    order = np.argsort(table.id, kind="stable")
    identities, starts = np.unique(table.id[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(identities) else []
    times = table.times()
    return [_track(table, rows, times) for rows in parts]


def _track(table: TrackTable, rows: IntArray, times: Floats) -> Track:
    poses = table.poses[rows]
    box = poses.boxes.xyxy
    return Track(
        identity=int(table.id[rows[0]]),
        frame=table.frame[rows],
        time_s=times[rows],
        box=box,
        height=poses.boxes.wh[:, 1].astype(np.float64),
        xy=poses.xy,
        skeleton=poses.skeleton,
    )
