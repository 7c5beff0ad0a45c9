"""COCO-style keypoint labels: COCO itself, and any JSON with ``images``, ``annotations`` and one
category's joints.
"""

from __future__ import annotations

__all__ = ["read"]

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import Person, PersonSet
from posetrack.errors import FormatError, InputError
from posetrack.files import read_json
from posetrack.geometry import clean_coco_boxes, clip_boxes, keypoint_boxes
from posetrack.skeletons import COCO_17, LSP_14, make_skeleton
from posetrack.structures import Skeleton

_log = logging.getLogger(__name__)

MAX_PX = 1e6  # of a coordinate; pictures in use have some ten thousand
MIN_BOX_PX = 1.0  # a smaller annotation has no picture


def read(path: Path) -> PersonSet:
    """People with at least one labelled joint of a JSON file, or of the only ``*keypoints*.json``
    in a folder.

    Images are looked for beside the file (folders, tar, zip). Raises InputError or FormatError.
    """
    file = _label_file(path)
    data = _load(file)
    category = _category(file, data)
    skeleton = _skeleton(file, category)
    sizes = _images(file, data)
    store = ImageStore(file.parent, file.stem)
    people, others = [], 0
    several = sum(bool(c.get("keypoints")) for c in data["categories"]) > 1
    for number, annotation in enumerate(data["annotations"]):
        if several and annotation.get("category_id") != category.get("id"):
            others += 1
            continue
        try:
            person = _person(annotation, sizes, store, len(skeleton))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(
                f"{file}: annotation {number} breaks the COCO format ({_why(error)})."
            ) from error
        if person is not None:
            people.append(replace(person, row=number))
    if others:
        _log.warning(
            "%s: %d annotations of other categories than %s are left out.",
            file,
            others,
            category.get("name", category.get("id")),
        )
    _refuse_normalised(file, people)
    _say_sides(file, skeleton)
    return PersonSet(
        file.stem, skeleton, tuple(people), tuple(name for name, _ in sizes.values()), file
    )


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


def _load(file: Path) -> dict[str, Any]:
    data = read_json(file, allow_nan=True)
    if not isinstance(data, dict):
        raise FormatError(f"{file} is not a COCO-style keypoint file, but a list.")
    for key in ("images", "annotations", "categories"):
        rows = data.get(key)
        if not isinstance(rows, list):
            raise FormatError(f"{file} has no list {key!r}; it is not a COCO-style keypoint file.")
        wrong = next((n for n, row in enumerate(rows) if not isinstance(row, dict)), None)
        if wrong is not None:
            raise FormatError(f"{file}: {key}, entry {wrong} is not an object with named fields.")
    return data


def _images(file: Path, data: dict[str, Any]) -> dict[Any, tuple[str, tuple[int, int]]]:
    """Name and size of every image by its id."""
    sizes = {}
    for number, image in enumerate(data["images"]):
        try:
            wh = int(image["width"]), int(image["height"])
            sizes[_plain_id(image["id"])] = str(image["file_name"]), wh
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(
                f"{file}: image {number} breaks the COCO format ({_why(error)})."
            ) from error
    return sizes


def _plain_id(value: Any) -> Any:
    """An id to compare: some tools write numbers as text in one of the tables."""
    if isinstance(value, (dict, list)):
        raise TypeError("id is not a number or text")
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _why(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _category(file: Path, data: dict[str, Any]) -> dict[str, Any]:
    """The category most people are of, among those that list joints."""
    able = [c for c in data["categories"] if c.get("keypoints")]
    if not able:
        raise FormatError(f"{file}: no category lists keypoints.")
    counts = Counter(str(a.get("category_id")) for a in data["annotations"] if a.get("keypoints"))
    return max(able, key=lambda c: counts[str(c.get("id"))])  # the first of equals


def _skeleton(file: Path, category: dict[str, Any]) -> Skeleton:
    """The joints of a category; those of COCO and LSP under their known names."""
    names = category["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FormatError(f"{file}: the category's keypoints are not a list of names.")
    known = next((s for s in (COCO_17, LSP_14) if s.joints == tuple(names)), None)
    try:
        return known or make_skeleton(file.stem, names, _limbs(category, names) or None)
    except (TypeError, ValueError) as error:
        raise FormatError(f"{file}: the category's joints cannot be used: {error}.") from error


def _limbs(category: dict[str, Any], names: list[str]) -> list[tuple[int, int]]:
    """Index pairs of the limbs, which files give from 1, from 0 or by name. Raises ValueError."""
    given = category.get("skeleton") or []
    if not all(isinstance(limb, (list, tuple)) and len(limb) == 2 for limb in given):
        raise ValueError("skeleton is not a list of pairs of joints")
    ends = [end for limb in given for end in limb]
    if all(isinstance(end, str) for end in ends):
        return [(names.index(a), names.index(b)) for a, b in given]
    if not all(isinstance(end, int) for end in ends):
        raise ValueError("skeleton holds neither numbers nor names of joints")
    first = 0 if 0 in ends else 1
    return [(a - first, b - first) for a, b in given]


def _person(
    annotation: dict[str, Any], sizes: dict[Any, Any], store: ImageStore, joints: int
) -> Person | None:
    """The labelled person of an annotation; None for crowds, people without joints and
    empty boxes.
    """
    if annotation.get("iscrowd") or not annotation.get("keypoints"):
        return None
    image = _plain_id(annotation["image_id"])
    if image not in sizes:
        kinds = ", ".join(sorted({type(key).__name__ for key in sizes}))
        raise ValueError(f"it names image {image!r}, which is not among images (ids: {kinds})")
    name, size_wh = sizes[image]
    values = np.array(annotation["keypoints"], np.float64)
    if values.size != 3 * joints:
        raise ValueError(f"{values.size} values, but {joints} joints need {3 * joints}")
    points = values.reshape(joints, 3)
    flag = np.nan_to_num(points[:, 2]).clip(0, 2).astype(np.int64)
    if not (flag > 0).any():
        return None
    if not (np.abs(points[flag > 0, :2]) < MAX_PX).all():  # NaN is not below it
        raise ValueError("a labelled joint is not a finite number, or far from any picture")
    points = points.astype(np.float32)
    xyxy = _box(annotation, np.where(flag[:, None] > 0, points[:, :2], np.nan), size_wh)
    if (xyxy[2:] - xyxy[:2]).min() < MIN_BOX_PX:
        return None
    xy = np.where(flag[:, None] > 0, points[:, :2], np.float32(np.nan))
    return Person(store, name, xyxy, xy, flag, np.ones(joints, bool))


def _box(
    annotation: dict[str, Any], xy: npt.NDArray[np.float32], size_wh: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The annotated box inside the image; where there is none, or an empty one, that of the
    joints.
    """
    given = annotation.get("bbox")
    if given is not None and len(given) != 4:
        raise ValueError("bbox is not [x, y, width, height]")
    if given is None or not (float(given[2]) > 0 and float(given[3]) > 0):
        return clip_boxes(keypoint_boxes(xy[None]), size_wh)[0]
    if not (np.abs(np.array(given, np.float64)) < MAX_PX).all():
        raise ValueError("bbox holds a number that is not finite, or far from any picture")
    return clean_coco_boxes(np.array([given], np.float64), size_wh)[0]
