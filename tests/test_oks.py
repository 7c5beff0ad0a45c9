"""OKS, its suppression and rescoring against the official evaluator, and the rule for absent
joints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.oks import MAX_SOFT_NMS_POSES, oks, oks_nms, rescore, soft_oks_nms
from posetrack.skeletons import COCO_17

GOLDEN = Path(__file__).parent / "golden" / "decode"
SIGMAS = COCO_17.oks_sigmas


def test_oks_is_the_official_value() -> None:
    z = np.load(GOLDEN / "oks.npz")
    g, d, areas = z["g"], z["d"], (z["area_g"], z["area_d"])
    matrix = oks(g[..., :2], d[..., :2], *areas, SIGMAS)
    assert matrix.shape == (24, 24)
    np.testing.assert_allclose(np.diag(matrix), z["oks"], rtol=1e-12, atol=1e-15)
    visible = oks(g[..., :2], d[..., :2], *areas, SIGMAS, score_b=d[..., 2], min_score_b=0.2)
    np.testing.assert_allclose(np.diag(visible), z["oks_in_vis_thre_0_2"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", json.loads((GOLDEN / "oks_nms.json").read_text()))
def test_nms_keeps_what_the_official_code_keeps(case: dict[str, Any]) -> None:
    keypoints = np.array(case["keypoints"]).reshape(-1, 17, 3)
    given = (keypoints[..., :2], case["score"], case["area"], SIGMAS)
    for threshold in (0.9, 0.5, 0.3):
        assert oks_nms(*given, threshold).tolist() == case[f"oks_nms_keep_thresh_{threshold}"]
        assert (
            soft_oks_nms(*given, threshold).tolist()
            == case[f"soft_oks_nms_keep_thresh_{threshold}"]
        )
    kept = oks_nms(*given, 0.5, joint_score=keypoints[..., 2], min_joint_score=0.2)
    assert kept.tolist() == case["oks_nms_keep_thresh_0.5_in_vis_0.2"]


def test_rescoring_and_nms_give_the_official_rows() -> None:
    data = json.loads((GOLDEN / "rescore_nms.json").read_text())
    poses, boxes, images = (
        np.array(data["preds"]),
        np.array(data["boxes_cx_cy_sx_sy_area_score"]),
        data["image"],
    )
    for name, rows in data["results"].items():
        option = dict(word.split("=") for word in name.split())
        score = rescore(poses[..., 2], boxes[:, 5], float(option["in_vis_thre"]))
        suppress = soft_oks_nms if option["soft"] == "True" else oks_nms
        mine = []
        for image in dict.fromkeys(images):
            at = np.flatnonzero(np.array(images) == image)
            kept = suppress(
                poses[at, :, :2], score[at], boxes[at, 4], SIGMAS, float(option["oks_thre"])
            )
            mine += [[image, int(at[k]), score[at[k]]] for k in kept]
        assert [row[:2] for row in mine] == [row[:2] for row in rows]
        np.testing.assert_allclose([row[2] for row in mine], [row[2] for row in rows], rtol=1e-12)


def test_absent_joints() -> None:
    a = np.zeros((1, 4, 2))
    b = a.copy()
    b[0, :2] = np.nan
    area, sigmas = np.array([100.0]), np.full(4, 0.1)
    assert oks(a, b, area, area, sigmas)[0, 0] == 0.5
    assert oks(a, b, area, area, sigmas, absent="skip")[0, 0] == 1
    assert oks(a, np.full_like(a, np.nan), area, area, sigmas, absent="skip")[0, 0] == 0
    assert oks(a[:0], b, area[:0], area, sigmas).shape == (0, 1)


def test_soft_nms_keeps_at_most_twenty() -> None:
    xy = np.random.default_rng(0).uniform(0, 100, (30, 17, 2))
    assert (
        len(soft_oks_nms(xy, np.arange(30.0), np.full(30, 100.0), SIGMAS, 0.9))
        == MAX_SOFT_NMS_POSES
    )
    assert soft_oks_nms(xy[:0], np.zeros(0), np.zeros(0), SIGMAS, 0.9).shape == (0,)


def test_rescore_ignores_joints_without_score() -> None:
    assert rescore(
        np.array([[0.9, np.nan, 0.1], [0.1, 0.2, np.nan]]), np.array([0.5, 1.0])
    ).tolist() == [0.45, 0.0]


def test_visibility_threshold_needs_scores() -> None:
    with pytest.raises(ValueError, match="needs score_b"):
        oks(
            np.zeros((1, 2, 2)),
            np.zeros((1, 2, 2)),
            np.ones(1),
            np.ones(1),
            np.ones(2),
            min_score_b=0.1,
        )
