"""COCO-style keypoint labels: COCO itself, and any JSON with ``images``, ``annotations`` and one
category's joints.
"""

from __future__ import annotations

__all__ = ["read"]

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import Person, PersonSet
from posetrack.errors import FormatError, InputError
from posetrack.geometry import clean_coco_boxes, clip_boxes, keypoint_boxes
from posetrack.skeletons import COCO_17, LSP_14, make_skeleton
from posetrack.structures import Skeleton

MIN_BOX_PX = 1.0  # a smaller annotation has no picture


def read(path: Path) -> PersonSet:
    """People with at least one labelled joint of a JSON file, or of the only ``*keypoints*.json``
    in a folder.

    Images are looked for beside the file (folders, tar, zip). Raises InputError or FormatError.
    """
    file = _label_file(path)
    data = _load(file)
    skeleton = _skeleton(file, data)
    sizes = _images(file, data)
    store = ImageStore(file.parent)
    people = []
    for number, annotation in enumerate(data["annotations"]):
        try:
            person = _person(annotation, sizes, store, len(skeleton))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{file}: annotation {number} breaks the COCO format ({error!r})."
            ) from error
        if person is not None:
            people.append(person)
    return PersonSet(
        file.stem, skeleton, tuple(people), tuple(name for name, _ in sizes.values()), file
    )


def _label_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*keypoints*.json"))
    if len(found) != 1:
        names = ", ".join(f.name for f in found) or "none"
        raise InputError(
            f"{path} must hold one *keypoints*.json (found: {names}); give the file itself."
        )
    return found[0]


def _load(file: Path) -> dict[str, Any]:
    import orjson

    try:
        data: dict[str, Any] = orjson.loads(file.read_bytes())
        missing = [
            k for k in ("images", "annotations", "categories") if not isinstance(data.get(k), list)
        ]
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise FormatError(f"{file} is not a COCO-style JSON file: {error}.") from error
    if missing:
        raise FormatError(
            f"{file} has no list {missing[0]!r}; it is not a COCO-style keypoint file."
        )
    return data


def _images(file: Path, data: dict[str, Any]) -> dict[Any, tuple[str, tuple[int, int]]]:
    """Name and size of every image by its id."""
    sizes = {}
    for number, image in enumerate(data["images"]):
        try:
            sizes[image["id"]] = image["file_name"], (int(image["width"]), int(image["height"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{file}: image {number} breaks the COCO format ({error!r})."
            ) from error
    return sizes


def _skeleton(file: Path, data: dict[str, Any]) -> Skeleton:
    """The joints of the first category that has any; those of COCO and LSP under their
    known names.
    """
    for category in data["categories"]:
        if names := category.get("keypoints"):
            known = next((s for s in (COCO_17, LSP_14) if s.joints == tuple(names)), None)
            limbs = [(a - 1, b - 1) for a, b in category.get("skeleton") or []] or None
            try:
                return known or make_skeleton(file.stem, names, limbs)
            except ValueError as error:
                raise FormatError(
                    f"{file}: the category's joints cannot be used: {error}."
                ) from error
    raise FormatError(f"{file}: no category lists keypoints.")


def _person(
    annotation: dict[str, Any], sizes: dict[Any, Any], store: ImageStore, joints: int
) -> Person | None:
    """The labelled person of an annotation; None for crowds, people without joints and
    empty boxes.
    """
    if annotation.get("iscrowd") or not annotation.get("keypoints"):
        return None
    name, size_wh = sizes[annotation["image_id"]]
    points = np.array(annotation["keypoints"], np.float32).reshape(joints, 3)
    flag = points[:, 2].astype(np.int64)
    if not (flag > 0).any():
        return None
    xyxy = _box(annotation, np.where(flag[:, None] > 0, points[:, :2], np.nan), size_wh)
    if (xyxy[2:] - xyxy[:2]).min() < MIN_BOX_PX:
        return None
    xy = np.where(flag[:, None] > 0, points[:, :2], np.float32(np.nan))
    return Person(store, name, xyxy, xy, flag, np.ones(joints, bool))


def _box(
    annotation: dict[str, Any], xy: npt.NDArray[np.float32], size_wh: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The annotated box inside the image; where there is none, one around the joints."""
    if annotation.get("bbox") is None:
        return clip_boxes(keypoint_boxes(xy[None]), size_wh)[0]
    return clean_coco_boxes(np.array([annotation["bbox"]], np.float64), size_wh)[0]
