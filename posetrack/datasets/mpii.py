"""MPII Human Pose: the official ``.mat`` file, and the JSON lists of the HRNet project.

Both count pixels from 1. A person has a centre and a scale (body height / 200 px); the box is the
square that the official HRNet code crops: 15 px x scale lower and 1.25 times larger, before the
padding that all boxes get.
"""

from __future__ import annotations

__all__ = ["person_box", "read"]

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import ABSENT, HIDDEN, VISIBLE, Person, PersonSet
from posetrack.errors import FormatError, InputError
from posetrack.files import read_json
from posetrack.geometry import BOX_PADDING, PIXEL_STD
from posetrack.skeletons import MPII_16

LOWER_PX, LARGER = 15.0, 1.25  # of a scale of 1: official HRNet code, MPII loader
NO_CENTER = -1.0  # the official code leaves the box of such a person as it is
HEAD_JOINTS = (8, 9)  # upper neck and head top carry no visibility in the .mat file

Array = npt.NDArray[Any]


def read(path: Path) -> PersonSet:
    """The labelled people of a ``.mat`` or JSON file, or of the only such file in a folder.

    Of the ``.mat`` file only the training part has labels. Images are looked for beside the file,
    and in folders called images there and one level up. Raises InputError, FormatError.
    """
    file = _label_file(path)
    try:
        rows = _mat_rows(file) if file.suffix == ".mat" else _json_rows(file)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise FormatError(
            f"{file} is not laid out as MPII's labels are ({type(error).__name__}: {error})."
        ) from error
    store = ImageStore(_image_root(file, rows))
    people = tuple(_person(store, row) for row in rows if (row[4] > ABSENT).any())
    return PersonSet(file.stem, MPII_16, people, tuple(dict.fromkeys(row[0] for row in rows)), file)


# image name, centre (2,) and scale, joints (16, 2), flags (16,): as in the file, pixels from 1; and
# the number of the person in the file
Row = tuple[str, Array, float, Array, Array, int]


def person_box(center: Array, scale: float) -> npt.NDArray[np.float32]:
    """The box (4,) of a person, pixels from 0, that padded by 1.25 is the official crop."""
    center = np.array(center, np.float64)
    if center[0] != NO_CENTER:
        center[1] += LOWER_PX * scale
        scale *= LARGER
    half = PIXEL_STD * scale / BOX_PADDING / 2
    return np.concatenate([center - 1 - half, center - 1 + half]).astype(np.float32)


def _person(store: ImageStore, row: Row) -> Person:
    name, center, scale, xy, flag, number = row
    points = np.where(flag[:, None] > ABSENT, xy - 1, np.nan).astype(np.float32)
    known = np.ones(len(MPII_16), bool)
    return Person(store, name, person_box(center, scale), points, flag, known, number)


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


def _image_root(file: Path, rows: list[Row]) -> Path:
    """The folder that holds the first image: beside the labels, or one level up."""
    for folder in (file.parent, file.parent.parent):
        if rows and any((folder / place / rows[0][0]).is_file() for place in ("", "images")):
            return folder
    return file.parent


# --- HRNet's JSON
# --------------------------------------------------------------------------------------------------


def _json_rows(file: Path) -> list[Row]:
    data = read_json(file)
    if not isinstance(data, list):
        raise TypeError("the file holds no list of people")
    return [_json_row(person, number) for number, person in enumerate(data)]


def _json_row(person: dict[str, Any], number: int) -> Row:
    xy = np.array(person["joints"], np.float64).reshape(len(MPII_16), 2)
    flag = np.where(np.array(person["joints_vis"]).reshape(len(MPII_16)) > 0, VISIBLE, ABSENT)
    return (
        str(person["image"]),
        np.array(person["center"], np.float64),
        float(person["scale"]),
        xy,
        flag,
        number,
    )


# --- the official .mat
# -----------------------------------------------------------------------------------------------


def _mat_rows(file: Path) -> list[Row]:
    from scipy.io import loadmat

    try:
        release = loadmat(file, squeeze_me=True, struct_as_record=False)["RELEASE"]
    except (OSError, NotImplementedError) as error:
        raise FormatError(f"{file} is not a readable .mat file: {error}.") from error
    images, training = np.atleast_1d(release.annolist), np.atleast_1d(release.img_train)
    people = [
        (image, person)
        for image, learnt in zip(images, training, strict=True)
        if learnt
        for person in np.atleast_1d(getattr(image, "annorect", ()))
    ]
    rows = (_mat_row(*both, number) for number, both in enumerate(people))
    return [row for row in rows if row is not None]


def _mat_row(image: Any, person: Any, number: int) -> Row | None:
    """A labelled person, None for one with a head box only."""
    points = getattr(getattr(person, "annopoints", None), "point", None)
    place: Any = getattr(person, "objpos", None)
    scale: Any = getattr(person, "scale", ())
    if points is None or not hasattr(place, "x") or not np.size(scale):
        return None
    xy, flag = np.zeros((len(MPII_16), 2)), np.full(len(MPII_16), ABSENT)
    for point in np.atleast_1d(points):
        joint = int(point.id)
        xy[joint] = float(point.x), float(point.y)
        flag[joint] = VISIBLE if joint in HEAD_JOINTS or _is_visible(point) else HIDDEN
    center = np.array([place.x, place.y], np.float64)
    return str(image.image.name), center, float(scale), xy, flag, number


def _is_visible(point: Any) -> bool:
    """``is_visible`` is a number, a text or empty, as the year of the file has it."""
    value = getattr(point, "is_visible", 0)
    return bool(np.size(value)) and str(value) == "1"
