"""Inputs and results behind addresses that fsspec understands: ``s3://``, ``gs://``, ``https://``,
``memory://``.

A video is copied to a temporary file for as long as it is worked on. Results are copied under a
``.part`` name and renamed, the tracks last, as on a disk of one's own.
"""

from __future__ import annotations

__all__ = ["exists", "expanded", "fetched", "is_address", "publish"]

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from posetrack.errors import InputError, OutputError, PosetrackError, UsageError
from posetrack.files import PART_SUFFIX, file_name
from posetrack.video.images import VIDEO_SUFFIXES

STREAMS = ("rtsp", "rtsps", "rtmp", "udp", "rtp", "srt", "tcp")  # cameras; video.open has them
ON_THIS_MACHINE = ("memory", "file", "local")
SPARE_BYTES = 1 << 30  # of the disk that temporary files leave free
BLOCK_BYTES = 4 << 20
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def is_address(name: str) -> bool:
    """Whether ``name`` is a file somewhere else. Web addresses are where they end as a video file
    does; others are live streams, which are not copied.
    """
    found = _SCHEME.match(name)
    if not found or found[1].lower() in STREAMS:
        return False
    web = found[1].lower() in ("http", "https")
    return not web or PurePosixPath(urlsplit(name).path).suffix.lower() in VIDEO_SUFFIXES


def expanded(address: str, *, offline: bool = False) -> list[str]:
    """The addresses that fit one with a pattern, sorted; any other alone. Raises InputError,
    UsageError.
    """
    scheme = address.split("://")[0]
    if scheme.lower() in ("http", "https") or not re.search(r"[*\[]", address):
        return [address]
    files, path = _open(address, offline)
    try:
        found = sorted(files.glob(path))
    except Exception as error:
        raise InputError(_fault(address, "looked at", error)) from error
    if not found:
        raise InputError(f"No file matches {address}; check the address.")
    return [f"{scheme}://{name.lstrip('/')}" for name in found]


@contextmanager
def fetched(address: str, *, offline: bool = False) -> Iterator[Path]:
    """A temporary copy under the same file name, removed at the end.

    Never more than the disk has room for, less ``SPARE_BYTES``. Raises InputError, UsageError
    where ``offline`` and the address leaves this machine.
    """
    files, path = _open(address, offline)
    with tempfile.TemporaryDirectory(prefix="posetrack-") as folder:
        name = urlsplit(address).path if address.startswith("http") else path
        copy = Path(folder, file_name(PurePosixPath(name).name))
        try:
            _copy(files, path, copy, address)
        except PosetrackError:
            raise
        except Exception as error:  # each service has errors of its own
            raise InputError(_fault(address, "read", error)) from error
        yield copy


def _copy(files: Any, path: str, copy: Path, address: str) -> None:
    limit = shutil.disk_usage(copy.parent).free - SPARE_BYTES
    total = 0
    with files.open(path, "rb") as source, copy.open("wb") as target:
        while block := source.read(BLOCK_BYTES):
            total += len(block)
            if total > limit:
                raise InputError(
                    f"{address} is larger than the free space of {copy.parent.parent}; set "
                    f"TMPDIR to a folder with more."
                )
            target.write(block)


def exists(folder: str, name: str, *, offline: bool = False) -> bool:
    """Whether a result is in the folder at an address. Raises OutputError, UsageError."""
    files, path = _open(folder, offline)
    try:
        return bool(files.exists(f"{path}/{name}"))
    except Exception as error:  # each service has errors of its own
        raise OutputError(_fault(folder, "looked at", error)) from error


def publish(paths: Iterable[Path], folder: str, *, offline: bool = False) -> list[str]:
    """Copy results to the folder at an address, each whole or not at all, in order. Gives their
    addresses. Raises OutputError.
    """
    files, base = _open(folder, offline)
    done = []
    for path in paths:
        target = f"{base}/{path.name}"
        try:
            files.makedirs(base, exist_ok=True)
            files.put(str(path), target + PART_SUFFIX, recursive=path.is_dir())
            if files.exists(target):
                files.rm(target, recursive=True)
            files.mv(target + PART_SUFFIX, target, recursive=path.is_dir())
        except Exception as error:  # each service has errors of its own
            with suppress(Exception):
                files.rm(target + PART_SUFFIX, recursive=True)
            raise OutputError(_fault(f"{folder}/{path.name}", "written", error)) from error
        done.append(f"{folder.rstrip('/')}/{path.name}")
    return done


def _open(address: str, offline: bool) -> tuple[Any, str]:
    """The file system of an address, and the path in it."""
    import fsspec

    if offline and address.split("://")[0].lower() not in ON_THIS_MACHINE:
        raise UsageError(f"{address} is not on this machine; leave out --offline.")
    try:
        files, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{address}: {str(error).rstrip('.')}.") from error
    except Exception as error:
        raise InputError(_fault(address, "opened", error)) from error
    return files, path.rstrip("/")


def _fault(address: str, what: str, error: Exception) -> str:
    said = " ".join((str(error) or type(error).__name__).split()).rstrip(".")
    return f"{address} cannot be {what}: {said}; check the address and the access to it."
