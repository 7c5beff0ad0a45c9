"""Pictures in files and pictures from a camera as videos, through OpenCV."""

from __future__ import annotations

__all__ = [
    "IMAGE_SUFFIXES",
    "PHOTO_SUFFIXES",
    "VIDEO_SUFFIXES",
    "images_in",
    "open_camera",
    "open_glob",
    "open_images",
]

import glob
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from posetrack.errors import InputError
from posetrack.structures import Frame, Image
from posetrack.video.decode import DEFAULT_FPS
from posetrack.video.source import VideoSource

IMAGE_SUFFIXES = frozenset(".jpg .jpeg .png .bmp .webp .tif .tiff .ppm .pgm".split())
PHOTO_SUFFIXES = frozenset(".heic .heif .avif".split())  # grids of tiles that decode one by one
VIDEO_SUFFIXES = frozenset(
    ".mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .mts .m2ts .ts .wmv .flv .3gp .mxf .ogv".split()
)
MAX_PIXELS = 300_000_000  # of a picture: 20000x15000; the largest cameras have half of that
SAMPLE_FORMAT, FLOATING_POINT = 339, 3  # a tag of TIFF 6.0, and its value
_SAMPLE_BITS = (8, 10, 12, 14, 16)  # of sensors; their values come in 16 bits


def images_in(folder: Path) -> list[Path]:
    """The pictures of a folder. Raises InputError where it holds none."""
    files = [
        p
        for p in folder.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")
    ]
    videos = [p for p in folder.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES]
    if videos and files:
        raise InputError(
            f"The folder {folder} holds {len(videos)} videos and {len(files)} pictures; give the "
            f"videos one by one, or the pictures as a pattern."
        )
    if not files:
        raise InputError(
            f"The folder {folder} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})."
        )
    return files


def open_glob(pattern: str, fps: float, start_s: float | None, end_s: float | None) -> VideoSource:
    """The pictures that fit a pattern. Raises InputError where none does."""
    files = [
        Path(p)
        for p in glob.glob(_literal_folder(pattern), recursive=True)
        if Path(p).suffix.lower() in IMAGE_SUFFIXES
    ]
    if not files:
        raise InputError(f"No picture matches {pattern}; quote the pattern and check it.")
    folder = files[0].parent
    stem = re.sub(r"\W+", "_", Path(pattern).stem).strip("_") or folder.name
    return open_images(files, stem, folder, fps, start_s, end_s)


def _literal_folder(pattern: str) -> str:
    """A pattern whose folder exists under that very name, brackets and all: the rest is one."""
    path = Path(pattern)
    return str(Path(glob.escape(str(path.parent)), path.name)) if path.parent.is_dir() else pattern


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
    _refuse_bomb(data, path)
    _refuse_pages(data, path)
    if _is_float_tiff(data[: 1 << 16].tobytes()):
        raise InputError(f"The picture {path} is a float TIFF; convert it to 8 or 16 bits.")
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if len(data) else None
    except cv2.error:
        image = None
    if image is None:
        raise InputError(
            f"The picture {path} cannot be decoded; it is damaged or not a picture. Remove or "
            f"replace it."
        )
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"The picture {path} holds {image.dtype} numbers; convert it to 8 or 16 bits."
        )
    return np.ascontiguousarray(_eight_bits(image)[:, :, ::-1])


def _eight_bits(image: npt.NDArray[Any]) -> Image:
    """16-bit samples, of which sensors use 10 or 12 from below, as 8 bits."""
    if image.dtype == np.uint8:
        return image
    most = int(image.max())
    bits = next(bits for bits in _SAMPLE_BITS if most < 1 << bits)
    return (image >> (bits - 8)).astype(np.uint8)


def _refuse_bomb(data: npt.NDArray[np.uint8], path: Path) -> None:
    """The size a PNG's header gives is looked at before the pixels are made. Raises InputError."""
    head = data[:24].tobytes()
    if head.startswith(b"\x89PNG") and len(head) == 24:
        width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        if width * height > MAX_PIXELS:
            raise InputError(
                f"The picture {path} is {width}x{height}; pictures above "
                f"{MAX_PIXELS // 1_000_000} megapixels are not read."
            )


def _refuse_pages(data: npt.NDArray[np.uint8], path: Path) -> None:
    """Animated and many-paged pictures are no single frame. Raises InputError."""
    pages = _pages(data.tobytes())
    if pages > 1:
        raise InputError(
            f"The picture {path} holds {pages} pages or frames; save them one by one, or as a "
            f"video."
        )


def _pages(data: bytes) -> int:
    """How many pictures a file holds, told from its structure."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff_pages(data)
    if data.startswith(b"\x89PNG"):
        at = data.find(b"acTL", 0, 4096)  # APNG: the number of frames follows, before the pixels
        return int.from_bytes(data[at + 4 : at + 8], "big") if at > 0 else 1
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return max(1, data.count(b"ANMF"))
    return 1


def _is_float_tiff(data: bytes) -> bool:
    """Whether the first directory of a TIFF says that its samples are floating point."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return False
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    at = int.from_bytes(data[4:8], order)
    for n in range(int.from_bytes(data[at : at + 2], order)):
        entry = data[at + 2 + 12 * n : at + 14 + 12 * n]
        if int.from_bytes(entry[:2], order) == SAMPLE_FORMAT:
            count = int.from_bytes(entry[4:8], order)
            place = int.from_bytes(entry[8:12], order)  # more than two values lie elsewhere
            first = entry[8:10] if count <= 2 else data[place : place + 2]
            return int.from_bytes(first, order) == FLOATING_POINT
    return False


def _tiff_pages(data: bytes) -> int:
    """The directories of a TIFF, each pointing to the next."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    at, seen = int.from_bytes(data[4:8], order), set[int]()
    while at and at not in seen and at + 2 <= len(data):
        seen.add(at)
        end = at + 2 + 12 * int.from_bytes(data[at : at + 2], order)
        at = int.from_bytes(data[end : end + 4], order)
    return max(1, len(seen))


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
