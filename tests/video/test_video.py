"""Video in: times, ranges, rotation, damage, pictures, cameras, addresses, reading ahead."""

from __future__ import annotations

import functools
import http.server
import logging
import struct
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available

from posetrack.errors import InputError, UsageError
from posetrack.structures import Frame
from posetrack.video.open import open_source, read_ahead


def test_a_file_gives_its_frames(clip: Path, pictures: Any) -> None:
    with open_source(clip) as source:
        assert (source.name, source.stem, source.path) == ("clip.mp4", "clip", clip)
        assert (source.size_wh, source.fps, source.frame_count) == ((64, 48), 25.0, 20)
        assert (source.rotation, source.has_audio, source.live) == (0, True, False)
        frames = list(source)
    assert [f.index for f in frames] == list(range(20))
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(20)])
    assert [pictures.number(f.image) for f in frames] == list(range(20))
    assert {pictures.corners(f.image) for f in frames} == {"rg.b"}


def test_a_file_can_be_read_again(clip: Path) -> None:
    with open_source(clip) as source:
        first, second = list(source), list(source)
    assert len(first) == len(second) == 20
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_variable_time_stamps_are_kept(make_clip: Callable[..., Path]) -> None:
    times = [0.0, 0.04, 0.05, 0.2, 0.21, 0.6, 0.9, 1.0]
    with open_source(make_clip(frames=8, times_s=times)) as source:
        assert [f.time_s for f in source] == pytest.approx(times, abs=1e-4)


def test_time_starts_at_the_first_frame(make_clip: Callable[..., Path]) -> None:
    with open_source(make_clip("late.mkv", frames=4, times_s=[3.0, 3.1, 3.2, 3.3])) as source:
        assert [f.time_s for f in source] == pytest.approx([0, 0.1, 0.2, 0.3], abs=2e-3)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize(
    ("start_s", "end_s"), [(None, 0.3), (0.2, None), (0.21, 0.5), (0.4, 0.44), (0.76, None)]
)
def test_a_range_gives_the_same_frames_as_the_whole(
    make_clip: Callable[..., Path], name: str, start_s: float | None, end_s: float | None
) -> None:
    path = make_clip(name)
    with open_source(path) as source:
        low, high = start_s or 0, end_s or 9
        expected = [f for f in source if low - 1e-6 <= f.time_s < high - 1e-6]
    with open_source(path, start_s=start_s, end_s=end_s) as source:
        frames = list(source)
        assert source.frame_count == pytest.approx(len(frames), abs=1)
    assert [f.index for f in frames] == [f.index for f in expected]
    assert [f.time_s for f in frames] == pytest.approx([f.time_s for f in expected])
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, expected, strict=True))


def test_a_range_without_frames(clip: Path) -> None:
    with pytest.raises(InputError, match=r"no frames between 5 s and its end; it lasts 0\.8"):
        open_source(clip, start_s=5)


@pytest.mark.parametrize(("start_s", "end_s"), [(-1.0, None), (2.0, 1.0), (None, 0.0)])
def test_an_impossible_range(clip: Path, start_s: float | None, end_s: float | None) -> None:
    with pytest.raises(UsageError, match="is empty"):
        open_source(clip, start_s=start_s, end_s=end_s)


# --- rotation
# --------------------------------------------------------------------------------------------------

# (a, b, c, d) of x' = a x + c y, y' = b x + d y, as the track header of an MP4 stores it
MATRICES = {
    "as stored": ((1, 0, 0, 1), 0, "rg.b"),
    "clockwise": ((0, 1, -1, 0), 90, "brg."),
    "upside down": ((-1, 0, 0, -1), 180, ".brg"),
    "counter-clockwise": ((0, -1, 1, 0), 270, "g.br"),
}


