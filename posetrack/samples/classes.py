"""Pictures in a folder a class, as ImageNet lies on disk: TRAIN/CLASS/PICTURE, at any depth below
the class.
"""

from __future__ import annotations

__all__ = [
    "ClassBatch",
    "ClassImages",
    "ClassSampler",
    "centre_crop",
    "random_crop",
    "read_classes",
]

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import decode_image, first_readable
from posetrack.errors import InputError, UsageError
from posetrack.files import read_bytes
from posetrack.samples.augment import Augmentation, augment_image
from posetrack.samples.keypoints import batch_count, who
from posetrack.structures import Image
from posetrack.video.images import IMAGE_SUFFIXES

# Random resized crops as everybody trains ImageNet with (Szegedy et al., CVPR 2015)
ASPECT = (3 / 4, 4 / 3)  # width / height of a crop
TRIES = 10  # draws before the whole picture is taken
SHORT_SIDE = (
    256 / 224
)  # of a picture before its middle is cut out for validation, in sides of the input


class ClassImages:
    """N pictures with their classes (numbers into ``names``). One that is damaged is told to
    ``report``, once.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        files: Iterable[tuple[Path, int]],
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.names, self.files, self.report = names, tuple(files), report
        self._told: set[str] = set()

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> Image:
        """The picture (H, W, 3) RGB. Raises InputError, after telling."""
        path = self.files[index][0]
        try:
            return decode_image(read_bytes(path), str(path))
        except InputError as error:
            if self.report is not None and str(path) not in self._told:
                self._told.add(str(path))
                self.report(f"Skipped: {error}")
            raise

    def read_or_next(self, index: int) -> tuple[Image, int]:
        """A picture and its number: the next in order where it is damaged. Raises TrainingError."""
        return first_readable(len(self), index, self.read)


def read_classes(
    folder: Path, names: tuple[str, ...] | None = None, report: Callable[[str], None] | None = None
) -> ClassImages:
    """The pictures below a folder of classes, sorted; no picture is opened.

    ``names`` are the classes that a network knows: the folder may have some of them, and no other.
    Raises InputError where there is nothing to learn from, UsageError for a class that is not in
    ``names``.
    """
    if not folder.is_dir():
        raise InputError(
            f"There is no folder {folder}; give one that holds a folder of pictures for each class."
        )
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < (1 if names else 2):
        raise InputError(
            f"{folder} holds {len(classes)} folders; it must hold a folder of pictures for each "
            f"class."
        )
    known = names or tuple(p.name for p in classes)
    files: list[tuple[Path, int]] = []
    for one in classes:
        if one.name not in known:
            raise UsageError(
                f"{folder} has a class {one.name!r} that is not among the {len(known)} learnt."
            )
        pictures = sorted(p for p in one.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not pictures:
            raise InputError(
                f"The class {one} holds no picture ({', '.join(sorted(IMAGE_SUFFIXES))})."
            )
        number = known.index(one.name)
        files += [(path, number) for path in pictures]
    return ClassImages(known, files, report)


# --- crops
# --------------------------------------------------------------------------------------------------


def random_crop(
    image: Image, size_wh: tuple[int, int], smallest: float, rng: np.random.Generator
) -> Image:
    """A part of at least ``smallest`` of the picture's area, at the network's size."""
    height, width = image.shape[:2]
    w, h = _crop_size(width, height, smallest, rng)
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return _resize(image[y : y + h, x : x + w], size_wh)


def _crop_size(
    width: int, height: int, smallest: float, rng: np.random.Generator
) -> tuple[int, int]:
    for _ in range(TRIES):
        area = width * height * rng.uniform(smallest, 1)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return w, h
    return max(1, min(width, round(height * ASPECT[1]))), max(
        1, min(height, round(width / ASPECT[0]))
    )


def centre_crop(image: Image, size_wh: tuple[int, int]) -> Image:
    """The middle of the picture, whose shorter side is first made 256 px for an input of 224."""
    height, width = image.shape[:2]
    scale = SHORT_SIDE * max(size_wh[0] / width, size_wh[1] / height)
    large = _resize(
        image, (max(size_wh[0], round(width * scale)), max(size_wh[1], round(height * scale)))
    )
    x, y = (large.shape[1] - size_wh[0]) // 2, (large.shape[0] - size_wh[1]) // 2
    return large[y : y + size_wh[1], x : x + size_wh[0]]


def _resize(image: Image, size_wh: tuple[int, int]) -> Image:
    smaller = size_wh[0] < image.shape[1]
    resized: Image = cv2.resize(
        image, size_wh, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    )
    return resized


# --- batches
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClassBatch:
    """Pictures (B, H, W, 3) uint8 and the numbers of their classes (B,); ``names`` are
    the files.
    """

    image: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int64]
    names: tuple[str, ...]

    def part(self, start: int, stop: int) -> ClassBatch:
        """Some of the samples."""
        which = slice(start, stop)
        return ClassBatch(self.image[which], self.label[which], self.names[which])


@dataclass(frozen=True, slots=True)
class ClassSampler:
    """The batches of an epoch, a pure function of (seed, epoch), shared by ``world`` processes as
    ``Sampler`` does.
    """

    images: ClassImages
    size_wh: tuple[int, int]
    how: Augmentation
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        """Batches an epoch."""
        return batch_count(len(self.images), self.batch_size, self.world)

    def batch(self, epoch: int, number: int) -> ClassBatch:
        """Batch ``number`` of ``epoch``."""
        of_epoch = (len(self.images), self.batch_size, self.seed, epoch, number)
        chosen = who(*of_epoch, rank=self.rank, world=self.world)
        made = [self._sample(epoch, i) for i in chosen]
        files = [self.images.files[i] for _, i in made]
        labels = np.array([label for _, label in files], np.int64)
        return ClassBatch(
            np.stack([image for image, _ in made]), labels, tuple(str(path) for path, _ in files)
        )

    def _sample(self, epoch: int, wanted: int) -> tuple[Image, int]:
        image, index = self.images.read_or_next(wanted)
        rng = np.random.default_rng((self.seed, epoch, wanted))
        image = random_crop(image, self.size_wh, self.how.area, rng)
        if rng.random() < self.how.p_flip:
            image = image[:, ::-1]
        return augment_image(image, self.how, rng), index
