"""The AP of ``posetrack eval coco`` as a validation of training."""

from __future__ import annotations

__all__ = ["coco_score"]

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from posetrack.datasets.crops import Crop
    from posetrack.datasets.people import PersonSet
    from posetrack.structures import Skeleton

    Floats = npt.NDArray[np.float32]


def coco_score(
    people: PersonSet, crops: Sequence[Crop], skeleton: Skeleton
) -> Callable[[Floats, Floats], Mapping[str, float]]:
    """A function of joints (N, K, 2) and scores (N, K) of ``crops`` that gives their AP against the file of ``people``.

    Every labelled box gives one result, with the mean score of its joints (the paper's AP "with ground-truth boxes").
    Raises InputError and FormatError.
    """
    from posetrack.evaluate_coco import read_coco_truth, score_coco
    from posetrack.skeletons import joint_map

    assert people.file is not None
    truth = read_coco_truth(people.file)
    wanted = set(people.images)
    truth["images"] = [image for image in truth["images"] if image["file_name"] in wanted]
    ids = {image["file_name"]: image["id"] for image in truth["images"]}
    kept = set(ids.values())
    truth["annotations"] = [person for person in truth["annotations"] if person["image_id"] in kept]
    order = joint_map(skeleton, _joints_of(truth))
    images = [ids[crop.name] for crop in crops]

    def score(xy: Floats, scores: Floats) -> Mapping[str, float]:
        rows = [_result(*row, order) for row in zip(images, xy, scores, strict=True)]
        ap = score_coco(truth, rows, str(people.file))["AP"]
        return {"ap": 0.0 if math.isnan(ap) else ap}

    return score


def _joints_of(truth: Mapping[str, Any]) -> Skeleton:
    from posetrack.skeletons import COCO_17, make_skeleton

    names = next((c["keypoints"] for c in truth["categories"] if c.get("keypoints")), COCO_17.joints)
    return make_skeleton("truth", names)


def _result(image: Any, xy: Floats, score: Floats, order: Sequence[int]) -> dict[str, Any]:
    """A row of the COCO results layout; joints the network does not have are 0."""
    keypoints = [
        v for k in order for v in ((float(xy[k, 0]), float(xy[k, 1]), float(score[k])) if k >= 0 else (0.0,) * 3)
    ]
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "score": float(score.mean())}
