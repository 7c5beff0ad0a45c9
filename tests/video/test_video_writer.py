"""Video out: what the written file is, sound, odd sizes, and that failure leaves nothing."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from posetrack.errors import OutputError, UsageError
from posetrack.video import containers
from posetrack.video import writer as video_writer
from posetrack.video.containers import Coding, hardware_encoders
from posetrack.video.open import VideoWriter, open_source


def _write(
    path: Path, pictures: Any, frames: int = 12, size_wh: tuple[int, int] = (64, 48), **options: Any
) -> Path:
    with VideoWriter(path, size_wh, options.pop("fps", 25.0), **options) as writer:
        for index in range(frames):
            writer.write(pictures.draw(index, size_wh), index / 25)
    return path


def _sound_packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(audio=0) if p.size]


def test_the_file_plays_everywhere(tmp_path: Path, pictures: Any) -> None:
    path = _write(tmp_path / "out" / "a.mp4", pictures)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # faststart: it plays while it loads
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.frames, stream.average_rate) == (64, 48, 12, 25)
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)
    with open_source(path) as source:
        assert [pictures.number(f.image) for f in source] == list(range(12))
    assert [p.name for p in path.parent.iterdir()] == ["a.mp4"]


def test_colours_come_back(tmp_path: Path) -> None:
    color = np.array([200, 60, 30], np.uint8)
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 10) as writer:
        for i in range(3):
            writer.write(np.tile(color, (48, 64, 1)), i / 10)
    with open_source(tmp_path / "a.mp4") as source:
        assert np.abs(next(iter(source)).image[24, 32].astype(int) - color).max() <= 4


@pytest.mark.parametrize("fps", [30000 / 1001, 24000 / 1001, 25.0, 7.5, 28.05194805])
def test_time_stamps_are_the_sources(tmp_path: Path, pictures: Any, fps: float) -> None:
    times = [0.5 + i / fps for i in (0, 1, 2, 3, 7, 8, 30)]
    with VideoWriter(tmp_path / "a.mp4", (64, 48), fps) as writer:
        for i, time_s in enumerate(times):
            writer.write(pictures.draw(i, (64, 48)), time_s)
    with open_source(tmp_path / "a.mp4") as source:
        assert [f.time_s for f in source] == pytest.approx([t - 0.5 for t in times], abs=1e-4)


def test_a_constant_broadcast_rate_stays_exact(tmp_path: Path, pictures: Any) -> None:
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 29.97002997) as writer:
        for i in range(9):
            writer.write(pictures.draw(i, (64, 48)), i * 1001 / 30000)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert str(container.streams.video[0].average_rate) == "30000/1001"


def test_odd_sizes_grow_by_a_repeated_pixel(tmp_path: Path, pictures: Any) -> None:
    path = _write(tmp_path / "a.mp4", pictures, 3, (63, 47))
    with open_source(path) as source:
        image = next(iter(source)).image
    assert image.shape == (48, 64, 3)
    assert np.abs(image[:, -1].astype(int) - image[:, -2]).mean() < 6


def test_times_that_stand_still_move_on(tmp_path: Path, pictures: Any) -> None:
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        for i in range(5):
            writer.write(pictures.draw(i, (64, 48)), 0.0)
    with open_source(tmp_path / "a.mp4") as source:
        assert len(list(source)) == 5


# --- sound
# --------------------------------------------------------------------------------------------------


def test_sound_is_copied(tmp_path: Path, clip: Path, pictures: Any) -> None:
    path = _write(tmp_path / "a.mp4", pictures, 20, audio_from=clip)
    before, after = _sound_packets(clip), _sound_packets(path)
    assert len(after) > 8
    assert [data for _, data in after] == [
        data for _, data in before if data in {d for _, d in after}
    ]
    assert after[-1][0] < 0.8
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(audio=0)) >= len(after) - 1


def test_sound_of_a_range_is_cut_and_shifted(tmp_path: Path, clip: Path, pictures: Any) -> None:
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25, audio_from=clip) as writer:
        for i in range(5, 15):
            writer.write(pictures.draw(i, (64, 48)), i / 25)  # 0.2 s to 0.6 s
    source = {data: time_s for time_s, data in _sound_packets(clip)}
    packets = _sound_packets(tmp_path / "a.mp4")
    assert len(packets) >= 5
    offsets = [source[data] - time_s for time_s, data in packets]
    assert offsets == pytest.approx([0.2] * len(packets), abs=0.002)
    assert min(source[data] for _, data in packets) >= 0.2 - 1e-3
    assert max(source[data] for _, data in packets) < 0.6


def test_sound_that_does_not_fit_is_coded_again(
    tmp_path: Path, make_clip: Callable[..., Path], pictures: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip("a.mov", audio="pcm_s16le")
    with (
        caplog.at_level(logging.WARNING),
        VideoWriter(tmp_path / "out.mp4", (64, 48), 25, audio_from=source) as writer,
    ):
        for i in range(5, 20):
            writer.write(pictures.draw(i, (64, 48)), i / 25)
    assert "(pcm_s16le) does not fit into MP4; it is coded again as AAC" in caplog.text
    with av.open(str(source)) as before, av.open(str(tmp_path / "out.mp4")) as after:
        assert after.streams.audio[0].codec_context.name == "aac"
        loudest = (
            max(int(np.abs(block.to_ndarray()).max()) for block in before.decode(audio=0)) / 32768
        )
        blocks = [block.to_ndarray()[0] for block in after.decode(audio=0)]
    assert sum(map(len, blocks)) / 16000 == pytest.approx(0.6, abs=0.15)
    assert max(float(np.abs(block).max()) for block in blocks) == pytest.approx(loudest, rel=0.1)


def test_no_sound_and_no_source(
    tmp_path: Path, make_clip: Callable[..., Path], pictures: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path / "a.mp4", pictures, audio_from=make_clip("silent.mp4"))
    assert not caplog.text
    _write(tmp_path / "b.mp4", pictures, audio_from=tmp_path / "gone.mp4")
    assert "The sound of" in caplog.text


# --- failures
# --------------------------------------------------------------------------------------------------


def _interrupted_write(path: Path, pictures: Any) -> None:
    with VideoWriter(path, (64, 48), 25) as writer:
        writer.write(pictures.draw(0, (64, 48)), 0.0)
        raise KeyboardInterrupt


def test_abort_and_errors_leave_nothing(tmp_path: Path, pictures: Any) -> None:
    old = tmp_path / "a.mp4"
    old.write_bytes(b"the old result")
    with pytest.raises(KeyboardInterrupt):
        _interrupted_write(old, pictures)
    writer = VideoWriter(old, (64, 48), 25)
    writer.write(pictures.draw(0, (64, 48)), 0.0)
    writer.abort()
    writer.close()  # closing twice or after abort does nothing
    with VideoWriter(old, (64, 48), 25):
        pass  # no frames
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert old.read_bytes() == b"the old result"


def test_a_wrong_shape_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"expected shape \(48, 64, 3\)"),
        VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer,
    ):
        writer.write(np.zeros((40, 64, 3), np.uint8), 0)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Cannot write"):
        VideoWriter(tmp_path / "file" / "a.mp4", (64, 48), 25)
    (tmp_path / "a.mp4").mkdir()
    writer = VideoWriter(tmp_path / "a.mp4", (64, 48), 25)
    writer.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    with pytest.raises(OutputError, match=r"Cannot write .*a\.mp4: Is a directory"):
        writer.close()
    assert not (tmp_path / "a.mp4.part").exists()


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """A limit on the size of files does to the writer what a full disk does."""
    script = textwrap.dedent(
        """
        import resource, signal, sys
        import numpy as np
        from posetrack.errors import OutputError, UsageError
        from posetrack.video.open import VideoWriter
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
        try:
            with VideoWriter(sys.argv[1], (320, 240), 25) as writer:
                for i in range(60):
                    writer.write(np.roll(noise, 7 * i, axis=1), i / 25)
        except OutputError as error:
            print(error)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.mp4")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"Cannot write {tmp_path / 'a.mp4'}: ")
    assert not list(tmp_path.iterdir())


