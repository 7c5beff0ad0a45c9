"""AP of people's boxes by pycocotools: how well a detector finds them."""

from __future__ import annotations

__all__ = ["score_boxes"]

import contextlib
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from posetrack.formats.coco_labels import PERSON_CATEGORY
from posetrack.structures import Boxes, FloatArray

FIGURES = ("ap", "ap50")  # over IoU 0.5 to 0.95, and at 0.5: COCOeval's first two


def score_boxes(
    truth: Sequence[tuple[FloatArray, FloatArray]], found: Sequence[Boxes]
) -> dict[str, float]:
    """``ap`` and ``ap50`` in percent of the boxes found in each image. The truth has an image's
    people (N, 4), x1, y1, x2, y2 in pixels, and its crowds (M, 4), boxes in which do not count.
    Without any people or boxes both are 0.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    people = [
        _row(image, box, iscrowd=crowd)
        for image, groups in enumerate(truth)
        for crowd, boxes in enumerate(groups)
        for box in boxes
    ]
    rows = [
        _row(image, box, score=float(score))
        for image, boxes in enumerate(found)
        for box, score in zip(boxes.xyxy, boxes.score, strict=True)
    ]
    if not people or not rows:
        return dict.fromkeys(FIGURES, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {
            "images": [{"id": image} for image in range(len(truth))],
            "annotations": [{**row, "id": n + 1} for n, row in enumerate(people)],
            "categories": [{"id": PERSON_CATEGORY, "name": "person"}],
        }
        known.createIndex()
        evaluation = COCOeval(known, known.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # pycocotools has -1 where there is nobody
    values = (100 * max(float(v), 0.0) for v in evaluation.stats[: len(FIGURES)])
    return {k: 0.0 if math.isnan(v) else v for k, v in zip(FIGURES, values, strict=True)}


def _row(image: int, xyxy: FloatArray, **more: Any) -> dict[str, Any]:
    x1, y1, x2, y2 = np.asarray(xyxy, float).tolist()
    sides = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
    return {"image_id": image, "category_id": PERSON_CATEGORY, **sides, **more}
