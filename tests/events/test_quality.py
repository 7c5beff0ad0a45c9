"""The quality flag in tables of measures, and suspicious moments in a report."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from faulty_clip import write_clip

from posetrack.events.find import read_events
from posetrack.measuring.measure import measure_file
from posetrack.reporting.report import ReportOptions, report


@pytest.fixture(scope="module", name="tracks")
def _tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("quality")) / "clip.jsonl"


def test_quality_and_reason_are_columns(tracks: Path) -> None:
    with measure_file(tracks).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-2:] == ["quality", "reason"]
    flags = {(int(r["frame"]), int(r["id"])): (r["quality"], r["reason"]) for r in rows}
    assert {q for q, _ in flags.values()} <= {"ok", "weak", "suspicious"}
    assert all((quality == "ok") == (why == "") for quality, why in flags.values())
    assert flags[21, 7] == ("suspicious", "appears")
    for who in (1, 2):
        quality, why = flags[30, who]
        assert quality == "suspicious"
        assert "switch" in why.split("; ")
    assert flags[5, 1] == ("ok", "")


def test_quality_in_parquet(tracks: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(str(measure_file(tracks, tmp_path / "m.parquet"))).to_pydict()
    rows = zip(table["frame"], table["id"], table["quality"], strict=True)
    assert {q for f, i, q in rows if (f, i) == (21, 7)} == {"suspicious"}


def test_a_report_tells_of_suspicious_moments(tracks: Path, tmp_path: Path) -> None:
    [written], _ = report([tracks], ReportOptions(output=tmp_path / "page.html"))
    page = written.read_text(encoding="utf-8")
    worst = read_events(tracks, suspicious=True)
    assert f"{len(worst)} suspicious moments" in page
    assert page.index("1 and 2 change places") < page.index("7 appears inside the picture")
