"""Measuring a clip: a row for each person in each frame, a column for each figure.

Columns: ``frame``, ``time_s``, ``id``; ``facing`` (1: to the right of the picture, -1: to the
left); ``body_x_px, body_y_px`` (the middle of the hips) and ``feet_x_px, feet_y_px`` (of the
ankles); ``floor_x_m, floor_y_m`` where the floor is known; ``body_speed_px_s`` or ``_m_s`` (on the
floor where that is known); the angles of ``angles.py`` in degrees; distances that were asked for;
``quality`` ("ok", "weak" or "suspicious") and its ``reason``, see ``events.flags``.
"""

from __future__ import annotations

__all__ = ["MeasureOptions", "Measures", "measure", "measure_file", "write_table"]

import csv
from collections.abc import Iterable
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, InputError, OutputError, UsageError, unknown_name
from posetrack.events.event import Event
from posetrack.events.find import find_events
from posetrack.events.flags import flag_rows
from posetrack.files import write_beside
from posetrack.formats.folder import base_name, read_one, track_file
from posetrack.measuring.angles import (
    JOINT_ANGLES,
    SEGMENT_ANGLES,
    facing,
    joint_angle,
    segment_angle,
    with_sides,
)
from posetrack.measuring.points import POINTS, has_point, point
from posetrack.measuring.scale import Scale, on_floor
from posetrack.refining.filters import FilterSettings, savgol
from posetrack.refining.refine import timed_frames
from posetrack.refining.series import Series, series_of
from posetrack.structures import Sequence, Skeleton
from posetrack.track_table import table_of

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.str_]

FACINGS = {"left": -1.0, "right": 1.0}  # beside "auto" and "none"
SPEED_WINDOW_S = 0.28  # over which a parabola is laid through a place before its slope is taken
MEASURES_MARK = ".measures"  # in names of tables that lie beside their tracks


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """``scale`` to metres; ``looks``: "auto", "left" or "right" for all, "none": angles without
    sign; ``distances``: pairs of points (joints, or names of ``points.POINTS``).
    """

    scale: Scale = field(default_factory=Scale)
    looks: str = "auto"
    distances: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        known = ("auto", "none", *FACINGS)
        if self.looks not in known:
            raise unknown_name("direction", self.looks, known)


@dataclass(frozen=True, slots=True)
class Measures:
    """R rows, sorted by frame and identity: ``frame``, ``id`` (R,), ``time_s`` (R,) and
    ``columns`` (R,) by name, NaN where unknown. ``metres_per_px`` by identity, where known.
    ``quality`` and ``reason`` (R,) are words: whether to trust the row, and why not.
    """

    frame: npt.NDArray[np.int64]
    time_s: Floats
    id: npt.NDArray[np.int64]
    columns: dict[str, Floats]
    metres_per_px: dict[int, float]
    quality: Words
    reason: Words

    def of(self, identity: int) -> Measures:
        """The rows of one person."""
        rows = self.id == identity
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Measures(
            *(self.frame[rows], self.time_s[rows], self.id[rows], columns, self.metres_per_px),
            *(self.quality[rows], self.reason[rows]),
        )


def measure(
    sequence: Sequence,
    options: MeasureOptions | None = None,
    events: SequenceABC[Event] | None = None,
) -> Measures:
    """Everything that can be measured of a clip's people. ``events`` are those that make a row
    suspicious; None: those found here. Raises InputError, FormatError, UsageError.
    """
    options = options or MeasureOptions()
    skeleton = sequence.skeleton
    for name in {name for pair in options.distances for name in pair}:
        if not has_point(skeleton, name):
            raise unknown_name("point", name, {*skeleton.joints, *POINTS})
    try:
        table = table_of(timed_frames(sequence), skeleton)
    except ValueError as error:
        raise FormatError(f"{sequence.name}: the frames are not in order; sort them.") from error
    flags = flag_rows(table, find_events(sequence) if events is None else events)
    people = series_of(table)
    done = [_person(s, skeleton, options) for s in people]
    rows = [np.flatnonzero(s.seen) for s in people]

    def stack(parts: Iterable[npt.NDArray[Any]], kind: type) -> npt.NDArray[Any]:
        parts = list(parts)
        return np.concatenate(parts)[order] if parts else np.zeros(0, kind)

    frame = [s.frame[r] for s, r in zip(people, rows, strict=True)]
    identity = [np.full(len(r), s.identity) for s, r in zip(people, rows, strict=True)]
    order = np.lexsort((np.concatenate(identity), np.concatenate(frame))) if people else np.zeros(0)
    names = done[0][0] if done else {}
    same_rows = np.lexsort((table.id, table.frame))
    return Measures(
        frame=stack(frame, np.int64),
        time_s=stack((s.time_s[r] for s, r in zip(people, rows, strict=True)), np.float64),
        id=stack(identity, np.int64),
        columns={
            name: stack((d[0][name][r] for d, r in zip(done, rows, strict=True)), np.float64)
            for name in names
        },
        metres_per_px={
            s.identity: scale for s, (_, scale) in zip(people, done, strict=True) if scale
        },
        quality=np.array(flags.quality, np.str_)[same_rows],
        reason=np.array(flags.reason, np.str_)[same_rows],
    )


