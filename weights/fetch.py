"""Files of checkpoints: found in the package or the cache, else downloaded, always verified before
use.

A download goes to ``NAME.part`` and is renamed when its hash is right; one that broke off is taken
up where it stopped. The addresses of the manifest are tried in turn, then
``POSETRACK_MIRROR/NAME``. ``POSETRACK_OFFLINE=1`` forbids it all.
"""

from __future__ import annotations

__all__ = ["path_of"]

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posetrack.downloads import MAX_BYTES, Progress, fetch
from posetrack.errors import WeightsError
from posetrack.files import cannot_write, locked, part_path
from posetrack.weights.hashes import check_file, forget
from posetrack.weights.manifest import Entry, added_folder, entries, entry

OFFLINE_VARIABLE = "POSETRACK_OFFLINE"  # environment: "1" forbids downloads
# environment: address of a folder with the same file names, tried last
MIRROR_VARIABLE = "POSETRACK_MIRROR"


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
    # the manifest rounds to whole MiB
    limit = MAX_BYTES if wanted.size_mb is None else int((wanted.size_mb * 1.01 + 2) * (1 << 20))
    # a second process waits, and finds the file there
    with locked(wanted.path, wait=True), _shown(wanted, progress) as report:
        if wanted.path.is_file():
            return
        for url in urls:
            fault = fetch(url, part, sha256=wanted.sha256, limit=limit, report=report)
            if fault is None:
                os.replace(part, wanted.path)
                forget(wanted.path)
                check_file(wanted.path, wanted.sha256)
                return
            faults.append(f"{url}: {fault}")
    raise WeightsError(_by_hand(wanted, f"cannot be downloaded ({'; '.join(faults)})"))


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
