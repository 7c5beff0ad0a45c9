"""MPII Human Pose: the official ``.mat`` file, and the JSON lists of the HRNet project
(``formats.mpii_labels``). A person's box is the square that the official HRNet code crops.
"""

from __future__ import annotations

__all__ = ["read"]

from pathlib import Path

import numpy as np

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import ABSENT, Person, PersonSet
from posetrack.errors import FormatError, InputError
from posetrack.formats.mpii_labels import (
    ONE_BASED,
    MpiiPerson,
    crop_boxes,
    read_hrnet_json,
    read_release,
)
from posetrack.skeletons import MPII_16


def read(path: Path) -> PersonSet:
    """The labelled people of a ``.mat`` or JSON file, or of the only such file in a folder.

    Of the ``.mat`` file only the training part has labels; people without joints or position are
    left out. Images are looked for beside the file, and in folders called images there and one
    level up. Raises InputError, FormatError.
    """
    file = _label_file(path)
    if file.suffix == ".mat":
        read_people = [p for p in read_release(file)[0] if p.labelled and p.place is not None]
    else:
        read_people = read_hrnet_json(file)
        lost = next((p.row for p in read_people if p.place is None or not p.image), None)
        if lost is not None:
            raise FormatError(
                f"{file} is not laid out as MPII's labels are (person {lost}: image, center and "
                f"scale are needed)."
            )
    store = ImageStore(_image_root(file, read_people))
    people = tuple(_person(store, p) for p in read_people if p.labelled)
    names = tuple(dict.fromkeys(p.image for p in read_people))
    return PersonSet(file.stem, MPII_16, people, names, file)


def _person(store: ImageStore, p: MpiiPerson) -> Person:
    assert p.place is not None
    xy = np.where(p.flag[:, None] > ABSENT, p.xy - ONE_BASED, np.nan).astype(np.float32)
    known = np.ones(len(MPII_16), bool)
    return Person(store, p.image, crop_boxes(p.place[None])[0], xy, p.flag, known, p.row)


def _label_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*.mat")) or sorted(path.glob("*.json"))
    if len(found) != 1:
        names = ", ".join(f.name for f in found) or "none"
        raise InputError(
            f"{path} must hold one .mat or JSON file with MPII's labels (found: {names}); give "
            f"the file."
        )
    return found[0]


def _image_root(file: Path, people: list[MpiiPerson]) -> Path:
    """The folder that holds the first image: beside the labels, or one level up."""
    for folder in (file.parent, file.parent.parent):
        if people and any((folder / at / people[0].image).is_file() for at in ("", "images")):
            return folder
    return file.parent