def test_a_file_that_comes_out_short(
    tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", (64, 48), 25)
    writer.write(pictures.draw(0, (64, 48)), 0.0)
    writer.frame_count += 1
    with pytest.raises(OutputError, match="1 of 2 frames"):
        writer.close()
    assert not list(tmp_path.iterdir())


def test_renaming_fails(tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(video_writer.os, "replace", refuse)
    with pytest.raises(OutputError, match="No space left on device"):
        _write(tmp_path / "a.mp4", pictures, 2)
    assert not list(tmp_path.iterdir())


def test_without_an_h264_encoder(
    tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(video_writer, "_has_x264", lambda: False)
    path = _write(tmp_path / "a.mp4", pictures, fps=30000 / 1001)
    assert "has no H.264 encoder" in caplog.text
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    with open_source(path) as source:
        assert len(list(source)) == 12


def test_an_encoder_of_hardware_is_known_or_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"encoder.*loom"):
        VideoWriter(tmp_path / "a.mp4", (64, 48), 25, encoder="loom")
    refused = []
    for name in hardware_encoders():
        try:
            with VideoWriter(tmp_path / f"{name}.mp4", (320, 240), 25, encoder=name) as writer:
                for index in range(5):
                    writer.write(np.full((240, 320, 3), 40 * index, np.uint8), index / 25)
            with av.open(str(tmp_path / f"{name}.mp4")) as video:
                assert sum(1 for _ in video.decode(video=0)) == 5
        except UsageError as error:  # the usual thing: no such hardware in this machine
            refused.append((name, str(error)))
    for name, sentence in refused:
        assert not list(tmp_path.glob(f"{name}*"))
        assert f"{name} does not work on this machine" in sentence
        assert "--encode-on" in sentence


def test_hardware_writes_no_opacity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "hardware_encoders", lambda: ["h264_nvenc"])
    for name, alpha in (("a.mov", True), ("a.webm", False)):
        with pytest.raises(UsageError, match="h264_nvenc writes plain MP4"):
            VideoWriter(tmp_path / name, (64, 48), 25, alpha=alpha, encoder="h264_nvenc")
    assert not list(tmp_path.iterdir())


def test_the_encoder_asked_for_encodes(
    tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one of the processor by the way that those of hardware go."""
    mpeg4 = Coding("mpeg4", "yuv420p", True, {"b": "200000"})
    monkeypatch.setattr(video_writer, "hardware_coding", lambda coding, name: mpeg4)
    path = _write(tmp_path / "a.mp4", pictures, encoder="h264_nvenc")
    with av.open(str(path)) as video:
        assert video.streams.video[0].codec_context.name == "mpeg4"
        assert sum(1 for _ in video.decode(video=0)) == 12
