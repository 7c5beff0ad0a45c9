"""The warps of training samples against the distributions of the official HRNet code, restated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from posetrack.geometry import box_to_center_scale, crop_affine
from posetrack.samples.augment import NO_AUGMENTATION, PAPER, Augmentation
from posetrack.samples.warp import Reach, draw_affine
from posetrack.skeletons import COCO_17, MPII_16
from posetrack.training.recipes import RECIPES

DRAWS = 10_000
SIZE_WH = (192, 256)
BOX = np.array([100, 50, 180, 290], np.float32)
UPPER = 11  # of COCO's joints, the first ones


def _joints(labelled: int = 17) -> np.ndarray:
    """COCO's joints scattered in the box, NaN but for the first ``labelled``."""
    xy = np.random.default_rng(3).uniform(BOX[:2], BOX[2:], (17, 2)).astype(np.float32)
    xy[labelled:] = np.nan
    return xy


def _draws(xy: np.ndarray, how: Augmentation, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Zoom (N,) and angle in degrees (N,) of many draws, mirrored ones turned back."""
    rng = np.random.default_rng(seed)
    zoom, angle = np.empty(DRAWS), np.empty(DRAWS)
    for n in range(DRAWS):
        affine, _, _ = draw_affine(BOX, xy, COCO_17, SIZE_WH, 1.25, how, rng)
        zoom[n] = math.sqrt(abs(np.linalg.det(affine[:, :2])))
        angle[n] = math.degrees(math.atan2(affine[0, 1], affine[1, 1]))
    return zoom, angle


def _official(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scale factors and angles by the official definition."""
    factor = np.clip(rng.normal(1, 0.35, DRAWS), 0.65, 1.35)
    angle = np.clip(rng.normal(0, 45, DRAWS), -90, 90)
    return factor, np.where(rng.random(DRAWS) <= 0.6, angle, 0)


def test_scale_and_rotation_are_the_official_distributions() -> None:
    how = Augmentation(p_half_body=0, p_flip=0)
    zoom, angle = _draws(_joints(), how)
    center, scale = box_to_center_scale(BOX[None], SIZE_WH)
    factor = crop_affine(center, scale, SIZE_WH)[0, 0, 0] / zoom
    wanted, turns = _official(np.random.default_rng(1))
    for mine, theirs, tolerance in ((factor, wanted, 0.01), (angle, turns, 1.0)):
        quantiles = np.linspace(0.02, 0.98, 25)
        apart = np.abs(np.quantile(mine, quantiles) - np.quantile(theirs, quantiles))
        assert apart.max() < 3 * tolerance
        assert mine.std() == pytest.approx(theirs.std(), abs=tolerance)
    assert (angle == 0).mean() == pytest.approx(0.4, abs=0.02)
    assert (np.abs(angle) >= 90 - 1e-6).mean() == pytest.approx(0.6 * 0.0455, abs=0.006)
    for limit in (0.65, 1.35):
        assert np.isclose(factor, limit).mean() == pytest.approx(0.1587, abs=0.012)


@pytest.mark.parametrize(("labelled", "halves"), [(17, 0.3), (9, 0.3), (8, 0.0), (4, 0.0)])
def test_half_bodies_are_of_people_with_more_than_eight_joints(
    labelled: int, halves: float
) -> None:
    how = Augmentation(p_flip=0, p_rotation=0, scale=0)
    xy = _joints(labelled)
    zoom, _ = _draws(xy, how)
    whole = draw_affine(BOX, xy, COCO_17, SIZE_WH, 1.25, NO_AUGMENTATION, np.random.default_rng())
    assert (~np.isclose(zoom, whole[0][0, 0])).mean() == pytest.approx(halves, abs=0.02)


def _half_affine(joints: np.ndarray) -> np.ndarray:
    """The crop of a half body by the official definition."""
    center = joints.mean(axis=0)
    w, h = joints.max(axis=0) - joints.min(axis=0)
    aspect = SIZE_WH[0] / SIZE_WH[1]
    w, h = (w, w / aspect) if w > aspect * h else (h * aspect, h)
    scale = np.array([w, h]) / 200 * 1.5
    return crop_affine(center, scale, SIZE_WH)[0]


def test_the_upper_half_is_chosen_by_a_normal_number_below_one_half() -> None:
    how = Augmentation(p_flip=0, p_rotation=0, scale=0, p_half_body=1)
    xy = _joints()
    upper, lower = _half_affine(xy[:UPPER]), _half_affine(xy[UPPER:])
    rng = np.random.default_rng(0)
    found = [draw_affine(BOX, xy, COCO_17, SIZE_WH, 1.25, how, rng)[0] for _ in range(DRAWS // 4)]
    is_upper = np.array([np.allclose(a, upper, atol=1e-4) for a in found])
    is_lower = np.array([np.allclose(a, lower, atol=1e-4) for a in found])
    assert (is_upper ^ is_lower).all()
    assert is_upper.mean() == pytest.approx(0.6915, abs=0.03)  # P(N(0, 1) < 0.5)
    few = xy.copy()
    few[UPPER + 2 :] = np.nan  # two joints of the lower body: too few, the upper one is taken
    one = xy.copy()
    one[2:UPPER] = np.nan  # two above, six below: the lower one, as often as it is drawn
    for joints, wanted in ((few, upper), (one, lower)):
        how = Augmentation(p_flip=0, p_rotation=0, scale=0, p_half_body=1, half_body_joints=7)
        for seed in range(20):
            drawn = draw_affine(
                BOX, joints, COCO_17, SIZE_WH, 1.25, how, np.random.default_rng(seed)
            )
            np.testing.assert_allclose(drawn[0], wanted, atol=1e-4)


class _Scripted:
    """A generator that says what it is told, in order."""

    def __init__(self, uniform: list[float], normal: list[float]) -> None:
        self._uniform, self._normal = iter(uniform), iter(normal)

    def random(self) -> float:
        return next(self._uniform)

    def standard_normal(self) -> float:
        return next(self._normal)

    def uniform(self, low: float, high: float, size: tuple[int, int]) -> np.ndarray:
        return np.zeros(size)


def test_one_draw_point_by_point() -> None:
    """Upper half, factor 1 - 0.35 * 0.4, 27 degrees, mirrored: the official steps, one by one."""
    xy, width = _joints(), 400
    rng = _Scripted([0.1, 0.2, 0.3], [0.3, -0.4, 0.6])
    affine, moved, mirrored = draw_affine(BOX, xy, COCO_17, SIZE_WH, 1.25, PAPER, rng)  # type: ignore[arg-type]
    assert mirrored
    joints = xy[:UPPER]
    center = joints.mean(axis=0).astype(np.float64)
    w, h = joints.max(axis=0) - joints.min(axis=0)
    w, h = (w, w / 0.75) if w > 0.75 * h else (h * 0.75, h)
    scale = np.array([w, h]) / 200 * 1.5 * (1 - 0.35 * 0.4)
    center[0] = width - center[0] - 1  # the whole image is mirrored first
    flipped = np.stack([width - xy[:, 0] - 1, xy[:, 1]], axis=1)[list(COCO_17.flip_order)]
    zoom, angle = SIZE_WH[0] / (200 * scale[0]), math.radians(27)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    wanted = zoom * (flipped - center) @ turn.T + np.array(SIZE_WH) / 2
    np.testing.assert_allclose(moved, wanted, atol=1e-3)
    at = np.concatenate([xy[list(COCO_17.flip_order)], np.ones((17, 1))], axis=1) @ affine.T
    np.testing.assert_allclose(at, wanted, atol=1e-3)


def test_the_recipes_draw_as_the_official_configurations_say() -> None:
    for name in ("coco", "posetrack17"):
        how = RECIPES[name].stages[0].augmentation
        assert how == PAPER
        assert (how.rotation_deg, how.scale, how.p_half_body, how.half_body_joints) == (
            45,
            0.35,
            0.3,
            8,
        )
    mpii = RECIPES["mpii"].stages[0].augmentation
    assert (mpii.rotation_deg, mpii.scale, mpii.p_half_body, mpii.geometry) == (
        30,
        0.25,
        0,
        "official",
    )


@pytest.mark.parametrize(
    "how", [PAPER, Augmentation(geometry="uniform", shift=0.06, p_upright=0.5)]
)
@pytest.mark.parametrize("box", [BOX, np.array([20, 200, 320, 280], np.float32)])
def test_every_draw_stays_within_reach(how: Augmentation, box: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    xy = rng.uniform(box[:2], box[2:], (16, 2)).astype(np.float32)
    low, high = np.split(Reach(MPII_16, ((SIZE_WH, 1.25, how),))(box, xy), 2)
    corners = np.array([[0, 0], [SIZE_WH[0], 0], [0, SIZE_WH[1]], SIZE_WH], np.float64)
    furthest = np.zeros(2)
    for _ in range(2000):
        affine, _, _ = draw_affine(box, xy, MPII_16, SIZE_WH, 1.25, how, rng)
        shown = (corners - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
        assert (shown >= low - 1e-3).all()
        assert (shown <= high + 1e-3).all()
        furthest = np.maximum(furthest, np.abs(shown - (low + high) / 2).max(axis=0))
    assert (furthest > 0.85 * (high - low) / 2).all()  # and not much more is kept
