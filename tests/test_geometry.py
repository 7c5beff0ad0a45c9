"""Crops equal the official code (golden arrays from it); boxes behave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack import geometry as g
from posetrack.skeletons import COCO_17, MPII_16

GOLDEN = Path(__file__).parent / "golden" / "decode"
AFFINE = np.load(GOLDEN / "affine.npz")
SIZES = ("192x256", "288x384", "256x256")
POINT_TOLERANCE_PX = 1e-3  # the reference goes through float32 points


def _wh(size: str) -> tuple[int, int]:
    width, height = size.split("x")
    return int(width), int(height)


def _xyxy(xywh: np.ndarray) -> np.ndarray:
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


@pytest.mark.parametrize("size", SIZES)
def test_center_and_scale_equal_the_official_code(size: str) -> None:
    center, scale = g.box_to_center_scale(_xyxy(AFFINE[f"{size}_box_xywh"]), _wh(size))
    np.testing.assert_allclose(center, AFFINE[f"{size}_center"], rtol=1e-6)
    np.testing.assert_allclose(scale, AFFINE[f"{size}_scale"], rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_affine_maps_equal_the_official_code(size: str) -> None:
    center, scale = AFFINE[f"{size}_center"], AFFINE[f"{size}_scale"]
    affine = g.crop_affine(center, scale, _wh(size))
    np.testing.assert_allclose(affine, AFFINE[f"{size}_affine_image_to_input"], atol=1e-3)
    np.testing.assert_allclose(
        g.invert_affine(affine), AFFINE[f"{size}_affine_input_to_image"], atol=1e-3
    )
    points = g.transform_points(AFFINE[f"{size}_points_image"], affine)
    np.testing.assert_allclose(points, AFFINE[f"{size}_points_input"], atol=POINT_TOLERANCE_PX)
    heatmap_wh = (_wh(size)[0] // 4, _wh(size)[1] // 4)
    back = g.heatmap_to_image(AFFINE[f"{size}_points_heatmap"], center, scale, heatmap_wh)
    np.testing.assert_allclose(
        back, AFFINE[f"{size}_points_heatmap_in_image"], atol=POINT_TOLERANCE_PX
    )


@pytest.mark.parametrize("size", SIZES)
def test_rotated_affine_equals_the_official_code(size: str) -> None:
    affine = g.crop_affine(
        AFFINE[f"{size}_center"],
        AFFINE[f"{size}_jitter_scale"],
        _wh(size),
        AFFINE[f"{size}_jitter_rot_deg"],
    )
    np.testing.assert_allclose(affine, AFFINE[f"{size}_jitter_affine"], atol=1e-3)


def _wave_image() -> np.ndarray:
    """The image of the golden crops."""
    y, x = np.mgrid[:240, :320]
    waves = [
        np.floor(127.5 + 127.5 * np.sin(0.021 * (k + 1) * x + 0.037 * y + k)) for k in range(3)
    ]
    return np.clip(np.stack(waves, axis=2), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("case", range(3))
def test_crop_equals_the_official_code(case: int) -> None:
    golden = np.load(GOLDEN / "crop_image.npz")
    expected = golden[f"{case}_crop"]
    size_wh = (expected.shape[1], expected.shape[0])
    box = golden[f"{case}_box"][None]
    center, scale = g.box_to_center_scale(_xyxy(box), size_wh)
    affine = g.crop_affine(center, scale, size_wh, float(golden[f"{case}_rot"]))[0]
    np.testing.assert_allclose(affine, golden[f"{case}_affine"], atol=1e-3)
    crop = g.crop_image(_wave_image(), affine, size_wh)
    assert (np.abs(crop.astype(int) - expected) > 2).mean() < 0.005  # hard edges may differ
    assert crop.dtype == np.uint8


@pytest.mark.parametrize(("name", "skeleton"), [("coco17", COCO_17), ("mpii16", MPII_16)])
def test_flip_joints_equals_the_official_code(name: str, skeleton: object) -> None:
    golden = np.load(GOLDEN / "flip_joints.npz")
    for i in range(len(golden[f"{name}_joints"])):
        xy, visible = golden[f"{name}_joints"][i, :, :2], golden[f"{name}_vis"][i, :, 0] > 0
        out, seen = g.flip_joints(xy, visible, int(golden[f"{name}_width"][i]), skeleton.flip_pairs)  # type: ignore[attr-defined]
        np.testing.assert_allclose(out, golden[f"{name}_out_joints"][i, :, :2], atol=1e-9)
        np.testing.assert_array_equal(seen, golden[f"{name}_out_vis"][i, :, 0] > 0)


@given(st.floats(-200, 200), st.floats(0.1, 5), st.floats(-180, 180))
@settings(max_examples=50, deadline=None)
def test_affine_and_its_inverse_cancel(x: float, scale: float, rotation: float) -> None:
    affine = g.crop_affine(np.array([[x, -x]]), np.array([[scale, scale]]), (96, 128), rotation)
    points = np.array([[[x, 3.0], [0.0, -50.0]]])
    back = g.transform_points(g.transform_points(points, affine), g.invert_affine(affine))
    np.testing.assert_allclose(back, points, atol=1e-6)


def test_pixel_convention_center_of_box_lands_on_half_the_size() -> None:
    center, scale = g.box_to_center_scale(np.array([[10.0, 20.0, 110.0, 220.0]]), (192, 256))
    middle = g.transform_points(center[:, None], g.crop_affine(center, scale, (192, 256)))
    np.testing.assert_allclose(middle, [[[96, 128]]])


def test_iou_and_nms() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30], [5, 5, 5, 5]], np.float32)
    iou = g.iou_matrix(boxes, boxes)
    np.testing.assert_allclose(iou[0], [1, 0.5, 0, 0])
    assert iou[3, 3] == 0
    score = np.array([0.5, 0.9, 0.7, 0.1])
    assert g.nms(boxes, score, 0.4).tolist() == [1, 2, 3]
    assert g.nms(boxes, score, 0.5).tolist() == [1, 2, 0, 3]  # only a larger overlap removes
    assert g.nms(np.zeros((0, 4)), np.zeros(0), 0.5).shape == (0,)


def test_keypoint_boxes_are_extended_by_fifteen_percent_and_skip_absent_joints() -> None:
    xy = np.array([[[0, 0], [100, 200], [np.nan, np.nan]], [[np.nan, np.nan]] * 3], np.float32)
    boxes = g.keypoint_boxes(xy)
    np.testing.assert_allclose(boxes[0], [-7.5, -15, 107.5, 215])
    assert np.isnan(boxes[1]).all()
    assert g.keypoint_boxes(np.zeros((0, 3, 2))).shape == (0, 4)


def test_clipping() -> None:
    assert g.clip_boxes(np.array([[-5, -5, 700, 20]]), (640, 480)).tolist() == [[0, 0, 639, 20]]
    assert g.clean_coco_boxes(np.array([[-5, 10, 20, 1000]]), (640, 480)).tolist() == [
        [0, 10, 19, 479]
    ]
