"""What runtimes made of networks, kept in the cache folder: a second run needs neither to build nor
to compile them, nor PyTorch.

A kept file is the SHA-256 of its content and the content. Its name is the hash of all that shaped
it, so that another version of anything looks for another file; one that was cut off or damaged is
made anew.
"""

from __future__ import annotations

__all__ = ["MOST_KEPT", "keep", "kept", "kept_path"]

import hashlib
import logging
from contextlib import suppress
from functools import cache
from pathlib import Path

from posetrack.errors import PosetrackError
from posetrack.files import write_beside

MOST_KEPT = 16  # files, 3 to 20 MB each for the bundled networks; those used last stay
_HASH_BYTES = 32
_SUFFIX = ".network"
_SOURCES = ("inference", "nets")  # folders whose code decides what a runtime makes of weights

_log = logging.getLogger(__name__)


def kept_path(folder: Path, *parts: object) -> Path:
    """Where that is kept which ``parts`` shape, and the code of this project."""
    text = "\n".join(map(str, (_code(), *parts)))
    return folder / (hashlib.sha256(text.encode()).hexdigest()[:32] + _SUFFIX)


def kept(path: Path) -> bytes | None:
    """The content of a kept file; None where there is none, or it is not as it was written."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    content = whole[_HASH_BYTES:]
    if hashlib.sha256(content).digest() != whole[:_HASH_BYTES]:
        return None
    with suppress(OSError):  # the time of the last use
        path.touch()
    return content


def keep(path: Path, content: bytes) -> None:
    """Write a kept file, and remove those not used for longest. A folder that cannot be written
    costs the next run some seconds, not this one.
    """
    try:
        with write_beside(path) as part:
            part.write_bytes(hashlib.sha256(content).digest() + content)
        for old in sorted(path.parent.glob("*" + _SUFFIX), key=_age)[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except (OSError, PosetrackError) as error:
        _log.info("%s cannot be written (%s); the next run compiles again.", path, error)


def _age(path: Path) -> float:
    return path.stat().st_mtime


@cache
def _code() -> str:
    """The hash of the code that makes networks, and makes them ready."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for file in sorted((Path(__file__).parents[1] / folder).glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
