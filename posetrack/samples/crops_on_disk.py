"""Crops of people read from disk each time they are needed: for datasets that do not fit into
memory.
"""

from __future__ import annotations

__all__ = ["CropFiles", "memory_bytes"]

from collections.abc import Callable, Sequence

import numpy as np

from posetrack.datasets.images import first_readable
from posetrack.datasets.people import Person
from posetrack.errors import InputError
from posetrack.samples.crops import Crop, Region, cut, surroundings

ASKED = 1000  # people by whom the memory of all is estimated


class CropFiles(Sequence[Crop]):
    """Like ``CropStore``, but nothing is kept. A person whose image is missing or damaged is
    replaced by the next in order, so that a batch stays full and a run repeats exactly, and told to
    ``report``, once in every process.
    """

    skipped = 0

    def __init__(
        self,
        people: Sequence[Person],
        max_side_px: float | None,
        report: Callable[[str], None] | None = None,
        region: Region | None = None,
    ) -> None:
        self.people = people
        self.max_side_px = max_side_px
        self.region = region
        self.report = report
        self._told: set[str] = set()

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> Crop:  # type: ignore[override]
        if index >= len(self.people):
            raise IndexError(index)
        return first_readable(len(self.people), index, self._cut)[0]

    def _cut(self, index: int) -> Crop:
        person = self.people[index]
        try:
            return cut(person.store.read(person.image), person, self.max_side_px, self.region)
        except InputError as error:
            if self.report is not None and person.image not in self._told:
                self._told.add(person.image)
                self.report(f"Skipped: {error}")
            raise


def memory_bytes(
    people: Sequence[Person], max_side_px: float | None, region: Region | None = None
) -> int:
    """About how much memory the crops of people take when they are kept; images count as endless
    to the right and below, people that repeat share their crop.
    """
    different = list({id(p): p for p in people}.values())
    some = different[:: max(1, len(different) // ASKED)]
    mean = sum(_bytes(p, max_side_px, region) for p in some) / max(1, len(some))
    return int(mean * len(different))


def _bytes(person: Person, max_side_px: float | None, region: Region | None) -> float:
    wanted = (region or surroundings)(person.xyxy, person.xy)
    side = float((person.xyxy[2:] - person.xyxy[:2]).max())
    zoom = 1.0 if max_side_px is None else min(1.0, max_side_px / side)
    return float(np.prod(wanted[2:] - np.maximum(wanted[:2], 0))) * zoom**2 * 3
