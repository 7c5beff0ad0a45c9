"""What people look like over time, read from the video beside the review, and where it changes.

Colours tell what motion does not: two who were hidden together and came out with each other's
identity. A thread goes through the video once, a few frames a second; what it finds belongs to the
poses, so it holds whatever identities are made of them by edits.
"""

from __future__ import annotations

__all__ = ["LookChange", "Looks", "look_changes"]

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posetrack.errors import PosetrackError
from posetrack.geometry import iou_matrix
from posetrack.structures import Boxes, FloatArray, Frame, IntArray, Poses
from posetrack.track_table import TrackTable
from posetrack.trackers.appearance import COLOUR_BINS, HALVES, describe_halves, half_likeness
from posetrack.video.open import open_source

Floats = npt.NDArray[np.float64]

QUIET_S = 0.6
A_SECOND = 5.0  # frames that are looked at
MOST = 60_000  # people that are looked at; 2 kB each
SURE = 0.2  # of a joint whose colours count
COVERED = 0.1  # IoU with another person from which the colours are not somebody's own
SAMPLES = 5  # before and after, whose mean is compared
LEAST = 2  # of them
# of such means; those of one person of drawn clips and of PETS reach 0.9, of two in other clothes
# lie below 0.75 mostly
LIMIT = 0.75
LIKE = 0.85  # from which somebody looks like another did before


@dataclass(frozen=True, slots=True)
class LookChange:
    """``identity`` looks like somebody else from ``frame`` on, like ``other`` did before (None:
    like nobody); it was last seen to look as before in frame ``since``.
    """

    identity: int
    since: int
    frame: int
    other: int | None


class Looks:
    """The looks of the people of ``table``, as they are read by a thread (``start``)."""

    def __init__(
        self,
        table: TrackTable,
        video: str | Path,
        size_wh: tuple[int, int],
        image_fps: float,
        *,
        quiet_s: Callable[[], float] = lambda: QUIET_S,
    ) -> None:
        """``size_wh`` is what the positions of the table belong to; ``quiet_s`` says for how long
        nobody has watched the video: reading waits until that is ``QUIET_S``.
        """
        self._quiet_s = quiet_s
        self._table, self._video = table, video
        self._size_wh, self._image_fps = size_wh, image_fps
        span = len(table.frames) / max(image_fps, 1e-6)
        people = len(table) / max(len(table.frames), 1)
        a_second = min(A_SECOND, MOST / max(people * span, 1e-6))
        self._step = max(1, round(image_fps / a_second))
        self._rows: list[IntArray] = []
        self._found: list[FloatArray] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="looks", daemon=True)
        self.done = False

    def start(self) -> None:
        """Begin to read the video."""
        self._thread.start()

    def close(self) -> None:
        """End the reading."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait(self) -> None:
        """Until the whole video has been read."""
        self._thread.join()

    def of(self, table: TrackTable) -> tuple[IntArray, FloatArray]:
        """Rows (M,) of a table after edits, and what they look like, (M, ``HALVES``,
        ``COLOUR_BINS``).
        """
        nothing = np.zeros((0, HALVES, COLOUR_BINS), np.float32)
        if not self.done or not self._rows:
            return np.zeros(0, np.int64), nothing
        known = np.concatenate(self._rows)
        keys = _keys(self._table)[known]  # rising, as frames and places are
        wanted = _keys(table)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        rows = np.flatnonzero(keys[place] == wanted)
        return rows, np.concatenate(self._found)[place[rows]]

    def _read(self) -> None:
        try:
            with open_source(self._video, image_fps=self._image_fps) as source:
                scale = source.size_wh[0] / self._size_wh[0]
                for frame in source:
                    while self._quiet_s() < QUIET_S and not self._stop.is_set():
                        self._stop.wait(QUIET_S / 2)
                    if self._stop.is_set():
                        return
                    if frame.index % self._step == 0:
                        self._look(frame, scale)
        except PosetrackError:
            pass  # the page says so when it asks for a picture
        self.done = True

    def _look(self, frame: Frame, scale: float) -> None:
        """Keep what the people of a frame look like, of those that nobody covers."""
        table = self._table
        within = table.rows(frame.index, frame.index)
        poses = table.poses[within]
        if not len(poses):
            return
        score = np.where(np.isnan(poses.score), 1, poses.score)  # ground truth has none
        boxes = Boxes(poses.boxes.xyxy * scale, poses.boxes.score)
        seen = describe_halves(
            frame.image, Poses(poses.xy * scale, score, boxes, poses.skeleton), SURE
        )
        shared = iou_matrix(boxes.xyxy, boxes.xyxy)
        np.fill_diagonal(shared, 0)
        own = (shared.max(axis=1, initial=0) <= COVERED) & (seen.sum(axis=(1, 2)) > 0)
        self._rows.append(np.flatnonzero(own) + within.start)
        self._found.append(seen[own])


def _keys(table: TrackTable) -> IntArray:
    """A number for each pose that edits do not change, (N,)."""
    return table.frame * (1 << 24) + table.place


def look_changes(table: TrackTable, rows: IntArray, looks: FloatArray) -> list[LookChange]:
    """Where people look like somebody else, of rows (M,) of a table and their looks."""
    identity, frame = table.id[rows], table.frame[rows]
    own = {int(i): np.flatnonzero(identity == i) for i in np.unique(identity)}
    changes = []
    for i, places in own.items():
        for at in _breaks(looks[places]):
            since, start = int(frame[places[at - 1]]), int(frame[places[at]])
            after = looks[places[at : at + SAMPLES]].mean(axis=0)
            before = {
                j: looks[them[frame[them] < start][-SAMPLES:]] for j, them in own.items() if j != i
            }
            changes.append(LookChange(i, since, start, _most_alike(after, before)))
    return changes


def _breaks(looks: FloatArray) -> list[int]:
    """Where the looks (M, H, D) of one person change most: the first sample after."""
    count = len(looks)
    sums = np.concatenate([np.zeros_like(looks[:1]), looks]).cumsum(axis=0, dtype=np.float64)
    at = np.arange(LEAST, count - LEAST + 1)
    if not len(at):
        return []
    low, high = np.maximum(at - SAMPLES, 0), np.minimum(at + SAMPLES, count)
    before = (sums[at] - sums[low]) / (at - low)[:, None, None]
    after = (sums[high] - sums[at]) / (high - at)[:, None, None]
    alike = _alike(before, after)
    marked = np.flatnonzero(alike < LIMIT)
    spells = np.split(marked, np.flatnonzero(np.diff(marked) > 1) + 1)
    return [int(at[part[np.argmin(alike[part])]]) for part in spells if len(part)]


def _alike(a: Floats, b: Floats) -> Floats:
    """Likeness of looks (M, H, D) pair by pair; 1 where nothing is to be seen of both."""
    alike = np.einsum("nhd,nhd->nh", np.sqrt(a), np.sqrt(b))
    shared = (a.sum(axis=2) > 0) & (b.sum(axis=2) > 0)
    mean: Floats = alike.sum(axis=1) / np.maximum(shared.sum(axis=1), 1)
    return np.where(shared.any(axis=1), mean, 1.0)


def _most_alike(look: FloatArray, before: dict[int, FloatArray]) -> int | None:
    alike = {
        j: float(np.nan_to_num(half_likeness(look[None], them.mean(axis=0)[None]))[0, 0])
        for j, them in before.items()
        if len(them) >= LEAST
    }
    best = max(alike, key=lambda j: alike[j], default=None)
    return best if best is not None and alike[best] >= LIKE else None
