"""A teacher's joints: sides exchanged, joints filled in, people left out, people it
labelled alone.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from posetrack.datasets.images import ImageStore
from posetrack.datasets.people import ABSENT, VISIBLE, Person, PersonSet
from posetrack.datasets.teacher import corrected, read_joints, read_people
from posetrack.skeletons import COCO_17, POSETRACK_15, joint_map

RNG = np.random.default_rng(0)
TABLE = np.concatenate(
    [RNG.uniform(0, 200, (17, 2)), np.full((17, 1), 0.9), np.full((17, 1), 0.01)], axis=1
).astype(np.float32)
SOURCE = np.array(joint_map(COCO_17, POSETRACK_15))
LIMBS = np.array(["head" not in joint for joint in POSETRACK_15.joints])


def person(image: str = "a.jpg") -> Person:
    """Labelled where the teacher sees it; the nose is not labelled, and head top and neck the
    teacher does not have.
    """
    flag = np.where(LIMBS, VISIBLE, ABSENT)
    flag[0] = ABSENT
    xy = np.where(flag[:, None] > 0, TABLE[SOURCE][:, :2], np.float32(np.nan))
    xyxy = np.array([0, 0, 200, 200], np.float32)
    return Person(ImageStore(Path()), image, xyxy, xy, flag, np.arange(15) > 0)


def people(*some: Person) -> PersonSet:
    return PersonSet("some", POSETRACK_15, some, tuple(p.image for p in some))


def test_exchanged_sides_are_put_right() -> None:
    order = list(POSETRACK_15.flip_order)
    right = person()
    wrong = replace(right, xy=right.xy[order], flag=right.flag[order])
    found, counts = corrected(people(wrong), {"a.jpg": TABLE})
    np.testing.assert_array_equal(found.people[0].xy, right.xy)
    assert (counts.exchanged, counts.dropped, counts.filled) == (1, 0, 0)


def test_where_they_agree_joints_are_filled_in() -> None:
    found, counts = corrected(people(person()), {"a.jpg": TABLE})
    np.testing.assert_array_equal(found.people[0].xy[0], TABLE[0, :2])
    assert found.people[0].known[0]
    assert found.people[0].flag[0] == VISIBLE
    assert (counts.exchanged, counts.dropped, counts.filled) == (0, 0, 1)


def test_somebody_else_is_left_out() -> None:
    elsewhere = TABLE + np.array([150, 0, 0, 0], np.float32)
    found, counts = corrected(people(person(), person("b.jpg")), {"a.jpg": elsewhere})
    assert [p.image for p in found.people] == ["b.jpg"]
    assert counts.dropped == 1


def test_an_unsure_teacher_changes_nothing() -> None:
    unsure = TABLE * np.array([1, 1, 0.1, 1], np.float32)
    given = people(person())
    assert corrected(given, {"a.jpg": unsure})[0].people == given.people


def test_files(tmp_path: Path) -> None:
    labels = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "annotations": [{"id": 3, "image_id": 7}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    row = TABLE.flatten().tolist()
    (tmp_path / "joints.json").write_text(json.dumps({"3": row}))
    np.testing.assert_array_equal(
        read_joints(tmp_path / "joints.json", tmp_path / "labels.json")["a.jpg"], TABLE
    )
    half = TABLE.copy()
    half[5:, 2] = 0.1
    few = {"box": [0, 0, 200, 200, 0.5], "joints": half.flatten().tolist()}
    (tmp_path / "people.json").write_text(
        json.dumps({"a.jpg": [{"box": [0, 0, 200, 200, 0.5], "joints": row}, few]})
    )
    (one,) = read_people(tmp_path / "people.json").people
    np.testing.assert_array_equal(one.xy, TABLE[:, :2])
