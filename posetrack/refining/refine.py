"""Refining the tracks of a clip: sides, outliers, gaps, smoothing, in this order."""

from __future__ import annotations

__all__ = [
    "SMOOTHINGS",
    "RefineOptions",
    "Refined",
    "refine",
    "refine_file",
    "refine_series",
    "timed_frames",
]

from collections.abc import Sequence as SequenceABC
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import FormatError, InputError, OutputError, UsageError, unknown_name
from posetrack.formats import format_of_name
from posetrack.formats.folder import base_name, read_one, track_file
from posetrack.refining.filters import SMOOTHERS, FilterSettings
from posetrack.refining.gaps import fill_gaps, remove_outliers
from posetrack.refining.one_euro import OneEuroSettings, one_euro
from posetrack.refining.series import MARK_NAMES, Mark, Series, frames_with, series_of
from posetrack.refining.sides import mend_sides
from posetrack.structures import FrameLabels, Sequence, Skeleton
from posetrack.track_table import table_of

SMOOTHINGS = ("none", "one-euro", *SMOOTHERS)
REFINED_MARK = ".refined"  # in names of files that lie beside their tracks
# about a step of somebody walking: beyond, a cubic knows nothing of the motion
FILL_S = 0.4


@dataclass(frozen=True, slots=True)
class RefineOptions:
    """What is done. ``fill_s``: gaps up to so many seconds are filled, 0: none. ``smooth``: a name
    of ``SMOOTHINGS``. Raises UsageError for values that make no sense.
    """

    fill_s: float = FILL_S
    outliers: bool = True
    sides: bool = True
    smooth: str = "kalman"
    filters: FilterSettings = field(default_factory=FilterSettings)
    one_euro: OneEuroSettings = field(default_factory=OneEuroSettings)

    def __post_init__(self) -> None:
        if self.smooth not in SMOOTHINGS:
            raise unknown_name("smoothing", self.smooth, SMOOTHINGS)
        if not 0 <= self.fill_s < float("inf"):
            raise UsageError(f"Gaps to fill must be 0 seconds or more, not {self.fill_s}.")

    def to_dict(self) -> dict[str, Any]:
        """For the header of a file: what was done, with the numbers that shaped it."""
        used = {"one-euro": asdict(self.one_euro), "none": {}}
        filters = used.get(self.smooth, asdict(self.filters))
        steps = {"fill_s": self.fill_s, "outliers": self.outliers, "sides": self.sides}
        return {**steps, "smooth": self.smooth, "filter": filters}


@dataclass(frozen=True, slots=True)
class Refined:
    """A refined clip, and what was done to it: joints over all frames, by mark."""

    sequence: Sequence
    people: int
    joints: int
    outliers: int
    filled: int
    exchanged: int
    smoothed: int


def refine(sequence: Sequence, options: RefineOptions | None = None) -> Refined:
    """The clip with its people refined; ``sequence`` itself stays as it is.

    Every joint that was filled or changed is marked in ``FrameLabels.marks``. Raises FormatError
    where the frames are not in order.
    """
    options = options or RefineOptions()
    source = timed_frames(sequence)
    try:
        table = table_of(source, sequence.skeleton)
    except ValueError as error:
        raise FormatError(
            f"{sequence.name}: the frames are not in order; sort them first."
        ) from error
    marks = _marks(source, len(sequence.skeleton))
    series = [refine_series(s, sequence.skeleton, options) for s in series_of(table, marks)]
    frames = tuple(frames_with(series, source, sequence.skeleton))
    meta = {**sequence.meta, "refined": {**options.to_dict(), "marks": MARK_NAMES}}
    every = np.concatenate([s.marks.ravel() for s in series]) if series else np.zeros(0, np.uint8)
    return Refined(
        replace(sequence, frames=frames, meta=meta),
        people=len(series),
        joints=int(sum(s.present.sum() for s in series)),
        **{
            name: int((every & mark > 0).sum())
            for name, mark in (
                ("outliers", Mark.OUTLIER),
                ("filled", Mark.FILLED),
                ("exchanged", Mark.SIDES),
                ("smoothed", Mark.SMOOTHED),
            )
        },
    )


def timed_frames(sequence: Sequence) -> tuple[FrameLabels, ...]:
    """The frames; those without a time get that of their index. Raises InputError where there is
    neither time nor rate.
    """
    frames = tuple(sequence.frames)
    if all(np.isfinite(labels.time_s) for labels in frames):
        return frames
    if not sequence.fps:
        raise InputError(
            f"{sequence.name} gives neither times nor a frame rate; convert it to a format that "
            f"does, or say --fps."
        )
    return tuple(replace(labels, time_s=labels.index / sequence.fps) for labels in frames)


def _marks(frames: SequenceABC[FrameLabels], joints: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Marks of an earlier refinement, (N, K)."""
    rows = [
        np.zeros((len(f.tracks), joints), np.uint8) if f.marks is None else f.marks for f in frames
    ]
    return np.concatenate(rows) if rows else np.zeros((0, joints), np.uint8)


def refine_series(s: Series, skeleton: Skeleton, options: RefineOptions) -> Series:
    """One person, refined."""
    if options.sides:
        s = mend_sides(s, skeleton)
    if options.outliers:
        s = remove_outliers(s)
    if options.fill_s:
        s = fill_gaps(s, options.fill_s)
    return s if options.smooth == "none" else _smooth(s, options)


def _smooth(s: Series, options: RefineOptions) -> Series:
    if options.smooth == "one-euro":
        xy = one_euro(s.time_s, s.xy, s.size, options.one_euro)
    else:
        xy = SMOOTHERS[options.smooth](s.time_s, s.xy, s.score, s.size, options.filters)
    moved = s.present & (np.abs(xy - s.xy).max(axis=2) > 0)
    return replace(s, xy=xy, marks=s.marked(moved, Mark.SMOOTHED))


def refine_file(
    tracks: str | Path,
    output: str | Path | None = None,
    options: RefineOptions | None = None,
    *,
    fps: float | None = None,
    force: bool = False,
) -> tuple[Path, Refined]:
    """Refine a file of any format, or the folder of one video, into another file.

    ``output`` None: ``<tracks>.refined.jsonl`` beside it. The marks are kept in the native format
    alone. ``fps`` is the rate of tracks that say none. Raises PosetrackError.
    """
    tracks = track_file(tracks)
    path = Path(output or tracks.parent / f"{base_name(tracks)}{REFINED_MARK}.jsonl")
    wanted = format_of_name(path)
    if wanted is None:
        raise UsageError(f"The name {path} does not say its format; let it end in .jsonl.")
    if path.exists():
        if path.samefile(tracks):
            raise UsageError(f"{path} is the input, which is never overwritten; name another.")
        if not force:
            raise OutputError(f"{path} exists already; add --force to replace it.")
    sequence = read_one(tracks)
    if fps:
        sequence = replace(sequence, fps=fps)
    refined = refine(sequence, options)
    meta = refined.sequence.meta
    source = {"refined": {**meta["refined"], "source": tracks.name}}
    wanted.write(path, replace(refined.sequence, meta={**meta, **source}))
    return path, refined
