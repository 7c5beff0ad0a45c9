"""The folder that track leaves: one file a video, whatever else lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from posetrack.drawn.clip import draw_sequence
from posetrack.editing.edits import Swap
from posetrack.editing.log import EditLog
from posetrack.editing.replay import apply_log
from posetrack.errors import InputError
from posetrack.evaluation.run import score_files
from posetrack.formats import FORMATS
from posetrack.formats.convert import convert
from posetrack.formats.folder import label_files, read_one, track_file, track_files


@pytest.fixture(name="out")
def _out(tmp_path: Path) -> Path:
    """What ``track -o out --format ...`` leaves, and what may lie beside it."""
    labels = draw_sequence(3, frames=3, size_wh=(160, 120), people=2, name="frames").labels
    out = tmp_path / "out"
    for name in ("native", "posetrack17", "posetrack18", "coco", "csv"):
        FORMATS[name].write(out / f"frames.{FORMATS[name].suffix}", labels)
    for other in ("frames.mp4", "frames.edits.jsonl", "posetrack_eval.json", "x.measures.csv"):
        (out / other).write_bytes(b"{}")
    return out


def test_one_file_a_video_the_best_one(out: Path) -> None:
    assert label_files(out) == {"frames": out / "frames.jsonl"}
    assert track_files(out) == [out / "frames.jsonl"]
    assert read_one(out).name == "frames"
    (out / "frames.jsonl").unlink()
    assert label_files(out) == {"frames": out / "frames.posetrack17.json"}


def test_eval_takes_it(out: Path, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    FORMATS["posetrack18"].write(truth / "frames.json", read_one(out))
    scored = score_files(truth, out)
    assert [pair.prediction.name for pair in scored.files] == ["frames.jsonl"]
    assert scored.report.total.mot is not None
    assert float(scored.report.total.mot.mota[-1]) == pytest.approx(100)


def test_convert_takes_it_once(out: Path, tmp_path: Path) -> None:
    written = convert(out, tmp_path / "csv", target_format="csv")
    assert [path.name for path in written] == ["frames.csv"]


def test_convert_takes_it_after_refine_too(out: Path, tmp_path: Path) -> None:
    """What was made from the tracks is the same video; both would be written to one name."""
    FORMATS["native"].write(out / "frames.refined.jsonl", read_one(out))
    written = convert(out, tmp_path / "csv", target_format="csv")
    assert [path.name for path in written] == ["frames.csv"]


def test_edit_takes_it_with_the_log_in_it(out: Path, tmp_path: Path) -> None:
    log = out / "frames.edits.jsonl"
    log.unlink()
    EditLog(log, out / "frames.jsonl").add(Swap(0, 1))
    before = [labels.tracks.id.tolist() for labels in read_one(out).frames]
    assert apply_log(out, None, tmp_path / "mended.jsonl") == (1, None)
    after = [labels.tracks.id.tolist() for labels in read_one(tmp_path / "mended.jsonl").frames]
    assert after == [[1 - identity for identity in ids] for ids in before]


def test_two_of_one_format_are_a_question(out: Path, tmp_path: Path) -> None:
    for folder in (out, tmp_path):
        (folder / "frames.json").write_text("{}")
        (folder / "frames.json.gz").write_bytes(b"")
    assert label_files(out) == {"frames": out / "frames.jsonl"}  # none where a better one is there
    with pytest.raises(InputError, match="same base name"):
        label_files(tmp_path)


def test_several_videos_are_named(out: Path) -> None:
    FORMATS["csv"].write(out / "other.csv", read_one(out))
    with pytest.raises(InputError, match=r"2 videos \(frames.jsonl, other.csv\)"):
        read_one(out)
    with pytest.raises(InputError, match="no file of a known format"):
        track_files(out.parent)


def test_what_was_made_from_a_video_is_the_same_video(out: Path) -> None:
    for name in ("frames.refined.jsonl", "frames.mended.jsonl"):
        FORMATS["native"].write(out / name, read_one(out))
    assert track_files(out) == [out / "frames.jsonl"]
    assert track_file(out / "frames.refined.jsonl") == out / "frames.refined.jsonl"
    (out / "frames.refined.jsonl").rename(out / "other.refined.jsonl")
    assert len(track_files(out)) == 2


def test_a_folder_of_openpose_is_one_video(out: Path, tmp_path: Path) -> None:
    sequence = read_one(out)
    FORMATS["openpose"].write(tmp_path / "a.openpose", sequence)
    assert track_files(tmp_path / "a.openpose") == [tmp_path / "a.openpose"]
    assert len(list(read_one(tmp_path / "a.openpose").frames)) == 3
