"""COCO's score with joints, image numbers and categories of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from posetrack.errors import FormatError
from posetrack.evaluation.coco import score_coco
from posetrack.skeletons import DEFAULT_SIGMA


def _animals(joints: int, **more: Any) -> dict[str, Any]:
    """One animal of ``joints`` joints, 100 x 100 px, in image 7, as category 5."""
    keypoints = [v for j in range(joints) for v in (10.0 + 3 * j, 20.0 + 2 * j, 2)]
    one = {
        "id": 1,
        "image_id": 7,
        "category_id": 5,
        "keypoints": keypoints,
        "bbox": [0, 0, 100, 100],
        "iscrowd": 0,
    }
    names = [f"point_{j}" for j in range(joints)]
    return {
        "images": [{"id": 7, "file_name": "a/7.png"}],
        "annotations": [one | {"area": 1e4, "num_keypoints": joints}],
        "categories": [{"id": 1, "name": "tree"}, {"id": 5, "name": "fox", "keypoints": names}],
        **more,
    }


def _found(truth: dict[str, Any], off_px: float, **more: Any) -> list[dict[str, Any]]:
    keypoints = np.array(truth["annotations"][0]["keypoints"]).reshape(-1, 3) + np.array(
        [off_px, 0, 0]
    )
    return [
        {
            "image_id": 0,
            "category_id": 1,
            "keypoints": keypoints.ravel().tolist(),
            "score": 0.5,
            **more,
        }
    ]


@pytest.mark.parametrize("joints", [4, 17])
def test_joints_of_ones_own_have_the_default_sigma(joints: int) -> None:
    truth = _animals(joints)
    # OKS = exp(-d^2 / (2 area (2 sigma)^2)): where it is 0.77, the thresholds 0.5 ... 0.75 of ten
    # are passed
    off = float(np.sqrt(-np.log(0.77) * 2 * 1e4)) * 2 * DEFAULT_SIGMA
    assert score_coco(truth, _found(truth, off, file_name="a/7.png"))["AP"] == pytest.approx(60)


def test_rows_are_found_by_the_name_of_their_picture() -> None:
    truth = _animals(4)
    for name in ("a/7.png", "7.png", "clip/7.png"):
        assert score_coco(truth, _found(truth, 0, file_name=name))["AP"] == pytest.approx(100)
    with pytest.raises(FormatError, match="image_id: 0 is no image"):
        score_coco(truth, _found(truth, 0, file_name="8.png"))
    two = [{"id": 7, "file_name": "a/7.png"}, {"id": 8, "file_name": "b/7.png"}]
    with pytest.raises(FormatError, match="image_id: 0 is no image"):
        score_coco(_animals(4, images=two), _found(truth, 0, file_name="7.png"))
