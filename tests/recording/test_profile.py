"""The profile of a run: busy and waiting, and a trace of the Trace Event Format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from posetrack.errors import OutputError
from posetrack.pipeline import Stopwatch
from posetrack.recording.profile import profile_rows, write_trace

SPANS = [
    ("detect", "ahead", 10.0, 12.0),
    ("pose", "ahead", 12.0, 15.0),
    ("track", "main", 15.0, 16.0),
    ("pose", "main", 16.0, 18.0),
    ("track", "main", 18.0, 20.0),
]


def test_busy_and_waiting_of_each_thread_make_the_whole() -> None:
    assert profile_rows(SPANS) == [
        ("ahead", "detect", 2.0, 0.2),
        ("ahead", "pose", 3.0, 0.3),
        ("ahead", "waiting", 5.0, 0.5),
        ("main", "track", 3.0, 0.3),
        ("main", "pose", 2.0, 0.2),
        ("main", "waiting", 5.0, 0.5),
    ]
    assert profile_rows([]) == []


def test_the_trace_has_every_span_in_microseconds(tmp_path: Path) -> None:
    write_trace(tmp_path / "trace.json", SPANS)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {e["args"]["name"]: e["tid"] for e in events if e["ph"] == "M"} == {
        "ahead": 0,
        "main": 1,
    }
    spans = [(e["name"], e["tid"], e["ts"], e["dur"]) for e in events if e["ph"] == "X"]
    assert spans[0] == ("detect", 0, 0.0, 2e6)
    assert spans[-1] == ("track", 1, 8e6, 2e6)
    assert len(spans) == len(SPANS)


def test_a_trace_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_trace(tmp_path / "file" / "trace.json", SPANS)


def test_spans_are_kept_only_where_asked_for() -> None:
    plain, watch = Stopwatch(), Stopwatch(profile=True)
    for each in (plain, watch):
        with each("detect"):
            pass
    assert not plain.spans
    ((stage, _, begin, end),) = watch.spans
    assert stage == "detect"
    assert end - begin == watch.seconds["detect"]
