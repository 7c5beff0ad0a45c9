"""Pictures that a program has in its hands, as a video: arrays (H, W, 3) uint8, red first.

Every picture is copied where it is taken: cameras and decoders like to fill one buffer again and
again, and a frame is needed until the next one has come.
"""

from __future__ import annotations

__all__ = ["as_image", "open_arrays"]

from collections.abc import Iterable, Iterator, Sized
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np

from posetrack.errors import InputError, WrongTypeError
from posetrack.structures import Frame, Image
from posetrack.video.source import VideoSource

NAME = "frames"  # of the video that arrays are, and of its files
_WANTED = "an array (H, W, 3) of uint8, red first (of OpenCV's pictures: image[..., ::-1])"


def as_image(value: object) -> Image:
    """A copy of a picture: an array, or what numpy makes one of (a PIL image, a tensor).

    Raises WrongTypeError for what is no picture (H, W, 3) of uint8 RGB, InputError for one without
    pixels.
    """
    if not hasattr(value, "__array__"):
        raise WrongTypeError(f"A picture is {_WANTED}, not {_kind(value)}.")
    image: Image = np.array(value)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise WrongTypeError(
            f"A picture is {_WANTED}, not {image.shape} of {image.dtype}{_remedy(image)}."
        )
    if image.size == 0:
        raise InputError(f"A picture of {image.shape[1]}x{image.shape[0]} has no pixels.")
    return image


def _remedy(image: np.ndarray[Any, Any]) -> str:
    """What would make a picture of it, where that is plain."""
    if image.dtype.kind == "f":
        return "; if it is 0 to 1: (image * 255).astype('uint8')"
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 4:
        return "; leave out the fourth channel: image[..., :3]"
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[0] == 3:
        return "; colours come last: image.transpose(1, 2, 0)"
    if image.dtype == np.uint8 and image.ndim == 2:
        return "; a grey one: np.stack([image] * 3, axis=-1)"
    return ""


def open_arrays(
    source: object, fps: float, start_s: float | None, end_s: float | None
) -> VideoSource:
    """Pictures at hand as a video: one array (H, W, 3), one of several (T, H, W, 3), or anything
    that gives arrays or ``Frame``s one by one.

    Arrays have ``fps`` a second, a ``Frame`` has its own time and index. Raises WrongTypeError,
    InputError.
    """
    items = _items(source)
    pictures = iter(items)
    try:
        first = next(pictures)
    except StopIteration:
        raise InputError("The source holds no pictures.") from None
    size_wh = _frame(first, 0, fps).size_wh
    waiting = [chain([first], pictures)]  # the first pass, which has begun already

    def frames() -> Iterator[Frame]:
        if not waiting and items is pictures:
            raise InputError("The pictures are used up: an iterator can be followed only once.")
        passing = waiting.pop() if waiting else iter(items)
        yield from _timed(passing, fps, start_s or 0.0, end_s, size_wh)

    count = len(items) if isinstance(items, Sized) and start_s is end_s is None else None
    return VideoSource(NAME, NAME, size_wh, fps, count, 0, None, False, False, frames, lambda: None)


def _items(source: object) -> Iterable[object]:
    """The pictures of a source, one by one."""
    if hasattr(source, "__array__"):
        array = np.asarray(source)
        return array if array.ndim == 4 else [array]
    if isinstance(source, bytes | dict | set) or not isinstance(source, Iterable):
        raise WrongTypeError(
            f"A source is a path, a camera's number, an address, or pictures: {_WANTED}, or "
            f"several of them; not {_kind(source)}."
        )
    return source


def _timed(
    items: Iterable[object],
    fps: float,
    start_s: float,
    end_s: float | None,
    size_wh: tuple[int, int],
) -> Iterator[Frame]:
    """The frames of a time range, all of one size, their indices rising."""
    last = -1
    for number, item in enumerate(items):
        frame = _frame(item, number, fps)
        if frame.size_wh != size_wh:
            width, height = frame.size_wh
            raise InputError(
                f"Picture {number} is {width}x{height}, those before it "
                f"{size_wh[0]}x{size_wh[1]}; the frames of a video must have one size."
            )
        if frame.index <= last:
            raise InputError(f"Frame {frame.index} comes after frame {last}; indices must rise.")
        last = frame.index
        if end_s is not None and frame.time_s >= end_s:
            return
        if frame.time_s >= start_s:
            yield frame


def _frame(item: object, number: int, fps: float) -> Frame:
    if isinstance(item, Frame):
        return Frame(item.index, item.time_s, as_image(item.image), item.name)
    if isinstance(item, str | PathLike):
        raise WrongTypeError(
            f"Several paths ({item}, ...) are not one video: follow them one by one, or give the "
            f"folder or a glob of pictures."
        )
    return Frame(number, number / fps, as_image(item))


def _kind(value: object) -> str:
    return (
        "None"
        if value is None
        else f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    )
