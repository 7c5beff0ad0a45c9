"""Images of a dataset by name, wherever they lie: in a folder tree, or in tar or zip shards beside
the labels.
"""

from __future__ import annotations

__all__ = [
    "ImageStore",
    "decode_image",
    "first_readable",
    "plain_name",
    "read_bytes",
]

import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from posetrack.errors import InputError, TrainingError
from posetrack.structures import Image
from posetrack.video.images import IMAGE_SUFFIXES

T = TypeVar("T")

TRIES = 100  # samples after a damaged one that are tried in its place
# names of folders that hold labels only: their images lie beside them (COCO, HRNet, CVAT)
LABEL_FOLDERS = ("annotations", "labels", "annot", "ann")
LABEL_DEPTH = 3  # levels up to such a folder that are looked at
MAX_IMAGE_BYTES = 512 << 20  # of a member of an archive; photographs in use have some 10 MB


class ImageStore:
    """Finds images by file name below ``root`` or beside it: where the name says, in shards, else
    by the last parts of the path, anywhere below. Names may be written as on Windows. Of several
    that fit equally, the one in a folder that the labels are named after (``hint``) is taken. With
    ``inside`` nothing beside ``root`` is looked at: somebody said that the images lie there.

    Shards are indexed once, by member name; a tar member is then read by its offset, so workers may
    share the store.
    """

    def __init__(self, root: Path, hint: str = "", *, inside: bool = False) -> None:
        self.root, self._hint, self._inside = root, hint.lower(), inside
        self._base = _base(root, inside)
        self._files: dict[str, list[Path]] | None = None
        self._shards: dict[str, tuple[Path, int, int]] | None = None

    def read(self, name: str) -> Image:
        """The image (H, W, 3) RGB. Raises InputError for one that is missing or damaged."""
        return decode_image(self.read_bytes(name), name)

    def read_bytes(self, name: str) -> bytes:
        """The file's bytes. Raises InputError."""
        name = plain_name(name)
        for path in self._candidates(name):
            if path.is_file():
                return read_bytes(path)
        if self._shards is None:
            self._shards = dict(_index(self.root))
        entry = self._shards.get(name) or self._shards.get(PurePosixPath(name).name)
        if entry is None:
            return read_bytes(self._search(name))
        archive, offset, size = entry
        if size > MAX_IMAGE_BYTES:
            raise InputError(
                f"{name} in {archive} unpacks to {size >> 20} MiB; images above "
                f"{MAX_IMAGE_BYTES >> 20} MiB are not read."
            )
        if archive.suffix == ".zip":
            return _unzip(archive, offset, name)
        with archive.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def _search(self, name: str) -> Path:
        """The file whose path ends most like ``name``. Raises InputError."""
        if self._files is None:
            self._files = _files_by_name(self._base)
        found = self._files.get(PurePosixPath(name).name, [])
        best = sorted(found, key=lambda path: self._fit(path, name), reverse=True)[:2]
        if not best:
            where = (
                f"not below the given image folder {self.root}, nor in a tar or zip file in it"
                if self._inside
                else f"neither below {self.root}, nor in the folders beside it, nor in a tar or "
                f"zip file there"
            )
            raise InputError(f"Image {name} is {where}.")
        if len(best) > 1 and self._fit(best[0], name) == self._fit(best[1], name):
            raise InputError(f"Image {name} could be {best[0]} or {best[1]}; name its folder too.")
        return best[0]

    def _fit(self, path: Path, name: str) -> tuple[int, bool]:
        """Equal last parts, and whether a folder is named as the labels are."""
        pairs = zip(reversed(path.parts), reversed(PurePosixPath(name).parts), strict=False)
        same = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
        folders = path.relative_to(self._base.parent).parts[:-1]
        return same, any(part.lower() in self._hint for part in folders)

    def _candidates(self, name: str) -> Iterator[Path]:
        yield self.root / name
        yield self.root / "images" / name
        if not self._inside:
            yield self.root.parent / name


def plain_name(name: str) -> str:
    """A name from a label file with ``/`` between its parts, without drive, root and ``..``."""
    parts = re.sub(r"^[A-Za-z]:", "", name.replace("\\", "/")).split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or name


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file. Raises InputError."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"Image {path} cannot be read: {error}.") from error


def _base(root: Path, inside: bool) -> Path:
    """``root``, or the folder of everything where ``root`` holds labels only: its images lie beside
    ``annotations``, of which it may be a part (annotations/2017/v1).
    """
    root = root.absolute()
    above = () if inside else (root, *root.parents[: LABEL_DEPTH - 1])
    return next((folder.parent for folder in above if folder.name in LABEL_FOLDERS), root)


def _files_by_name(base: Path) -> dict[str, list[Path]]:
    """Images below ``base``, by name."""
    found: dict[str, list[Path]] = {}
    for folder, _, names in os.walk(base):
        for name in names:
            if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
                found.setdefault(name, []).append(Path(folder) / name)
    return found


def _unzip(archive: Path, number: int, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as shard:
            return shard.read(shard.infolist()[number])
    except (RuntimeError, zipfile.BadZipFile, OSError, zlib.error, NotImplementedError) as error:
        raise InputError(f"{name} in {archive} cannot be unpacked: {error}.") from error


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
