"""posetrack render: tracks over their video, another size, nothing; what is in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack.cli import main
from posetrack.errors import InputError, OutputError, UsageError
from posetrack.formats import FORMATS, native
from posetrack.recording.draw import draw_tracks
from posetrack.recording.render import RenderOptions, render
from posetrack.recording.style import DrawStyle
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks
from posetrack.video.open import VideoWriter, open_source

SIZE, FPS, FRAMES = (128, 96), 10.0, 8


def _tracks(index: int, scale: float = 1.0) -> Tracks:
    x = (30.0 + 6 * index) * scale
    shape = np.random.default_rng(0).uniform(-20, 20, (17, 2)) * scale
    low, high = (x - 20 * scale, 25 * scale), (x + 20 * scale, 70 * scale)
    xy = (shape + np.array([x, 48 * scale]))[None]
    poses = Poses(xy, np.full((1, 17), 0.9), Boxes([[*low, *high]], [1]), COCO_17)
    return Tracks([2], poses)


def _sequence(scale: float = 1.0) -> Sequence:
    frames = tuple(FrameLabels(i, i / FPS, _tracks(i, scale)) for i in range(FRAMES))
    size = (round(SIZE[0] * scale), round(SIZE[1] * scale))
    return Sequence("clip", size, FPS, COCO_17, frames)


@pytest.fixture(name="clip")
def _clip(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "clip.mp4", SIZE, FPS) as writer:
        for i in range(FRAMES):
            writer.write(np.full((96, 128, 3), 90 + i, np.uint8), i / FPS)
    return tmp_path / "clip.mp4"


@pytest.fixture(name="tracks")
def _tracks_file(tmp_path: Path) -> Path:
    native.write(tmp_path / "clip.jsonl", _sequence())
    return tmp_path / "clip.jsonl"


def _pictures(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.image for frame in source]


def _close(path: Path, index: int, picture: np.ndarray) -> None:
    """Compressed pictures are near, not equal."""
    assert np.abs(_pictures(path)[index].astype(int) - picture).mean() < 4


@pytest.mark.parametrize("name", ["native", "posetrack18", "csv"])
def test_the_tracks_of_any_format_are_drawn(name: str, clip: Path, tmp_path: Path) -> None:
    file = tmp_path / f"other.{FORMATS[name].suffix}"
    FORMATS[name].write(file, _sequence())
    path = render(file, clip)
    assert path == tmp_path / "other.rendered.mp4"
    assert len(_pictures(path)) == FRAMES
    assert not np.array_equal(_pictures(clip)[5], _pictures(path)[5])
    if name != "posetrack18":  # its skeleton has no eyes
        _close(path, 5, draw_tracks(_pictures(clip)[5], _tracks(5)))


def test_the_folder_that_track_leaves_is_taken(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    native.write(out / "clip.jsonl", _sequence())
    FORMATS["coco"].write(out / "clip.coco.json", _sequence())
    (out / "clip.edits.jsonl").write_text("{}\n")
    assert len(_pictures(render(out, clip, RenderOptions(tmp_path / "a.mp4")))) == FRAMES


def test_tracks_of_another_size_are_scaled(clip: Path, tmp_path: Path) -> None:
    native.write(tmp_path / "big.jsonl", _sequence(2.0))
    path = render(tmp_path / "big.jsonl", clip)
    _close(path, 4, draw_tracks(_pictures(clip)[4], _tracks(4)))
    native.write(tmp_path / "odd.jsonl", replace(_sequence(), size_wh=(96, 128)))
    with pytest.raises(InputError, match="96x128"):
        render(tmp_path / "odd.jsonl", clip)


def test_a_range_keeps_people_with_their_frames(clip: Path, tracks: Path, tmp_path: Path) -> None:
    path = render(tracks, clip, RenderOptions(tmp_path / "a.mp4", start_s=0.3, end_s=0.6))
    assert len(_pictures(path)) == 3
    _close(path, 0, draw_tracks(_pictures(clip)[3], _tracks(3)))


@pytest.mark.parametrize(
    ("ending", "codec"), [(".mov", "prores"), (".webm", "vp9"), (".mp4", None)]
)
def test_a_transparent_overlay(
    ending: str, codec: str | None, tracks: Path, tmp_path: Path
) -> None:
    options = RenderOptions(tmp_path / f"a{ending}")
    if codec is None:
        with pytest.raises(UsageError, match="transparent"):
            render(tracks, None, options, style=DrawStyle("none"))
        return
    path = render(tracks, None, options, style=DrawStyle("none"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name.startswith(codec)
        assert (stream.width, stream.height) == SIZE
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert len(packets) == FRAMES
        if codec == "vp9":  # its opacity is a stream of its own that PyAV hands to no decoder
            assert stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1"
            return
    with av.open(str(path)) as container:
        alpha = next(container.decode(video=0)).to_ndarray(format="rgba")[..., 3]
    assert alpha[0, 0] == 0
    assert alpha.max() == 255


def _with_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 10)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", 16000)
        for _ in range(FRAMES):
            grey = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
        noise = np.random.default_rng(0).integers(-9000, 9000, (1, 12800)).astype(np.int16)
        block = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        block.sample_rate = 16000
        container.mux([*sound.encode(block), *sound.encode(None)])
    return path


def test_sound_is_kept(tracks: Path, tmp_path: Path) -> None:
    clip = _with_sound(tmp_path / "sound.mp4")
    for ending, codec in ((".mp4", "aac"), (".webm", "opus")):
        path = render(tracks, clip, RenderOptions(tmp_path / f"out{ending}"))
        with av.open(str(path)) as container:
            assert container.streams.audio[0].codec_context.name == codec
            assert sum(1 for _ in container.decode(audio=0)) > 3


def test_without_a_video_a_background_is_needed(tracks: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--background black"):
        render(tracks)
    path = render(tracks, style=DrawStyle(background="black"))
    assert _pictures(path)[0][0, 0].max() < 10
    assert len(_pictures(path)) == FRAMES


def test_size_and_times_are_guessed_where_the_file_has_none(tmp_path: Path) -> None:
    FORMATS["csv"].write(tmp_path / "a.csv", _sequence())
    path = render(tmp_path / "a.csv", style=DrawStyle(background="white"))
    height, width = _pictures(path)[0].shape[:2]
    assert 85 <= width <= 110
    assert 68 <= height <= 76


def test_what_is_in_the_way(clip: Path, tracks: Path, tmp_path: Path) -> None:
    render(tracks, clip)
    with pytest.raises(OutputError, match="--force"):
        render(tracks, clip)
    render(tracks, clip, RenderOptions(force=True))
    for target in (clip, tracks):
        with pytest.raises(UsageError, match="is an input"):
            render(tracks, clip, RenderOptions(target, force=True))
    late = replace(_sequence(), frames=[FrameLabels(900, 90.0, _tracks(0))])
    native.write(tmp_path / "late.jsonl", late)
    with pytest.raises(InputError, match="none in common"):
        render(tmp_path / "late.jsonl", clip)
    assert not (tmp_path / "late.rendered.mp4").exists()
    with pytest.raises(InputError, match="no file or folder"):
        render(tmp_path / "nothing.jsonl", clip)


def test_the_command(
    clip: Path, tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "drawn.mp4"
    arguments = [
        str(tracks),
        str(clip),
        "-o",
        str(out),
        "--only",
        "1,2",
        "--boxes",
        "--trails",
        "1",
    ]
    with pytest.raises(SystemExit) as end:
        main(["render", *arguments, "--quiet"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"{out}\n"
    with pytest.raises(SystemExit) as end:
        main(["render", str(tracks), str(clip), "--only", "a"])
    assert end.value.code == 2
