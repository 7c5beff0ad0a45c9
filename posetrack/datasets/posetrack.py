"""PoseTrack 2017 and 2018/21 as people to train on: one image at a time, boxes around the joints.

A source is a label file or a folder of them (``annotations/train``); image names are relative to
the root, the first folder above the labels that holds the images (or, where none does, tar or zip
shards).
"""

from __future__ import annotations

__all__ = ["PARTS", "label_files", "part_of", "read"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import ABSENT, VISIBLE, Person, PersonSet
from posetrack.errors import FormatError, InputError, UsageError
from posetrack.formats import FORMATS, detect_format
from posetrack.geometry import BOX_EXTENSION, keypoint_boxes
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import FrameLabels

PARTS = ("train", "val", "test")  # of the dataset, folders of label files
LEVELS = 4  # folders above a label file in which images are looked for
MIN_BOX_PX = 1.0  # shorter side of a box; one joint alone spans none
_LAYOUTS = ("posetrack17", "posetrack18")


@dataclass(frozen=True, slots=True)
class _Roots:
    """One image store a dataset root, so that shards are indexed once."""

    stores: dict[Path, ImageStore]

    def store_of(self, file: Path, image: str) -> ImageStore:
        above = [*file.resolve().parents][:LEVELS]
        root = next((p for p in above if (p / image).is_file()), None)
        if root is None:
            packed = (p for p in above if any(p.glob("*.tar")) or any(p.glob("*.zip")))
            root = next(packed, above[0])
        return self.stores.setdefault(root, ImageStore(root))


def read(path: Path) -> PersonSet:
    """The people of all labelled frames, boxes around their joints extended by 15 %. Raises
    InputError, FormatError.
    """
    roots = _Roots({})
    people: list[Person] = []
    images: list[str] = []
    for file in label_files(path):
        for frame in _frames(file):
            if frame.image is None:
                raise FormatError(
                    f"{file}: frame {frame.index} names no image; training needs the images."
                )
            images.append(frame.image)
            people += _people(frame, roots.store_of(file, frame.image))
    return PersonSet(path.stem, POSETRACK_15, tuple(people), tuple(dict.fromkeys(images)), path)


def part_of(path: Path, part: str | None, report: Callable[[str], None]) -> Path:
    """``path``, or where it is a folder with several parts of the dataset (folders train, val and
    test, somewhere below), the folder of ``part``; ``report`` is told which.

    Raises UsageError where nobody said which part, or it is not there: label files of training and
    test never mix unsaid.
    """
    if not path.is_dir():
        return path
    there = {
        name: folder
        for folder in sorted(path.rglob("*"))
        if (name := folder.name) in PARTS
        and folder.is_dir()
        and (any(folder.glob("*.json")) or any(folder.glob("*.json.gz")))
    }
    if len(there) < 2:
        return path
    names = ", ".join(there)
    if part not in there:
        example = next(iter(there.values()))
        raise UsageError(f"{path} holds several parts ({names}); give one of them, say {example}.")
    report(f"{path} holds several parts ({names}); {there[part]} is taken.")
    return there[part]


def label_files(path: Path) -> list[Path]:
    """The file itself, or all label files below a folder, sorted. Raises InputError where there is
    none.
    """
    files = [path] if path.is_file() else sorted([*path.rglob("*.json"), *path.rglob("*.json.gz")])
    if not files:
        raise InputError(
            f"{path} holds no PoseTrack label file (*.json); give the folder of the labels."
        )
    return files


def _frames(file: Path) -> Iterator[FrameLabels]:
    layout = detect_format(file).name
    if layout not in _LAYOUTS:
        raise FormatError(
            f"{file} is no PoseTrack label file but {layout}; take it out of the folder."
        )
    for sequence in FORMATS[layout].read(file):
        yield from (frame for frame in sequence.frames if frame.labeled)


def _people(frame: FrameLabels, store: ImageStore) -> Iterator[Person]:
    poses = frame.tracks.poses
    boxes = keypoint_boxes(poses.xy, BOX_EXTENSION)
    for xy, xyxy, present in zip(poses.xy, boxes, poses.present, strict=True):
        if present.any() and (xyxy[2:] - xyxy[:2]).min() >= MIN_BOX_PX:
            flag = np.where(present, VISIBLE, ABSENT)
            yield Person(store, str(frame.image), xyxy, xy, flag, np.ones(len(POSETRACK_15), bool))
