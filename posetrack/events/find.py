"""All events of a clip: what its tracks tell by themselves, and what ground truth tells of them."""

from __future__ import annotations

__all__ = ["ASSUMED_FPS", "find_events", "read_events", "side_events"]

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np

from posetrack.errors import FormatError
from posetrack.events.against_truth import against_truth
from posetrack.events.event import KINDS, Event, by_severity
from posetrack.events.moments import BETWEEN_S, find_moments, in_order, spells
from posetrack.formats.folder import read_one
from posetrack.refining.series import Series, series_of
from posetrack.refining.sides import PARTS, side_exchanges
from posetrack.structures import FrameLabels, Sequence, Skeleton
from posetrack.track_table import TrackTable, table_of

ASSUMED_FPS = 25.0  # where neither times nor a rate are known; such events have no time


def find_events(
    sequence: Sequence, truth: Sequence | None = None, *, suspicious: bool = False
) -> list[Event]:
    """The events of a clip, by frame.

    ``truth`` adds what only it can tell. ``suspicious``: only moments where somebody should look,
    the worst first. Only the tracks are held in memory. Raises FormatError where frames are not in
    order, InputError where truth is of another video.
    """
    frames, known = _timed(sequence)
    try:
        table = table_of(frames, sequence.skeleton)
    except ValueError as error:
        raise FormatError(f"{sequence.name}: the frames are not in order; sort them.") from error
    fps = sequence.fps or _rate(table)
    moments = find_moments(table, sequence.size_wh, fps)
    sides = [e for s in series_of(table) for e in side_events(s, sequence.skeleton, fps)]
    found = [*(m for m in moments if m.kind != "sides"), *_all_sides(moments, sides)]
    found += _births_and_deaths(table, found)
    if truth is not None:
        found += against_truth(replace(sequence, frames=frames), truth)
    times = dict(zip(table.frames.tolist(), table.time_s.tolist(), strict=True)) if known else {}
    timed = [replace(e, time_s=times.get(e.frame)) for e in in_order(found)]
    return by_severity(e for e in timed if e.suspicious) if suspicious else timed


def read_events(
    tracks: str | Path, truth: str | Path | None = None, *, suspicious: bool = False
) -> list[Event]:
    """``find_events`` of a file of any format, or of the folder of one video; ``truth`` is
    another. Raises PosetrackError.
    """
    labels = None if truth is None else read_one(truth)
    return find_events(read_one(tracks), labels, suspicious=suspicious)


def _timed(sequence: Sequence) -> tuple[list[FrameLabels], bool]:
    """The frames with times, and whether those are known."""
    frames = list(sequence.frames)
    if all(np.isfinite(f.time_s) for f in frames):
        return frames, True
    fps = sequence.fps or ASSUMED_FPS
    return [replace(f, time_s=f.index / fps) for f in frames], sequence.fps is not None


def _rate(table: TrackTable) -> float:
    """Frames a second, from times."""
    steps = np.diff(table.time_s) / np.diff(table.frames)
    usual = float(np.median(steps)) if len(steps) else 0.0
    return 1 / usual if usual > 0 else ASSUMED_FPS


# --- sides
# --------------------------------------------------------------------------------------------------


def side_events(s: Series, skeleton: Skeleton, fps: float) -> Iterator[Event]:
    """Stretches in which left and right of a part of the body are exchanged, as the motion tells
    (``refining.sides``); parts that begin together are one event.
    """
    stretches: list[tuple[int, int, str]] = []
    for pairs, exchanged in side_exchanges(s, skeleton):
        part = _part(skeleton.joints[pairs[0][0]])
        found = spells(s.frame, exchanged, BETWEEN_S * fps)
        stretches += [(int(s.frame[r[0]]), int(s.frame[r[-1]]), part) for r in found]
    for first, group in groupby(sorted(stretches), key=lambda stretch: stretch[0]):
        together = list(group)
        parts = " and ".join(part for _, _, part in together)
        text = f"left and right of {s.identity}'s {parts} are exchanged"
        last = max(last for _, last, _ in together)
        yield Event("sides", first, (s.identity,), text, KINDS["sides"].severity, last)


def _part(joint: str) -> str:
    word = joint.split("_", 1)[-1]
    return next(part for part, words in PARTS.items() if word in words)


def _all_sides(moments: list[Event], stretches: list[Event]) -> list[Event]:
    """Changes of sides of the whole body among the moments, and stretches of parts, each told once.

    A stretch that ends where the whole body changes over, and did not begin so, is that change seen
    from its other side: while legs pass each other, an exchange can begin at no cost.
    """
    changes = [m for m in moments if m.kind == "sides"]
    kept = [s for s in stretches if _begins(s, changes) or not _ends(s, changes)]
    alone = [m for m in changes if not any(s.ids == m.ids and s.touches(m.frame) for s in kept)]
    return [*alone, *kept]


def _begins(stretch: Event, changes: list[Event]) -> bool:
    return any(m.ids == stretch.ids and abs(m.frame - stretch.first) <= 1 for m in changes)


def _ends(stretch: Event, changes: list[Event]) -> bool:
    return any(m.ids == stretch.ids and m.frame == stretch.last + 1 for m in changes)


# --- begin and end
# --------------------------------------------------------------------------------------------------


def _births_and_deaths(table: TrackTable, found: list[Event]) -> list[Event]:
    """The first and last frame of every track of which nothing worse is said."""
    told = {(e.kind, e.ids[0]) for e in found if e.kind in ("appears", "vanishes")}
    identities, first = np.unique(table.id, return_index=True)
    last = len(table) - 1 - np.unique(table.id[::-1], return_index=True)[1]
    events = []
    for who, begin, end in zip(identities.tolist(), first, last, strict=True):
        if ("appears", who) not in told:
            events.append(Event("birth", int(table.frame[begin]), (who,), f"{who} begins"))
        if ("vanishes", who) not in told:
            events.append(Event("death", int(table.frame[end]), (who,), f"{who} ends"))
    return events
