"""Reading and writing whole files so that nothing half-written ever stands under a final name.

A result is written to ``NAME.part`` beside its target and renamed when it is complete; whatever
goes wrong in between removes the part. Every fault of the disk becomes one sentence.
"""

from __future__ import annotations

__all__ = [
    "PART_SUFFIX",
    "cannot_write",
    "part_path",
    "read_bytes",
    "read_json",
    "remove_part",
    "write_beside",
]

import gzip
import json
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from posetrack.errors import FormatError, InputError, OutputError

PART_SUFFIX = ".part"


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

    Missing parent folders are made. An ``OSError`` in the block becomes an OutputError.
    """
    path = Path(path)
    part = part_path(path)
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


def remove_part(part: Path) -> None:
    """Tidy up after a failure; what cannot be removed stays, because the failure is what
    matters.
    """
    with suppress(OSError):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def read_bytes(path: str | Path) -> bytes:
    """The whole content of a file, unpacked where its name ends in ``.gz``. Raises InputError."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file.")
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read: {reason}.") from error


def read_json(path: str | Path, *, allow_nan: bool = False) -> Any:
    """The content of a JSON file. Raises InputError where it cannot be read, FormatError where it
    is not JSON.

    ``allow_nan`` takes the words NaN and Infinity too, which Python's own json module writes
    although JSON has no such.
    """
    import orjson

    data = read_bytes(path)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if allow_nan and (b"NaN" in data or b"Infinity" in data):
            with suppress(ValueError):
                return json.loads(data)
        what = (
            "is empty" if not data.strip() else f"is not JSON ({error.msg} in line {error.lineno})"
        )
        raise FormatError(f"{path} {what}; is it complete and of the right kind?") from error
