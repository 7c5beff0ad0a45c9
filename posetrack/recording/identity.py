"""Which video a result belongs to, and whether two runs would give the same."""

from __future__ import annotations

__all__ = ["refuse_others", "source_identity"]

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posetrack.errors import InputError, UsageError
from posetrack.structures import Sequence
from posetrack.video.images import images_in
from posetrack.video.source import VideoSource

ENDS_BYTES = 1 << 20  # read from both ends of a file: index, first and last packets lie there


def source_identity(source: VideoSource) -> dict[str, Any] | None:
    """What tells a video from another of its name: bytes, and a hash of both ends of the file (of
    pictures: their names and sizes, and both ends of the first). None for live sources and pipes.

    Raises InputError.
    """
    path = source.path
    if path is None or not (path.is_file() or path.is_dir()):
        return None
    digest = hashlib.sha256()
    try:
        files = sorted(images_in(path)) if path.is_dir() else [path]
        sizes = [file.stat().st_size for file in files]
        if path.is_dir():
            for file, size in zip(files, sizes, strict=True):
                digest.update(f"{file.name}\0{size}\0".encode(errors="surrogateescape"))
        _add_ends(digest, files[0], sizes[0])
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    return {"bytes": sum(sizes), "sha256_of_ends": digest.hexdigest()}


def _add_ends(digest: Any, path: Path, size: int) -> None:
    with path.open("rb") as file:
        digest.update(file.read(ENDS_BYTES))
        file.seek(max(0, size - ENDS_BYTES))
        digest.update(file.read(ENDS_BYTES))


def refuse_others(before: Sequence, now: Sequence, path: Path) -> None:
    """Raises InputError where ``path`` (whose header is ``before``) is of another video than
    ``now``, UsageError where it was made with other settings.
    """
    if _differ(before.meta.get("source"), now.meta.get("source")):
        raise InputError(
            f"{path} belongs to another video of this name; write to another folder with -o, or "
            f"start again with --force."
        )
    changed = _changed(before.meta.get("settings", {}), now.meta.get("settings", {}))
    if changed or before.skeleton != now.skeleton:
        raise UsageError(
            f"{path} comes from a run with other settings "
            f"({', '.join(changed) or 'it had another skeleton'}); repeat them, or start with "
            f"--force."
        )


def _differ(before: Any, now: Any) -> bool:
    """Files of older versions do not say; they are believed."""
    return before is not None and now is not None and before != now


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    keys = sorted(before.keys() | now.keys())
    return [f"{k} was {before.get(k)}" for k in keys if before.get(k) != now.get(k)]
