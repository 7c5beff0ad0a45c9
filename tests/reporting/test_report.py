"""Reports: whole pages that load nothing, everything escaped, numbers that are those of the
tracks.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from posetrack.cli import main
from posetrack.drawn.clip import DrawnSequence, draw_sequence
from posetrack.errors import InputError, OutputError, UsageError
from posetrack.formats import FORMATS, native
from posetrack.reporting.charts import Line, line_chart, nice_ticks, thin, times, unwound
from posetrack.reporting.facts import clip_facts
from posetrack.reporting.report import ReportOptions, report
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import FrameLabels, Sequence, Tracks
from posetrack.video.open import VideoWriter

VOID = {"meta", "img", "br", "line", "path"}


class _Checker(HTMLParser):
    """Collects tags and addresses, and finds tags that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [
            v or "" for k, v in attrs if k in ("src", "href", "action", "xlink:href")
        ]
        assert not [k for k, _ in attrs if k.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def _checked(path: Path) -> _Checker:
    """A page that is whole and loads nothing from anywhere."""
    text = path.read_text(encoding="utf-8")
    checker = _Checker()
    checker.feed(text)
    assert checker.open == []
    assert "script" not in checker.tags
    assert not re.search(r"url\(|@import|https?://", text)
    assert all(a.startswith("data:image/jpeg;base64,") or "/" not in a for a in checker.addresses)
    return checker


@pytest.fixture(scope="module", name="drawn")
def _drawn() -> DrawnSequence:
    return draw_sequence(
        13, frames=30, size_wh=(320, 180), people=2, camera="still", motions=("walk",), name="clip"
    )


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, drawn: DrawnSequence) -> Path:
    """clip.jsonl, with a gap of two frames in everybody's track, and clip.mp4."""
    nobody = Tracks.empty(POSETRACK_15)
    frames = [
        replace(f, tracks=nobody, head_xyxy=None) if f.index in (12, 13) else f
        for f in drawn.labels.frames
    ]
    native.write(tmp_path / "clip.jsonl", replace(drawn.labels, frames=tuple(frames)))
    with VideoWriter(tmp_path / "clip.mp4", drawn.size_wh, drawn.fps) as writer:
        for frame in drawn.frames:
            writer.write(frame.image, frame.time_s)
    return tmp_path


def test_a_page_with_everything(folder: Path) -> None:
    written, failed = report(
        [folder / "clip.jsonl"], ReportOptions(video=folder / "clip.mp4", tables=True)
    )
    names = ["clip.report.html", "clip.report.people.csv", "clip.report.measures.csv"]
    assert ([p.name for p in written], failed) == (names, [])
    page = _checked(written[0])
    text = written[0].read_text()
    for title in ("Who is there", "People", "Trajectories", "Speed", "Joint angles", "Quality"):
        assert f"<h2>{title}" in text
    people = len(clip_facts(native.read(folder / "clip.jsonl")[0]).people)
    assert page.tags.count("img") == 1 + people * 5  # a frame, four shots and a face each
    assert "Settings" in text


def test_without_a_video_and_without_people(folder: Path) -> None:
    page = _checked(report([folder / "clip.jsonl"])[0][0])
    assert "img" not in page.tags
    empty = Sequence("none", (64, 48), 25.0, POSETRACK_15, (_nobody(0), _nobody(1)))
    native.write(folder / "none.jsonl", empty)
    assert "Nobody." in report([folder / "none.jsonl"])[0][0].read_text()
    _checked(folder / "none.report.html")
    native.write(folder / "frameless.jsonl", replace(empty, frames=()))
    _checked(report([folder / "frameless.jsonl"])[0][0])


def _nobody(index: int) -> FrameLabels:
    return FrameLabels(index, index / 25, Tracks.empty(POSETRACK_15))


