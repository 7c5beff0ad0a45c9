"""Image and joints move together under the one warp; the picture's changes keep its kind."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posetrack.geometry import crop_image
from posetrack.samples.augment import (
    NO_AUGMENTATION,
    PAPER,
    STRONG,
    Augmentation,
    augment_image,
)
from posetrack.samples.crops import Crop
from posetrack.samples.neighbours import add_neighbour
from posetrack.samples.silhouettes import silhouette
from posetrack.samples.warp import draw_affine
from posetrack.skeletons import LSP_14, POSETRACK_15, make_skeleton

PAIR = make_skeleton("pair", ["left_wrist", "right_wrist"])
RED, BLUE = (255, 0, 0), (0, 0, 255)


def _dots() -> tuple[np.ndarray, np.ndarray]:
    """A black image with a red left and a blue right wrist."""
    xy = np.array([[70.0, 60.0], [130.0, 90.0]], np.float32)
    image = np.zeros((160, 200, 3), np.uint8)
    for (x, y), colour in zip(xy.astype(int).tolist(), (RED, BLUE), strict=True):
        cv2.circle(image, (x, y), 6, colour, -1)
    return image, xy


def _centroid(image: np.ndarray, channel: int) -> np.ndarray:
    rows, columns = np.nonzero(image[:, :, channel] > 128)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("seed", range(12))
def test_joints_stay_on_their_dots_and_swap_when_mirrored(seed: int) -> None:
    image, xy = _dots()
    how = Augmentation(p_half_body=0, shift=0.02, scale=0.2)
    box = np.array([30, 20, 170, 130], np.float32)
    affine, moved, mirrored = draw_affine(
        box, xy, PAIR, (96, 128), 1.25, how, np.random.default_rng(seed)
    )
    crop = crop_image(image, affine, (96, 128))
    red, blue = _centroid(crop, 0), _centroid(crop, 2)
    np.testing.assert_allclose(moved, [blue, red] if mirrored else [red, blue], atol=0.4)


def test_no_augmentation_is_the_test_time_crop() -> None:
    _, xy = _dots()
    box = np.array([30, 20, 170, 130], np.float32)
    affine, moved, mirrored = draw_affine(
        box, xy, PAIR, (96, 128), 1.25, NO_AUGMENTATION, np.random.default_rng(0)
    )
    assert not mirrored
    zoom = 96 / (140 * 1.25)
    np.testing.assert_allclose(affine[:, :2], np.eye(2) * zoom, atol=1e-6)
    np.testing.assert_allclose(moved[0], (xy[0] - (100, 75)) * zoom + (48, 64), atol=1e-4)


def test_half_body_zooms_in_on_a_half() -> None:
    rng = np.random.default_rng(0)
    xy = np.stack([rng.uniform(0, 50, 15), np.linspace(0, 200, 15)], axis=1).astype(np.float32)
    box = np.array([0, 0, 50, 200], np.float32)
    how = Augmentation(p_flip=0, p_rotation=0, scale=0, p_half_body=1)
    affine, _, _ = draw_affine(box, xy, POSETRACK_15, (96, 128), 1.25, how, rng)
    whole, _, _ = draw_affine(box, xy, POSETRACK_15, (96, 128), 1.25, NO_AUGMENTATION, rng)
    assert affine[0, 0] > 1.2 * whole[0, 0]
    lonely = np.full_like(xy, np.nan)
    lonely[:2] = xy[:2]
    same, _, _ = draw_affine(box, lonely, POSETRACK_15, (96, 128), 1.25, how, rng)
    np.testing.assert_allclose(same, whole)  # too few joints in either half


@pytest.mark.parametrize("effect", ["p_grey", "p_blur", "p_jpeg", "p_noise", "p_occluder"])
def test_every_effect_changes_the_picture_and_keeps_its_kind(effect: str) -> None:
    image = np.random.default_rng(1).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    before = image.copy()
    how = Augmentation(**{effect: 1.0, "colour": 0.2 if effect == "p_grey" else 0.0})
    out = augment_image(image, how, np.random.default_rng(0))
    assert (out.shape, out.dtype) == (image.shape, np.uint8)
    assert not np.array_equal(out, image)
    np.testing.assert_array_equal(image, before)  # the stored crop is never written to
    if effect == "p_grey":
        assert np.ptp(out / out.mean(axis=(0, 1)), axis=2).mean() < 0.2


@pytest.mark.parametrize("how", [PAPER, STRONG])
def test_same_generator_same_sample(how: Augmentation) -> None:
    image = np.random.default_rng(1).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    a, b = (augment_image(image, how, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def _standing(x: float, colour: int) -> Crop:
    """A figure of plain colour on black ground, all joints of LSP known."""
    shape = [
        (-0.1, 1),
        (-0.1, 0.75),
        (-0.08, 0.5),
        (0.08, 0.5),
        (0.1, 0.75),
        (0.1, 1),
        (-0.25, 0.5),
        (-0.2, 0.35),
    ]
    shape += [(-0.12, 0.2), (0.12, 0.2), (0.2, 0.35), (0.25, 0.5), (0, 0.15), (0, 0)]
    xy = (np.array(shape, np.float32) * 80 + [x, 10]).astype(np.float32)
    image = np.full((100, 100, 3), colour, np.uint8)
    box = np.concatenate([xy.min(axis=0), xy.max(axis=0)])
    known = np.ones(14, bool)
    return Crop(image, box, xy, np.full(14, 2), known, "drawn", 1.0, np.zeros(2, np.float32))


def test_a_neighbour_is_pasted_and_hides_little_of_the_person() -> None:
    person, other = _standing(50, 0), _standing(50, 200)
    own = silhouette(person.xy, np.zeros(2), (100, 100))
    assert own is not None
    pasted, before, beside = 0, 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        image = add_neighbour(person.image, person.xy, other, LSP_14, rng)
        again = add_neighbour(person.image, person.xy, other, LSP_14, np.random.default_rng(seed))
        assert (image == again).all()
        there = image[..., 0] > 100
        pasted += bool(there.any())
        before += bool((there & (own > 0.9)).any())
        beside += bool((there & (own < 0.1)).any())
        at = person.xy.round().astype(int)
        assert there[at[:, 1].clip(0, 99), at[:, 0].clip(0, 99)].mean() <= 0.5
    assert pasted > 30
    assert 5 < before < pasted  # some stand behind
    assert beside > 30
    assert not person.image.any()


def test_somebody_of_unknown_shape_is_no_neighbour() -> None:
    person, other = _standing(50, 0), _standing(50, 200)
    other.xy[4] = np.nan
    for seed in range(5):
        image = add_neighbour(person.image, person.xy, other, LSP_14, np.random.default_rng(seed))
        assert (image == person.image).all()
