"""COCO-style label files, read once for all who use them: tracks, datasets, scores and detectors.

    {"images": [{"id", "file_name", "width", "height"}, ...],
     "annotations": [{"id", "image_id", "category_id", "keypoints", "bbox", "bbox_head", "area",
                      "iscrowd", "track_id"}, ...],
     "categories": [{"id", "name", "keypoints", "skeleton"}, ...]}

Nothing is left out here and nothing is required but what nobody could do without: ids, areas, head
boxes and crowds are kept for those who count them. Ids may be text, and a number in one table may
be that number as text in another.
"""

from __future__ import annotations

__all__ = [
    "CocoImage",
    "CocoLabels",
    "CocoPerson",
    "given_limbs",
    "is_number",
    "parse_coco_labels",
    "read_coco_labels",
]

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError
from posetrack.files import read_json

PERSON_NAME = "person"  # the category in which detectors look for people
PERSON_CATEGORY = 1  # its number in COCO, where an annotation names none
MAX_NUMBER = 1e12  # of coordinates and areas in pixels; no picture is as large
TABLES = ("images", "annotations", "categories")

Row = dict[str, Any]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An image: its ``id`` as the file spells it, name and size in pixels where it has them, and
    its ``row`` as it stands.
    """

    id: Any
    name: str | None
    size_wh: tuple[int, int] | None
    row: Row


@dataclass(frozen=True, slots=True)
class CocoPerson:
    """An annotation. ``number`` counts the file's from 0; ``image`` and ``category`` are plain ids
    (``CocoLabels.images``).

    ``keypoints`` (K, 3) are x, y in pixels and COCO's visibility, unlabelled ones may be NaN; None
    without any. Boxes ``xywh`` and ``head_xywh`` (4,) in pixels are None where the file has none,
    or empty ones; so is an ``area`` that is not more than 0.
    """

    number: int
    id: Any
    image: Any
    category: Any
    keypoints: Float64 | None
    xywh: Float64 | None
    head_xywh: Float64 | None
    area: float | None
    crowd: bool
    track_id: int | None
    score: float

    @property
    def xyxy(self) -> Float64 | None:
        """The box by its corners, None where there is none."""
        if self.xywh is None:
            return None
        return np.concatenate([self.xywh[:2], self.xywh[:2] + self.xywh[2:]])


@dataclass(frozen=True, slots=True)
class CocoLabels:
    """A label file whose outline was checked. ``images`` are found by their plain ids, in the order
    of the file; ``annotations`` and ``categories`` are its rows as they stand.
    """

    path: Path
    images: Mapping[Any, CocoImage]
    annotations: list[Row]
    categories: list[Row]

    def person(self, number: int, joints: int) -> CocoPerson:
        """The annotation ``number``, whose keypoints are ``joints`` if there are any. Raises
        FormatError naming file, annotation and field.
        """
        try:
            return _person(self.annotations[number], number, joints)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            missing = isinstance(error, KeyError)
            what = f"{error.args[0]}: the field is missing" if missing else str(error)
            raise self.wrong(number, what) from error

    def people(self, joints: int) -> Iterator[CocoPerson]:
        """All annotations in the order of the file. Raises FormatError."""
        return (self.person(number, joints) for number in range(len(self.annotations)))

    def image_of(self, person: CocoPerson) -> CocoImage:
        """The image that somebody is in. Raises FormatError where it is not among the images."""
        if person.image not in self.images:
            kinds = ", ".join(sorted({type(key).__name__ for key in self.images}))
            raise self.wrong(
                person.number,
                f"it names image {person.image!r}, which is not among images (ids: {kinds})",
            )
        return self.images[person.image]

    def wrong(self, number: int, what: str) -> FormatError:
        """The error for an annotation."""
        return FormatError(f"{self.path}: annotation {number}: {what}.")

    def is_of(self, number: int, category: Row) -> bool:
        """Whether an annotation is of a category; one that names none is of any."""
        given = self.annotations[number].get("category_id")
        return given is None or str(given) == str(category.get("id"))

    @property
    def posed(self) -> list[Row]:
        """The categories that list joints; that of most people with joints comes first."""
        able = [c for c in self.categories if c.get("keypoints")]
        counts = Counter(str(a.get("category_id")) for a in self.annotations if a.get("keypoints"))
        return sorted(able, key=lambda c: -counts[str(c.get("id"))])  # equals as in the file

    def person_category(self) -> Row | None:
        """The category of people: the one of that name, the one with joints, or the only one; None
        for a file without categories. Raises FormatError where none of this says it.
        """
        named = [c for c in self.categories if str(c.get("name")).lower() == PERSON_NAME]
        for found in (named, self.posed, self.categories):
            if len(found) == 1 or (found and found is not self.categories):
                return found[0]
        if not self.categories:
            return None
        raise FormatError(
            f"{self.path}: none of its {len(self.categories)} categories is called {PERSON_NAME}; "
            f"rename the one that is to be found."
        )

    def joint_count(self, otherwise: int) -> int:
        """How many joints people have: the first one that has any, else the category's,
        ``otherwise`` without both.
        """
        lists = (row.get("keypoints") for row in self.annotations)
        first = next((v for v in lists if isinstance(v, list) and v), None)
        if first:
            return len(first) // 3
        return len(self.posed[0]["keypoints"]) if self.posed else otherwise


def read_coco_labels(
    path: str | Path, tables: Collection[str] = ("images", "annotations")
) -> CocoLabels:
    """Read a label file that must have ``tables``; the others may be missing. Raises InputError,
    FormatError.
    """
    return parse_coco_labels(read_json(path, allow_nan=True), path, tables)


def parse_coco_labels(
    data: Any, path: str | Path, tables: Collection[str] = ("images", "annotations")
) -> CocoLabels:
    """The labels in ``data``, the content of the file ``path``. Raises FormatError."""
    path = Path(path)
    if not isinstance(data, dict):
        raise FormatError(f"{path} is not a COCO-style label file, but a {type(data).__name__}.")
    rows = {table: _table(path, data, table, table in tables) for table in TABLES}
    images = {}
    for number, row in enumerate(rows["images"]):
        try:
            images[_plain_id(row, "id")] = _image(row)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise FormatError(f"{path}: image {number}: {what}.") from error
    return CocoLabels(path, images, rows["annotations"], rows["categories"])


def _table(path: Path, data: Row, name: str, needed: bool) -> list[Row]:
    rows = data.get(name)
    if rows is None and not needed:
        return []
    if not isinstance(rows, list):
        raise FormatError(f"{path} has no list {name!r}; it is not a COCO-style label file.")
    wrong = next((n for n, row in enumerate(rows) if not isinstance(row, dict)), None)
    if wrong is not None:
        raise FormatError(f"{path}: {name}, entry {wrong} is not an object with named fields.")
    return rows


def _image(row: Row) -> CocoImage:
    name = None if row.get("file_name") is None else str(row["file_name"])
    width, height = row.get("width"), row.get("height")
    size_wh = None if width is None or height is None else (int(width), int(height))
    return CocoImage(row["id"], name, size_wh, row)


def _plain_id(row: Row, key: str) -> Any:
    """An id to compare: some tools write numbers as text in one of the tables."""
    value = row[key]
    if isinstance(value, (dict, list, type(None))):
        raise TypeError(f"{key}: a number or text is needed")
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _person(row: Row, number: int, joints: int) -> CocoPerson:
    """Raises KeyError, TypeError, ValueError, OverflowError."""
    category = PERSON_CATEGORY if row.get("category_id") is None else _plain_id(row, "category_id")
    area = row.get("area")
    if area is not None and not is_number(area):
        raise ValueError(f"area: {area!r} is not a finite number")
    track_id = row.get("track_id")
    return CocoPerson(
        number,
        row.get("id", number + 1),
        _plain_id(row, "image_id"),
        category,
        _keypoints(row, joints),
        _xywh(row, "bbox"),
        _xywh(row, "bbox_head"),
        float(area) if area and area > 0 else None,
        bool(row.get("iscrowd")),
        None if track_id is None else _whole(track_id),
        float("nan") if row.get("score", 1.0) is None else float(row.get("score", 1.0)),
    )


def _keypoints(row: Row, joints: int) -> Float64 | None:
    given = row.get("keypoints")
    if given is None or given == []:
        return None
    points = _numbers(row, "keypoints")
    if points.size != 3 * joints:
        raise ValueError(f"keypoints: {points.size} values, but {joints} joints need {3 * joints}")
    points = points.reshape(joints, 3)
    labelled = points[points[:, 2] > 0]
    wrong = labelled[~(np.abs(labelled) < MAX_NUMBER)]  # NaN is not below it
    if wrong.size:
        raise ValueError(f"keypoints: {wrong[0]} is not a finite number")
    return points


def _xywh(row: Row, key: str) -> Float64 | None:
    if not row.get(key):
        return None
    box = _numbers(row, key)
    if box.shape != (4,):
        raise ValueError(f"{key}: not [x, y, width, height]")
    wrong = box[~(np.abs(box) < MAX_NUMBER)]
    if wrong.size:
        raise ValueError(f"{key}: {wrong[0]} is not a finite number")
    return box if box[2] > 0 and box[3] > 0 else None


def _numbers(row: Row, key: str) -> Float64:
    """A list of numbers, NaN among them. Raises ValueError."""
    given = row[key]
    values = given if isinstance(given, list) else [given]
    try:
        found: Float64 = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros((0, 0))
    if not isinstance(given, list) or found.ndim != 1:
        wrong = next((v for v in values if not is_number(v)), given)
        raise ValueError(f"{key}: {wrong!r} is not a finite number")
    return found


def _whole(value: Any) -> int:
    if not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) >= 2**63:
        raise ValueError(f"track_id: {value!r} is not a whole number")
    return int(value)


def is_number(value: Any) -> bool:
    """Whether a value of a file is a finite number, of a size that a picture may have."""
    return isinstance(value, (int, float)) and abs(value) < MAX_NUMBER


def given_limbs(category: Row, names: list[str]) -> list[tuple[int, int]]:
    """Index pairs of a category's limbs, which files give from 1, from 0 or by name. Raises
    ValueError.
    """
    given = category.get("skeleton") or []
    if not isinstance(given, list) or not all(
        isinstance(limb, (list, tuple)) and len(limb) == 2 for limb in given
    ):
        raise ValueError("skeleton is not a list of pairs of joints")
    ends = [end for limb in given for end in limb]
    if all(isinstance(end, str) for end in ends):
        return [(names.index(a), names.index(b)) for a, b in given]
    if not all(isinstance(end, int) for end in ends):
        raise ValueError("skeleton holds neither numbers nor names of joints")
    first = 0 if 0 in ends else 1
    return [(a - first, b - first) for a, b in given]
