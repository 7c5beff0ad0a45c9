"""Targets, decoding and flip test equal the official code (golden arrays from it); DARK finds
sub-pixel peaks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posetrack import geometry, heatmaps

GOLDEN = Path(__file__).parent / "golden" / "decode"


@pytest.mark.parametrize("case", ["s1_192x256", "s2_192x256", "s3_288x384", "s2_256x256"])
def test_targets_equal_the_official_code(case: str) -> None:
    golden = np.load(GOLDEN / "targets.npz")
    expected, weights = golden[f"{case}_target"], golden[f"{case}_weight"][..., 0]
    heatmap_wh = (expected.shape[3], expected.shape[2])
    for i, (xy, visible) in enumerate(
        zip(golden[f"{case}_joints"], golden[f"{case}_vis"], strict=True)
    ):
        target, weight = heatmaps.gaussian_targets(xy, visible, heatmap_wh, float(case[1]))
        np.testing.assert_allclose(target, expected[i], atol=1e-6)
        np.testing.assert_array_equal(weight, weights[i])


def test_a_joint_without_coordinates_has_no_target() -> None:
    target, weight = heatmaps.gaussian_targets(
        np.array([[np.nan, np.nan]]), np.array([0.0]), (12, 16)
    )
    assert target.max() == 0
    assert weight[0] == 0


@pytest.mark.parametrize("case", ["a_48x64", "b_72x96", "c_12x16"])
@pytest.mark.parametrize("method", ["quarter", "plain"])
def test_decoding_equals_the_official_code(case: str, method: str) -> None:
    golden = np.load(GOLDEN / "decode.npz")
    maps = golden[f"{case}_heatmaps"]
    peak, value = heatmaps.argmax(maps)
    np.testing.assert_array_equal(peak, golden[f"{case}_argmax_xy"])
    np.testing.assert_array_equal(value, golden[f"{case}_maxval"][..., 0])
    xy, score = heatmaps.decode(maps, method)
    np.testing.assert_array_equal(score, value)
    heatmap_wh = (maps.shape[3], maps.shape[2])
    image_xy = geometry.heatmap_to_image(
        xy, golden[f"{case}_center"], golden[f"{case}_scale"], heatmap_wh
    )
    np.testing.assert_allclose(image_xy, golden[f"{case}_final_{method}"], atol=1e-3)


@pytest.mark.parametrize("name", ["coco17", "mpii16", "posetrack15"])
def test_flip_test_equals_the_official_code(name: str) -> None:
    golden = np.load(GOLDEN / "flip_test.npz")
    order = list(range(golden[f"{name}_output"].shape[1]))
    for a, b in golden[f"{name}_pairs"].tolist():
        order[a], order[b] = b, a
    out, mirrored = golden[f"{name}_output"], golden[f"{name}_output_of_mirrored_image"]
    np.testing.assert_array_equal(
        heatmaps.flip_back(mirrored, order), golden[f"{name}_flipped_back"]
    )
    for shift, key in ((True, "average_shift"), (False, "average_no_shift")):
        average = heatmaps.flip_average(out, mirrored, order, shift=shift)
        np.testing.assert_allclose(average, golden[f"{name}_{key}"], rtol=1e-6)


def _blob(x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[:64, :48]
    return np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8).astype(np.float32)


@pytest.mark.parametrize("method", ["dark", "smooth"])
def test_the_sub_pixel_peak_is_found(method: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform((8, 8), (40, 56), (1, 20, 2))
    maps = np.stack([_blob(x, y) for x, y in truth[0]])[None]
    found, _ = heatmaps.decode(maps, method)
    quarter, _ = heatmaps.decode(maps, "quarter")
    assert np.abs(found - truth).max() < 0.02
    assert np.abs(quarter - truth).max() > 0.1


@pytest.mark.parametrize("method", ["dark", "smooth"])
def test_flat_empty_and_border_maps_do_no_harm(method: str) -> None:
    maps = np.stack([np.zeros((64, 48)), np.ones((64, 48)), _blob(0, 0), _blob(47, 63)])[
        None
    ].astype(np.float32)
    xy, _ = heatmaps.decode(maps, method)
    assert np.isfinite(xy).all()
    assert xy[0, 2].tolist() == [0, 0]
    assert xy[0, 3].tolist() == [47, 63]


def test_smooth_goes_where_the_most_lies() -> None:
    spike = np.zeros((64, 48), np.float32)
    spike[10, 10] = 0.5
    maps = (0.4 * _blob(30.25, 40) + spike)[None, None]
    xy, score = heatmaps.decode(maps, "smooth")
    np.testing.assert_allclose(xy[0, 0], [30.25, 40], atol=0.05)
    assert score[0, 0] == 0.5
    assert np.abs(heatmaps.decode(maps, "dark")[0] - 10).max() < 1
