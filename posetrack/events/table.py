"""Events as a table in a CSV file."""

from __future__ import annotations

__all__ = ["COLUMNS", "EVENTS_MARK", "write_csv"]

import csv
from collections.abc import Iterable
from pathlib import Path

from posetrack.errors import OutputError
from posetrack.events.event import Event
from posetrack.files import write_beside

EVENTS_MARK = ".events"  # in names of tables that lie beside their tracks
COLUMNS = (
    *("kind", "frame", "first_frame", "last_frame", "time_s", "ids", "truth_ids"),
    *("severity", "suspicious", "text"),
)


def write_csv(path: str | Path, events: Iterable[Event], *, force: bool = False) -> None:
    """Write events: a row each, identities joined by spaces, ``suspicious`` 1 or 0, ``time_s``
    empty where unknown. Raises OutputError, also for a file that exists, unless ``force``.
    """
    path = Path(path)
    if path.exists() and not force:
        raise OutputError(f"{path} exists already; add --force to replace it.")
    with write_beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for event in events:
            row = event.to_dict()
            row |= {name: " ".join(map(str, row[name])) for name in ("ids", "truth_ids")}
            row["suspicious"] = int(event.suspicious)
            writer.writerow(["" if row[name] is None else row[name] for name in COLUMNS])
