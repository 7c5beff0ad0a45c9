"""Pictures in files and pictures from a camera as videos, through OpenCV."""

from __future__ import annotations

__all__ = ["IMAGE_SUFFIXES", "images_in", "open_camera", "open_glob", "open_images"]

import glob
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posetrack.errors import InputError
from posetrack.structures import Frame, Image
from posetrack.video.decode import DEFAULT_FPS
from posetrack.video.source import VideoSource

IMAGE_SUFFIXES = frozenset(".jpg .jpeg .png .bmp .webp .tif .tiff .ppm .pgm".split())


def images_in(folder: Path) -> list[Path]:
    """The pictures of a folder. Raises InputError where it holds none."""
    files = [
        p
        for p in folder.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")
    ]
    if not files:
        raise InputError(
            f"The folder {folder} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})."
        )
    return files


def open_glob(pattern: str, fps: float, start_s: float | None, end_s: float | None) -> VideoSource:
    """The pictures that fit a pattern. Raises InputError where none does."""
    files = [
        Path(p)
        for p in glob.glob(pattern, recursive=True)
        if Path(p).suffix.lower() in IMAGE_SUFFIXES
    ]
    if not files:
        raise InputError(f"No picture matches {pattern}; quote the pattern and check it.")
    folder = files[0].parent
    stem = re.sub(r"\W+", "_", Path(pattern).stem).strip("_") or folder.name
    return open_images(files, stem, folder, fps, start_s, end_s)


def open_images(
    files: list[Path], name: str, path: Path, fps: float, start_s: float | None, end_s: float | None
) -> VideoSource:
    """Pictures as a video of ``fps``. The first is read at once, to know the size and that there is
    one.

    The frames carry the pictures' names where all lie in one folder: for labels several folders are
    several videos.
    """
    ordered = sorted(files, key=_natural_key)
    low = math.ceil((start_s or 0) * fps - 1e-6)
    high = len(ordered) if end_s is None else min(len(ordered), math.ceil(end_s * fps - 1e-6))
    if low >= high:
        raise InputError(
            f"{path} has no pictures in that time range: it holds {len(ordered)}, {fps:g} a second."
        )
    height, width = _read_image(ordered[low]).shape[:2]
    together = len({file.parent for file in ordered}) == 1

    def frames() -> Iterator[Frame]:
        for index in range(low, high):
            image = _read_image(ordered[index])
            if image.shape[:2] != (height, width):
                raise InputError(
                    f"{ordered[index]} is {image.shape[1]}x{image.shape[0]}, the pictures before "
                    f"it {width}x{height}; "
                    "the frames of a video must have one size."
                )
            yield Frame(
                index, index / fps, image, _label_name(ordered[index]) if together else None
            )

    return VideoSource(
        name, name, (width, height), fps, high - low, 0, path, False, False, frames, lambda: None
    )


def _label_name(path: Path) -> str:
    """A picture as label files name it: from a folder ``images`` on, as PoseTrack has it, else with
    its own folder.
    """
    parts = path.absolute().parts
    begin = max(
        (i for i, part in enumerate(parts[:-1]) if part == "images"), default=len(parts) - 2
    )
    return "/".join(parts[max(begin, 0) :])


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
        raise InputError(
            f"The picture {path} cannot be decoded; it is damaged or not a picture. Remove or "
            f"replace it."
        )
    return np.ascontiguousarray(image[:, :, ::-1])


# --- camera
# --------------------------------------------------------------------------------------------------


def open_camera(index: int, start_s: float | None, end_s: float | None) -> VideoSource:
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
    return VideoSource(
        name, name, (width, height), rate, None, 0, None, False, True, frames, camera.release
    )
