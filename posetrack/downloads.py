"""One file from one address: bounded, taken up where it stopped, and never kept unless its SHA-256
is the one that was wanted.

What comes goes to a part file; whoever asked renames it. Every download of posetrack goes through
``fetch``: checkpoints by the manifest (``weights.fetch``) and weights of optical flow.
"""

from __future__ import annotations

__all__ = ["ATTEMPTS", "MAX_BYTES", "TIMEOUT_S", "Progress", "fetch", "sha256_of"]

import hashlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from posetrack.files import cannot_write

TIMEOUT_S = 30.0  # without any answer
ATTEMPTS = 3  # for each address; a connection that breaks off is taken up again
MAX_BYTES = 8 << 30  # of a file whose size nothing tells
_BLOCK = 1 << 20  # bytes read at a time
_PARTIAL, _WRONG_RANGE = 206, 416  # HTTP status codes

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all


def sha256_of(path: Path) -> str:
    """The hash of a file, in 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(
    url: str,
    part: Path,
    *,
    sha256: str,
    limit: int = MAX_BYTES,
    report: Progress = lambda done, total: None,
) -> str | None:
    """Download ``url`` to ``part``, at most ``limit`` bytes, and compare its hash with the digits
    of ``sha256``; None, or what went wrong. A wrong file is not kept. Raises OutputError for a
    fault of the disk.
    """
    fault: str | None = "nothing came"
    for _ in range(ATTEMPTS):
        resumed = part.is_file() and part.stat().st_size > 0
        fault = _receive(url, part, limit, report)
        if fault == "":  # complete
            found = sha256_of(part)
            if found.startswith(sha256):
                return None
            part.unlink()
            fault = f"the file is corrupt, its SHA-256 is {found[:16]}... instead of {sha256}"
            if (
                not resumed
            ):  # what an earlier run left may have been of another file: once more from the start
                return fault
        elif fault.startswith("HTTP"):
            return fault
    return fault


def _receive(url: str, part: Path, limit: int, report: Progress) -> str:
    """Append to ``part`` what is missing. "" when it is complete, else what went wrong. Raises
    OutputError.
    """
    have = part.stat().st_size if part.is_file() else 0
    request = Request(
        url, headers={"User-Agent": "posetrack", **({"Range": f"bytes={have}-"} if have else {})}
    )
    try:
        with urlopen(request, timeout=TIMEOUT_S) as response:
            resumes = response.status == _PARTIAL if hasattr(response, "status") else False
            have = have if resumes else 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else None
            if total is not None and total > limit:
                return _too_large(part)
            done = _write(response, part, have, total, limit, report)
            if done > limit:
                return _too_large(part)
    except HTTPError as error:
        if error.code == _WRONG_RANGE:  # all of it is here, or more than all: the hash tells
            return ""
        return f"HTTP status {error.code}"
    except (URLError, HTTPException, OSError) as error:
        return str(getattr(error, "reason", None) or error or type(error).__name__)
    return (
        ""
        if total is None or done == total
        else f"the connection broke off after {done} of {total} bytes"
    )


def _too_large(part: Path) -> str:
    """HTTP 413 in words; nothing of it is kept."""
    part.unlink(missing_ok=True)
    return "HTTP answer larger than the file that is wanted"


def _write(
    response: Any, part: Path, have: int, total: int | None, limit: int, report: Progress
) -> int:
    """Write the body behind the first ``have`` bytes of ``part`` and return how many there are
    then.
    """
    report(have, total)
    _append(part, b"", fresh=not have)
    while block := response.read(_BLOCK):
        _append(part, block)
        have += len(block)
        report(have, total)
        if have > limit:
            break
    return have


def _append(part: Path, block: bytes, *, fresh: bool = False) -> None:
    """Opened for each block, so that a fault of the disk and one of the connection can be told
    apart.
    """
    try:
        with part.open("wb" if fresh else "ab") as file:
            file.write(block)
    except OSError as error:
        raise cannot_write(part, error) from error