def test_names_of_files_people_and_settings_are_escaped(folder: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=y>"
    sequence = native.read(folder / "clip.jsonl")[0]
    meta = {"names": {"1": evil, "2": evil}, "settings": {evil: evil}, evil: evil}
    native.write(folder / "evil.jsonl", replace(sequence, name=evil, meta=meta))
    path = report([folder / "evil.jsonl"], ReportOptions(folder / "evil.html"))[0][0]
    assert "img" not in _checked(path).tags
    written, _ = report([folder / "evil.jsonl", folder / "clip.jsonl"], ReportOptions(folder / "r"))
    for page in written:
        assert "img" not in _checked(page).tags


def test_facts_are_those_of_the_tracks(folder: Path) -> None:
    sequence = native.read(folder / "clip.jsonl")[0]
    facts = clip_facts(sequence)
    ids = {int(i) for f in sequence.frames for i in f.tracks.id}
    assert {p.identity for p in facts.people} == ids
    assert facts.frames == 30
    assert facts.seconds == pytest.approx(30 / 25)
    for p in facts.people:
        seen = [f.index for f in sequence.frames if p.identity in f.tracks.id]
        assert p.presence == pytest.approx(len(seen) / 30)
        assert p.begin_s == pytest.approx(seen[0] / 25)
        gap = [g for g in p.gaps if g[0] == pytest.approx(12 / 25)]
        assert not gap or gap[0][1] == pytest.approx(14 / 25)
    assert facts.refined_here
    assert not clip_facts(sequence, raw=True).refined_here


def test_the_numbers(folder: Path) -> None:
    report([folder / "clip.jsonl"], ReportOptions(tables=True))
    facts = clip_facts(native.read(folder / "clip.jsonl")[0])
    with (folder / "clip.report.people.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(r["id"]) for r in rows] == [p.identity for p in facts.people]
    assert float(rows[0]["presence"]) == pytest.approx(facts.people[0].presence, rel=1e-4)
    assert float(rows[0]["seen_nose"]) == pytest.approx(facts.people[0].joints[0], rel=1e-4)
    with (folder / "clip.report.measures.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(facts.measures.frame)


def test_many_clips_and_an_index(folder: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (folder / "clip.mp4").rename(videos / "clip.mp4")
    sequence = native.read(folder / "clip.jsonl")[0]
    FORMATS["csv"].write(folder / "clip.two.csv", sequence)
    (folder / "broken.csv").write_text("a,b\n")
    (folder / "clip.edits.jsonl").write_text("{}\n")
    out = ReportOptions(tmp_path / "out", videos)
    written, failed = report([folder], out)
    assert [p.name for p in written] == ["index.html", "clip.html", "clip.two.html"]
    assert len(failed) == 1
    assert "broken.csv" in failed[0]
    index = _checked(written[0])
    assert {"clip.html", "clip.two.html"} <= set(index.addresses)
    assert index.tags.count("img") == 2  # the video is found for both
    assert "Left out" in written[0].read_text()
    assert 'href="index.html"' in written[1].read_text()


def test_what_is_in_the_way(folder: Path) -> None:
    clip = folder / "clip.jsonl"
    report([clip])
    with pytest.raises(OutputError, match="--force"):
        report([clip])
    report([clip], ReportOptions(force=True))
    with pytest.raises(UsageError, match=r"\.html"):
        report([clip], ReportOptions(folder / "a.pdf"))
    with pytest.raises(UsageError, match="folder"):
        report([clip, clip], ReportOptions(folder / "a.html"))
    with pytest.raises(InputError, match="no file or folder"):
        report([folder / "nothing.jsonl"])
    with pytest.raises(InputError, match="no file or folder"):
        report([clip], ReportOptions(force=True, video=folder / "no.mp4"))


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, video = str(folder / "clip.jsonl"), str(folder / "clip.mp4")
    with pytest.raises(SystemExit) as end:
        main(["report", clip, "--video", video, "--csv", "--height", "1.8", "--quiet"])
    assert end.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    text = (folder / "clip.report.html").read_text()
    assert "m/s" in text


# --- charts
# --------------------------------------------------------------------------------------------------


def test_ticks_are_round_and_inside() -> None:
    assert nice_ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert nice_ticks(-0.07, 0.21, 3) == [0.0, 0.1, 0.2]
    assert nice_ticks(3, 3) == [3]
    assert [words for _, words in times(0, 200)] == ["0:00", "1:00", "2:00", "3:00"]
    assert times(0, 4)[1] == (1, "1 s")


def test_a_line_is_thinned_to_its_means() -> None:
    x = np.arange(10_000.0)
    a, b = thin(x, np.where(x < 5000, 2.0, np.nan), 100)
    assert len(a) == 100
    assert np.nanmax(b) == np.nanmin(b) == 2
    assert np.isnan(b[50:]).all()


def test_a_line_breaks_where_there_is_nothing() -> None:
    y = np.array([1.0, 2, np.nan, 3, 4])
    chart = line_chart("A", "px", [Line("a", "red", np.arange(5.0), y)], (0, 4))
    path = re.search(r' d="([^"]+)"', chart)
    assert path is not None
    assert path[1].count("M") == 2
    assert line_chart("A", "px", [Line("a", "red", np.arange(2.0), y[2:3] * [1, 1])], (0, 1)) == ""
    assert np.isnan(unwound(np.array([179.0, -179, -170]))).tolist() == [False, True, False]
