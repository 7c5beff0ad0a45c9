"""Results on disk: final names only for whole files, and interrupted runs that go on as if nothing
had happened.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import pytest
from recorded import Broken as _Broken
from recorded import Stop as _Stop
from recorded import clip_fixture  # noqa: F401
from recorded import names as _names
from recorded import record as _record
from recorded import run as _run
from recorded import write_clip as _write_clip

from posetrack.errors import InputError, OutputError, UsageError
from posetrack.formats import FORMATS
from posetrack.formats.native import is_complete, read
from posetrack.recording.record import native_header, record
from posetrack.recording.results import OutputOptions, is_finished, plan_results, refuse_same_names
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Image
from posetrack.video.open import open_source


def test_a_run_leaves_exactly_its_results(clip: Path, tmp_path: Path) -> None:
    summary = _record(clip, tmp_path / "out", formats=("posetrack18", "csv", "native"))
    assert _names(tmp_path / "out") == {
        "clip.mp4",
        "clip.jsonl",
        "clip.posetrack18.json",
        "clip.csv",
    }
    assert set(summary.files) == set((tmp_path / "out").iterdir())
    assert (summary.frames, summary.tracks, summary.most_people) == (20, 2, 2)
    assert summary.poses == sum(len(f.tracks) for f in read(tmp_path / "out/clip.jsonl")[0].frames)
    assert is_complete(tmp_path / "out/clip.jsonl")


def test_the_rendered_video_keeps_size_rate_count_and_sound(clip: Path, tmp_path: Path) -> None:
    _record(clip, tmp_path)
    with av.open(str(tmp_path / "clip.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.frames, float(stream.average_rate)) == (
            64,
            48,
            20,
            25.0,
        )
        assert len(video.streams.audio) == 1


def test_every_format_holds_the_same_people(clip: Path, tmp_path: Path) -> None:
    _record(clip, tmp_path, formats=tuple(FORMATS), video=False)
    native = [f.tracks.id.tolist() for f in read(tmp_path / "clip.jsonl")[0].frames]
    for name, fmt in FORMATS.items():
        frames = {
            f.index: f.tracks.id.tolist()
            for f in fmt.read(tmp_path / f"clip.{fmt.suffix}")[0].frames
        }
        assert [frames.get(i, []) for i in range(20)] == native, name


def test_without_a_folder_results_lie_beside_the_input(tmp_path: Path) -> None:
    with open_source(_write_clip(tmp_path / "walk.mp4")) as source:
        paths = plan_results(source, OutputOptions(formats=("coco",)))
    assert [p.name for p in paths.all()] == [
        "walk.tracked.mp4",
        "walk.tracked.jsonl",
        "walk.tracked.coco.json",
    ]
    assert {p.parent for p in paths.all()} == {tmp_path}


def test_nothing_is_overwritten_without_force(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"holiday")
    with pytest.raises(OutputError, match=r"clip\.mp4 exists already; use --force"):
        _record(clip, tmp_path)
    assert (tmp_path / "clip.mp4").read_bytes() == b"holiday"
    _record(clip, tmp_path, video=False)
    _record(clip, tmp_path, force=True)
    assert (tmp_path / "clip.mp4").read_bytes() != b"holiday"


def test_the_input_is_never_the_output(tmp_path: Path) -> None:
    path = _write_clip(tmp_path / "clip.mp4")
    with open_source(path) as source, pytest.raises(UsageError, match="is the input itself"):
        plan_results(source, OutputOptions(tmp_path, force=True))


def test_two_inputs_with_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match=r"a/x\.mp4 and b/x\.mov would write the same files"):
        refuse_same_names(["a/x.mp4", "b/x.mov"], OutputOptions(Path("out")))
    refuse_same_names(["a/x.mp4", "b/x.mp4"], OutputOptions())
    refuse_same_names(["a/x.mp4", "a/y.mp4"], OutputOptions(Path("out")))


@pytest.mark.parametrize("video", [True, False])
@pytest.mark.parametrize("at", [4, 7, 17])
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    clip: Path, tmp_path: Path, at: int, video: bool
) -> None:
    whole = _record(clip, tmp_path / "whole", video=video, formats=("csv",))
    with pytest.raises(_Stop):
        _record(clip, tmp_path / "cut", break_at=at, video=video, formats=("csv",))
    assert _names(tmp_path / "cut") == {"clip.jsonl.part", "clip.jsonl.part.state"}
    resumed = _record(clip, tmp_path / "cut", resume=True, video=video, formats=("csv",))
    assert _names(tmp_path / "cut") == _names(tmp_path / "whole")
    for name in ("clip.jsonl", "clip.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (resumed.frames, resumed.poses, resumed.tracks) == (
        whole.frames,
        whole.poses,
        whole.tracks,
    )
    if video:
        with av.open(str(tmp_path / "cut/clip.mp4")) as rendered:
            assert rendered.streams.video[0].frames == 20


def test_finished_frames_of_a_broken_run_can_be_read(clip: Path, tmp_path: Path, caplog) -> None:
    with pytest.raises(KeyboardInterrupt):
        _record(clip, tmp_path, break_at=7, error=KeyboardInterrupt())
    part = tmp_path / "clip.jsonl.part"
    assert [f.index for f in read(part)[0].frames] == list(range(7))
    assert not is_complete(part)
    assert f"7 finished frames are in {part}; --resume goes on from there." in caplog.text


KILLED = """
import os, sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = [{tests!r}, {tests!r} + ""]
import recorded
def run(self, frames, before):
    for number, pair in enumerate(self.pipeline.run(frames, before)):
        if number == self.at:
            os.kill(os.getpid(), 9)
        yield pair
