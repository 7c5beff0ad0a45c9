"""Videos and pictures as others make them: entries in the middle, pixels that are not square, many
pages, sound that does not fit.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from posetrack.errors import InputError
from posetrack.video.open import VideoWriter, open_source


def _write(path: Path, codec: str = "libx264", sound: str | None = None, rate: int = 16000) -> Path:
    """50 numbered pictures with B-frames, two groups, and a second of sound in that codec."""
    with av.open(str(path), "w") as container:
        options = {"g": "25", "bf": "2"} if codec == "libx264" else {}
        stream = container.add_stream(codec, 25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        noise = container.add_stream(sound, rate, layout="mono") if sound else None
        for index in range(50):
            grey = np.full((48, 64, 3), 20 + 4 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
        if noise:
            wave = (8000 * np.sin(np.arange(rate) * 0.3)).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate = rate
            resampler = av.AudioResampler(noise.format.name, "mono", rate)
            for part in resampler.resample(frame):
                container.mux(noise.encode(part))
            container.mux(noise.encode(None))
    return path


def _copy(path: Path, out: Path) -> None:
    with (
        open_source(path) as source,
        VideoWriter(out, source.size_wh, source.fps, audio_from=source.path) as writer,
    ):
        for frame in source:
            writer.write(frame.image, frame.time_s)


@pytest.mark.parametrize("name", ["a.ts", "a.avi", "a.mp4", "a.mkv", "a.mpg", "a.m4v", "a.h264"])
@pytest.mark.parametrize("start", [0.3, 1.2])
def test_a_frame_is_the_same_whatever_the_entry(tmp_path: Path, name: str, start: float) -> None:
    path = _write(tmp_path / name, "mpeg2video" if name.endswith("mpg") else "libx264")
    with open_source(path) as source:
        whole = [(f.index, f.time_s, f.image.tobytes()) for f in source]
    with open_source(path, start_s=start) as source:
        found = [(f.index, f.time_s, f.image.tobytes()) for f in source]
    assert found == [frame for frame in whole if frame[1] >= start - 1e-6]
    assert found


@pytest.mark.parametrize(
    ("name", "sound", "rate"),
    [("a.avi", "pcm_s16le", 16000), ("a.avi", "libmp3lame", 44100), ("a.mkv", "pcm_u8", 11025),
     ("a.mkv", "pcm_s16le", 192000), ("a.avi", "adpcm_ms", 22050)],
)  # fmt: skip
def test_any_sound_is_carried_over(tmp_path: Path, name: str, sound: str, rate: int) -> None:
    out = tmp_path / "out.mp4"
    _copy(_write(tmp_path / name, "mpeg4", sound, rate), out)
    with av.open(str(out)) as container:
        loud = [abs(b.to_ndarray().astype(float)).max() for b in container.decode(audio=0)]
        assert sum(level > 0.05 for level in loud) > 5
        assert container.streams.video[0].frames == 50


def test_sound_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def broken(*_: object) -> None:
        raise OSError("no such thing")

    monkeypatch.setattr("posetrack.video.sound.Sound._write", broken)
    out = tmp_path / "out.mp4"
    _copy(_write(tmp_path / "a.mp4", sound="aac"), out)
    with av.open(str(out)) as container:
        assert container.streams.video[0].frames == 50
    assert caplog.text.count("The sound ends early") == 1


def test_pixels_are_square(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with open_source(tmp_path / "a.mp4") as source:
        assert source.size_wh == (128, 48)
        assert next(iter(source)).image.shape == (48, 128, 3)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "10:30.mp4", (64, 48), 25) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    with open_source(tmp_path / "10:30.mp4") as source:
        assert len(list(source)) == 1


# --- pictures
# --------------------------------------------------------------------------------------------------


def test_pictures_with_several_pages_are_refused(tmp_path: Path) -> None:
    pages = [np.full((8, 8, 3), value, np.uint8) for value in (0, 90, 180)]
    cv2.imwritemulti(str(tmp_path / "a.tif"), pages)
    with pytest.raises(InputError, match="holds 3 pages"):
        open_source(tmp_path / "a.tif")
    plain = cv2.imencode(".png", pages[0])[1].tobytes()
    body = b"acTL" + struct.pack(">II", 7, 0)
    chunk = struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(plain[:33] + chunk + plain[33:])
    with pytest.raises(InputError, match="holds 7 pages"):
        open_source(tmp_path / "a.png")


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_grey_of_more_bits_is_not_black(tmp_path: Path, bits: int) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((8, 8), (1 << bits) - 1, np.uint16))
    with open_source(tmp_path / "a.png") as source:
        assert next(iter(source)).image.min() == 255


def test_float_pictures_and_huge_ones_are_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), np.ones((8, 8), np.float32))
    with pytest.raises(InputError, match="convert it to 8 or 16 bits"):
        open_source(tmp_path / "a.tif")
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", 30000, 30000)
    (tmp_path / "a.png").write_bytes(head + bytes(100))
    with pytest.raises(InputError, match="is 30000x30000"):
        open_source(tmp_path / "a.png")


def test_a_folder_of_videos_with_stray_pictures_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    cv2.imwrite(str(tmp_path / "cover.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="holds 1 videos and 1 pictures"):
        open_source(tmp_path)


def test_brackets_in_a_folder_are_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "cam[1]"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), np.zeros((8, 8, 3), np.uint8))
    with open_source(str(folder / "*.png")) as source:
        assert len(list(source)) == 1
