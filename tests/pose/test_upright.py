"""Leaning people: the angle, the turned crop, the upright test and the augmentation that prepares
for it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from posetrack import geometry
from posetrack.pose.estimator import PoseEstimator
from posetrack.pose.upright import lean_deg, turned_center_scale
from posetrack.samples.augment import NO_AUGMENTATION, Augmentation
from posetrack.samples.warp import draw_affine
from posetrack.skeletons import POSETRACK_15, make_skeleton
from posetrack.structures import Boxes, InputSpec

SPEC = InputSpec((96, 128))
NAMES = POSETRACK_15.joints
SHOULDERS = [NAMES.index("left_shoulder"), NAMES.index("right_shoulder")]
HIPS = [NAMES.index("left_hip"), NAMES.index("right_hip")]


def person(lean: float, middle: tuple[float, float] = (300.0, 200.0)) -> np.ndarray:
    """Joints (15, 2) of somebody drawn along a straight line, leaning by ``lean`` degrees."""
    height = {
        "nose": -90,
        "head_top": -110,
        "head_bottom": -70,
        "shoulder": -60,
        "elbow": -30,
        "wrist": 0,
    }
    height |= {"hip": 10, "knee": 60, "ankle": 110}
    xy = np.array(
        [
            [
                12.0 * (("left" in n) - ("right" in n)),
                height[
                    n.split("_", 1)[-1] if "_" in n and n not in ("head_top", "head_bottom") else n
                ],
            ]
            for n in NAMES
        ]
    )
    a = np.deg2rad(lean)
    return xy @ np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) + middle


@pytest.mark.parametrize("lean", [0.0, 30.0, 90.0, 135.0, -20.0, -90.0, 179.0])
def test_lean_is_the_angle_from_shoulders_to_hips(lean: float) -> None:
    assert lean_deg(person(lean)[None], POSETRACK_15)[0] == pytest.approx(lean)


def test_hips_to_the_right_of_the_shoulders_are_plus_90() -> None:
    xy = np.full((1, 15, 2), np.nan)
    xy[0, SHOULDERS[0]], xy[0, HIPS[1]] = (10, 50), (60, 50)  # one joint of each pair is enough
    assert lean_deg(xy, POSETRACK_15)[0] == pytest.approx(90)


def test_without_hips_or_shoulders_there_is_no_angle() -> None:
    xy = person(40)[None].copy()
    xy[:, HIPS] = np.nan
    assert np.isnan(lean_deg(xy, POSETRACK_15)).all()
    assert np.isnan(
        lean_deg(np.zeros((2, 2, 2)), make_skeleton("fish", ("mouth", "tail"), limbs=()))
    ).all()
    assert len(lean_deg(np.zeros((0, 15, 2)), POSETRACK_15)) == 0


@pytest.mark.parametrize("lean", [0.0, 50.0, -100.0, 180.0])
def test_a_turned_crop_shows_everybody_the_same_way(lean: float) -> None:
    crops = []
    for angle in (0.0, lean):
        xy = person(angle)[None]
        center, scale = turned_center_scale(xy, np.array([-angle]), SPEC.size_wh, 1.25)
        affine = geometry.crop_affine(center, scale, SPEC.size_wh, np.array([-angle]))
        crops.append(geometry.transform_points(xy, affine)[0])
    np.testing.assert_allclose(crops[1], crops[0], atol=1e-3)
    height = np.ptp(crops[1][:, 1])
    assert height == pytest.approx(128 / 1.25, abs=1e-3)  # tight, padded by 1.25
    middle = (crops[1].max(axis=0) + crops[1].min(axis=0)) / 2
    np.testing.assert_allclose(middle, (48, 64), atol=1e-3)


@pytest.mark.parametrize("lean", [0.0, 75.0, 160.0, -120.0])
def test_the_augmentation_turns_people_upright(lean: float) -> None:
    xy = person(lean).astype(np.float32)
    box = geometry.keypoint_boxes(xy[None], 0.0)[0]
    how = Augmentation(p_flip=0, p_rotation=0, scale=0, p_half_body=0, p_upright=1)
    _, turned, mirrored = draw_affine(
        box, xy, POSETRACK_15, SPEC.size_wh, 1.25, how, np.random.default_rng(0)
    )
    assert not mirrored
    assert abs(lean_deg(turned[None], POSETRACK_15)[0]) < 1e-3
    assert (turned >= 0).all()
    assert (turned < (96, 128)).all()


def test_the_augmentation_leaves_people_without_a_torso_as_they_are() -> None:
    xy = person(80).astype(np.float32)
    xy[HIPS] = np.nan
    box = np.array([200, 100, 400, 300], np.float32)
    rng = np.random.default_rng
    how = Augmentation(p_flip=0, p_rotation=0, scale=0, p_half_body=0, p_upright=1)
    one = np.full_like(xy, np.nan)
    one[HIPS[0]] = one[SHOULDERS[0]] = (250, 250)  # these span no box
    affine, _, _ = draw_affine(box, one, POSETRACK_15, SPEC.size_wh, 1.25, how, rng(0))
    plain, _, _ = draw_affine(box, one, POSETRACK_15, SPEC.size_wh, 1.25, NO_AUGMENTATION, rng(0))
    np.testing.assert_array_equal(affine, plain)
    affine, _, _ = draw_affine(box, xy, POSETRACK_15, SPEC.size_wh, 1.25, how, rng(0))
    assert affine[0, 1] == 0  # not turned


class UprightOnly(nn.Module):
    """The "network" whose heatmaps are the colours of its input; it is unsure where red is not
    above blue.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(SPEC.std).view(1, 3, 1, 1))
        self.shift = nn.Parameter(torch.tensor(SPEC.mean).view(1, 3, 1, 1))
        self.seen = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = nn.functional.avg_pool2d(x * self.gain + self.shift, 4)
        row, column = maps.flatten(2).argmax(2) // 24, maps.flatten(2).argmax(2) % 24
        upright = (row[:, 2] - row[:, 0]) > 2 * (column[:, 2] - column[:, 0]).abs()
        return maps * torch.where(upright, 1.0, 0.5).view(-1, 1, 1, 1)