def _write_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Put a display matrix into the (first) track header of an MP4 file."""
    a, b, c, d = (v << 16 for v in matrix)
    data = bytearray(path.read_bytes())
    at = (
        data.index(b"tkhd") + 4 + 40
    )  # behind version, times, id, duration, layer, group and volume
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("case", MATRICES)
def test_the_rotation_tag_is_applied_once(
    make_clip: Callable[..., Path], pictures: Any, case: str
) -> None:
    matrix, clockwise, corners = MATRICES[case]
    path = _write_matrix(make_clip(frames=3), matrix)
    with open_source(path) as source:
        frames = list(source)
        assert source.rotation == clockwise
        assert (
            source.size_wh
            == ((48, 64) if clockwise in {90, 270} else (64, 48))
            == frames[0].size_wh
        )
    assert pictures.corners(frames[0].image) == corners
    ok, image = cv2.VideoCapture(str(path)).read()  # OpenCV applies the tag too
    assert ok
    assert pictures.corners(image[:, :, ::-1]) == corners


def test_a_mirrored_selfie_is_turned_back(make_clip: Callable[..., Path], pictures: Any) -> None:
    with open_source(_write_matrix(make_clip(frames=2), (-1, 0, 0, 1))) as source:
        assert pictures.corners(next(iter(source)).image) == "grb."


# --- damage
# --------------------------------------------------------------------------------------------------


def _bad_inputs(folder: Path, make_clip: Callable[..., Path]) -> dict[str, Path]:
    import av

    text, empty, nothing = folder / "notes.txt", folder / "empty.mp4", folder / "noise.mp4"
    text.write_text("not a video\n" * 50)
    empty.touch()
    nothing.write_bytes(bytes(range(256)) * 40)
    late = make_clip("late_index.mp4", faststart=False)
    late.write_bytes(late.read_bytes()[:1500])
    with av.open(str(folder / "song.mp4"), "w") as container:
        stream = container.add_stream("aac", 16000)
        block = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.int16), format="s16", layout="mono"
        )
        block.sample_rate = 16000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    (folder / "folder").mkdir()
    return {
        "missing": folder / "missing.mp4",
        "text": text,
        "empty": empty,
        "noise": nothing,
        "cut": late,
        "song": folder / "song.mp4",
        "folder": folder / "folder",
    }


@pytest.mark.parametrize("case", ["missing", "text", "empty", "noise", "cut", "song", "folder"])
def test_bad_input_is_one_sentence(
    tmp_path: Path, make_clip: Callable[..., Path], case: str
) -> None:
    path = _bad_inputs(tmp_path, make_clip)[case]
    with pytest.raises(InputError) as caught:
        open_source(path)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    assert text.endswith((".", ")."))


def test_a_video_without_frames(tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    """A header without pictures: the file is cut right behind its index."""
    data = make_clip().read_bytes()
    path = tmp_path / "none.mp4"
    path.write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(InputError, match=r"none\.mp4"):
        open_source(path)


def test_a_cut_file_gives_what_is_there(
    make_clip: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(frames=40, size_wh=(160, 120))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2])
    with open_source(path) as source, caplog.at_level(logging.WARNING):
        frames = list(source)
    assert 10 < len(frames) < 35
    assert [f.index for f in frames] == list(range(len(frames)))
    assert f"clip.mp4 is cut off: it has {len(frames)} of 40 frames" in caplog.text


def test_damaged_packets_are_skipped(
    make_clip: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(frames=40, size_wh=(160, 120), key_every=4)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 1500] = b"\xff" * 1500
    path.write_bytes(data)
    with open_source(path) as source, caplog.at_level(logging.WARNING):
        frames = list(source)
    assert 20 < len(frames) <= 40
    assert all(a.time_s < b.time_s for a, b in pairwise(frames))


# --- pictures
# --------------------------------------------------------------------------------------------------


def _write_pictures(folder: Path, pictures: Any, names: list[str]) -> None:
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), pictures.draw(index, (64, 48))[:, :, ::-1])


def test_a_folder_in_natural_order(tmp_path: Path, pictures: Any) -> None:
    _write_pictures(tmp_path, pictures, ["f1.png", "f2.jpg", "f10.png", "f100.png"])
    (tmp_path / "readme.txt").write_text("no picture")
    with open_source(tmp_path, image_fps=10) as source:
        assert (source.frame_count, source.size_wh, source.fps, source.has_audio) == (
            4,
            (64, 48),
            10,
            False,
        )
        frames = list(source)
    assert [pictures.number(f.image) for f in frames] == [0, 1, 2, 3]
    assert [f.time_s for f in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    with open_source(tmp_path, image_fps=10, start_s=0.1, end_s=0.3) as source:
        assert [f.index for f in source] == [1, 2]


def test_a_glob_and_a_single_picture(tmp_path: Path, pictures: Any) -> None:
    _write_pictures(tmp_path, pictures, ["a_2.png", "a_10.png", "b_1.png"])
    with open_source(str(tmp_path / "a_*.png")) as source:
        assert [pictures.number(f.image) for f in source] == [0, 1]
        assert source.stem == "a"
    with open_source(tmp_path / "b_1.png") as source:
        assert [pictures.number(f.image) for f in source] == [2]
    with pytest.raises(InputError, match="No picture matches"):
        open_source(str(tmp_path / "c_*.png"))


def test_an_unreadable_picture_is_named(tmp_path: Path, pictures: Any) -> None:
    _write_pictures(tmp_path, pictures, ["f1.png", "f2.png", "f3.png"])
    (tmp_path / "f2.png").write_bytes(b"\x89PNG broken")
    with open_source(tmp_path) as source:
        frames = iter(source)
        assert next(frames).index == 0
        with pytest.raises(InputError, match=r"f2\.png cannot be decoded"):
            next(frames)


def test_pictures_of_two_sizes(tmp_path: Path, pictures: Any) -> None:
    _write_pictures(tmp_path, pictures, ["f1.png"])
    cv2.imwrite(str(tmp_path / "f2.png"), np.zeros((20, 30, 3), np.uint8))
    with (
        open_source(tmp_path) as source,
        pytest.raises(InputError, match=r"f2\.png is 30x20.*64x48"),
    ):
        list(source)


# --- cameras and addresses
# -------------------------------------------------------------------------------------------


class _Camera:
    """Stands in for cv2.VideoCapture: three pictures, then nothing."""

    def __init__(self, index: int) -> None:
        self.left, self.open = 3, index == 0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.open

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return (
            (True, np.full((48, 64, 3), (10, 20, 30), np.uint8))
            if self.left >= 0
            else (False, None)
        )

    def get(self, _: int) -> float:
        return 30.0

    def release(self) -> None:
        self.open = False


@pytest.mark.parametrize("which", [0, "0"])
def test_a_camera(monkeypatch: pytest.MonkeyPatch, which: int | str) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", _Camera)
    with open_source(which) as source:
        assert (source.stem, source.size_wh, source.fps, source.live) == (
            "camera0",
            (64, 48),
            30.0,
            True,
        )
        assert source.frame_count is None
        frames = list(source)
    assert [f.index for f in frames] == [0, 1, 2]
    assert frames[0].image[0, 0].tolist() == [30, 20, 10]  # RGB


def test_no_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", _Camera)
    with pytest.raises(InputError, match="Camera 7 cannot be opened"):
        open_source(7)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(name="address")
def _address_fixture(clip: Path) -> Iterator[str]:
    """The clip's folder behind HTTP on this machine."""
    handler = functools.partial(_Quiet, directory=str(clip.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://user:secret@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address(address: str, pictures: Any) -> None:
    with open_source(f"{address}/clip.mp4", end_s=0.4) as source:
        assert (source.live, source.path, source.frame_count, source.stem) == (
            True,
            None,
            None,
            "clip",
        )
        assert "secret" not in source.name
        assert [pictures.number(f.image) for f in source] == list(range(10))
        with pytest.raises(InputError, match="only once"):
            next(iter(source))


def test_an_address_without_a_video(address: str) -> None:
    with pytest.raises(InputError, match="cannot be opened") as caught:
        open_source(f"{address}/nothing.mp4")
    assert "secret" not in str(caught.value)


# --- reading ahead
# --------------------------------------------------------------------------------------------------


def test_read_ahead_keeps_order_and_bound() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    ahead = read_ahead(numbers(), depth=4)
    assert next(ahead) == 0
    time.sleep(0.1)
    assert len(made) <= 6  # the one taken, four waiting, one in the thread's hand
    assert list(ahead) == list(range(1, 100))


def test_read_ahead_forwards_errors_after_the_items() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise InputError("the picture f2.png is damaged.")

    ahead = read_ahead(broken())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(InputError, match="damaged"):
        next(ahead)


def test_read_ahead_stops_its_thread(clip: Path) -> None:
    closed = []

    def frames() -> Iterator[Frame]:
        try:
            with open_source(clip) as source:
                yield from source
        finally:
            closed.append(True)

    ahead = read_ahead(frames(), depth=2)
    next(ahead)
    ahead.close()  # type: ignore[attr-defined]
    assert closed == [True]
    assert not [t for t in threading.enumerate() if t.name == "read-ahead"]


def test_a_source_may_be_closed_under_a_reading_thread(clip: Path) -> None:
    with open_source(clip) as source:
        ahead = read_ahead(source, depth=1)
        next(ahead)
    assert len(list(ahead)) < 20  # what was decoded comes, then it ends without an error


def test_pictures_are_named_as_label_files_name_them(tmp_path: Path) -> None:
    for folder in ("images/val/000342_mpii", "walk", "many/a", "many/b"):
        (tmp_path / folder).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / folder / "0.png"), np.zeros((8, 8, 3), np.uint8))
    for given, name in (
        ("images/val/000342_mpii", "images/val/000342_mpii/0.png"),
        ("walk", "walk/0.png"),
    ):
        with open_source(tmp_path / given) as video:
            assert [frame.name for frame in video] == [name]
    with open_source(str(tmp_path / "many/*/0.png")) as video:
        assert [frame.name for frame in video] == [None, None]


