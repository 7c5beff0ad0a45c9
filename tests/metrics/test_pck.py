"""PCKh of MPII and the training accuracy against the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posetrack.metrics.heatmap_pck import NO_TARGET, heatmap_accuracy
from posetrack.metrics.pckh import OFFICIAL_FINE, head_sizes, pckh

GOLDEN = Path(__file__).parents[1] / "golden" / "decode"


@pytest.mark.parametrize("case", [0, 3, 7])
def test_pckh_is_the_official_value(case: int) -> None:
    z = np.load(GOLDEN / "mpii_pckh.npz")
    truth = z[f"{case}_pos_gt_src"].transpose(2, 0, 1)
    boxes = z[f"{case}_headboxes_src"]
    corners = np.concatenate([boxes[0], boxes[1]]).T
    missing = z[f"{case}_jnt_missing"].T.astype(bool)
    result = pckh(z[f"{case}_preds_zero_based"] + 1, truth, missing, head_sizes(corners))
    assert list(result.groups) == z["value_names"][:7].tolist()
    mine = [*result.groups.values(), result.mean, result.official_mean_at_0_1]
    np.testing.assert_allclose(mine, z[f"{case}_values"], rtol=1e-9)


def test_the_two_fine_thresholds_are_told_apart() -> None:
    assert pytest.approx(0.11) == OFFICIAL_FINE
    truth = np.zeros((1, 16, 2))
    off = truth + np.array([10.5, 0])  # 0.105 head sizes
    result = pckh(off, truth, np.zeros((1, 16), bool), np.array([100.0]))
    assert (result.mean, result.mean_at_0_1, result.official_mean_at_0_1) == (100, 0, 100)


@pytest.mark.parametrize("case", range(20))
def test_heatmap_accuracy_is_the_official_value(case: int) -> None:
    z = np.load(GOLDEN / "heatmap_accuracy.npz")
    found, mean, count = heatmap_accuracy(
        z[f"{case}_pred_xy"].astype(float),
        z[f"{case}_target_xy"].astype(float),
        tuple(z[f"{case}_hw"]),
    )
    np.testing.assert_allclose(found, z[f"{case}_acc"], rtol=1e-12)
    assert (mean, count) == (pytest.approx(float(z[f"{case}_avg"])), int(z[f"{case}_count"]))


def test_no_targets_at_all() -> None:
    found, mean, count = heatmap_accuracy(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), (64, 48))
    assert found.tolist() == [0, NO_TARGET, NO_TARGET, NO_TARGET]
    assert (mean, count) == (0, 0)
