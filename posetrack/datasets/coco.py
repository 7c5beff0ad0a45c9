"""COCO-style keypoint labels: COCO itself, and any JSON with ``images``, ``annotations`` and one
category's joints.
"""

from __future__ import annotations

__all__ = ["read"]

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import Person, PersonSet
from posetrack.errors import FormatError, InputError
from posetrack.formats.coco_labels import (
    TABLES,
    CocoLabels,
    CocoPerson,
    given_limbs,
    read_coco_labels,
)
from posetrack.geometry import clean_coco_boxes, clip_boxes, keypoint_boxes
from posetrack.skeletons import COCO_17, LSP_14, make_skeleton
from posetrack.structures import Skeleton

_log = logging.getLogger(__name__)

MAX_PX = 1e6  # of a coordinate; pictures in use have some ten thousand
Float32 = npt.NDArray[np.float32]

MIN_BOX_PX = 1.0  # a smaller annotation has no picture


def read(path: Path) -> PersonSet:
    """People with at least one labelled joint of a JSON file, or of the only ``*keypoints*.json``
    in a folder.

    Images are looked for beside the file (folders, tar, zip). Raises InputError or FormatError.
    """
    file = _label_file(path)
    labels = read_coco_labels(file, TABLES)
    if not labels.posed:
        raise FormatError(f"{file}: no category lists keypoints.")
    category = labels.posed[0]
    skeleton = _skeleton(file, category)
    names = _image_names(labels)
    store = ImageStore(file.parent, file.stem)
    rows = range(len(labels.annotations))
    mine = [n for n in rows if len(labels.posed) == 1 or labels.is_of(n, category)]
    found = (_person(labels, n, store, len(skeleton)) for n in mine)
    people = [person for person in found if person is not None]
    if len(mine) < len(rows):
        _log.warning(
            "%s: %d annotations of other categories than %s are left out.",
            file,
            len(rows) - len(mine),
            category.get("name", category.get("id")),
        )
    _refuse_normalised(file, people)
    _say_sides(file, skeleton)
    return PersonSet(file.stem, skeleton, tuple(people), names, file)


def _refuse_normalised(file: Path, people: list[Person]) -> None:
    """Raises FormatError where all joints lie in the first pixel."""
    if people and max(float(np.nanmax(np.abs(p.xy))) for p in people) <= MIN_BOX_PX:
        raise FormatError(
            f"{file}: all joints lie between 0 and 1; multiply them by the images' width and "
            f"height, joints are in pixels."
        )


def _say_sides(file: Path, skeleton: Skeleton) -> None:
    """Without pairs a mirrored person has wrong joints, so nobody is mirrored."""
    if not skeleton.flip_pairs and len(skeleton) > 1:
        _log.warning(
            "%s: no left and right joints were found by their names (left_x and right_x, L_x, "
            "x.R ...); people are not mirrored.",
            file,
        )


def _label_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*keypoints*.json"))
    if len(found) != 1:
        below = sorted(path.glob("annotations/*keypoints*.json"))
        if not found and len(below) == 1:
            return below[0]
        names = ", ".join(f.name for f in (found or below)) or "none"
        raise InputError(
            f"{path} must hold one *keypoints*.json (found: {names}); give the file itself."
        )
    return found[0]


def _image_names(labels: CocoLabels) -> tuple[str, ...]:
    """The names of all images. Raises FormatError for one without a name or a size."""
    for number, image in enumerate(labels.images.values()):
        if image.name is None or image.size_wh is None:
            raise FormatError(
                f"{labels.path}: image {number} breaks the COCO format: file_name, width and "
                f"height are needed."
            )
    return tuple(str(image.name) for image in labels.images.values())


def _skeleton(file: Path, category: dict[str, Any]) -> Skeleton:
    """The joints of a category; those of COCO and LSP under their known names."""
    names = category["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FormatError(f"{file}: the category's keypoints are not a list of names.")
    known = next((s for s in (COCO_17, LSP_14) if s.joints == tuple(names)), None)
    try:
        return known or make_skeleton(file.stem, names, given_limbs(category, names) or None)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{file}: the category's joints cannot be used: {error}.") from error


def _person(labels: CocoLabels, number: int, store: ImageStore, joints: int) -> Person | None:
    """The labelled person of an annotation; None for crowds, people without joints and
    empty boxes.
    """
    row = labels.annotations[number]
    if row.get("iscrowd") or not row.get("keypoints"):
        return None  # unread: what is not learnt from may be as it likes
    person = labels.person(number, joints)
    assert person.keypoints is not None
    image = labels.image_of(person)
    assert image.name is not None
    assert image.size_wh is not None
    flag = np.nan_to_num(person.keypoints[:, 2]).clip(0, 2).astype(np.int64)
    if not (flag > 0).any():
        return None
    points = person.keypoints[:, :2].astype(np.float32)
    xy = np.where(flag[:, None] > 0, points, np.float32(np.nan))
    xyxy = _box(person, xy, image.size_wh)
    if (xyxy[2:] - xyxy[:2]).min() < MIN_BOX_PX:
        return None
    return Person(store, image.name, xyxy, xy, flag, np.ones(joints, bool), number)


def _box(person: CocoPerson, xy: Float32, size_wh: tuple[int, int]) -> Float32:
    """The annotated box inside the image; where there is none, that of the joints."""
    if person.xywh is None:
        return clip_boxes(keypoint_boxes(xy[None]), size_wh)[0]
    return clean_coco_boxes(person.xywh[None], size_wh)[0]
