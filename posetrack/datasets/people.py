"""Labelled people: what every dataset file is read into, before any image is opened."""

from __future__ import annotations

__all__ = ["Person", "PersonSet", "unite"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import ImageStore
from posetrack.skeletons import joint_map
from posetrack.structures import Skeleton

ABSENT, HIDDEN, VISIBLE = 0, 1, 2  # COCO's visibility flags


@dataclass(frozen=True, slots=True)
class Person:
    """One labelled person.

    ``image`` is the name in ``store``; ``xyxy`` (4,) px the box; ``xy`` (K, 2) px, NaN where not
    labelled; ``flag`` (K,) 0 not labelled, 1 labelled but hidden, 2 visible; ``known`` (K,) False
    where the dataset has no such joint; ``row`` counts people in the label file from 0, those that
    are left out too (-1: not from a file, or not told).
    """

    store: ImageStore
    image: str
    xyxy: npt.NDArray[np.float32]
    xy: npt.NDArray[np.float32]
    flag: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]
    row: int = -1


@dataclass(frozen=True, slots=True)
class PersonSet:
    """People of one skeleton, in the order of the file; ``images`` are all its images, those
    without people too.

    ``file`` is the label file (or the folder of them) they are from, ``kind`` its layout, a name in
    ``DATASETS``; both None for people made in memory.
    """

    name: str
    skeleton: Skeleton
    people: tuple[Person, ...]
    images: tuple[str, ...]
    file: Path | None = None
    kind: str | None = None

    def __len__(self) -> int:
        return len(self.people)

    def of_images(self, which: slice) -> PersonSet:
        """The people of some of the images, counted in the order of the file."""
        images = self.images[which]
        wanted = set(images)
        return replace(
            self, images=images, people=tuple(p for p in self.people if p.image in wanted)
        )

    def repeated(self, times: int) -> PersonSet:
        """Everybody ``times`` times over: a small set weighs more in a union."""
        return replace(self, people=self.people * times)

    def mapped(self, target: Skeleton) -> PersonSet:
        """The same people with the joints of ``target``, by name; joints this set lacks become
        unknown.
        """
        source = np.array(joint_map(self.skeleton, target))
        found = source >= 0
        return replace(
            self, skeleton=target, people=tuple(_mapped(p, source, found) for p in self.people)
        )


def _mapped(person: Person, source: npt.NDArray[np.int64], found: npt.NDArray[np.bool_]) -> Person:
    return replace(
        person,
        xy=np.where(found[:, None], person.xy[source], np.float32(np.nan)).astype(np.float32),
        flag=np.where(found, person.flag[source], ABSENT),
        known=found & person.known[source],
    )


def unite(sets: Sequence[PersonSet], target: Skeleton) -> PersonSet:
    """One set on the skeleton ``target`` out of several with joints of their own."""
    people = tuple(p for s in sets for p in s.mapped(target).people)
    return PersonSet(
        " + ".join(s.name for s in sets), target, people, tuple(i for s in sets for i in s.images)
    )
