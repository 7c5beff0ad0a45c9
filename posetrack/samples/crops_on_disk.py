"""Crops of people read from disk each time they are needed: for datasets that do not fit into
memory.
"""

from __future__ import annotations

__all__ = ["CropFiles", "memory_bytes"]

from collections.abc import Callable, Sequence

from posetrack.datasets.images import first_readable
from posetrack.datasets.people import Person
from posetrack.errors import InputError
from posetrack.samples.crops import SURROUNDINGS, Crop, cut


class CropFiles(Sequence[Crop]):
    """Like ``CropStore``, but nothing is kept. A person whose image is missing or damaged is
    replaced by the next in order, so that a batch stays full and a run repeats exactly, and told to
    ``report``, once in every process.
    """

    skipped = 0

    def __init__(
        self,
        people: Sequence[Person],
        max_side_px: float,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.people = people
        self.max_side_px = max_side_px
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
            return cut(person.store.read(person.image), person, self.max_side_px)
        except InputError as error:
            if self.report is not None and person.image not in self._told:
                self._told.add(person.image)
                self.report(f"Skipped: {error}")
            raise


def memory_bytes(people: Sequence[Person], max_side_px: float) -> int:
    """About how much memory the crops of people take when they are kept; people that repeat share
    theirs.
    """
    sides = {id(p): min(float((p.xyxy[2:] - p.xyxy[:2]).max()), max_side_px) for p in people}
    return int(sum((side * SURROUNDINGS) ** 2 * 3 for side in sides.values()))
