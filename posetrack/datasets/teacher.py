"""A teacher's joints beside a dataset: labels it contradicts are put right, joints nobody labelled
come from it.

Its files hold 17 COCO joints a person as x, y, score and the distance between the plain and the
mirrored look in sides of the box: by annotation id for labelled people, by image name with a
``box`` for people that it labelled alone.
"""

from __future__ import annotations

__all__ = ["Correction", "corrected", "read_joints", "read_people"]

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import ABSENT, VISIBLE, Person, PersonSet
from posetrack.files import read_json
from posetrack.skeletons import COCO_17, joint_map

Float32 = npt.NDArray[np.float32]

# least score and largest distance of the two looks of a joint that may judge a label
SURE, UNSTABLE = 0.3, 0.1
FILL_SURE, FILL_UNSTABLE = 0.5, 0.05  # the same of a joint that may stand for a label
LEAST_JOINTS = 6  # judged joints of a person
# median distances, in sides of the box, of labels that agree and of those that do not at all
NEAR, FAR = 0.1, 0.25
EXCHANGED = 0.6  # exchanged sides must bring the labels this many times nearer on average


@dataclass(frozen=True, slots=True)
class Correction:
    """People in all, whose sides were exchanged, who were left out, and joints that were
    filled in.
    """

    people: int
    exchanged: int
    dropped: int
    filled: int


def read_joints(file: Path, labels: Path) -> dict[str, Float32]:
    """(17, 4) by the name of the image, of a COCO-style file ``labels`` with one person
    an image.
    """
    joints, data = read_json(file), read_json(labels)
    names = {image["id"]: image["file_name"] for image in data["images"]}
    return {
        names[a["image_id"]]: _table(joints[str(a["id"])])
        for a in data["annotations"]
        if str(a["id"]) in joints
    }


def read_people(file: Path) -> PersonSet:
    """The people a teacher labelled alone, their images beside ``file``; unsure joints count as not
    labelled.
    """
    store, people = ImageStore(file.parent), []
    found = read_json(file)
    for image, rows in found.items():
        for row in rows:
            table = _table(row["joints"])
            sure = _sure(table, SURE, UNSTABLE)
            xy = np.where(sure[:, None], table[:, :2], np.float32(np.nan))
            flag = np.where(sure, VISIBLE, ABSENT)
            xyxy = np.array(row["box"][:4], np.float32)
            if sure.sum() >= LEAST_JOINTS:
                people.append(Person(store, image, xyxy, xy, flag, np.ones(len(COCO_17), bool)))
    return PersonSet(file.stem, COCO_17, tuple(people), tuple(found), file)


def corrected(people: PersonSet, teacher: Mapping[str, Float32]) -> tuple[PersonSet, Correction]:
    """People with the sides exchanged where the teacher says so, without those whose labels lie
    elsewhere altogether.

    Joints that nobody labelled are filled in where teacher and labels agree on the person.
    """
    source = np.array(joint_map(COCO_17, people.skeleton))
    kept: list[Person] = []
    exchanged = filled = 0
    for person in people.people:
        table = teacher.get(person.image)
        if table is None:
            kept.append(person)
            continue
        mine = np.where(source[:, None] >= 0, table[source], np.float32(np.nan))
        here, turned = (
            _distances(p, mine) for p in (person, _exchange(person, people.skeleton.flip_order))
        )
        both = np.isfinite(here) & np.isfinite(turned)
        if both.sum() < LEAST_JOINTS:
            kept.append(person)
        elif np.median(turned[both]) < NEAR and turned[both].mean() < EXCHANGED * here[both].mean():
            exchanged += 1
            kept.append(_exchange(person, people.skeleton.flip_order))
        elif np.median(here[both]) < NEAR:
            complete = _fill(person, mine)
            filled += int((complete.flag > 0).sum() - (person.flag > 0).sum())
            kept.append(complete)
        elif min(np.median(here[both]), np.median(turned[both])) < FAR:
            kept.append(person)
    counts = Correction(len(people), exchanged, len(people) - len(kept), filled)
    return replace(people, people=tuple(kept)), counts


def _table(row: list[float]) -> Float32:
    return np.array(row, np.float32).reshape(len(COCO_17), 4)


def _sure(table: Float32, score: float, unstable: float) -> npt.NDArray[np.bool_]:
    sure: npt.NDArray[np.bool_] = (table[:, 2] >= score) & (table[:, 3] <= unstable)
    return sure


def _distances(person: Person, mine: Float32) -> Float32:
    """From every label to the teacher's joint, in sides of the box; NaN where one of them is
    missing or unsure.
    """
    side = float((person.xyxy[2:] - person.xyxy[:2]).max())
    distance = np.linalg.norm(person.xy - mine[:, :2], axis=1) / side
    return np.where(_sure(mine, SURE, UNSTABLE) & (person.flag > 0), distance, np.nan).astype(
        np.float32
    )


def _exchange(person: Person, order: tuple[int, ...]) -> Person:
    """Left and right exchanged."""
    to = list(order)
    return replace(person, xy=person.xy[to], flag=person.flag[to], known=person.known[to])


def _fill(person: Person, mine: Float32) -> Person:
    """Joints that are not labelled, where the teacher is sure of them."""
    new = (person.flag == ABSENT) & _sure(mine, FILL_SURE, FILL_UNSTABLE)
    return replace(
        person,
        xy=np.where(new[:, None], mine[:, :2], person.xy),
        flag=np.where(new, VISIBLE, person.flag),
        known=person.known | new,
    )
