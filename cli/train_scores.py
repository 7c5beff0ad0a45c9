"""The scores of ``posetrack eval`` as validations of training: AP, PCKh and PoseTrack's mAP from
the labelled boxes.
"""

from __future__ import annotations

__all__ = ["METRICS", "coco_score", "mpii_score", "posetrack_score"]

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from posetrack.datasets.people import PersonSet
    from posetrack.evaluation.mpii import MpiiTruth
    from posetrack.formats.table import LabelTable
    from posetrack.samples.crops import Crop
    from posetrack.structures import Skeleton

    Floats = npt.NDArray[np.float32]
    Score = Callable[[Floats, Floats], Mapping[str, float]]

SAME_PX = 1.0  # how far apart the joints of one labelled person may lie in two readings of a file


# --- COCO
# --------------------------------------------------------------------------------------------------


def coco_score(people: PersonSet, crops: Sequence[Crop], skeleton: Skeleton) -> Score:
    """A function of joints (N, K, 2) and scores (N, K) of ``crops`` that gives their AP against the
    file of ``people``.

    Every labelled box gives one result, with the mean score of its joints (the paper's AP "with
    ground-truth boxes"). Raises InputError and FormatError.
    """
    from posetrack.evaluation.coco import read_coco_truth, score_coco
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
        return {"ap": _number(score_coco(truth, rows, str(people.file))["AP"])}

    return score


def _joints_of(truth: Mapping[str, Any]) -> Skeleton:
    from posetrack.skeletons import COCO_17, make_skeleton

    names = next(
        (c["keypoints"] for c in truth["categories"] if c.get("keypoints")), COCO_17.joints
    )
    return make_skeleton("truth", names)


def _result(image: Any, xy: Floats, score: Floats, order: Sequence[int]) -> dict[str, Any]:
    """A row of the COCO results layout; joints the network does not have are 0."""
    keypoints = [
        v
        for k in order
        for v in ((float(xy[k, 0]), float(xy[k, 1]), float(score[k])) if k >= 0 else (0.0,) * 3)
    ]
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": keypoints,
        "score": float(score.mean()),
    }


def _number(value: float) -> float:
    """0 for NaN: what cannot be scored is not better than anything."""
    return 0.0 if math.isnan(value) else float(value)


# --- MPII
# --------------------------------------------------------------------------------------------------


def mpii_score(people: PersonSet, crops: Sequence[Crop], skeleton: Skeleton) -> Score:
    """A function of joints and scores of ``crops`` that gives their mean PCKh@0.5 against MPII's
    labels.

    Joints that the network does not have count as missed; joints that nobody here has are left out
    of the mean (the official code has no number then). Raises InputError and FormatError, also
    where head boxes are missing.
    """
    from posetrack.evaluation.mpii import read_mpii_truth
    from posetrack.skeletons import MPII_16, joint_map

    assert people.file is not None
    truth = read_mpii_truth(people.file)
    order = joint_map(skeleton, MPII_16)
    of_crops = _people_of(truth, crops, order, str(people.file))

    def score(xy: Floats, scores: Floats) -> Mapping[str, float]:
        return {"pckh": _mean_pckh(of_crops, _in_order(xy, order))}

    return score


def _people_of(
    truth: MpiiTruth, crops: Sequence[Crop], order: Sequence[int], file: str
) -> MpiiTruth:
    """The rows of ``truth`` that ``crops`` were cut from, found by image and place. Raises
    FormatError.
    """
    import numpy as np

    from posetrack.errors import FormatError
    from posetrack.evaluation.mpii import ONE_BASED, MpiiTruth

    by_image: dict[str, list[int]] = {}
    for row, image in enumerate(truth.image):
        by_image.setdefault(image, []).append(row)
    rows = []
    for crop in crops:
        labelled = _in_order((crop.xy[None] + crop.offset) / crop.zoom, order)[0]
        found = {
            r: np.nanmax(np.abs(truth.xy[r] - ONE_BASED - labelled), initial=0)
            for r in by_image.get(crop.name, ())
        }
        best = min(found, key=lambda r: float(found[r]), default=None)
        if best is None or found[best] > SAME_PX:
            raise FormatError(
                f"{file}: nobody in image {crop.name} has a head box for PCKh; use --metric pck."
            )
        rows.append(best)
    images = tuple(truth.image[r] for r in rows)
    return MpiiTruth(
        truth.xy[rows], truth.missing[rows], truth.head_xyxy[rows], images, truth.center_scale[rows]
    )


