"""What a report says of a clip, as numbers: people, their presence, quality, paths, curves."""

from __future__ import annotations

__all__ = ["ClipFacts", "PersonFacts", "clip_facts"]

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.events.event import Event, by_severity
from posetrack.events.find import find_events
from posetrack.measuring.measure import MeasureOptions, Measures, measure
from posetrack.refining.refine import refine, timed_frames
from posetrack.refining.series import Mark, Series, series_of
from posetrack.structures import Sequence
from posetrack.track_table import table_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """One person: ``name`` (given in review, or the identity), the stretches of ``time_s`` in which
    they were there without a gap, shares 0..1, and their rows of the measures.

    ``joints`` (K,) is the share of their frames in which each joint has a place.
    """

    identity: int
    name: str
    series: Series
    stretches: tuple[tuple[float, float], ...]
    presence: float
    score: float
    joints: Floats
    filled: int
    corrected: int
    measures: Measures

    @property
    def begin_s(self) -> float:
        """When they were first seen."""
        return self.stretches[0][0]

    @property
    def end_s(self) -> float:
        """When they were last seen."""
        return self.stretches[-1][1]

    @property
    def gaps(self) -> tuple[tuple[float, float], ...]:
        """Begin and end of each time they were away in between, seconds."""
        ends = [end for _, end in self.stretches[:-1]]
        begins = [begin for begin, _ in self.stretches[1:]]
        return tuple(zip(ends, begins, strict=True))

    @property
    def speed(self) -> tuple[str, Floats]:
        """The column of speed: its unit, and values (R,)."""
        for unit in ("m", "px"):
            if f"body_speed_{unit}_s" in self.measures.columns:
                return f"{unit}/s", self.measures.columns[f"body_speed_{unit}_s"]
        return "px/s", np.full(len(self.measures.frame), np.nan)

    @property
    def distance(self) -> float:
        """How far they went, in the unit of the speed."""
        speed, time_s = self.speed[1], self.measures.time_s
        known = np.isfinite(speed)
        if known.sum() < 2:
            return 0.0
        steps = np.diff(time_s[known])
        steps = np.where(steps > 5 * np.median(steps), 0, steps)
        return float((speed[known][1:] * steps).sum())


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """A clip: what its file says, its frames, the people in the order they came, and the moments
    where somebody should look, the worst first.
    """

    name: str
    size_wh: tuple[int, int] | None
    fps: float | None
    frames: int
    span: tuple[float, float]
    most_at_once: int
    joints: tuple[str, ...]
    people: tuple[PersonFacts, ...]
    meta: dict[str, Any]
    refined_here: bool
    measures: Measures
    suspicious: tuple[Event, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the clip is."""
        return self.span[1] - self.span[0]


def clip_facts(
    sequence: Sequence, options: MeasureOptions | None = None, *, raw: bool = False
) -> ClipFacts:
    """The facts of a clip. Curves come from refined tracks: those of the file where they are, else
    tracks refined here, unless ``raw``; quality is that of the file. Raises PosetrackError.
    """
    frames = timed_frames(sequence)
    table = table_of(frames, sequence.skeleton)
    marks = [
        np.zeros((len(f.tracks), len(sequence.skeleton)), np.uint8) if f.marks is None else f.marks
        for f in frames
    ]
    series = series_of(table, np.concatenate(marks) if marks else None)
    here = not raw and "refined" not in sequence.meta
    # of the tracks as they are: what refining mended is worth a look all the same
    events = find_events(sequence)
    measures = measure(refine(sequence).sequence if here else sequence, options, events)
    step = float(np.median(np.diff(table.time_s))) if len(frames) > 1 else 0.0
    names = {int(k): str(v) for k, v in dict(sequence.meta.get("names", {})).items()}
    people = [_person(s, names, measures, len(frames), step) for s in series]
    counts = [len(f.tracks) for f in frames]
    times = table.time_s
    return ClipFacts(
        name=sequence.name,
        size_wh=sequence.size_wh,
        fps=sequence.fps or (1 / step if step else None),
        frames=len(frames),
        span=(float(times[0]), float(times[-1]) + step) if len(times) else (0.0, 0.0),
        most_at_once=max(counts, default=0),
        joints=sequence.skeleton.joints,
        people=tuple(sorted(people, key=lambda p: (p.begin_s, p.identity))),
        meta=sequence.meta,
        refined_here=here,
        measures=measures,
        suspicious=tuple(by_severity(e for e in events if e.suspicious)),
    )


def _person(
    s: Series, names: dict[int, str], measures: Measures, frames: int, step: float
) -> PersonFacts:
    seen = s.seen
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen, [0]])))
    stretches = tuple(
        (float(s.time_s[a]), float(s.time_s[b - 1]) + step) for a, b in edges.reshape(-1, 2)
    )
    scores = s.box_score[seen]
    corrected = s.marks & np.uint8(Mark.OUTLIER | Mark.SIDES)
    return PersonFacts(
        identity=s.identity,
        name=names.get(s.identity, ""),
        series=s,
        stretches=stretches,
        presence=float(seen.sum() / max(frames, 1)),
        score=float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan"),
        joints=s.present[seen].mean(axis=0),
        filled=int((s.marks & np.uint8(Mark.FILLED) > 0).sum()),
        corrected=int((corrected > 0).sum()),
        measures=measures.of(s.identity),
    )
