"""Pictures of a video by the index of their frame: exact, whatever the file is.

The page shows a picture and the poses of one index, so both always belong together; times that a
browser's own player gives are off by a frame now and then, and it plays few kinds of files. The
same decoder as in ``track`` counts the frames, so an index means the same here and there.
"""

from __future__ import annotations

__all__ = ["PictureCache", "Pictures"]

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import InputError
from posetrack.structures import Frame, Image
from posetrack.video.open import open_source
from posetrack.video.source import VideoSource

AHEAD = 48  # frames that are decoded rather than sought: about a group of pictures
BEHIND = 12  # frames kept as they were decoded, for steps backwards
BEHIND_BYTES = 96 << 20  # of them at most
CACHE_BYTES = 192 << 20
QUALITY = 88  # of JPEG
SMALL_SIDE = 1280  # longer side of the pictures for playing, pixels
PORTRAIT_WH = (144, 192)
PADDING = 1.2  # of boxes, before they are cut out


class PictureCache:
    """JPEG files by key, the ones used last; ``limit`` bytes in all."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit, self._bytes = limit, 0
        self._files: OrderedDict[tuple[int, bool], bytes] = OrderedDict()

    def get(self, key: tuple[int, bool]) -> bytes | None:
        """The file, None where it is not there (any more)."""
        if key in self._files:
            self._files.move_to_end(key)
        return self._files.get(key)

    def put(self, key: tuple[int, bool], file: bytes) -> None:
        """Keep a file, and let the oldest go where there are too many."""
        self._bytes += len(file) - len(self._files.pop(key, b""))
        self._files[key] = file
        while self._bytes > self._limit and len(self._files) > 1:
            self._bytes -= len(self._files.popitem(last=False)[1])


class Pictures:
    """The pictures of a video by index. ``time_of(index)`` says about when a frame is shown (to
    find the place; the decoder counts). Calls may come from several threads.
    """

    def __init__(
        self, video: str | Path, time_of: Callable[[int], float], *, image_fps: float | None = None
    ) -> None:
        """Open the video. Raises InputError, UsageError."""
        self.video = video
        self._time_of = time_of
        self._image_fps: dict[str, Any] = {} if image_fps is None else {"image_fps": image_fps}
        self._lock = threading.Lock()
        self._asked = time.monotonic()
        self._cache = PictureCache()
        self._frames: Iterator[Frame] = iter(())
        self._waiting: Frame | None = None  # decoded, not yet taken
        self._end: int | None = None  # how many frames there are, once that is known
        self._source = source = open_source(video, **self._image_fps)
        if source.live:
            source.close()
            raise InputError(f"{video} is live; a review needs a file or a folder of pictures.")
        self.size_wh, self.fps, self.frame_count = source.size_wh, source.fps, source.frame_count
        frame_bytes = 3 * self.size_wh[0] * self.size_wh[1]
        many = max(1, min(BEHIND, BEHIND_BYTES // frame_bytes))
        self._recent: deque[Frame] = deque(maxlen=many)
        self._start_at(source)

    def close(self) -> None:
        """Let go of the video."""
        with self._lock:
            self._source.close()

    def jpeg(self, index: int, *, small: bool = False) -> bytes:
        """The picture of frame ``index``; ``small``: at most ``SMALL_SIDE`` pixels long. Raises
        InputError.
        """
        small = small and max(self.size_wh) > SMALL_SIDE
        self._asked = time.monotonic()
        with self._lock:
            file = self._cache.get((index, small))
            if file is None:
                image = self._image(index)
                file = _encoded(_smaller(image) if small else image)
                self._cache.put((index, small), file)
            return file

    def quiet_s(self) -> float:
        """Seconds since a picture was asked for."""
        return time.monotonic() - self._asked

    def portrait(self, index: int, box: npt.NDArray[np.float64]) -> bytes:
        """What lies in a ``box`` (x1, y1, x2, y2 in pixels of the video) of frame ``index``, as a
        JPEG of ``PORTRAIT_WH``. Raises InputError.
        """
        with self._lock:
            image = self._image(index)
        return _encoded(_cut(image, box))

    # --- decoding
    # ----------------------------------------------------------------------------------------------

    def _image(self, index: int) -> Image:
        """A frame as it is. Raises InputError."""
        for frame in self._recent:
            if frame.index == index:
                return frame.image
        if self._end is not None and index >= self._end:
            raise self._no_frame(index)
        if not 0 <= index - self._place() <= AHEAD:
            self._seek(index)
        while (taken := self._take()) is not None and taken.index <= index:
            if taken.index == index:
                return taken.image
        raise self._no_frame(index)

    def _no_frame(self, index: int) -> InputError:
        return InputError(f"The video has no frame {index}; it ends before.")

    def _seek(self, index: int) -> None:
        """Go to a frame at or before ``index``, a few back for steps backwards."""
        back = (self._recent.maxlen or 1) - 1
        self._recent.clear()
        while True:
            start_s = self._time_of(index - back) - 0.5 / self.fps if back < index else 0.0
            self._open(max(0.0, start_s))
            if self._place() <= index or start_s <= 0:
                return
            back = 4 * back + 1  # its times are not those that the tracks say

    def _open(self, start_s: float) -> None:
        self._source.close()
        try:
            source = open_source(self.video, start_s=start_s or None, **self._image_fps)
        except InputError:  # behind the end, or a file that cannot be sought in
            source = open_source(self.video, **self._image_fps)
        self._start_at(source)

    def _start_at(self, source: VideoSource) -> None:
        self._source, self._frames = source, iter(source)
        self._waiting = next(self._frames, None)

    def _place(self) -> int:
        """Index of the frame that comes next; past all of them at the end."""
        return self._waiting.index if self._waiting else 1 << 62

    def _take(self) -> Frame | None:
        frame = self._waiting
        if frame is not None:
            self._recent.append(frame)
            self._waiting = next(self._frames, None)
            if self._waiting is None:
                self._end = frame.index + 1
        return frame


def _encoded(image: Image) -> bytes:
    import cv2

    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()


def _smaller(image: Image) -> Image:
    import cv2

    scale = SMALL_SIDE / max(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _cut(image: Image, box: npt.NDArray[np.float64]) -> Image:
    """The person in a box; grey beyond the frame."""
    import cv2

    size = np.array(PORTRAIT_WH)
    middle, wh = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 2) * PADDING
    scale = float((size / wh).min())
    move = np.column_stack([np.eye(2) * scale, size / 2 - middle * scale])
    shot = cv2.warpAffine(image, move, PORTRAIT_WH, borderValue=(128, 128, 128))
    return np.asarray(shot, np.uint8)