COLOURS = make_skeleton("colours", ("left_shoulder", "left_wrist", "left_hip"), limbs=())


def colours(lean: float) -> tuple[np.ndarray, np.ndarray, Boxes]:
    """Blurred dots along a leaning body, their places (3, 2), and a box around them."""
    a = np.deg2rad(lean)
    along, across = np.array([np.sin(a), np.cos(a)]), np.array([np.cos(a), -np.sin(a)])
    points = np.array(
        [[160.0, 120] - 35 * along, [160.0, 120] + 18 * across, [160.0, 120] + 35 * along]
    )
    y, x = np.mgrid[:240, :320]
    image = np.stack([np.exp(-((x - px) ** 2 + (y - py) ** 2) / 72) for px, py in points], axis=2)
    low, high = points.min(axis=0) - 8, points.max(axis=0) + 8
    return (
        (image * 255).astype(np.uint8),
        points,
        Boxes(np.concatenate([low, high])[None], np.ones(1)),
    )


@pytest.mark.parametrize("lean", [0.0, 20.0, 60.0, 110.0, 180.0, -90.0])
def test_the_second_look_finds_the_same_places_with_more_certainty(lean: float) -> None:
    image, points, box = colours(lean)
    once, twice = (
        PoseEstimator(
            UprightOnly(), SPEC, COLOURS, device="cpu", flip_test=False, upright_test=test
        ).estimate([image], [box])[0]
        for test in (False, True)
    )
    assert np.linalg.norm(once.xy[0] - points, axis=1).max() < 4
    assert np.linalg.norm(twice.xy[0] - points, axis=1).max() < 4
    if abs(lean) > 30:
        assert (once.score < 0.6).all()
        assert (twice.score > once.score + 0.1).all()
    else:
        np.testing.assert_array_equal(twice.xy, once.xy)


def test_people_are_not_mixed_up_in_the_second_look() -> None:
    leans = [0.0, 90.0, 10.0, 180.0, -70.0]
    images, points, boxes = zip(*[colours(a) for a in leans], strict=True)
    estimator = PoseEstimator(
        UprightOnly(), SPEC, COLOURS, device="cpu", upright_test=True, batch_size=2
    )
    for pose, truth in zip(estimator.estimate(list(images), list(boxes)), points, strict=True):
        assert np.linalg.norm(pose.xy[0] - truth, axis=1).max() < 4
        assert (pose.score > 0.6).all()
    assert [len(p) for p in estimator.estimate(list(images), [Boxes.empty()] * 5)] == [0] * 5
