"""Another detector's boxes beside the labels, and what the pictures drawn from them teach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posetrack.geometry import iou_matrix
from posetrack.samples import mosaics
from posetrack.samples.boxes import JOINTS, BoxImage, joint_boxes, taught
from posetrack.samples.mosaics import IGNORED, TRUSTED, MosaicSampler, Picture

LABEL = [40.0, 20.0, 80.0, 120.0]


def image(*boxes: list[float], complete: bool = False) -> BoxImage:
    joints = np.full((len(boxes), len(JOINTS), 2), np.nan, np.float32)
    pixels = np.zeros((160, 240, 3), np.uint8)
    return BoxImage("a", pixels, np.array(boxes, np.float32).reshape(-1, 4), joints, complete)


def learnt(item: BoxImage, *rows: list[float], joints_only: bool = False) -> BoxImage:
    return taught([item], {"a": rows}, joints_only=joints_only)[0]


def test_sure_boxes_become_people_and_weak_ones_doubtful() -> None:
    item = learnt(
        image(LABEL), [150, 20, 190, 120, 0.8], [200, 20, 230, 90, 0.3], [0, 0, 9, 20, 0.1]
    )
    assert item.complete
    assert item.boxes.tolist() == [LABEL, [150, 20, 190, 120]]
    assert item.doubtful.tolist() == [[200, 20, 230, 90]]
    assert item.joints.shape == (2, len(JOINTS), 2)


def test_weak_parts_and_groups_of_known_people_are_background() -> None:
    part, group = [45, 20, 75, 50, 0.3], [10, 10, 140, 130, 0.3]
    assert not len(learnt(image(LABEL), part, group).doubtful)


def test_a_sure_box_inside_a_person_is_doubtful() -> None:
    item = learnt(image(LABEL), [45, 20, 75, 50, 0.9])
    assert item.boxes.tolist() == [LABEL]
    assert len(item.doubtful) == 1


def test_only_boxes_around_joints_give_way_to_the_teachers() -> None:
    close = [38.0, 18.0, 84.0, 124.0]
    assert learnt(image(LABEL), [*close, 0.9]).boxes.tolist() == [LABEL]
    assert learnt(image(LABEL), [*close, 0.9], joints_only=True).boxes.tolist() == [close]


@pytest.mark.parametrize("boxes", [[], [LABEL]])
def test_complete_images_stay_as_labelled(boxes: list[list[float]]) -> None:
    item = image(*boxes, complete=True)
    assert learnt(item, [150, 20, 190, 120, 0.8], [200, 20, 230, 90, 0.3]) is item


def test_images_without_people_or_rows() -> None:
    empty = learnt(image())
    assert empty.complete
    assert empty.boxes.shape == empty.doubtful.shape == (0, 4)


@pytest.mark.parametrize("seed", range(4))  # mirrored and not
def test_reflections_beyond_an_image_teach_nothing(seed: int) -> None:
    size, half = 128, 64
    item = replace(image(complete=True), source=np.full((128, 64, 3), 255, np.uint8))
    picture = Picture(np.zeros((size, size, 3), np.uint8), np.zeros((16, 16), np.uint8))
    affine = np.array([[1.0, 0, 0], [0, 1, 0]])
    sampler = MosaicSampler([], [item], seed)
    sampler._place(picture, item, (0, 0, size, size), affine, reflect=True)
    columns = picture.ground.reshape(16, 2, half // 8)
    sides = {int(value) for side in range(2) for value in np.unique(columns[:, side])}
    assert sides == {TRUSTED, IGNORED}
    assert all(len(np.unique(columns[:, side])) == 1 for side in range(2))


def test_turned_people_are_boxed_around_their_joints() -> None:
    rng = np.random.default_rng(0)
    joints = rng.uniform(40, 120, (1, len(JOINTS), 2)).astype(np.float32)
    item = replace(image(LABEL, complete=True), joints=joints)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0]])
    boxes, moved = mosaics._move(item, turn)
    assert iou_matrix(boxes, joint_boxes(moved))[0, 0] == pytest.approx(1)
