"""A quality flag for each person in each frame: ok, weak or suspicious, and why."""

from __future__ import annotations

__all__ = ["FLAGS", "LEAST_PRESENT", "LEAST_SCORE", "Flags", "flag_rows"]

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.events.event import Event
from posetrack.track_table import TrackTable

FLAGS = ("ok", "weak", "suspicious")
LEAST_SCORE = 0.5  # of the joints of a pose on average: more likely wrong than right below
LEAST_PRESENT = 0.5  # of the joints that the person ever has


@dataclass(frozen=True, slots=True)
class Flags:
    """For N people of a table: ``quality`` (N,) of ``FLAGS`` and ``reason`` (N,), the kinds of
    events or what is weak, joined by "; ", empty where ok.
    """

    quality: tuple[str, ...]
    reason: tuple[str, ...]


def flag_rows(table: TrackTable, events: Iterable[Event]) -> Flags:
    """The flags of a table's rows. Suspicious is who is part of a suspicious event that lasts at
    the frame (of a gap: who is seen just before and after it); weak, whose joints score below
    ``LEAST_SCORE`` on average or of whose joints fewer than ``LEAST_PRESENT`` are there.
    """
    reasons: list[list[str]] = [[] for _ in range(len(table))]
    for event in events:
        if event.suspicious:
            for row in _rows(table, event):
                if event.kind not in reasons[row]:
                    reasons[row].append(event.kind)
    weak = _weak(table)
    quality = tuple(
        "suspicious" if why else "weak" if few else "ok"
        for why, few in zip(reasons, weak, strict=True)
    )
    words = ("; ".join([*why, few] if few else why) for why, few in zip(reasons, weak, strict=True))
    return Flags(quality, tuple(words))


def _rows(table: TrackTable, event: Event) -> list[int]:
    rows = table.rows(event.first, event.last)
    return (np.flatnonzero(np.isin(table.id[rows], event.ids)) + rows.start).tolist()


def _weak(table: TrackTable) -> list[str]:
    """What is weak of each row, or nothing."""
    present = table.poses.present
    usual = np.ones(len(table))
    for identity in np.unique(table.id).tolist():
        rows = table.of(identity)
        usual[rows] = max(int(present[rows].any(axis=0).sum()), 1)
    few = present.sum(axis=1) < LEAST_PRESENT * usual
    scores: npt.NDArray[np.float32] = np.where(present, table.poses.score, np.nan)
    known = np.isfinite(scores)
    mean = np.where(known, scores, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    low = (mean < LEAST_SCORE) & known.any(axis=1)
    words = {(True, True): "low scores; few joints", (True, False): "low scores"}
    words |= {(False, True): "few joints", (False, False): ""}
    return [words[pair] for pair in zip(low.tolist(), few.tolist(), strict=True)]
