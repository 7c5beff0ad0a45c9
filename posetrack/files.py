"""Reading and writing whole files so that nothing half-written ever stands under a final name.

A result is written to ``NAME.part`` beside its target and renamed when it is complete; whatever
goes wrong in between removes the part. Every fault of the disk becomes one sentence.
"""

from __future__ import annotations

__all__ = [
    "PART_SUFFIX",
    "cannot_write",
    "file_name",
    "locked",
    "part_path",
    "read_bytes",
    "read_json",
    "refuse_folder",
    "remove_part",
    "sync_folder",
    "write_beside",
]

import errno
import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from posetrack.errors import FormatError, InputError, OutputError

PART_SUFFIX = ".part"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # editors of Windows put it before UTF-8
LOCK_SUFFIX = ".lock"
MAX_BYTES = 4 << 30  # of a file that is read whole, unpacked; label files in use have some 100 MB
_BLOCK = 1 << 20
MAX_RATIO = 60  # of packed text in use: labels shrink 4 to 20 times
MIN_UNPACKED = 64 << 20  # bytes that any packed file may have
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f/\\:*?"<>|]')  # on one system or another
MAX_NAME = 200  # characters; file systems take 255 bytes, with our endings


def part_path(path: str | Path) -> Path:
    """Where a file is written until it is complete: its own name with ``.part`` behind it."""
    path = Path(path)
    return path.with_name(path.name + PART_SUFFIX)


def cannot_write(path: str | Path, error: Exception) -> OutputError:
    """The one-sentence error for a file that cannot be written."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return OutputError(
        f"Cannot write {path}: {reason}; check the folder, its permissions and the free space."
    )


@contextmanager
def write_beside(path: str | Path) -> Iterator[Path]:
    """Give the path to write to; on success it is renamed to ``path``, otherwise removed.

    Missing parent folders are made. A folder in the file's place, or in the part's, is never
    touched. An ``OSError`` in the block becomes an OutputError.
    """
    path = Path(path)
    part = part_path(path)
    refuse_folder(part)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        remove_part(part)
        raise cannot_write(path, error) from error
    except BaseException:
        remove_part(part)
        raise


def refuse_folder(path: Path) -> None:
    """Raises OutputError where a folder stands where a file is to be written."""
    if path.is_dir():
        raise OutputError(f"{path} is a folder and stands in the way; move it, or write elsewhere.")


def remove_part(part: Path) -> None:
    """Tidy up after a failure; what cannot be removed stays, because the failure is what
    matters. A folder goes only with files that lie in it directly, as our own do.
    """
    with suppress(OSError):
        if not part.is_dir():
            part.unlink(missing_ok=True)
            return
        for file in part.iterdir():
            file.unlink()  # not a folder's: what holds folders is not ours
        part.rmdir()


def sync_folder(folder: Path) -> None:
    """Ask the disk to keep the names of a folder too; systems without that do it themselves."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def file_name(name: str) -> str:
    """A name from inside a file as the name of a file: never a path, on no system.

    Folders in it are kept as ``_``. ("../x" gives "_x": leading dots go.)
    """
    plain = _NOT_IN_NAMES.sub("_", name).lstrip(". ")[:MAX_NAME].rstrip(". ")
    return plain or "video"


@contextmanager
def locked(path: str | Path, *, wait: bool = False) -> Iterator[None]:
    """Hold ``path`` for this process: a second one is refused, or waits. The lock is a file
    ``NAME.lock`` that goes at the end; that of a killed process holds nobody up.

    Raises OutputError where another process has it.
    """
    path = Path(path)
    lock = path.with_name(path.name + LOCK_SUFFIX)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = _take(lock, wait)
    except OSError as error:
        raise cannot_write(path, error) from error
    if handle is None:
        raise OutputError(
            f"Another run is writing {path}; wait for it, or choose another folder with -o."
        )
    try:
        yield
    finally:
        _let_go(lock, handle)


def _let_go(lock: Path, handle: int) -> None:
    windows = os.name == "nt"  # an open file cannot be removed there
    try:
        if not windows:
            lock.unlink(missing_ok=True)
    finally:
        os.close(handle)
        if windows:
            with suppress(OSError):
                lock.unlink(missing_ok=True)


def _take(lock: Path, wait: bool) -> int | None:
    """The handle of a locked file that still has its name; None where another process has it."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        if not _lock(handle, wait):
            os.close(handle)
            return None
        with suppress(FileNotFoundError):
            if os.fstat(handle).st_ino == os.stat(lock).st_ino:
                return handle
        os.close(handle)  # it was removed while this one waited


def _lock(handle: int, wait: bool) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            windows: Any = msvcrt
            windows.locking(handle, windows.LK_LOCK if wait else windows.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        # a file system without locks (some network drives): as before there were any
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def read_bytes(path: str | Path) -> bytes:
    """The whole content of a file, unpacked where its name ends in ``.gz``. Raises InputError."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file.")
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as packed:
                return _read_bounded(packed, path)
        with path.open("rb") as file:
            return _read_bounded(file, path)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read: {reason}.") from error


def _read_bounded(file: Any, path: Path) -> bytes:
    """All of a file; packed ones may not grow more than ``MAX_RATIO`` times. Raises InputError."""
    limit = min(MAX_BYTES, max(MIN_UNPACKED, path.stat().st_size * MAX_RATIO))
    if path.suffix != ".gz":
        limit = MAX_BYTES
    blocks, total = [], 0
    while block := file.read(_BLOCK):
        total += len(block)
        if total > limit:
            raise InputError(
                f"{path} unpacks to more than {limit >> 20} MiB; files of this kind stay below, "
                f"so it is not read."
            )
        blocks.append(block)
    return b"".join(blocks)


def read_json(path: str | Path, *, allow_nan: bool = False) -> Any:
    """The content of a JSON file. Raises InputError where it cannot be read, FormatError where it
    is not JSON.

    ``allow_nan`` takes the words NaN and Infinity too, which Python's own json module writes
    although JSON has no such.
    """
    import orjson

    data = read_bytes(path).removeprefix(BYTE_ORDER_MARK)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if allow_nan and (b"NaN" in data or b"Infinity" in data):
            with suppress(ValueError, RecursionError):
                return json.loads(data)
        what = (
            "is empty" if not data.strip() else f"is not JSON ({error.msg} in line {error.lineno})"
        )
        raise FormatError(f"{path} {what}; is it complete and of the right kind?") from error
