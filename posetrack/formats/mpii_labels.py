"""MPII Human Pose's label files, read once for all who use them: the official ``.mat`` release with
its training and test people, and the JSON lists of the HRNet project.

Both count pixels from 1, as MATLAB does. A person has a rough centre and a scale (body height /
200 px); the box is the square that the official HRNet code crops (``crop_boxes``).
"""

from __future__ import annotations

__all__ = ["ONE_BASED", "MpiiPerson", "crop_boxes", "load_mat", "read_hrnet_json", "read_release"]

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, InputError
from posetrack.files import read_json
from posetrack.geometry import BOX_PADDING, PIXEL_STD

ONE_BASED = 1  # MATLAB's first pixel
JOINTS = 16
ABSENT, HIDDEN, VISIBLE = 0, 1, 2  # COCO's visibility flags
HEAD_JOINTS = (8, 9)  # upper neck and head top carry no visibility in the .mat file
LOWER_PX, LARGER = 15.0, 1.25  # of a scale of 1: official HRNet code, MPII loader
NO_CENTER = -1.0  # the official code leaves the box of such a person as it is

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MpiiPerson:
    """Somebody in a label file, pixels counted from 1.

    ``row`` counts the people of the file's training (or test) images from 0; ``image_number`` and
    ``rect`` are the place among those images and in the image. ``xy`` (16, 2) is 0 and ``flag``
    (16,) 0 where a joint is not labelled; ``place`` (3,) is centre x, y and scale, ``head_xyxy``
    (4,) the head's box; None where the file has none.
    """

    image: str
    row: int
    image_number: int
    rect: int
    xy: Float64
    flag: npt.NDArray[np.int64]
    place: Float64 | None
    head_xyxy: Float64 | None

    @property
    def labelled(self) -> bool:
        """Whether there is any joint."""
        return bool((self.flag > ABSENT).any())


def crop_boxes(place: Float64) -> npt.NDArray[np.float32]:
    """Boxes (N, 4), pixels from 0, of ``place`` (N, 3), centres x, y from 1 and scales; padded by
    1.25, as all boxes are, they are the official crops. The official code moves a centre down and
    enlarges its box unless its x is -1, which says that there is none.
    """
    known = place[:, 0] != NO_CENTER
    scale = place[:, 2]
    center = place[:, :2] + np.stack([0 * scale, known * LOWER_PX * scale], axis=1) - ONE_BASED
    half = (PIXEL_STD * scale * np.where(known, LARGER, 1.0) / BOX_PADDING / 2)[:, None]
    return np.concatenate([center - half, center + half], axis=1).astype(np.float32)


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a .mat file, structs as objects. Raises InputError, FormatError."""
    from scipy.io import loadmat

    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path.")
    try:
        content: dict[str, Any] = loadmat(path, struct_as_record=False, squeeze_me=True)
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise FormatError(f"{path} is not a MATLAB file that can be read ({error}).") from error
    return content


# --- the official .mat
# --------------------------------------------------------------------------------------------------


def read_release(
    path: Path, *, test: bool = False, content: dict[str, Any] | None = None
) -> tuple[list[MpiiPerson], tuple[str, ...]]:
    """Everybody in the training (or the test) images of MPII's release, in file order, and the
    names of those images. ``content`` is that of the file, where it was loaded already. Raises
    InputError, FormatError.
    """
    content = load_mat(path) if content is None else content
    try:
        release = content["RELEASE"]
        images = np.atleast_1d(release.annolist)
        wanted = images[(np.atleast_1d(release.img_train) != 0) != test]
        names = tuple(str(image.image.name) for image in wanted)
        rects = [np.atleast_1d(getattr(image, "annorect", ())) for image in wanted]
        spots = [(i, r) for i, people in enumerate(rects) for r in range(len(people))]
        people = [
            _release_person(rects[i][r], (names[i], row, i, r)) for row, (i, r) in enumerate(spots)
        ]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise _odd(path, error) from error
    return people, names


def _odd(path: Path, error: Exception, where: str = "") -> FormatError:
    return FormatError(
        f"{path} is not laid out as MPII's labels are ({where}{type(error).__name__}: {error})."
    )


def _release_person(rect: Any, where: tuple[str, int, int, int]) -> MpiiPerson:
    points = getattr(getattr(rect, "annopoints", None), "point", None)
    xy, flag = np.zeros((JOINTS, 2)), np.full(JOINTS, ABSENT)
    for point in () if points is None else np.atleast_1d(points):
        joint = int(point.id)
        xy[joint] = float(point.x), float(point.y)
        flag[joint] = VISIBLE if joint in HEAD_JOINTS or _is_visible(point) else HIDDEN
    sides = ("x1", "y1", "x2", "y2")
    head = [float(getattr(rect, side)) for side in sides] if hasattr(rect, "x1") else None
    return MpiiPerson(
        *where, xy, flag, _place(rect), None if head is None else np.array(head, np.float64)
    )


def _place(rect: Any) -> Float64 | None:
    position: Any = getattr(rect, "objpos", None)
    scale: Any = getattr(rect, "scale", ())
    if not hasattr(position, "x") or not np.size(scale):
        return None
    return np.array([position.x, position.y, float(scale)], np.float64)


def _is_visible(point: Any) -> bool:
    """``is_visible`` is a number, a text or empty, as the year of the file has it."""
    value = getattr(point, "is_visible", 0)
    return bool(np.size(value)) and str(value) == "1"


# --- HRNet's JSON
# --------------------------------------------------------------------------------------------------


def read_hrnet_json(path: Path) -> list[MpiiPerson]:
    """A list of ``{"image", "joints", "joints_vis", "center", "scale", "headbox"}``, all but the
    joints optional; joints without "joints_vis" are labelled. Raises InputError, FormatError.
    """
    rows = read_json(path)
    if not isinstance(rows, list) or not rows:
        raise FormatError(
            f"{path} is not laid out as MPII's labels are: a list of people is needed."
        )
    people = []
    for number, row in enumerate(rows):
        try:
            people.append(_json_person(row, number))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _odd(path, error, f"person {number}: ") from error
    return people


def _json_person(row: dict[str, Any], number: int) -> MpiiPerson:
    xy = np.array(row["joints"], np.float64).reshape(JOINTS, 2)
    seen = np.array(row.get("joints_vis", [1] * JOINTS)).reshape(JOINTS) > 0
    place = None
    if "center" in row and "scale" in row:
        center = np.array(row["center"], np.float64).reshape(2)
        place = np.append(center, float(row["scale"]))
    head = row.get("headbox") or None
    return MpiiPerson(
        str(row.get("image", "")),
        number,
        number,
        0,
        xy,
        np.where(seen, VISIBLE, ABSENT),
        place,
        None if head is None else np.array(head, np.float64).reshape(4),
    )
