"""Runs over many inputs as a table: for the eye, and as CSV."""

from __future__ import annotations

__all__ = ["COLUMNS", "summary_rows", "write_summary"]

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from posetrack.files import write_beside
from posetrack.running.work import Outcome

COLUMNS = ("input", "frames", "people", "most_at_once", "seconds", "skipped", "error")


def write_summary(path: str | Path, outcomes: Iterable[Outcome]) -> None:
    """A CSV file with ``COLUMNS``, a row an input: frames, identities, the most people at once,
    seconds. Raises OutputError.
    """
    with write_beside(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows(_row(outcome) for outcome in outcomes)


def _row(o: Outcome) -> tuple[object, ...]:
    # names on disk need not be text (Latin-1 on Linux); a table is
    name = o.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if o.summary is None:
        return (name, "", "", "", "", "", o.error)
    s = o.summary
    skipped = "yes" if s.skipped else ""
    return (name, s.frames, s.tracks, s.most_people, round(s.seconds, 3), skipped, "")


def summary_rows(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines for a terminal: every input, and those that failed again at the end."""
    wide = max(len(o.name) for o in outcomes)
    head = f"{'input':{wide}}  {'frames':>7}  {'people':>6}  {'seconds':>8}"
    failed = [o for o in outcomes if o.error]
    lines = [head, *(_line(o, wide) for o in outcomes)]
    if failed:
        lines.append(f"{len(failed)} of {len(outcomes)} failed:")
        lines += [f"  {o.error}" for o in failed]
    return lines


def _line(o: Outcome, wide: int) -> str:
    if o.summary is None:
        return f"{o.name:{wide}}  failed"
    if o.summary.skipped:
        return f"{o.name:{wide}}  complete already"
    s = o.summary
    return f"{o.name:{wide}}  {s.frames:7}  {s.tracks:6}  {s.seconds:8.1f}"
