"""posetrack convert: names, folders, refusals, exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posetrack.cli import main
from posetrack.formats import FORMATS
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks


def _write(path: Path, format_name: str = "native", name: str = "walk") -> Path:
    xy = np.arange(30, dtype=np.float32).reshape(1, 15, 2) + 1
    poses = Poses(xy, np.full((1, 15), 0.5), Boxes([[1, 2, 30, 40]], [0.9]), POSETRACK_15)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = tuple(FrameLabels(i, i / 25, Tracks([4], poses)) for i in range(3))
    FORMATS[format_name].write(path, Sequence(name, (64, 48), 25.0, POSETRACK_15, frames))
    return path


def _run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["convert", *map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize("target", sorted(FORMATS))
@pytest.mark.parametrize("source", sorted(FORMATS))
def test_between_all_formats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str
) -> None:
    given = _write(tmp_path / "in" / f"walk.{FORMATS[source].suffix}", source)
    wanted = tmp_path / "out" / f"walk.{FORMATS[target].suffix}"
    if source == "mot" and not FORMATS[target].boxes_only:
        assert _run(given, wanted) == 1
        assert f"{target} is made of joints; take coco, mot, native." in capsys.readouterr().err
        assert not wanted.exists()
        return
    assert _run(given, wanted) == 0
    assert capsys.readouterr().out == f"{wanted}\n"
    frames = list(FORMATS[target].read(wanted)[0].frames)
    assert [(f.index, f.tracks.id.tolist()) for f in frames] == [(i, [4]) for i in range(3)]
    poses = frames[2].tracks.poses
    if "mot" in (source, target):  # boxes only
        no_boxes = source in ("openpose", "posetrack17")  # the box of the joints stands in
        expected = [1, 2, 29, 30] if no_boxes else [1, 2, 30, 40]
        np.testing.assert_allclose(poses.boxes.xyxy, [expected], atol=1e-3)
        return
    np.testing.assert_allclose(
        poses.xy[0, poses.skeleton.joints.index("right_ankle")], [29, 30], atol=1e-3
    )


def test_what_a_table_does_not_say_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = _write(tmp_path / "walk.csv", "csv")
    assert _run(given, tmp_path / "walk.jsonl") == 0
    assert "walk.csv does not say the size of the pictures nor the frame rate" in caplog.text
    caplog.clear()
    given = _write(tmp_path / "whole.jsonl")
    assert _run(given, tmp_path / "again.jsonl") == 0
    assert not caplog.text


@pytest.mark.parametrize("cut", [20, 60])  # within the closing line, within the last frame
def test_a_file_that_was_cut_off_is_converted_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cut: int
) -> None:
    given = _write(tmp_path / "walk.jsonl")
    assert _run(given, tmp_path / "whole.csv") == 0
    assert not caplog.text
    given.write_bytes(given.read_bytes()[:-cut])
    assert _run(given, tmp_path / "walk.csv") == 0
    (said,) = caplog.messages
    assert said.startswith(f"{given} was cut off, its closing line is missing")
    frames = list(FORMATS["csv"].read(tmp_path / "walk.csv")[0].frames)
    assert len(frames) == (3 if cut == 20 else 2)
    assert _run(given, given, "--force") == 0  # what it becomes is whole
    assert len(caplog.messages) == 2
    assert _run(given, tmp_path / "again.csv") == 0
    assert len(caplog.messages) == 2


def test_native_to_itself_in_place(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl")
    before = path.read_bytes()
    assert _run(path, path, "--force") == 0
    assert path.read_bytes() == before


def test_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("000001_bonn", "000002_mpii"):
        _write(tmp_path / "in" / f"{name}.json", "posetrack18", name)
    assert _run(tmp_path / "in", tmp_path / "out", "--to", "posetrack17") == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "000001_bonn.json",
        "000002_mpii.json",
    ]
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert _run(tmp_path / "out", tmp_path / "native", "--to", "native") == 0
    assert sorted(p.name for p in (tmp_path / "native").iterdir()) == [
        "000001_bonn.jsonl",
        "000002_mpii.jsonl",
    ]


def test_into_an_existing_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert _run(_write(tmp_path / "a.jsonl"), tmp_path / "out", "--to", "csv") == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["walk.csv"]


def test_an_existing_file_needs_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = _write(tmp_path / "a.jsonl"), tmp_path / "a.csv"
    target.write_text("mine")
    assert _run(source, target) == 1
    assert "exists already; add --force" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert _run(source, target, "--force") == 0
    assert target.read_text().startswith("frame,")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.jsonl", "a.csv"], 1, "There is no file"),
        (["good.jsonl", "out"], 2, "does not say its format"),
        (["good.jsonl", "a.csv", "--to", "cvs"], 2, "did you mean 'csv'"),
        (["good.jsonl", "a.csv", "--from", "posetrack18"], 1, "good.jsonl"),
        (["empty", "out", "--to", "csv"], 1, "holds no file of a known format"),
        (["bad.json", "a.csv"], 1, "is not JSON"),
        (["good.jsonl", "good.jsonl/a.csv"], 1, "Cannot write"),
    ],
)
def test_refusals_are_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "good.jsonl")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.json").write_text("{")
    assert _run(*arguments) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not captured.out
    assert not (tmp_path / "a.csv").exists()


def test_the_help_lists_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--help") == 0
    text = capsys.readouterr().out
    for found in FORMATS.values():
        assert f"  {found.name} " in text
        assert f"NAME.{found.suffix} " in text
