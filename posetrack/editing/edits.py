"""The edits: what can be changed by hand, each a frozen dataclass that changes a ``TrackTable``.

Add yours: a dataclass with ``apply`` and ``people``, and its name in ``EDITS``; its fields are
those of its JSON line. What ``apply`` does to a frame may depend on that frame alone (see the
package). Frames are the video's own indices; ``start`` and ``end`` are both included, None
is the clip's own start or end.
"""

from __future__ import annotations

__all__ = [
    "EDITS",
    "Accept",
    "Delete",
    "Edit",
    "Flip",
    "Merge",
    "Move",
    "Name",
    "Split",
    "Swap",
    "apply_edits",
    "names_after",
]

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError
from posetrack.structures import IntArray, Poses
from posetrack.track_table import TrackTable

# of a joint that a person placed
HAND_SCORE = 1.0


@dataclass(frozen=True, slots=True)
class Merge:
    """``other`` is ``into``. Where both are there, the surer of the two poses stays."""

    into: int
    other: int
    start: int | None = None
    end: int | None = None

    def people(self) -> tuple[int, ...]:
        """The identities it speaks of."""
        return self.into, self.other

    def apply(self, table: TrackTable) -> TrackTable:
        """The table after it."""
        rows = _rows(table, self.other, self.start, self.end)
        rivals = _partners(table, rows, self.into)
        scores = np.nan_to_num(table.poses.boxes.score)
        both = rivals >= 0
        loses = scores[rows[both]] <= scores[rivals[both]]
        merged = _renamed(table, rows, self.into)
        gone = np.where(loses, rows[both], rivals[both])
        return merged[_all_but(len(table), gone)] if len(gone) else merged


@dataclass(frozen=True, slots=True)
class Split:
    """``id`` is somebody else, ``new``, from frame ``start`` on."""

    id: int
    start: int
    new: int

    def people(self) -> tuple[int, ...]:
        """The identities it speaks of."""
        return (self.id,)

    def apply(self, table: TrackTable) -> TrackTable:
        """The table after it. Raises FormatError where ``new`` is there already."""
        rows = _rows(table, self.id, self.start, None)
        rivals = _partners(table, rows, self.new)
        if (rivals >= 0).any():
            frame = table.frame[rows[rivals >= 0][0]]
            raise FormatError(
                f"Person {self.id} cannot become {self.new} from frame {self.start} on: frame "
                f"{frame} has a {self.new} already."
            )
        return _renamed(table, rows, self.new)


@dataclass(frozen=True, slots=True)
class Swap:
    """``a`` is ``b`` and ``b`` is ``a``."""

    a: int
    b: int
    start: int | None = None
    end: int | None = None

    def people(self) -> tuple[int, ...]:
        """The identities it speaks of."""
        return self.a, self.b

    def apply(self, table: TrackTable) -> TrackTable:
        """The table after it."""
        first = _rows(table, self.a, self.start, self.end)
        second = _rows(table, self.b, self.start, self.end)
        return _renamed(_renamed(table, first, self.b), second, self.a)


@dataclass(frozen=True, slots=True)
class Delete:
    """``id`` is nobody."""

    id: int
    start: int | None = None
    end: int | None = None

    def people(self) -> tuple[int, ...]:
        """The identities it speaks of."""
        return (self.id,)

    def apply(self, table: TrackTable) -> TrackTable:
        """The table after it."""
        rows = _rows(table, self.id, self.start, self.end)
        return table[_all_but(len(table), rows)] if len(rows) else table


@dataclass(frozen=True, slots=True)
class Flip:
    """Left and right of ``id`` are exchanged."""

    id: int
    start: int | None = None
    end: int | None = None

    def people(self) -> tuple[int, ...]:
        """The identities it speaks of."""
        return (self.id,)

    def apply(self, table: TrackTable) -> TrackTable:
        """The table after it."""
        rows, order = (
            _rows(table, self.id, self.start, self.end),
            list(table.poses.skeleton.flip_order),
        )
        xy, score = table.poses.xy.copy(), table.poses.score.copy()
        xy[rows], score[rows] = xy[rows][:, order], score[rows][:, order]
        return _posed(table, xy, score)


