"""Files of checkpoints: found in the package or the cache, else downloaded, always verified before
use.

A download goes to ``NAME.part`` and is renamed when its hash is right; one that broke off is taken
up where it stopped. The addresses of the manifest are tried in turn, then
``POSETRACK_MIRROR/NAME``. ``POSETRACK_OFFLINE=1`` forbids it all.
"""

from __future__ import annotations

__all__ = ["Progress", "path_of"]

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from posetrack.errors import WeightsError
from posetrack.files import cannot_write, locked, part_path
from posetrack.weights.hashes import check_file, forget, sha256_of
from posetrack.weights.manifest import Entry, added_folder, entries, entry

OFFLINE_VARIABLE = "POSETRACK_OFFLINE"  # environment: "1" forbids downloads
# environment: address of a folder with the same file names, tried last
MIRROR_VARIABLE = "POSETRACK_MIRROR"
TIMEOUT_S = 30.0  # without any answer
ATTEMPTS = 3  # for each address; a connection that breaks off is taken up again
MAX_BYTES = 8 << 30  # of a file whose size the manifest does not give
_BLOCK = 1 << 20  # bytes read at a time
_PARTIAL, _WRONG_RANGE = 206, 416  # HTTP status codes

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all


def path_of(name: str, *, offline: bool = False, progress: Progress | None = None) -> Path:
    """The verified file of the checkpoint ``name``, downloaded if need be.

    Without ``progress`` a download shows itself on stderr. Raises UsageError for an unknown name;
    WeightsError for a file that is corrupt or cannot be had, with address, target and hash in the
    sentence; OutputError for a full disk.
    """
    added = added_folder() / f"{name}.safetensors"
    if name not in entries() and added.is_file():
        check_file(added, "")
        return added
    wanted = entry(name)
    if wanted.path.is_file():
        if not wanted.bundled:
            check_file(wanted.path, wanted.sha256)
        return wanted.path
    if wanted.bundled:
        raise WeightsError(f"The bundled file {wanted.path} is missing; install posetrack again.")
    if wanted.by_hand or offline or os.environ.get(OFFLINE_VARIABLE, "0") not in ("", "0"):
        raise WeightsError(
            _by_hand(
                wanted, "it has to be fetched by hand" if wanted.by_hand else "this is offline"
            )
        )
    _download(wanted, progress)
    return wanted.path


def _by_hand(wanted: Entry, why: str) -> str:
    """The sentence for a file that is not there."""
    source = " or ".join(wanted.urls) or f"{wanted.file} from its publisher"
    check = f", check that its SHA-256 starts with {wanted.sha256}" if wanted.sha256 else ""
    return (
        f"{wanted.name} is not in the cache and {why}: download {source}{check}, and put it "
        f"at {wanted.path}."
    )


def _download(wanted: Entry, progress: Progress | None) -> None:
    """Fetch the file from the first address that has it. Raises WeightsError."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    urls = [*wanted.urls, *([f"{mirror.rstrip('/')}/{wanted.file}"] if mirror else [])]
    part = part_path(wanted.path)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(wanted.path, error) from error
    faults = []
    # a second process waits, and finds the file there
    with locked(wanted.path, wait=True), _shown(wanted, progress) as report:
        if wanted.path.is_file():
            return
        for url in urls:
            fault = _fetch(url, part, wanted, report)
            if fault is None:
                os.replace(part, wanted.path)
                forget(wanted.path)
                check_file(wanted.path, wanted.sha256)
                return
            faults.append(f"{url}: {fault}")
    raise WeightsError(_by_hand(wanted, f"cannot be downloaded ({'; '.join(faults)})"))


def _fetch(url: str, part: Path, wanted: Entry, report: Progress) -> str | None:
    """Download ``url`` to ``part`` and check it; None, or what went wrong. A wrong file is not
    kept.
    """
    fault: str | None = "nothing came"
    sha256 = wanted.sha256
    # the manifest rounds to whole MiB
    limit = MAX_BYTES if wanted.size_mb is None else int((wanted.size_mb * 1.01 + 2) * _BLOCK)
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


@contextmanager
def _shown(wanted: Entry, progress: Progress | None) -> Iterator[Progress]:
    """Gives the function to report progress to: the caller's, a bar on a terminal, or one line and
    silence.
    """
    if progress is not None:
        yield progress
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        size = f" ({wanted.size_mb:.0f} MiB)" if wanted.size_mb else ""
        console.print(f"Downloading {wanted.file}{size}", highlight=False, soft_wrap=True)
        yield lambda done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Bars(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        task = bars.add_task(wanted.name, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
