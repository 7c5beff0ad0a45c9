"""Video in: a file, a folder or glob of pictures, a camera or a network address, as a stream of
upright RGB frames.

``open_source`` takes any of them and gives a ``VideoSource``. Memory does not grow with the length
of the video. ``read_ahead``, which moves the decoding to a thread, and ``VideoWriter`` (video out)
can be imported from here too.
"""

from __future__ import annotations

__all__ = ["IMAGE_SUFFIXES", "VideoSource", "VideoWriter", "open_source", "read_ahead"]

import glob
import re
from collections.abc import Iterator
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

from posetrack.errors import InputError, UsageError
from posetrack.structures import Frame
from posetrack.video.ahead import read_ahead
from posetrack.video.arrays import open_arrays
from posetrack.video.decode import DEFAULT_FPS, Decoder
from posetrack.video.images import (
    IMAGE_SUFFIXES,
    PHOTO_SUFFIXES,
    images_in,
    open_camera,
    open_glob,
    open_images,
)
from posetrack.video.source import VideoSource
from posetrack.video.writer import VideoWriter

_NETWORK = (
    "rtsp://",
    "rtsps://",
    "rtmp://",
    "http://",
    "https://",
    "udp://",
    "rtp://",
    "srt://",
    "tcp://",
)


def open_source(
    source: object,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    image_fps: float = DEFAULT_FPS,
    decode_on: str | None = None,
) -> VideoSource:
    """Open anything that shows people moving.

    ``source``: a video file; a folder or glob pattern of pictures (in natural order: 2 before 10);
    a camera's index (0, "0"); an RTSP, RTMP or HTTP address; pictures at hand (``open_arrays``).
    ``start_s <= time < end_s`` limits the
    frames; their ``index`` counts from the start of the source nevertheless. ``image_fps`` is the
    rate of pictures, ``decode_on`` the device that decodes videos, if not the processor. Raises
    InputError, UsageError, WrongTypeError.
    """
    if isinstance(image_fps, bool) or not isinstance(image_fps, Real) or not 0 < image_fps < 1e6:
        raise UsageError(f"The rate of pictures must be a number above 0, not {image_fps!r}.")
    if (start_s or 0) < 0 or (end_s is not None and end_s <= (start_s or 0)):
        raise UsageError(
            f"The time range {start_s or 0} s to {end_s} s is empty; start at 0 or later, end "
            f"after that."
        )
    if isinstance(source, bool) or not isinstance(source, str | PathLike | Integral):
        return open_arrays(source, float(image_fps), start_s, end_s)
    text = str(source)
    if isinstance(source, Integral) or (text.isdecimal() and not Path(text).exists()):
        return open_camera(int(text), start_s, end_s)
    if text.lower().startswith(_NETWORK):
        return _open_decoder(text, _without_password(text), None, start_s, end_s, decode_on)
    path = Path(text)
    if path.suffix.lower() in PHOTO_SUFFIXES and path.is_file():
        raise InputError(
            f"{path} is a photograph that phones store in tiles; convert it to JPEG first."
        )
    if path.is_dir():
        return open_images(
            images_in(path), path.name or path.resolve().name, path, image_fps, start_s, end_s
        )
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        return open_images([path], path.stem, path, image_fps, start_s, end_s)
    if path.exists():
        return _open_decoder(f"file:{path}", path.name, path, start_s, end_s, decode_on)
    if glob.has_magic(text):
        return open_glob(text, image_fps, start_s, end_s)
    raise InputError(f"There is no file or folder {text}; check the path.")


def _open_decoder(
    address: str,
    name: str,
    path: Path | None,
    start_s: float | None,
    end_s: float | None,
    device: str | None,
) -> VideoSource:
    live = path is None
    label = name if live else str(path)

    def start() -> Decoder:
        return Decoder(address, label, start_s=start_s, end_s=end_s, live=live, device=device)

    opened = [start()]  # the decoders not yet iterated: the first is open from the beginning
    first = opened[0]

    def frames() -> Iterator[Frame]:
        if not opened and live:
            raise InputError(f"{label} is a stream and can be read only once.")
        decoder = opened.pop() if opened else start()
        try:
            yield from decoder.frames()
        finally:
            decoder.close()

    return VideoSource(
        name=name,
        stem=path.stem if path else _address_stem(name),
        size_wh=first.size_wh,
        fps=first.fps,
        frame_count=first.frame_count,
        rotation=first.rotation,
        path=path,
        has_audio=first.has_audio,
        live=live,
        _frames=frames,
        _close=first.close,
    )


def _address_stem(address: str) -> str:
    """A file name for what comes from an address: its last part, or the host."""
    parts = urlsplit(address)
    return re.sub(r"\W+", "_", Path(parts.path).stem or parts.hostname or "live")


def _without_password(address: str) -> str:
    """An address without user and password, fit for names and messages."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)
