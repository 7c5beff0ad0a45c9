"""One sequence made ready for scoring: cleaned, and every person beside every prediction of the
same frame.

Everything PoseTrack scores starts from the distances computed here, once: AP, CLEAR MOT, identities
and HOTA.
"""

from __future__ import annotations

__all__ = ["HEAD_FACTOR", "MAX_DISTANCE", "Scene", "make_scene", "need_identities", "same_scene"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError
from posetrack.formats.table import NO_ID, LabelTable
from posetrack.metrics.polygons import inside
from posetrack.metrics.protocols import Protocol

# of the head box's diagonal: the unit of distance, as in PCKh (Andriluka et al., CVPR 2014)
HEAD_FACTOR = 0.6
MAX_DISTANCE = 0.5  # in that unit, inclusive: up to here a joint is found
MIN_CORNERS = 3  # of an ignore region

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scene:
    """A cleaned sequence of F kept frames, and its N pairs (a true person, a predicted person of
    the same frame).

    ``gt_frame`` (G,) and ``pred_frame`` (P,) count the kept frames (the tables' own ``frame`` stays
    the file's). Pairs are sorted by frame, predicted person, true person: ``pair_gt`` and
    ``pair_pred`` (N,) are rows of the tables, ``distance`` (N, 15) is in head sizes, infinite where
    it does not exist.
    """

    gt: LabelTable
    pred: LabelTable
    frames: int
    gt_frame: Ints
    pred_frame: Ints
    pair_gt: Ints
    pair_pred: Ints
    distance: Floats

    @property
    def name(self) -> str:
        """The sequence's name."""
        return self.gt.name

    @property
    def match(self) -> Mask:
        """Which joints of which pairs are found, (N, 15)."""
        found: Mask = self.distance <= MAX_DISTANCE
        return found


def make_scene(gt: LabelTable, pred: LabelTable, protocol: Protocol) -> Scene:
    """Pair a sequence's ground truth with its prediction, frame by frame in file order, and clean
    both.

    Raises FormatError where frame counts differ, a predicted identity repeats in a frame, a head
    box is missing, or an ignore region has fewer than 3 corners.
    """
    _check_pair(gt, pred, protocol)
    kept = _kept_frames(gt, protocol)
    gt, pred = (t.people(kept[t.frame] & t.has_points) for t in (gt, pred))
    if protocol.positive_coordinates_only:
        gt, pred = (
            t.without_joints(~((t.xy[..., 0] > 0) & (t.xy[..., 1] > 0))) for t in (gt, pred)
        )
    gt, pred = _without_ignored(gt, pred, np.flatnonzero(kept))
    number = np.cumsum(kept) - 1
    gt_frame, pred_frame, frames = number[gt.frame], number[pred.frame], int(kept.sum())
    pair_gt, pair_pred = _pairs(gt_frame, pred_frame, frames)
    distance = _distances(gt, pred, pair_gt, pair_pred)
    return Scene(gt, pred, frames, gt_frame, pred_frame, pair_gt, pair_pred, distance)


def same_scene(gt: LabelTable, pred: LabelTable, a: Protocol, b: Protocol) -> bool:
    """Whether two protocols see the same in a sequence, so that one scene serves both."""
    if (_kept_frames(gt, a) != _kept_frames(gt, b)).any() or a.checks_true_ids != b.checks_true_ids:
        return False
    return a.positive_coordinates_only == b.positive_coordinates_only or not any(
        (t.xy <= 0).any() for t in (gt, pred)
    )


def _check_pair(gt: LabelTable, pred: LabelTable, protocol: Protocol) -> None:
    """Raise FormatError for what no frame of a sequence may have."""
    if gt.frame_count != pred.frame_count:
        raise FormatError(
            f"{pred.source}: {pred.frame_count} frames, but the ground truth {gt.source} has "
            f"{gt.frame_count}; "
            "predictions are paired with it frame by frame."
        )
    for table in (gt, pred) if protocol.checks_true_ids else (pred,):
        known = np.flatnonzero(table.track_id != NO_ID)
        order = known[np.lexsort((table.track_id[known], table.frame[known]))]
        same = (np.diff(table.frame[order]) == 0) & (np.diff(table.track_id[order]) == 0)
        if same.any():
            p = int(order[1:][same][0])
            raise FormatError(
                f"{_at(table, p)}: track_id: {table.track_id[p]} stands twice in the frame."
            )
    for table in (gt, pred):
        if (
            protocol.max_track_id is not None
            and len(table)
            and table.track_id.max() >= protocol.max_track_id
        ):
            p = int(table.track_id.argmax())
            raise FormatError(
                f"{_at(table, p)}: track_id: {table.track_id[p]} is not below "
                f"{protocol.max_track_id}, the limit of "
                "poseval; renumber, or choose --protocol corrected."
            )


def _at(table: LabelTable, person: int) -> str:
    return f"{table.source}: {table.where(person)}"


def _kept_frames(gt: LabelTable, protocol: Protocol) -> Mask:
    """Which of the file's frames count, (F,)."""
    people: Mask = np.bincount(gt.frame, minlength=gt.frame_count) > 0
    if protocol.frames == "people":
        return people
    if protocol.frames == "flag":
        return np.where(gt.labeled < 0, people, gt.labeled == 1)
    kept: Mask = people | (gt.labeled == 1) | bool((gt.labeled < 0).all())
    return kept


def _without_ignored(
    gt: LabelTable, pred: LabelTable, frames: Ints
) -> tuple[LabelTable, LabelTable]:
    """Both tables without the joints inside their frame's ignore regions, and without people who
    then have none.
    """
    used = [f for f in frames.tolist() if gt.regions[f]]
    for f in used:
        for region in gt.regions[f]:
            if len(region) < MIN_CORNERS or not np.isfinite(region).all():
                raise FormatError(
                    f"{gt.source}: {gt.where_frame(f)}: ignore_regions: a polygon needs "
                    f"{MIN_CORNERS} corners with "
                    f"finite coordinates, here is one of {len(region)}."
                )
    if not used:
        return gt, pred
    return _drop_inside(gt, gt, used), _drop_inside(pred, gt, used)


def _drop_inside(table: LabelTable, gt: LabelTable, used: list[int]) -> LabelTable:
    drop = np.zeros(table.xy.shape[:2], np.bool_)
    touched = np.isin(table.frame, used)
    for f in used:
        rows = slice(*np.searchsorted(table.frame, (f, f + 1)))
        points = table.xy[rows].reshape(-1, 2)
        for region in gt.regions[f]:
            drop[rows] |= inside(points, region).reshape(drop[rows].shape)
    cleaned = table.without_joints(drop)
    return cleaned.people(cleaned.present.any(axis=1) | ~touched)


def _pairs(gt_frame: Ints, pred_frame: Ints, frames: int) -> tuple[Ints, Ints]:
    """Rows of every true and predicted person who share a frame, sorted by frame,
    predicted, true.
    """
    gt_count = np.bincount(gt_frame, minlength=frames)
    gt_start = np.cumsum(gt_count) - gt_count
    times = gt_count[pred_frame]  # pairs of every predicted person
    pair_pred = np.repeat(np.arange(len(pred_frame)), times)
    within = np.arange(len(pair_pred)) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(gt_start[pred_frame], times) + within, pair_pred


def need_identities(scene: Scene) -> None:
    """Raise FormatError for the first person without an identity; tracking metrics call it, AP does
    without.
    """
    for table in (scene.gt, scene.pred):
        missing = np.flatnonzero(table.track_id == NO_ID)
        if len(missing):
            raise FormatError(
                f"{_at(table, int(missing[0]))}: track_id: the field is missing; without it only "
                f"--metrics ap can be "
                "scored."
            )


def _distances(gt: LabelTable, pred: LabelTable, pair_gt: Ints, pair_pred: Ints) -> Floats:
    """Distances of the pairs' joints in head sizes, (N, 15); infinite where a joint or a head size
    is missing.
    """
    headless: Mask = np.isnan(gt.head_xyxy.sum(axis=1))
    if headless[pair_gt].any():
        raise FormatError(
            f"{_at(gt, int(pair_gt[headless[pair_gt]][0]))}: head box (x1, y1, x2, y2 or "
            f"bbox_head): the field is "
            "missing; distances are measured in head sizes."
        )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sides = gt.head_xyxy[:, 2:] - gt.head_xyxy[:, :2]
        head = HEAD_FACTOR * np.sqrt((sides**2).sum(axis=1))
        offset = pred.xy[pair_pred] - gt.xy[pair_gt]
        offset *= offset
        squared = offset[..., 0] + offset[..., 1]
        distance: Floats = np.sqrt(squared, out=squared)
        distance /= head[pair_gt, None]
    distance[np.isnan(distance)] = np.inf
    return distance