def _person(
    s: Series, skeleton: Skeleton, options: MeasureOptions
) -> tuple[dict[str, Floats], float | None]:
    """The columns of one person over all frames from first to last, and their scale."""
    scale = options.scale.of(s.identity, skeleton, s.xy)
    looks = _looks(s, skeleton, options.looks)
    columns: dict[str, Floats] = {"facing": np.zeros(len(s.frame)) if looks is None else looks}
    columns |= _places(s, skeleton, options.scale, scale)
    for name, pattern, side in with_sides(JOINT_ANGLES):
        angle = joint_angle(skeleton, s.xy, pattern, side, looks)
        if angle is not None:
            columns[f"{name}_deg"] = angle
    for name, pattern, side in with_sides(SEGMENT_ANGLES):
        angle = segment_angle(skeleton, s.xy, pattern, side)
        if angle is not None:
            columns[f"{name}_deg"] = angle
    for a, b in options.distances:
        along = point(skeleton, s.xy, a) - point(skeleton, s.xy, b)
        unit = "m" if scale else "px"
        columns[f"{a}_{b}_distance_{unit}"] = np.hypot(along[:, 0], along[:, 1]) * (scale or 1)
    return columns, scale


def _looks(s: Series, skeleton: Skeleton, wanted: str) -> Floats | None:
    if wanted == "none":
        return None
    if wanted in FACINGS:
        return np.full(len(s.frame), FACINGS[wanted])
    return facing(skeleton, s.time_s, s.xy, s.size)


def _places(
    s: Series, skeleton: Skeleton, scale: Scale, metres_per_px: float | None
) -> dict[str, Floats]:
    """Where somebody is, and how fast they move."""
    x1, y1, x2, y2 = s.box.T
    middle, bottom = np.stack([x1 + x2, y1 + y2], 1) / 2, np.stack([(x1 + x2) / 2, y2], 1)
    body, feet = _or(s, skeleton, "hips", middle), _or(s, skeleton, "feet", bottom)
    columns = {
        f"{name}_{axis}_px": xy[:, i]
        for name, xy in (("body", body), ("feet", feet))
        for i, axis in enumerate("xy")
    }
    if scale.floor is not None:
        floor = on_floor(scale.floor, feet)
        return columns | {
            "floor_x_m": floor[:, 0],
            "floor_y_m": floor[:, 1],
            "body_speed_m_s": _speed(s.time_s, floor, 1.0),
        }
    unit = "m" if metres_per_px else "px"
    return columns | {f"body_speed_{unit}_s": _speed(s.time_s, body, metres_per_px or 1.0)}


def _or(s: Series, skeleton: Skeleton, name: str, other: Floats) -> Floats:
    """A point over time (T, 2); that of the box, ``other``, for somebody who never has it. (Now one
    and now the other would be leaps.)
    """
    xy = point(skeleton, s.xy, name) if has_point(skeleton, name) else other
    return xy if np.isfinite(xy).any() else other


def _speed(time_s: Floats, xy: Floats, scale: float) -> Floats:
    """Speed over time, (T,): the slope of smoothed places; NaN at a place without neighbours."""
    window = FilterSettings(window_s=SPEED_WINDOW_S)
    smooth = savgol(time_s, xy[:, None], np.ones((len(xy), 1)), 1.0, window)[:, 0]
    if len(xy) < 2:
        return np.full(len(xy), np.nan)
    slope = np.gradient(smooth, time_s, axis=0)
    speed: Floats = np.hypot(slope[:, 0], slope[:, 1]) * scale
    return speed


# --- files
# --------------------------------------------------------------------------------------------------


def measure_file(
    tracks: str | Path,
    output: str | Path | None = None,
    options: MeasureOptions | None = None,
    *,
    force: bool = False,
) -> Path:
    """Measure a file of any format, or the folder of one video, into a table: ``.csv`` or
    ``.parquet``; default ``<tracks>.measures.csv``. Raises PosetrackError.
    """
    tracks = track_file(tracks)
    path = Path(output or tracks.parent / f"{base_name(tracks)}{MEASURES_MARK}.csv")
    if path.suffix.lower() not in WRITERS:
        raise UsageError(f"{path} must end in one of {', '.join(WRITERS)}.")
    if path.exists():
        if path.samefile(tracks):
            raise UsageError(f"{path} is the input; name another file with -o.")
        if not force:
            raise OutputError(f"{path} exists already; add --force to replace it.")
    measures = measure(read_one(tracks), options)
    if not len(measures.frame):
        raise InputError(f"{tracks} holds nobody to measure.")
    WRITERS[path.suffix.lower()](path, measures)
    return path


def write_table(path: Path, m: Measures) -> None:
    """Write measures as CSV. Raises OutputError."""
    with write_beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("frame", "time_s", "id", *m.columns, "quality", "reason"))
        values = list(m.columns.values())
        for r in range(len(m.frame)):
            figures = [_figure(column[r]) for column in values]
            who = m.frame[r], repr(float(m.time_s[r])), m.id[r]
            writer.writerow((*who, *figures, m.quality[r], m.reason[r]))


def _figure(value: float) -> str:
    """Six significant digits, far finer than any measurement; empty where unknown."""
    return "" if np.isnan(value) else f"{value:.6g}"


def _write_parquet(path: Path, m: Measures) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow: pip install 'posetrack[parquet]', or choose .csv."
        ) from error
    columns: dict[str, npt.NDArray[Any]] = {"frame": m.frame, "time_s": m.time_s, "id": m.id}
    columns |= {**m.columns, "quality": m.quality, "reason": m.reason}
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    with write_beside(path) as part:
        pq.write_table(table, str(part))


WRITERS = {".csv": write_table, ".parquet": _write_parquet}