def test_a_device_that_decodes_is_named_or_refused_in_a_sentence(clip: Path) -> None:
    with pytest.raises(UsageError, match=r"decoding device.*abacus"):
        open_source(clip, decode_on="abacus")
    refused = []
    for device in hwdevices_available():
        try:
            with open_source(clip, decode_on=device) as source:
                assert sum(1 for _ in source) == source.frame_count
        except UsageError as error:  # the usual thing: no such device in this machine
            refused.append((device, str(error)))
    for device, sentence in refused:
        assert f"cannot be decoded on {device} here" in sentence
        assert "--decode-on" in sentence


def test_pictures_of_a_device_are_frames_like_others(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that decodes as the processor does stands in for one that this machine has not."""
    asked: list[object] = []
    real = av.open

    def opened(address: str, hwaccel: object = None, **more: object) -> object:
        asked.append(hwaccel)
        return real(address, **more)

    monkeypatch.setattr("av.open", opened)
    monkeypatch.setattr("av.codec.hwaccel.hwdevices_available", lambda: ["cuda"])
    with open_source(clip, decode_on="cuda") as device, open_source(clip) as processor:
        for a, b in zip(device, processor, strict=True):
            assert (a.index, a.time_s) == (b.index, b.time_s)
            np.testing.assert_array_equal(a.image, b.image)
    assert [type(hardware).__name__ for hardware in asked[:1]] == ["HWAccel"]
    assert None in asked
