"""Datasets of labelled people, one file per layout, and where their images lie (folders, tar and zip shards).

``read(source)`` gives a ``PersonSet``: people with the joints of the dataset's own skeleton, images still on disk.
``people.unite`` maps sets onto one target skeleton by joint name; a joint a set does not have is never supervised.
``crops.CropStore`` decodes the images once and keeps a small crop of every person in memory.

State: COCO-style JSON (COCO, LSPET as prepared, anybody's own joints). Add yours: a file with ``matches(path)`` and
``read(path) -> PersonSet``, and a line in ``DATASETS``.
"""

from __future__ import annotations

__all__ = ["DATASETS", "read"]

import re
from collections.abc import Callable
from pathlib import Path

from posetrack.datasets import coco
from posetrack.datasets.people import PersonSet
from posetrack.errors import InputError, UsageError, unknown_name

DATASETS: dict[str, Callable[[Path], PersonSet]] = {"coco": coco.read}

_SOURCE = re.compile(
    r"(?:(?P<kind>[a-z0-9]+):)?(?P<path>.+?)(?:\[(?P<start>-?\d*):(?P<stop>-?\d*)\])?(?:\*(?P<times>\d+))?"
)


def read(source: str | Path) -> PersonSet:
    """Read a source: ``[KIND:]PATH[START:STOP]*TIMES``, say ``lspet/person_keypoints.json[:-1000]`` or ``coco*5``.

    ``[START:STOP]`` takes some of the images in the file's order, ``*TIMES`` repeats them. KIND is a name in
    ``DATASETS`` ("coco" unless told). Raises UsageError or InputError before anything is loaded.
    """
    match = _SOURCE.fullmatch(str(source))
    if match is None:
        raise UsageError(f"{source!r} is no data source; write PATH, PATH[START:STOP] or PATH*TIMES.")
    kind = match["kind"] or "coco"
    if kind not in DATASETS:
        raise unknown_name("dataset kind", kind, DATASETS)
    path = Path(match["path"])
    if not path.exists():
        raise InputError(f"There is no dataset at {path}; check the path.")
    people = DATASETS[kind](path)
    people = people.of_images(slice(_number(match["start"]), _number(match["stop"])))
    if not len(people):
        raise InputError(f"{source} holds no labelled person; check the file and the range.")
    return people.repeated(int(match["times"] or 1))


def _number(text: str | None) -> int | None:
    return int(text) if text else None
