"""``eval coco`` with results and truths as other tools write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from posetrack.errors import FormatError
from posetrack.evaluation.coco import read_coco_truth, score_coco

POINTS = [float(v) for k in range(17) for v in (10 + 9 * k, 20 + 11 * (k % 5), 2)]


def _score(tmp_path: Path, person=(), result=(), drop=(), images=("a.jpg",)) -> float:
    """AP of a perfect result; ``person`` and ``result`` change the two, ``drop`` leaves fields of
    the truth out.
    """
    full = {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 144, 44], "area": 5000,
            "iscrowd": 0, "num_keypoints": 17, "keypoints": POINTS, **dict(person)}  # fmt: skip
    for key in drop:
        del full[key]
    others = [{"id": 7 + n, "file_name": name, "width": 300, "height": 200}
              for n, name in enumerate(images)]  # fmt: skip
    truth = {"images": others, "annotations": [full]}
    (tmp_path / "t.json").write_text(json.dumps(truth))
    row = {"image_id": 7, "category_id": 1, "keypoints": POINTS, "score": 0.9, **dict(result)}
    return score_coco(read_coco_truth(tmp_path / "t.json"), [row])["AP"]


@pytest.mark.parametrize(
    ("person", "result", "drop"),
    [({}, {"category_id": 0}, ()), ({"category_id": 0}, {"category_id": 1}, ()),
     ({"category_id": 0}, {"category_id": 0}, ()), ({}, {"image_id": "a.jpg"}, ()),
     ({}, {"image_id": "x/y/a.jpg"}, ()), ({}, {"image_id": "x\\a.jpg"}, ()),
     ({}, {"image_id": "7"}, ()), ({}, {}, ("bbox",)), ({}, {}, ("area",)),
     ({}, {}, ("bbox", "area")), ({"bbox": [0, 0, 0, 0], "area": 0}, {}, ()),
     ({"area": 0}, {}, ()), ({"bbox": []}, {}, ()), ({}, {}, ("num_keypoints",)),
     ({"num_keypoints": 0}, {}, ()), ({}, {}, ("id", "iscrowd", "category_id"))],
)  # fmt: skip
def test_a_perfect_result_scores_100(tmp_path: Path, person, result, drop) -> None:
    assert _score(tmp_path, person, result, drop) == pytest.approx(100)


@pytest.mark.parametrize(
    ("person", "message"),
    [({"keypoints": POINTS[:5]}, "5 values, but 1 joints need 3"),
     ({"keypoints": "x"}, "keypoints: 'x' is not"), ({"bbox": [1, 2]}, "bbox: not"),
     ({"area": "large"}, "area: 'large' is not"), ({"image_id": []}, "image_id: a number"),
     ({"area": 1e300}, "is not a finite number"), ({"category_id": {}}, "category_id: a number")],
)  # fmt: skip
def test_a_truth_that_cannot_be_meant_is_named(tmp_path: Path, person, message: str) -> None:
    with pytest.raises(FormatError, match=rf"t\.json: annotation 0: .*{message}"):
        _score(tmp_path, person)


def test_an_empty_list_of_joints_is_a_person_without_labels(tmp_path: Path) -> None:
    truth = {
        "images": [{"id": 1}],
        "annotations": [
            {"image_id": 1, "keypoints": [], "area": 10},
            {"image_id": 1, "keypoints": POINTS, "area": 5000},
        ],
    }
    (tmp_path / "t.json").write_text(json.dumps(truth))
    row = {"image_id": 1, "keypoints": POINTS, "score": 0.9}
    assert score_coco(read_coco_truth(tmp_path / "t.json"), [row])["AP"] == pytest.approx(100)


def test_results_of_another_category_are_told(tmp_path: Path) -> None:
    truth = {
        "images": [{"id": 1}],
        "annotations": [
            {"image_id": 1, "keypoints": POINTS, "category_id": c, "area": 9} for c in (1, 2)
        ],
    }
    (tmp_path / "t.json").write_text(json.dumps(truth))
    row = {"image_id": 1, "keypoints": POINTS, "score": 0.9, "category_id": 5}
    with pytest.raises(FormatError, match="results are of category 5, the people of the truth"):
        score_coco(read_coco_truth(tmp_path / "t.json"), [row])
