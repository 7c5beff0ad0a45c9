"""The scores of ``posetrack eval`` as validations of training: AP, PCKh and PoseTrack's mAP from
the labelled boxes, the same numbers for the same weights.
"""

from __future__ import annotations

__all__ = ["METRICS", "coco_score", "mpii_score", "posetrack_score"]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.datasets.people import PersonSet
from posetrack.datasets.posetrack import label_files
from posetrack.errors import FormatError
from posetrack.evaluation.coco import read_coco_truth, score_coco
from posetrack.evaluation.files import read_labels
from posetrack.evaluation.mpii import MpiiTruth, read_mpii_truth, score_mpii
from posetrack.evaluation.posetrack import score_posetrack
from posetrack.evaluation.predict import coco_rows
from posetrack.formats.table import JOINTS, NO_ID, NO_SCORE, LabelTable
from posetrack.metrics.pckh import UNCOUNTED
from posetrack.oks import rescore
from posetrack.samples.crops import Crop
from posetrack.skeletons import COCO_17, MPII_16, joint_map, make_skeleton
from posetrack.structures import Boxes, InputSpec, Poses, Skeleton

Floats = npt.NDArray[np.float32]
Score = Callable[[Floats, Floats], Mapping[str, float]]
Maker = Callable[[PersonSet, Sequence[Crop], Skeleton, InputSpec], Score]


# --- COCO
# --------------------------------------------------------------------------------------------------


def coco_score(
    people: PersonSet, crops: Sequence[Crop], skeleton: Skeleton, spec: InputSpec
) -> Score:
    """A function of joints (N, K, 2) and scores (N, K) of ``crops`` that gives their AP against the
    file of ``people``: as ``posetrack eval coco --boxes truth`` rescores, frees of doubles and
    counts them, for a network fed with ``spec``. Raises InputError and FormatError.
    """
    assert people.file is not None
    truth = read_coco_truth(people.file)
    wanted = set(people.images)
    truth["images"] = [image for image in truth["images"] if image["file_name"] in wanted]
    ids = {image["file_name"]: image["id"] for image in truth["images"]}
    kept = set(ids.values())
    truth["annotations"] = [person for person in truth["annotations"] if person["image_id"] in kept]
    order = np.asarray(joint_map(skeleton, _joints_of(truth)))
    xyxy = np.stack([(c.xyxy + np.tile(c.offset, 2)) / c.zoom for c in crops])
    by_image: dict[str, list[int]] = {}
    for number, crop in enumerate(crops):
        by_image.setdefault(crop.name, []).append(number)

    def score(xy: Floats, scores: Floats) -> Mapping[str, float]:
        total = rescore(scores, np.ones(len(scores), np.float32)).astype(np.float32)
        poses = Poses(xy, scores, Boxes(xyxy, total), skeleton)
        rows = [
            row
            for name, numbers in by_image.items()
            for row in coco_rows(ids[name], poses[np.array(numbers)], order, spec)
        ]
        return {"ap": _number(score_coco(truth, rows, str(people.file))["AP"])}

    return score


def _joints_of(truth: Mapping[str, Any]) -> Skeleton:

    names = next(
        (c["keypoints"] for c in truth["categories"] if c.get("keypoints")), COCO_17.joints
    )
    return make_skeleton("truth", names)


def _number(value: float) -> float:
    """0 for NaN: what cannot be scored is not better than anything."""
    return 0.0 if math.isnan(value) else float(value)


# --- MPII
# --------------------------------------------------------------------------------------------------


def mpii_score(
    people: PersonSet, crops: Sequence[Crop], skeleton: Skeleton, spec: InputSpec
) -> Score:
    """A function of joints and scores of ``crops`` that gives their mean PCKh@0.5 against MPII's
    labels.

    Joints that the network does not have count as missed; joints that nobody here has are left out
    of the mean (the official code has no number then). Raises InputError and FormatError, also
    where head boxes are missing.
    """

    assert people.file is not None
    truth = read_mpii_truth(people.file)
    order = joint_map(skeleton, MPII_16)
    of_crops = _people_of(truth, crops, str(people.file))

    def score(xy: Floats, scores: Floats) -> Mapping[str, float]:
        return {"pckh": _mean_pckh(of_crops, _in_order(xy, order))}

    return score


def _people_of(truth: MpiiTruth, crops: Sequence[Crop], file: str) -> MpiiTruth:
    """The people of ``truth`` that ``crops`` were cut from, by their numbers in the file. Raises
    FormatError.
    """
    place = {number: n for n, number in enumerate(truth.row)}
    rows = []
    for crop in crops:
        n = place.get(crop.row, -1)
        if n < 0 or truth.image[n] != crop.name:
            raise FormatError(
                f"{file}: nobody in image {crop.name} has a head box for PCKh; use --metric pck."
            )
        rows.append(n)
    images = tuple(truth.image[n] for n in rows)
    return MpiiTruth(
        truth.xy[rows], truth.missing[rows], truth.head_xyxy[rows], images, truth.center_scale[rows]
    )


def _in_order(xy: npt.NDArray[Any], order: Sequence[int]) -> npt.NDArray[np.float64]:
    """Joints (N, K, 2) as (N, 16, 2) in MPII's order, NaN where the network has none."""

    sorted_xy = xy[:, order].astype(np.float64)
    sorted_xy[:, np.asarray(order) < 0] = np.nan
    return sorted_xy


def _mean_pckh(truth: MpiiTruth, xy: npt.NDArray[np.float64]) -> float:

    result = score_mpii(truth, xy)
    counts = result.counts.copy()
    counts[list(UNCOUNTED)] = 0
    return float(np.nan_to_num(result.joints) @ counts / max(int(counts.sum()), 1))


# --- PoseTrack
# --------------------------------------------------------------------------------------------------


def posetrack_score(
    people: PersonSet, crops: Sequence[Crop], skeleton: Skeleton, spec: InputSpec
) -> Score:
    """A function of joints and scores of ``crops`` that gives their mAP, by the rules of the
    official tool.

    Everybody with a labelled box is predicted, nobody else; joints keep their own scores. Raises
    FormatError, also where head boxes are missing.
    """

    assert people.file is not None
    wanted = set(people.images)
    tables = [read_labels(file) for file in label_files(people.file)]
    tables = [t.people(np.array([t.images[f] in wanted for f in t.frame], bool)) for t in tables]
    tables = [_without_ids(t) for t in tables if len(t)]
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


def _without_ids(table: LabelTable) -> LabelTable:
    """Identities play no part in AP, and no file is to be refused for them."""

    return replace(table, track_id=table.track_id * 0 + NO_ID)


def _prediction(
    truth: LabelTable, crops: Sequence[Crop], xy: Floats, scores: Floats, order: Sequence[int]
) -> LabelTable:
    """What was predicted in the images of ``truth``, as a table of the same frames."""

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
METRICS: dict[str, tuple[str, str, Maker]] = {
    "ap": ("coco", "COCO-style labels", coco_score),
    "pckh": ("mpii", "MPII's labels", mpii_score),
    "map": ("posetrack", "PoseTrack labels", posetrack_score),
}
