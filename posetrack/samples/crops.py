"""Crops of people in memory: every image is decoded once, a picture of each person is kept.

How much of the surroundings is kept says a ``Reach`` (``samples.warp``): all that the augmentation
may show. How large says ``max_side_px``: with None pixels stay as they are, as training by the
papers and every test want them; a limit makes runs fast and small.
"""

from __future__ import annotations

__all__ = ["Crop", "CropStore", "Region", "cut", "surroundings"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.datasets.people import Person
from posetrack.errors import InputError, TrainingError
from posetrack.structures import Image

# Kept around a person where nobody says what is reached, in box sizes: padding 1.25 x scale 1.35
# with some room for rotation and shift.
SURROUNDINGS = 2.2

Region = Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Crop:
    """A person cut out of an image: ``image`` (H, W, 3), and box, joints and flags as in
    ``Person``, in its pixels.

    A full-size pixel ``p`` lies at ``p * zoom - offset`` of the crop.
    """

    image: Image
    xyxy: npt.NDArray[np.float32]
    xy: npt.NDArray[np.float32]
    flag: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    name: str
    zoom: float
    offset: npt.NDArray[np.float32]
    row: int = -1


class CropStore(Sequence[Crop]):
    """The crops of ``people``, decoded on construction, boxes at most ``max_side_px`` long (None:
    as large as they are), of the picture what ``region`` says.

    A missing or damaged image is told to ``report`` in one sentence and skipped. Raises
    TrainingError where no image is left. Repeated people share their picture.
    """

    def __init__(
        self,
        people: Sequence[Person],
        max_side_px: float | None,
        report: Callable[[str], None] = lambda _: None,
        region: Region | None = None,
    ) -> None:
        wanted: dict[int, Person] = {id(p): p for p in people}
        by_image: dict[tuple[int, str], list[Person]] = {}
        for person in wanted.values():
            by_image.setdefault((id(person.store), person.image), []).append(person)
        crops: dict[int, Crop] = {}
        for group in by_image.values():
            try:
                image = group[0].store.read(group[0].image)
            except InputError as error:
                report(f"Skipped: {error}")
                continue
            crops.update((id(p), cut(image, p, max_side_px, region)) for p in group)
        self._crops = [crops[id(p)] for p in people if id(p) in crops]
        self.skipped = len(people) - len(self._crops)
        if not self._crops:
            raise TrainingError(
                f"None of {len(people)} labelled people has a readable image; check the image "
                f"folder, or name it with --images."
            )

    def __len__(self) -> int:
        return len(self._crops)

    def __getitem__(self, index: int) -> Crop:  # type: ignore[override]
        return self._crops[index]


def surroundings(
    xyxy: npt.NDArray[np.float32], xy: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """A square (4,) about the box (4,), ``SURROUNDINGS`` of its longer sides wide."""
    middle, side = (xyxy[:2] + xyxy[2:]) / 2, float((xyxy[2:] - xyxy[:2]).max())
    half = np.float32(side * SURROUNDINGS / 2)
    return np.concatenate([middle - half, middle + half])


def cut(
    image: Image, person: Person, max_side_px: float | None, region: Region | None = None
) -> Crop:
    """The person's surroundings, shrunk (by area, without aliasing) if the box is larger than
    ``max_side_px``.
    """
    height, width = image.shape[:2]
    wanted = (region or surroundings)(person.xyxy, person.xy)
    low = np.clip(np.floor(wanted[:2]), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(wanted[2:]), low + 1, (width, height)).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    side = float((person.xyxy[2:] - person.xyxy[:2]).max())
    zoom = 1.0 if max_side_px is None else min(1.0, max_side_px / side)
    if zoom < 1:
        size = tuple(np.maximum(np.round((high - low) * zoom), 1).astype(int).tolist())
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    offset = low.astype(np.float32) * zoom
    return Crop(
        np.ascontiguousarray(part),
        person.xyxy * zoom - np.tile(offset, 2),
        person.xy * zoom - offset,
        person.flag,
        person.known,
        person.image,
        zoom,
        offset.astype(np.float32),
        person.row,
    )
