"""Small clips, drawn here, whose pictures say which frame they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from posetrack.structures import Image


def numbered_picture(index: int, size_wh: tuple[int, int]) -> Image:
    """A picture that tells its number by its grey, and its corners apart: red, green, (grey,) blue,
    clockwise.
    """
    width, height = size_wh
    image = np.full((height, width, 3), 40 + 4 * index, np.uint8)
    h, w = height // 4, width // 4
    image[:h, :w] = (230, 20, 20)
    image[:h, -w:] = (20, 230, 20)
    image[-h:, :w] = (20, 20, 230)
    return image


def number_of(image: Image) -> int:
    """The index ``numbered_picture`` was given, from the grey in the middle."""
    h, w = image.shape[0] // 2, image.shape[1] // 2
    return round((float(image[h - 2 : h + 2, w - 2 : w + 2].mean()) - 40) / 4)


def corners_of(image: Image) -> str:
    """Colours of the four corners, clockwise from the top left: "rg.b" for a numbered picture (. is
    grey).
    """
    h, w = image.shape[0] // 8, image.shape[1] // 8
    points = [image[h, w], image[h, -w - 1], image[-h - 1, -w - 1], image[-h - 1, w]]
    return "".join(
        "rgb"[int(p.argmax())] if int(p.max()) - int(p.min()) > 80 else "." for p in points
    )


def _make_clip(
    path: Path,
    *,
    frames: int = 20,
    size_wh: tuple[int, int] = (64, 48),
    fps: int = 25,
    times_s: Sequence[float] | None = None,
    audio: str | None = None,
    key_every: int = 5,
    faststart: bool = True,
) -> Path:
    """Write a clip of numbered pictures with B-frames; ``times_s`` makes its rate variable,
    ``audio`` names a codec.
    """
    tick = Fraction(1, 12800)
    options = {"movflags": "+faststart"} if faststart and path.suffix in {".mp4", ".mov"} else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(
            "libx264", fps, options={"crf": "10", "g": str(key_every), "bf": "2"}
        )
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        stream.codec_context.time_base = tick
        sound = container.add_stream(audio, 16000) if audio else None
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_picture(index, size_wh), format="rgb24")
            frame.time_base = tick
            frame.pts = round((times_s[index] if times_s else index / fps) / tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            container.mux([p for block in _hum(frames / fps) for p in sound.encode(block)])
            container.mux(sound.encode(None))
    return path


def _hum(seconds: float) -> list[av.AudioFrame]:
    blocks = []
    for start in range(0, int(seconds * 16000), 1024):
        wave = (8000 * np.sin(np.arange(start, start + 1024) / 20)).astype(np.int16)
        block = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = 16000, start, Fraction(1, 16000)
        blocks.append(block)
    return blocks


@pytest.fixture(name="make_clip")
def _make_clip_fixture(tmp_path: Path) -> Callable[..., Path]:
    """``make_clip(name="clip.mp4", frames=20, ...)`` writes a clip into the test's folder and gives
    its path.
    """

    def make(name: str = "clip.mp4", **options: object) -> Path:
        return _make_clip(tmp_path / name, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session", name="clip")
def _clip_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One clip for all tests that only read: 20 frames of 64x48 at 25 frames a second, with AAC
    sound.
    """
    return _make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", audio="aac")


@pytest.fixture(name="pictures")
def _pictures_fixture() -> SimpleNamespace:
    """The functions about numbered pictures: draw(index, size_wh), number(image),
    corners(image).
    """
    return SimpleNamespace(draw=numbered_picture, number=number_of, corners=corners_of)
