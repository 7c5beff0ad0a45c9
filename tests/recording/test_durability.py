"""Nothing is lost: a finish stopped at any of its file operations, files cut off, two runs at once,
folders in the way, another video of the same name.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from recorded import Stop as _Stop
from recorded import clip_fixture  # noqa: F401
from recorded import names as _names
from recorded import record as _record
from recorded import write_clip as _write_clip

from posetrack.errors import InputError, OutputError, UsageError
from posetrack.files import locked
from posetrack.formats.native_writer import state_path
from posetrack.recording.complete import complete
from posetrack.recording.record import native_header
from posetrack.recording.results import OutputOptions, plan_results
from posetrack.skeletons import POSETRACK_15
from posetrack.video.open import open_source

FORMATS = ("csv", "posetrack18", "openpose")
OPERATIONS = ("replace", "unlink", "fsync", "mkdir", "rmdir", "rename")


class _Counter:
    """Counts the calls that change names or the disk, and stops before the one numbered ``at``."""

    def __init__(self, patch: pytest.MonkeyPatch, at: int | None) -> None:
        self.count, self.at = 0, at
        for name in OPERATIONS:
            patch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, real):
        def call(*args, **kwargs):
            self.count += 1
            if self.at is not None and self.count >= self.at:
                raise KeyboardInterrupt  # as a signal would; from then on nothing works any more
            return real(*args, **kwargs)

        return call


def _operations(clip: Path, out: Path) -> tuple[int, int]:
    """How many file operations a run has until its last frame, and in all."""
    with pytest.MonkeyPatch.context() as patch:
        counter, seen = _Counter(patch, None), []
        _record(clip, out, formats=FORMATS, show=lambda _: bool(seen.append(counter.count)) or True)
    return seen[-1], counter.count


def _contents(folder: Path) -> dict[str, bytes]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_finish_stopped_at_any_operation_loses_nothing(clip: Path, tmp_path: Path) -> None:
    begin, end = _operations(clip, tmp_path / "whole")
    whole = _contents(tmp_path / "whole")
    assert end - begin > 10
    for at in range(begin + 1, end + 1):
        out = tmp_path / f"cut{at}"
        with pytest.MonkeyPatch.context() as patch:
            _Counter(patch, at)
            with suppress(KeyboardInterrupt):
                _record(clip, out, formats=FORMATS)
        tracked = out / "clip.jsonl"
        assert tracked.exists() or (state_path(out / "clip.jsonl.part").exists()), at
        if tracked.exists():
            _complete(clip, out)
        else:
            _record(clip, out, resume=True, formats=FORMATS)
        found = _contents(out)
        found.pop("clip.jsonl.lock", None)  # of the killed process: it holds nobody up
        assert found == whole, at


def _complete(clip: Path, out: Path, settings=None, **options):
    outputs = OutputOptions(out, resume=True, **{"formats": FORMATS, **options})
    with open_source(clip) as source:
        header = native_header(source, POSETRACK_15, settings or {"memory": 30})
        return complete(source, plan_results(source, outputs), header)


def test_missing_formats_and_video_are_made_from_the_tracks(clip: Path, tmp_path: Path) -> None:
    _record(clip, tmp_path / "whole", formats=FORMATS)
    _record(clip, tmp_path / "out", video=False)
    assert _complete(clip, tmp_path / "out").skipped
    assert _names(tmp_path / "out") == _names(tmp_path / "whole")
    for name in ("clip.csv", "clip.jsonl", "clip.posetrack18.json"):
        ours, theirs = (tmp_path / folder / name for folder in ("out", "whole"))
        assert ours.read_bytes() == theirs.read_bytes()


def test_complete_results_of_other_settings_or_videos_are_refused(
    clip: Path, tmp_path: Path
) -> None:
    _record(clip, tmp_path / "out")
    with pytest.raises(UsageError, match=r"other settings \(memory was 30\)"):
        _complete(clip, tmp_path / "out", {"memory": 3})
    other = _write_clip(tmp_path / "clip.mp4", 20, (96, 48))
    with pytest.raises(InputError, match="another video of this name"):
        _complete(other, tmp_path / "out")


@pytest.mark.parametrize("at", [9, 18])
def test_another_video_of_the_same_name_and_length_is_refused(
    clip: Path, tmp_path: Path, at: int
) -> None:
    with pytest.raises(_Stop):
        _record(clip, tmp_path / "out", break_at=at)
    data = bytearray(clip.read_bytes())
    data[len(data) // 2] ^= 1
    other = tmp_path / "clip.mp4"
    other.write_bytes(data)
    with pytest.raises(InputError, match="another video"):
        _record(other, tmp_path / "out", resume=True)


@pytest.mark.parametrize("what", ["frames", "state", "zeros", "both", "header"])
def test_files_cut_off_by_a_loss_of_power(clip: Path, tmp_path: Path, what: str) -> None:
    _record(clip, tmp_path / "whole")
    with pytest.raises(_Stop):
        _record(clip, tmp_path / "out", break_at=18)
    part = tmp_path / "out/clip.jsonl.part"
    if what in ("frames", "both"):
        part.write_bytes(part.read_bytes()[:2000])
    if what in ("state", "both"):
        state_path(part).write_bytes(b"")
    if what == "zeros":
        data = part.read_bytes()
        part.write_bytes(data[:1500] + bytes(len(data) - 1500))
    if what == "header":
        part.write_bytes(part.read_bytes()[:20])
    _record(clip, tmp_path / "out", resume=True)
    assert _contents(tmp_path / "out")["clip.jsonl"] == _contents(tmp_path / "whole")["clip.jsonl"]
    assert _names(tmp_path / "out") == {"clip.jsonl", "clip.mp4"}


def test_the_memory_that_outlives_a_loss_of_power_is_used(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr("posetrack.formats.native_writer.SYNC_EVERY_S", 0.0)
    _record(clip, tmp_path / "whole")
    with pytest.raises(_Stop):
        _record(clip, tmp_path / "out", break_at=18)
    part = tmp_path / "out/clip.jsonl.part"
    assert Path(f"{state_path(part)}.safe").exists()
    state_path(part).write_bytes(b"\0" * 100)
    _record(clip, tmp_path / "out", resume=True)
    assert "goes on behind frame 16" in caplog.text
    assert _contents(tmp_path / "out")["clip.jsonl"] == _contents(tmp_path / "whole")["clip.jsonl"]


def test_a_second_run_on_the_same_output_is_refused(clip: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "clip.jsonl"), pytest.raises(OutputError, match="Another run is writ"):
        _record(clip, tmp_path)
    assert _names(tmp_path) == set()
    _record(clip, tmp_path)
    assert _names(tmp_path) == {"clip.jsonl", "clip.mp4"}


@pytest.mark.parametrize(
    "name", ["clip.jsonl", "clip.mp4", "clip.csv", "clip.mp4.part", "clip.jsonl.part"]
)
def test_folders_of_our_names_are_told_first_and_kept(
    clip: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is a folder and stands in the way"):
        _record(clip, tmp_path, force=True, formats=("csv",))
    assert (tmp_path / name / "thesis.txt").read_text() == "years of work"
    assert _names(tmp_path) == {name}
