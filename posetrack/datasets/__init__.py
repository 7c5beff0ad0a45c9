"""Datasets of labelled people, one file per layout, and where their images lie (folders, tar and
zip shards).

``read(source)`` gives a ``PersonSet``: people with the joints of the dataset's own skeleton, images
still on disk. ``people.unite`` maps sets onto one target skeleton by joint name; a joint a set does
not have is never supervised. ``crops.CropStore`` decodes the images once and keeps a small crop of
every person in memory.

State: COCO-style JSON (COCO, LSPET as prepared, anybody's own joints), LSP, MPII, PoseTrack. Add
yours: a file with ``read(path) -> PersonSet``, and a line in ``DATASETS``; ``kind_of`` may learn to
tell it from the others.
"""

from __future__ import annotations

__all__ = ["DATASETS", "Source", "kind_of", "parse_source", "read"]

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from posetrack.datasets import coco, lsp, mpii, posetrack
from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import PersonSet
from posetrack.errors import InputError, UsageError, unknown_name

DATASETS: dict[str, Callable[[Path], PersonSet]] = {
    "coco": coco.read,
    "lsp": lsp.read,
    "mpii": mpii.read,
    "posetrack": posetrack.read,
}
_OF_POSETRACK = (
    b'"annolist"',
    b'"vid_id"',
    b'"is_labeled"',
    b'"bbox_head"',
)  # keys that COCO does not have
_HEAD_BYTES = 65536  # of a label file, enough to see its first image and person

_SOURCE = re.compile(
    r"(?:(?P<kind>[a-z0-9]{2,}):)?(?P<path>.+?)(?:\[(?P<start>-?\d*):(?P<stop>-?\d*)\])?(?:\*(?P<times>\d+))?"
)


@dataclass(frozen=True, slots=True)
class Source:
    """``[KIND:]PATH[START:STOP]*TIMES`` in its parts; ``kind`` is None where none was given."""

    kind: str | None
    path: Path
    which: slice
    times: int


def parse_source(source: str | Path) -> Source:
    """A data source in its parts. Raises UsageError for what is none, InputError for a path that
    does not exist.
    """
    match = _SOURCE.fullmatch(str(source))
    if match is None:
        raise UsageError(
            f"{source!r} is no data source; write PATH, PATH[START:STOP] or PATH*TIMES."
        )
    if match["kind"] and match["kind"] not in DATASETS:
        raise unknown_name("dataset kind", match["kind"], DATASETS)
    path = Path(match["path"])
    if not path.exists():
        raise InputError(f"There is no dataset at {path}; check the path.")
    which = slice(_number(match["start"]), _number(match["stop"]))
    return Source(match["kind"], path, which, int(match["times"] or 1))


def read(
    source: str | Path,
    *,
    part: str | None = None,
    images: str | Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> PersonSet:
    """Read a source: ``[KIND:]PATH[START:STOP]*TIMES``, say ``lspet/person_keypoints.json[:-1000]``
    or ``coco*5``. ``part`` ("train", "val", "test") is taken of PoseTrack's folder as a whole, and
    ``report`` is told; without it such a folder is refused. ``images`` is the folder where the
    images lie, searched by the last parts of their names; without it they are looked for where the
    labels are.

    ``[START:STOP]`` takes some of the images in the file's order, ``*TIMES`` repeats them. KIND is
    a name in ``DATASETS``; without it the files decide (``kind_of``). Raises UsageError or
    InputError before anything is loaded.
    """
    parts = parse_source(source)
    path = parts.path
    kind = parts.kind or kind_of(path)
    if kind == "posetrack":
        path = posetrack.part_of(path, part, report)
    people = replace(DATASETS[kind](path), kind=kind)
    if images is not None:
        people = _with_images(people, Path(images), path)
    people = people.of_images(parts.which)
    if not len(people):
        raise InputError(f"{source} holds no labelled person; check the file and the range.")
    return people.repeated(parts.times)


def _with_images(people: PersonSet, folder: Path, labels: Path) -> PersonSet:
    """The people with their images in ``folder``. Raises InputError where there is none."""
    if not folder.is_dir():
        raise InputError(f"There is no image folder {folder}; check the path given with --images.")
    store = ImageStore(folder, labels.stem, inside=True)
    moved = tuple(replace(person, store=store) for person in people.people)
    return replace(people, people=moved)


def kind_of(path: Path) -> str:
    """The kind of an existing file or folder by its names and the beginning of its content; "coco"
    in doubt.
    """
    if path.is_dir():
        if any(path.glob("*keypoints*.json")):
            return "coco"
        if mat := next(path.glob("*.mat"), None):
            return kind_of(mat)
        path = next((f for f in sorted(path.rglob("*.json*"))), path)
    if path.suffix == ".mat":
        return "lsp" if path.name == lsp.LABELS else "mpii"
    if path.suffix == ".gz":
        return "posetrack"
    head = _head(path)
    if head.startswith(b"["):
        return "mpii"
    return "posetrack" if any(key in head for key in _OF_POSETRACK) else "coco"


def _head(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES).lstrip()


def _number(text: str | None) -> int | None:
    return int(text) if text else None
