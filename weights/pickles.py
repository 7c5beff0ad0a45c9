"""Reading ``.pth`` files of other projects without running anything that is in them.

``weights_only=True`` refuses a file that holds objects of classes PyTorch does not know, as
OpenMMLab's do (numpy arrays, training logs). Those objects are of no use here, so each such class
is replaced by an inert stand-in, and the file is read with ``weights_only=True`` all the same: no
code of the file runs.
"""

from __future__ import annotations

__all__ = ["read_pickle"]

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from posetrack.errors import WeightsError

MAX_RATIO = 4  # of an archive to its content; stored tensors are not packed at all
MIN_UNPACKED = 64 << 20  # bytes that any file may unpack to


def read_pickle(path: str | Path, *, trust: bool = False) -> dict[str, Any]:
    """The dictionary in a file written by ``torch.save``, tensors on the CPU. Raises WeightsError.

    ``trust`` unpickles without any limits: the file can then run any code, so its source must be
    trusted.
    """
    import torch

    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint at {path}; check the path.")
    _refuse_bomb(path)
    try:
        if trust:
            content = torch.load(path, map_location="cpu", weights_only=False)
        else:
            with torch.serialization.safe_globals(_stand_ins(path)):
                content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        hint = (
            ""
            if trust
            else "; if you trust its source, posetrack weights add --trust-pickle runs what it "
            "holds"
        )
        raise WeightsError(
            f"{path} is damaged, or holds objects that only its own code can read{hint}."
        ) from error
    except (
        Exception
    ) as error:  # torch raises RuntimeError, EOFError, KeyError and others on damaged files
        raise WeightsError(
            f"{path} is damaged or no PyTorch checkpoint: {_first_line(error)}"
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors.")
    return content


def _refuse_bomb(path: Path) -> None:
    """PyTorch stores tensors as they are; an archive that grows is none of its files. Raises
    WeightsError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # of before PyTorch 1.6, or damaged: torch.load says more
    if unpacked > max(MIN_UNPACKED, MAX_RATIO * path.stat().st_size):
        raise WeightsError(
            f"{path} unpacks to {unpacked >> 20} MiB, which checkpoints do not; it is not read."
        )


class _StandIn:
    """Takes the place of an object of an unknown class: accepts what unpickling does to it and
    keeps nothing.
    """

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...

    def __setitem__(self, _: object, __: object) -> None: ...

    def append(self, _: object) -> None: ...

    def extend(self, _: object) -> None: ...


def _stand_ins(path: Path) -> list[Any]:
    """A stand-in for every class in the file that PyTorch would refuse; none for files of before
    PyTorch 1.6.
    """
    import torch

    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # not a zip archive, or a damaged one: torch.load says more
        return []
    return [(type("_StandIn", (_StandIn,), {}), name) for name in unknown]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
