"""Images of a dataset by name, wherever they lie: in a folder tree, or in tar or zip shards beside
the labels.
"""

from __future__ import annotations

__all__ = ["IMAGE_SUFFIXES", "ImageStore", "decode_image", "first_readable"]

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from posetrack.errors import InputError, TrainingError
from posetrack.structures import Image

T = TypeVar("T")

TRIES = 100  # samples after a damaged one that are tried in its place
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class ImageStore:
    """Finds images by file name (or by their last path parts) below ``root``; reads them on
    request.

    Shards are indexed once, by member name; a tar member is then read by its offset, so workers may
    share the store.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shards: dict[str, tuple[Path, int, int]] | None = None

    def read(self, name: str) -> Image:
        """The image (H, W, 3) RGB. Raises InputError for one that is missing or damaged."""
        return decode_image(self.read_bytes(name), name)

    def read_bytes(self, name: str) -> bytes:
        """The file's bytes. Raises InputError."""
        for path in self._candidates(name):
            if path.is_file():
                return path.read_bytes()
        if self._shards is None:
            self._shards = dict(_index(self.root))
        entry = self._shards.get(name) or self._shards.get(PurePosixPath(name).name)
        if entry is None:
            raise InputError(
                f"Image {name} is neither below {self.root} nor in a tar or zip file there."
            )
        archive, offset, size = entry
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as shard:
                return shard.read(shard.infolist()[offset])
        with archive.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def _candidates(self, name: str) -> Iterator[Path]:
        yield self.root / name
        yield self.root / "images" / name
        yield self.root.parent / name


def _index(root: Path) -> Iterator[tuple[str, tuple[Path, int, int]]]:
    """(member name, (archive, offset or number, bytes)) of every image in the shards of a folder,
    by last name too.
    """
    for archive in sorted(p for p in root.iterdir() if p.suffix in (".tar", ".zip")):
        try:
            yield from _zip_members(archive) if archive.suffix == ".zip" else _tar_members(archive)
        except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
            raise InputError(
                f"The archive {archive} cannot be read: {error}; copy it again."
            ) from error


def _tar_members(archive: Path) -> Iterator[tuple[str, tuple[Path, int, int]]]:
    with tarfile.open(archive) as shard:
        for member in shard:
            if PurePosixPath(member.name).suffix.lower() in IMAGE_SUFFIXES:
                entry = archive, member.offset_data, member.size
                yield PurePosixPath(member.name).name, entry
                yield member.name, entry


def _zip_members(archive: Path) -> Iterator[tuple[str, tuple[Path, int, int]]]:
    with zipfile.ZipFile(archive) as shard:
        for number, member in enumerate(shard.infolist()):
            if PurePosixPath(member.filename).suffix.lower() in IMAGE_SUFFIXES:
                entry = archive, number, member.file_size
                yield PurePosixPath(member.filename).name, entry
                yield member.filename, entry


def decode_image(data: bytes, name: str) -> Image:
    """Encoded bytes -> image (H, W, 3) RGB, as its pixels are stored: labels of datasets are of
    those, so that EXIF turns are left alone, as in the official code. Raises InputError for damaged
    ones.
    """
    import cv2

    as_stored = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), as_stored) if data else None
    if bgr is None:
        raise InputError(f"Image {name} is damaged or of an unknown kind.")
    rgb: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb


def first_readable(count: int, index: int, read: Callable[[int], T]) -> tuple[T, int]:
    """What ``read`` makes of sample ``index``, or of the next one of ``count`` that it can read;
    and the number of it.

    So a batch stays full and a run repeats exactly. ``read`` raises InputError for a damaged one.
    Raises TrainingError.
    """
    tries = min(TRIES, count)
    for step in range(tries):
        number = (index + step) % count
        try:
            return read(number), number
        except InputError:
            continue
    raise TrainingError(
        f"None of {tries} samples in a row has a readable image; check the image folder."
    )
