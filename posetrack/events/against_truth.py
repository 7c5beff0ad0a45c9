"""Tracks beside ground truth: who switched, by person and frame, who was missed, what is false.

In each labelled frame, as in CLEAR MOT (Bernardin & Stiefelhagen, 2008): a true person keeps the
identity that it was last found under where that still fits; the others are assigned at the largest
total likeness. Likeness is OKS over the joints that both have (by name), and the intersection over
union of boxes for a pair without such joints; from ``LEAST`` on, two are the same person.
"""

from __future__ import annotations

__all__ = ["LEAST", "against_truth", "likeness"]

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posetrack.errors import InputError
from posetrack.events.event import KINDS, Event
from posetrack.geometry import iou_matrix
from posetrack.matching import optimal_match
from posetrack.metrics.polygons import inside
from posetrack.oks import oks
from posetrack.structures import FrameLabels, Poses, Sequence

Floats = npt.NDArray[np.float64]

LEAST = 0.5  # COCO's first threshold of OKS, and PASCAL VOC's of boxes
LONG = 25  # frames of a miss or a false track that is as bad as it gets
# as the texts of the two kinds of stretches have it
SPELLS = {"miss": "true person {} is missed", "false track": "{} is where nobody is"}


def against_truth(tracks: Sequence, truth: Sequence) -> list[Event]:
    """The events of tracks that only truth can tell, by frame. Frames are the same where their
    indices are. Raises InputError where no labelled frame is in both.
    """
    mine = {f.index: f for f in tracks.frames}
    walk = _Walk()
    for labels in truth.frames:
        if labels.labeled and labels.index in mine:
            walk.step(labels, mine[labels.index])
    if not walk.steps:
        raise InputError(
            f"{tracks.name} and the truth {truth.name} have no frame in common; are they of the "
            f"same video?"
        )
    return walk.result()


def likeness(true: Poses, mine: Poses) -> Floats:
    """How alike true people (G) and those of tracks (P) are, (G, P) in 0..1."""
    names = [j for j in true.skeleton.joints if j in mine.skeleton.joints]
    a = true.xy[:, [true.skeleton.joints.index(j) for j in names]]
    b = mine.xy[:, [mine.skeleton.joints.index(j) for j in names]]
    sigmas = [true.skeleton.oks_sigmas[true.skeleton.joints.index(j)] for j in names]
    boxes = iou_matrix(true.boxes.xyxy, mine.boxes.xyxy).astype(np.float64)
    if not names:
        return boxes
    both = np.isfinite(a.sum(axis=2)).astype(int) @ np.isfinite(b.sum(axis=2)).astype(int).T
    like = oks(a, b, true.boxes.area, mine.boxes.area, tuple(sigmas), absent="skip")
    return np.where(both > 0, like, np.nan_to_num(boxes))


@dataclass(slots=True)
class _Spell:
    first: int
    last: int
    step: int
    length: int = 1


@dataclass(slots=True)
class _Walk:
    """What is remembered while frames go by: the identity of each true person (``memory``), the
    true person of each identity (``owner``), and stretches of misses and false tracks.
    """

    steps: int = 0
    memory: dict[int, int] = field(default_factory=dict)
    owner: dict[int, int] = field(default_factory=dict)
    found: list[Event] = field(default_factory=list)
    open: dict[tuple[str, int], list[_Spell]] = field(default_factory=dict)

    def step(self, labels: FrameLabels, mine: FrameLabels) -> None:
        self.steps += 1
        true, ours = labels.tracks.id.tolist(), mine.tracks.id.tolist()
        pairs = self._pairs(labels, mine)
        for g, p in pairs:
            self._matched(labels.index, true[g], ours[p])
        seen, used = {g for g, _ in pairs}, {p for _, p in pairs}
        self._missing("miss", labels.index, (i for g, i in enumerate(true) if g not in seen))
        ignored = _ignored(labels, mine)
        wrong = (i for p, i in enumerate(ours) if p not in used and not ignored[p])
        self._missing("false track", labels.index, wrong)

    def _pairs(self, labels: FrameLabels, mine: FrameLabels) -> list[tuple[int, int]]:
        """Rows of true people and of tracks that are the same."""
        like = likeness(labels.tracks.poses, mine.tracks.poses)
        places = {identity: p for p, identity in enumerate(mine.tracks.id.tolist())}
        kept: dict[int, int] = {}
        for g, identity in enumerate(labels.tracks.id.tolist()):
            p = places.get(self.memory.get(identity, -1), -1)
            if p >= 0 and like[g, p] >= LEAST and p not in kept.values():
                kept[g] = p
        like[list(kept)] = -np.inf
        like[:, list(kept.values())] = -np.inf
        return [*kept.items(), *optimal_match(like, LEAST)]

    def _matched(self, frame: int, true: int, mine: int) -> None:
        before, earlier = self.memory.get(true), self.owner.get(mine)
        worst = KINDS["id switch"].severity
        if before is not None and before != mine:
            text = f"true person {true} goes on as {mine}, and was {before}"
            event = Event("id switch", frame, (mine, before), text, worst, truth=(true,))
            self.found.append(event)
        if earlier is not None and earlier != true:
            text = f"{mine} goes on to true person {true}, and had {earlier}"
            event = Event("id transfer", frame, (mine,), text, worst, truth=(true, earlier))
            self.found.append(event)
        self.memory[true], self.owner[mine] = mine, true

    def _missing(self, kind: str, frame: int, identities: Iterable[int]) -> None:
        for identity in identities:
            known = self.open.setdefault((kind, identity), [])
            if known and known[-1].step == self.steps - 1:
                spell = known[-1]
                spell.last, spell.step, spell.length = frame, self.steps, spell.length + 1
            else:
                known.append(_Spell(frame, frame, self.steps))

    def result(self) -> list[Event]:
        spells = [_lasting(*key, spell) for key, several in self.open.items() for spell in several]
        return sorted([*self.found, *spells], key=lambda e: (e.frame, e.kind, e.ids, e.truth))


def _lasting(kind: str, identity: int, spell: _Spell) -> Event:
    severity = KINDS[kind].severity * min(1.0, 0.3 + 0.7 * spell.length / LONG)
    text = SPELLS[kind].format(identity)
    if spell.length > 1:
        text += f" in {spell.length} frames"
    ids, truth = ((), (identity,)) if kind == "miss" else ((identity,), ())
    return Event(kind, spell.first, ids, text, severity, spell.last, truth=truth)


def _ignored(labels: FrameLabels, mine: FrameLabels) -> npt.NDArray[np.bool_]:
    """Who of the tracks (P,) stands in a region that labels leave out: there nobody is false."""
    boxes = mine.tracks.poses.boxes.xyxy.astype(np.float64)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    result = np.zeros(len(middle), np.bool_)
    for region in labels.ignore_regions:
        result |= inside(middle, region)
    return result
