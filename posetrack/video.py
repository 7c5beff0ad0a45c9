"""Video in: a file, a folder or glob of pictures, a camera or a network address, as a stream of upright RGB frames.

``open_source`` takes any of them and gives a ``VideoSource``; ``read_ahead`` moves the decoding to a thread. Memory
does not grow with the length of the video. ``VideoWriter`` (video out) can be imported from here too.
"""

from __future__ import annotations

__all__ = ["IMAGE_SUFFIXES", "VideoSource", "VideoWriter", "open_source", "read_ahead"]

import glob
import math
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

import numpy as np

from posetrack.errors import InputError, UsageError
from posetrack.structures import Frame, Image
from posetrack.video_decode import DEFAULT_FPS, Decoder
from posetrack.video_writer import VideoWriter

IMAGE_SUFFIXES = frozenset(".jpg .jpeg .png .bmp .webp .tif .tiff .ppm .pgm".split())
_NETWORK = ("rtsp://", "rtsps://", "rtmp://", "http://", "https://", "udp://", "rtp://", "srt://", "tcp://")

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class VideoSource:
    """An opened video: what is known about it, and its frames by iterating.

    A file or folder can be iterated again, each time from its start; a camera or stream only once. ``size_wh`` is that
    of the upright frames. ``frame_count`` is an estimate for progress bars (None: unknown). ``rotation`` is the turn
    that was applied, degrees clockwise. ``path`` is None for cameras and streams (``live``).
    """

    name: str
    stem: str
    size_wh: tuple[int, int]
    fps: float
    frame_count: int | None
    rotation: int
    path: Path | None
    has_audio: bool
    live: bool
    _frames: Callable[[], Iterator[Frame]]
    _close: Callable[[], None]

    def __iter__(self) -> Iterator[Frame]:
        return self._frames()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, connection or camera."""
        self._close()


def open_source(
    source: str | Path | int,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    image_fps: float = DEFAULT_FPS,
) -> VideoSource:
    """Open anything that shows people moving.

    ``source``: a video file; a folder or glob pattern of pictures (in natural order: 2 before 10); a camera's index
    (0, "0"); an RTSP, RTMP or HTTP address. ``start_s <= time < end_s`` limits the frames; their ``index`` counts from
    the start of the source nevertheless. ``image_fps`` is the rate of pictures. Raises InputError, UsageError.
    """
    if (start_s or 0) < 0 or (end_s is not None and end_s <= (start_s or 0)):
        raise UsageError(f"The time range {start_s or 0} s to {end_s} s is empty; start at 0 or later, end after that.")
    text = str(source)
    if isinstance(source, int) or (text.isdecimal() and not Path(text).exists()):
        return _open_camera(int(text), start_s, end_s)
    if text.lower().startswith(_NETWORK):
        return _open_decoder(text, _without_password(text), None, start_s, end_s)
    path = Path(text)
    if path.is_dir():
        return _open_images(_images_in(path), path.name or path.resolve().name, path, image_fps, start_s, end_s)
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_images([path], path.stem, path, image_fps, start_s, end_s)
    if path.exists():
        return _open_decoder(f"file:{path}", path.name, path, start_s, end_s)
    if glob.has_magic(text):
        return _open_glob(text, image_fps, start_s, end_s)
    raise InputError(f"There is no file or folder {text}; check the path.")


def _open_decoder(
    address: str, name: str, path: Path | None, start_s: float | None, end_s: float | None
) -> VideoSource:
    live = path is None
    label = name if live else str(path)

    def start() -> Decoder:
        return Decoder(address, label, start_s=start_s, end_s=end_s, live=live)

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


# --- pictures --------------------------------------------------------------------------------------------------------


def _images_in(folder: Path) -> list[Path]:
    files = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not files:
        raise InputError(f"The folder {folder} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return files


def _open_glob(pattern: str, fps: float, start_s: float | None, end_s: float | None) -> VideoSource:
    files = [Path(p) for p in glob.glob(pattern, recursive=True) if Path(p).suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise InputError(f"No picture matches {pattern}; quote the pattern and check it.")
    folder = files[0].parent
    stem = re.sub(r"\W+", "_", Path(pattern).stem).strip("_") or folder.name
    return _open_images(files, stem, folder, fps, start_s, end_s)


def _open_images(
    files: list[Path], name: str, path: Path, fps: float, start_s: float | None, end_s: float | None
) -> VideoSource:
    """Pictures as a video of ``fps``. The first is read at once, to know the size and that there is one."""
    ordered = sorted(files, key=_natural_key)
    low = math.ceil((start_s or 0) * fps - 1e-6)
    high = len(ordered) if end_s is None else min(len(ordered), math.ceil(end_s * fps - 1e-6))
    if low >= high:
        raise InputError(f"{path} has no pictures in that time range: it holds {len(ordered)}, {fps:g} a second.")
    height, width = _read_image(ordered[low]).shape[:2]

    def frames() -> Iterator[Frame]:
        for index in range(low, high):
            image = _read_image(ordered[index])
            if image.shape[:2] != (height, width):
                raise InputError(
                    f"{ordered[index]} is {image.shape[1]}x{image.shape[0]}, the pictures before it {width}x{height}; "
                    "the frames of a video must have one size."
                )
            yield Frame(index, index / fps, image)

    return VideoSource(name, name, (width, height), fps, high - low, 0, path, False, False, frames, lambda: None)


def _natural_key(path: Path) -> list[tuple[int, str, int]]:
    """Sorts numbers in names by their value: frame2 before frame10."""
    parts = re.split(r"(\d+)", str(path).lower())
    return [(1, "", int(p)) if p.isdecimal() else (0, p, 0) for p in parts]


def _read_image(path: Path) -> Image:
    """A picture as RGB, turned upright by its EXIF tag. Raises InputError."""
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"The picture {path} cannot be read: {error.strerror}.") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise InputError(f"The picture {path} cannot be decoded; it is damaged or not a picture. Remove or replace it.")
    return np.ascontiguousarray(image[:, :, ::-1])


# --- camera ----------------------------------------------------------------------------------------------------------


def _open_camera(index: int, start_s: float | None, end_s: float | None) -> VideoSource:
    """A local camera through OpenCV, which knows the cameras of every system by a number."""
    import cv2

    camera = cv2.VideoCapture(index)
    ok, image = camera.read() if camera.isOpened() else (False, None)
    if not ok or image is None:
        camera.release()
        raise InputError(f"Camera {index} cannot be opened; is it connected, free and permitted?")
    fps = camera.get(cv2.CAP_PROP_FPS)
    begin = time.monotonic()

    def frames() -> Iterator[Frame]:
        number, current = 0, image
        more = True
        while more:
            time_s = time.monotonic() - begin
            if end_s is not None and time_s >= end_s:
                return
            if time_s >= (start_s or 0):
                yield Frame(number, time_s, np.ascontiguousarray(current[:, :, ::-1]))
            number += 1
            more, current = camera.read()

    height, width = image.shape[:2]
    name = f"camera{index}"
    rate = fps if 0 < fps < 1000 else DEFAULT_FPS
    return VideoSource(name, name, (width, height), rate, None, 0, None, False, True, frames, camera.release)


# --- reading ahead ---------------------------------------------------------------------------------------------------


def read_ahead(items: Iterable[Item], depth: int = 16) -> Iterator[Item]:
    """Iterate ``items`` on a thread of its own, at most ``depth`` items ahead.

    An exception of ``items`` is raised here, after the items before it. Closing this generator (or leaving its loop)
    stops the thread, and closes ``items`` where it is a generator, before returning.
    """
    ready: queue.Queue[tuple[bool, Item | BaseException | None]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(entry: tuple[bool, Item | BaseException | None]) -> bool:
        while not stop.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not put((True, item)):
                    break
            else:
                put((False, None))
        except BaseException as error:  # handed to the reader, whatever it is
            put((False, error))
        finally:
            if hasattr(iterator, "close"):
                iterator.close()

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, entry = ready.get()
            if not more:
                if isinstance(entry, BaseException):
                    raise entry
                return
            yield entry  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
