"""SHA-256 of files in the cache: computed once, remembered with size and time of the file, compared
ever after.

Many publishers give only the first 8 digits of a hash, in the file's name. The full one is written
to ``hashes.json`` when the file is first used, and a file that differs from it later is refused
(trust on first use).
"""

from __future__ import annotations

__all__ = ["check_file", "forget", "recorded"]

import json
from pathlib import Path
from typing import Any

from posetrack.downloads import sha256_of
from posetrack.errors import OutputError, WeightsError
from posetrack.files import write_beside

LOCK_NAME = "hashes.json"


def check_file(path: Path, expected: str, *, again: bool = False) -> str:
    """The hash of the file at ``path``, which must start with ``expected`` and be the one recorded
    before.

    A file of unchanged size and time is not read again, unless ``again``. Raises WeightsError.
    """
    known = recorded(path)
    stat = path.stat()
    seen = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    if known and not again and all(known.get(key) == value for key, value in seen.items()):
        found = str(known["sha256"])
    else:
        found = sha256_of(path)
    wanted = expected or (str(known["sha256"]) if known else "")
    if not found.startswith(wanted):
        raise WeightsError(_mismatch(path, found, wanted))
    if known and found != known["sha256"]:
        raise WeightsError(_mismatch(path, found, str(known["sha256"])))
    if not known or known.get("mtime_ns") != seen["mtime_ns"]:
        _record(path, {"sha256": found, **seen})
    return found


def recorded(path: Path) -> dict[str, Any] | None:
    """What is remembered of the file: ``sha256``, ``size``, ``mtime_ns``; None where it was never
    checked.
    """
    return _read(path.parent).get(path.name)


def forget(path: Path) -> None:
    """Remember nothing of the file any more."""
    _record(path, None)


def _mismatch(path: Path, found: str, wanted: str) -> str:
    return (
        f"{path} is not the file it should be: its SHA-256 is {found[:16]}... instead of {wanted}; "
        "delete it and download it again."
    )


def _read(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        table = json.loads((folder / LOCK_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def _record(path: Path, row: dict[str, Any] | None) -> None:
    """Write one row; a cache that cannot be written (shared, read-only) is no reason to stop."""
    table = _read(path.parent)
    table.pop(path.name, None)
    if row is not None:
        table[path.name] = row
    try:
        with write_beside(path.parent / LOCK_NAME) as part:
            part.write_text(json.dumps(table, indent=1, sort_keys=True), encoding="utf-8")
    except OutputError:
        return