def _in_order(xy: npt.NDArray[Any], order: Sequence[int]) -> npt.NDArray[np.float64]:
    """Joints (N, K, 2) as (N, 16, 2) in MPII's order, NaN where the network has none."""
    import numpy as np

    sorted_xy = xy[:, order].astype(np.float64)
    sorted_xy[:, np.asarray(order) < 0] = np.nan
    return sorted_xy


def _mean_pckh(truth: MpiiTruth, xy: npt.NDArray[np.float64]) -> float:
    import numpy as np

    from posetrack.evaluation.mpii import score_mpii
    from posetrack.metrics.pckh import UNCOUNTED

    result = score_mpii(truth, xy)
    counts = result.counts.copy()
    counts[list(UNCOUNTED)] = 0
    return float(np.nan_to_num(result.joints) @ counts / max(int(counts.sum()), 1))


# --- PoseTrack
# --------------------------------------------------------------------------------------------------


def posetrack_score(people: PersonSet, crops: Sequence[Crop], skeleton: Skeleton) -> Score:
    """A function of joints and scores of ``crops`` that gives their mAP, by the rules of the
    official tool.

    Everybody with a labelled box is predicted, nobody else; joints keep their own scores. Raises
    FormatError, also where head boxes are missing.
    """
    import numpy as np

    from posetrack.datasets.posetrack import label_files
    from posetrack.evaluation.files import read_labels
    from posetrack.evaluation.posetrack import score_posetrack
    from posetrack.formats.table import JOINTS, NO_ID
    from posetrack.skeletons import joint_map, make_skeleton

    assert people.file is not None
    wanted = set(people.images)
    tables = [read_labels(file) for file in label_files(people.file)]
    tables = [t.people(np.array([t.images[f] in wanted for f in t.frame], bool)) for t in tables]
    tables = [_without_ids(t, NO_ID) for t in tables if len(t)]
    order = joint_map(skeleton, make_skeleton("posetrack17", JOINTS))
    # what cannot be scored is refused now, not after an epoch
    score_posetrack([(t.name, partial(_both, t, t)) for t in tables], metrics=("ap",))

    def score(xy: Floats, scores: Floats) -> Mapping[str, float]:
        found = [_prediction(t, crops, xy, scores, order) for t in tables]
        pairs = [(t.name, partial(_both, t, p)) for t, p in zip(tables, found, strict=True)]
        report = score_posetrack(pairs, metrics=("ap",))
        assert report.total.ap is not None
        return {"map": _number(float(report.total.ap.ap[-1]))}

    return score


def _both(truth: LabelTable, prediction: LabelTable) -> tuple[LabelTable, LabelTable]:
    return truth, prediction


def _without_ids(table: LabelTable, no_id: int) -> LabelTable:
    """Identities play no part in AP, and no file is to be refused for them."""
    from dataclasses import replace

    return replace(table, track_id=table.track_id * 0 + no_id)


def _prediction(
    truth: LabelTable, crops: Sequence[Crop], xy: Floats, scores: Floats, order: Sequence[int]
) -> LabelTable:
    """What was predicted in the images of ``truth``, as a table of the same frames."""
    from dataclasses import replace

    import numpy as np

    from posetrack.formats.table import NO_ID, NO_SCORE

    frame_of = {image: f for f, image in enumerate(truth.images)}
    rows = sorted(
        (n for n, c in enumerate(crops) if c.name in frame_of),
        key=lambda n: frame_of[crops[n].name],
    )
    absent = np.asarray(order) < 0
    nobody = np.full((len(rows), 4), np.nan)
    score = np.where(absent, NO_SCORE, scores[rows][:, order].astype(np.float64))
    return replace(
        truth,
        frame=np.array([frame_of[crops[n].name] for n in rows], np.int64),
        track_id=np.full(len(rows), NO_ID),
        xy=_in_order(xy[rows], order),
        score=score,
        pose_score=scores[rows].mean(axis=1).astype(np.float64),
        box_xyxy=nobody,
        head_xyxy=nobody,
        has_points=np.ones(len(rows), np.bool_),
    )


# name -> (layout of the held-out labels, in words, what makes the score)
METRICS: dict[str, tuple[str, str, Callable[[PersonSet, Sequence[Crop], Skeleton], Score]]] = {
    "ap": ("coco", "COCO-style labels", coco_score),
    "pckh": ("mpii", "MPII's labels", mpii_score),
    "map": ("posetrack", "PoseTrack labels", posetrack_score),
}
