"""A PoseTrack file of either layout as a ``LabelTable``; the content decides which layout it is."""

from __future__ import annotations

__all__ = ["read_table"]

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posetrack.errors import FormatError
from posetrack.files import read_json
from posetrack.formats import posetrack17, posetrack18
from posetrack.formats.table import LabelTable


def read_table(path: str | Path, *, heads: bool = True) -> LabelTable:
    """The (first) video of a ``.json`` or ``.json.gz`` file, named by the file; ``heads=False`` for
    predictions.

    Raises InputError where the file cannot be read, FormatError naming file, frame and field where
    it is broken.
    """
    with _no_garbage_collection():
        return _read(
            path, heads
        )  # a call of its own, so that the parsed JSON is gone before collection is on again


def _read(path: str | Path, heads: bool) -> LabelTable:
    data = read_json(path, allow_nan=True)
    if not isinstance(data, dict):
        raise FormatError(
            f"{path} holds a {type(data).__name__} where PoseTrack files hold an object."
        )
    if "annolist" in data:
        return posetrack17.parse(data, path, heads=heads)
    return posetrack18.parse(data, path, heads=heads)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Hold the cycle collector back: a million small lists without cycles cost it a third of the
    reading time.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
