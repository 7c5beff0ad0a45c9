"""Where the time of a run went: a table of stages, and a trace that chrome://tracing and Perfetto
open.
"""

from __future__ import annotations

__all__ = ["profile_rows", "write_trace"]

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from posetrack.files import cannot_write, write_beside

Span = tuple[str, str, float, float]  # stage, thread, begin and end in seconds


def profile_rows(spans: Sequence[Span]) -> list[tuple[str, str, float, float]]:
    """Thread, stage, its seconds, their share of the whole, in the order in which stages began; for
    each thread "waiting" is what its stages leave.
    """
    if not spans:
        return []
    whole = max(end for *_, end in spans) - min(begin for _, _, begin, _ in spans)
    busy: dict[str, dict[str, float]] = defaultdict(dict)
    for stage, thread, begin, end in sorted(spans, key=lambda span: span[2]):
        busy[thread][stage] = busy[thread].get(stage, 0.0) + end - begin
    for stages in busy.values():
        stages["waiting"] = max(whole - sum(stages.values()), 0.0)
    return [
        (thread, stage, seconds, seconds / whole if whole else 0.0)
        for thread, stages in busy.items()
        for stage, seconds in stages.items()
    ]


def write_trace(path: str | Path, spans: Sequence[Span]) -> None:
    """The spans as complete events ("ph": "X", microseconds) of the Trace Event Format. Raises
    OutputError.
    """
    start = min((begin for _, _, begin, _ in spans), default=0.0)
    threads = {name: i for i, name in enumerate(dict.fromkeys(thread for _, thread, *_ in spans))}
    events: list[dict[str, object]] = [
        {"name": "thread_name", "ph": "M", "pid": 1, "tid": i, "args": {"name": name}}
        for name, i in threads.items()
    ]
    for stage, thread, begin, end in spans:
        at, lasts = (begin - start) * 1e6, (end - begin) * 1e6
        events.append(
            {"name": stage, "ph": "X", "pid": 1, "tid": threads[thread], "ts": at, "dur": lasts}
        )
    try:
        with write_beside(path) as part:
            part.write_text(json.dumps({"traceEvents": events}), "utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