recorded.Broken.run = run
recorded.record(Path({clip!r}), Path({out!r}), break_at=11)
"""


def test_a_killed_process_resumes_too(clip: Path, tmp_path: Path) -> None:
    _record(clip, tmp_path / "whole")
    code = KILLED.format(
        tests=str(Path(__file__).parents[1]), clip=str(clip), out=str(tmp_path / "cut")
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert "clip.jsonl.part" in _names(tmp_path / "cut")
    _record(clip, tmp_path / "cut", resume=True)
    assert (tmp_path / "cut/clip.jsonl").read_bytes() == (
        tmp_path / "whole/clip.jsonl"
    ).read_bytes()
    assert _names(tmp_path / "cut") == {"clip.mp4", "clip.jsonl"}


def test_a_run_broken_at_once_leaves_nothing_and_resume_starts_it(
    clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(_Stop):
        _record(clip, tmp_path / "out", break_at=0)
    assert _names(tmp_path / "out") == set()
    _record(clip, tmp_path / "out", resume=True)
    assert _names(tmp_path / "out") == {"clip.mp4", "clip.jsonl"}


def test_an_interrupted_run_is_not_thrown_away_by_starting_again(
    clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(_Stop):
        _record(clip, tmp_path, break_at=9)
    with pytest.raises(
        OutputError, match=r"interrupted run; --resume goes on with it, --force starts again"
    ):
        _record(clip, tmp_path)
    _record(clip, tmp_path, force=True)
    assert _names(tmp_path) == {"clip.mp4", "clip.jsonl"}


def test_resume_refuses_other_settings_and_other_videos(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(_Stop):
        _record(clip, tmp_path / "out", break_at=9)
    before = (tmp_path / "out/clip.jsonl.part").read_bytes()
    with pytest.raises(UsageError, match=r"other settings \(memory was 30\)"):
        _record(clip, tmp_path / "out", resume=True, settings={"memory": 5})
    with pytest.raises(InputError, match="belongs to another video"):
        _record(_write_clip(tmp_path / "clip.mp4", 5), tmp_path / "out", resume=True)
    assert (
        (tmp_path / "out/clip.jsonl.part")
        .read_bytes()
        .startswith(before[: before.rfind(b'{"frame":8')])
    )
    _record(clip, tmp_path / "out", resume=True)


def test_a_complete_run_is_recognised(clip: Path, tmp_path: Path) -> None:
    with open_source(clip) as source:
        paths = plan_results(source, OutputOptions(tmp_path, resume=True))
    assert not is_finished(paths)
    _record(clip, tmp_path)
    assert is_finished(paths)


def test_the_viewer_can_stop_a_run(clip: Path, tmp_path: Path) -> None:
    seen: list[Image] = []

    def show(picture: Image) -> bool:
        seen.append(picture)
        return len(seen) < 6

    assert _record(clip, tmp_path, show=show, video=False).frames == 6
    assert len(seen) == 6
    assert is_complete(tmp_path / "clip.jsonl")


def test_ctrl_c_ends_a_live_source_as_its_end_would(clip: Path, tmp_path: Path) -> None:
    with open_source(clip) as source:
        live = replace(source, live=True, path=None, has_audio=False)
        paths = plan_results(live, OutputOptions(tmp_path))
        header = native_header(live, POSETRACK_15, {})
        summary = record(live, paths, header, _Broken(_run(1), 9, KeyboardInterrupt()))
    assert summary.frames == 9
    assert _names(tmp_path) == {"clip.mp4", "clip.jsonl"}
    assert is_complete(tmp_path / "clip.jsonl")


def test_a_folder_that_cannot_be_written(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match=r"Cannot write .*file"):
        _record(clip, tmp_path / "file")


def test_a_full_disk_is_one_sentence_and_leaves_no_final_name(
    clip: Path, tmp_path: Path, monkeypatch
) -> None:
    from posetrack.formats import native_writer

    put = native_writer.NativeWriter._put
    monkeypatch.setattr(native_writer.NativeWriter, "_put", _failing_after(put, 6))
    with pytest.raises(OutputError, match="No space left on device"):
        _record(clip, tmp_path)
    assert _names(tmp_path) <= {"clip.jsonl.part", "clip.jsonl.part.state"}


def _failing_after(put, calls: int):
    from posetrack.files import cannot_write

    done = 0

    def fail(self, line: bytes) -> None:
        nonlocal done
        done += 1
        if done > calls:
            raise cannot_write(self.path, OSError(28, "No space left on device"))
        put(self, line)

    return fail