@dataclass(frozen=True, slots=True)
class Move:
    """A joint of ``id`` in one frame lies at ``xy`` (pixels); None: it is not to be seen."""

    id: int
    frame: int
    joint: str
    xy: tuple[float, float] | None

    def people(self) -> tuple[int, ...]:
        """The identities it speaks of."""
        return (self.id,)

    def apply(self, table: TrackTable) -> TrackTable:
        """The table after it. Raises FormatError where the skeleton has no such joint."""
        joints = table.poses.skeleton.joints
        if self.joint not in joints:
            raise FormatError(
                f"The skeleton {table.poses.skeleton.name} has no joint {self.joint!r}; it has "
                f"{', '.join(joints)}."
            )
        rows, k = _rows(table, self.id, self.frame, self.frame), joints.index(self.joint)
        xy, score = table.poses.xy.copy(), table.poses.score.copy()
        xy[rows, k] = np.nan if self.xy is None else self.xy
        score[rows, k] = np.nan if self.xy is None else HAND_SCORE
        return _posed(table, xy, score)


@dataclass(frozen=True, slots=True)
class Name:
    """``id`` is called ``name``; None: has no name any more."""

    id: int
    name: str | None

    def people(self) -> tuple[int, ...]:
        """The identities it speaks of."""
        return (self.id,)

    def apply(self, table: TrackTable) -> TrackTable:
        """The same table: names stand in the header of a file."""
        return table


@dataclass(frozen=True, slots=True)
class Accept:
    """Somebody looked at a suspicious moment and found it right: nothing changes.

    ``kind``, ``frame`` and ``ids`` are those of the moment.
    """

    kind: str
    frame: int
    ids: tuple[int, ...]

    def people(self) -> tuple[int, ...]:
        """None that has to be there."""
        return ()

    def apply(self, table: TrackTable) -> TrackTable:
        """The same table."""
        return table


Edit = Merge | Split | Swap | Delete | Flip | Move | Name | Accept

EDITS: dict[str, type[Edit]] = {
    "merge": Merge,
    "split": Split,
    "swap": Swap,
    "delete": Delete,
    "flip": Flip,
    "move": Move,
    "name": Name,
    "accept": Accept,
}


def apply_edits(table: TrackTable, edits: Iterable[Edit]) -> TrackTable:
    """The table after all of them, one after the other. Raises FormatError."""
    for edit in edits:
        table = edit.apply(table)
    return table


def names_after(edits: Iterable[Edit], names: Mapping[int, str] | None = None) -> dict[int, str]:
    """Who is called how, by identity: ``names`` and what the edits did to them.

    A name goes with its person: through a merge or a swap of whole tracks.
    """
    found = dict(names or {})
    for edit in edits:
        match edit:
            case Name(identity, str(name)):
                found[identity] = name
            case Name(identity, None) | Delete(identity, None, None):
                found.pop(identity, None)
            case Merge(into, other, None, None) if other in found:
                found.setdefault(into, found.pop(other))
                found.pop(other, None)
            case Swap(a, b, None, None):
                before = {a: found.pop(a, None), b: found.pop(b, None)}
                found |= {k: v for k, v in ((a, before[b]), (b, before[a])) if v is not None}
    return found


# --- rows
# --------------------------------------------------------------------------------------------------


def _rows(table: TrackTable, identity: int, start: int | None, end: int | None) -> IntArray:
    """The rows of an identity in a range of frames."""
    within = table.rows(start, end)
    return np.flatnonzero(table.id[within] == identity) + within.start


def _partners(table: TrackTable, rows: IntArray, identity: int) -> IntArray:
    """For each row the row of ``identity`` in the same frame, -1 where it is not there."""
    others = table.of(identity)
    if not len(others):
        return np.full(len(rows), -1, np.int64)
    place = np.minimum(np.searchsorted(table.frame[others], table.frame[rows]), len(others) - 1)
    same = table.frame[others[place]] == table.frame[rows]
    partners: IntArray = np.where(same, others[place], -1)
    return partners


def _renamed(table: TrackTable, rows: IntArray, identity: int) -> TrackTable:
    ids = table.id.copy()
    ids[rows] = identity
    return replace(table, id=ids)


def _all_but(count: int, rows: IntArray) -> npt.NDArray[np.bool_]:
    keep = np.ones(count, np.bool_)
    keep[rows] = False
    return keep


def _posed(
    table: TrackTable, xy: npt.NDArray[np.float32], score: npt.NDArray[np.float32]
) -> TrackTable:
    poses = table.poses
    return replace(table, poses=Poses(xy, score, poses.boxes, poses.skeleton))
