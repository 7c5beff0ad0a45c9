"""Files of tracks made ready for scoring as boxes or as people: read, cleaned, paired by frame.

Ground truth is cleaned as the MOTChallenge does it (TrackEval): boxes with a confidence of 0 do not
count; where classes are given, only pedestrians count, and predictions on somebody who sits in a
vehicle, on statues or reflections are taken out before anything is counted.
"""

from __future__ import annotations

__all__ = ["iou_scene", "oks_scene"]

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from posetrack.errors import FormatError, InputError
from posetrack.formats import FORMATS, detect_format
from posetrack.formats.mot import NO_CLASS, MotTable, read_mot
from posetrack.metrics.mot import (
    MIN_SIMILARITY,
    SLACK,
    BoxScene,
    BoxTracks,
    box_iou,
    box_scene,
)
from posetrack.oks import oks
from posetrack.skeletons import joint_map
from posetrack.structures import Poses, Sequence, Tracks

PEDESTRIAN = 1
# MOTChallenge's classes of what only looks like a pedestrian: person on a vehicle, non-motorised
# vehicle, static person, distractor, reflection
DISTRACTORS = (7, 6, 2, 8, 12)
Floats = npt.NDArray[np.float64]


def iou_scene(truth: Path, prediction: Path) -> BoxScene:
    """Boxes of two files, compared by their overlap. Raises InputError, FormatError."""
    true, predicted = _table(truth), _table(prediction)
    frames = 1 + max((int(t.frame.max()) for t in (true, predicted) if len(t)), default=0)
    return box_scene(*_cleaned(true, predicted, frames), frames)


def _table(path: Path) -> MotTable:
    """The boxes of a file of any format. Raises InputError, FormatError."""
    if path.suffix == ".txt" or detect_format(path) is FORMATS["mot"]:
        table = read_mot(path)
    else:
        table = _boxes_of(_one_video(path))
    order = np.lexsort((table.id, table.frame))
    again = (np.diff(table.frame[order]) == 0) & (np.diff(table.id[order]) == 0)
    if again.any():
        row = order[1:][again][0]
        raise FormatError(
            f"{path}: identity {table.id[row]} stands twice in frame {table.frame[row]} (from 0); "
            "an identity is one person."
        )
    return table


def _one_video(path: Path) -> Sequence:
    sequences = detect_format(path).read(path)
    if len(sequences) != 1:
        raise InputError(f"{path} holds {len(sequences)} videos; give one video a file.")
    return sequences[0]


def _boxes_of(sequence: Sequence) -> MotTable:
    """People of a sequence as boxes; who has none gives the box of their joints."""
    frames, ids, boxes, scores = [], [], [], []
    for labels in sequence.frames:
        poses = labels.tracks.poses
        frames.append(np.full(len(poses), labels.index, np.int64))
        ids.append(labels.tracks.id)
        boxes.append(poses.boxes.xyxy.astype(np.float64))
        scores.append(poses.boxes.score.astype(np.float64))
    if not frames:
        return MotTable(
            *(np.zeros(0, np.int64),) * 2, np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)
        )
    frame = np.concatenate(frames)
    return MotTable(
        frame,
        np.concatenate(ids),
        np.concatenate(boxes),
        np.ones(len(frame)),
        np.full(len(frame), NO_CLASS),
    )


def _cleaned(truth: MotTable, predicted: MotTable, frames: int) -> tuple[BoxTracks, BoxTracks]:
    """Both sides without what does not count."""
    counts = truth.confidence != 0
    keep = np.ones(len(predicted), np.bool_)
    if (truth.label != NO_CLASS).any():
        keep = ~_on_distractors(truth, predicted, frames)
        counts &= truth.label == PEDESTRIAN
    sides = (BoxTracks(t.frame, t.id, t.xyxy) for t in (truth, predicted))
    true, found = sides
    return true[counts], found[keep]


def _on_distractors(truth: MotTable, predicted: MotTable, frames: int) -> npt.NDArray[np.bool_]:
    """Which predictions (P,) are assigned to something that looks like a pedestrian and is none."""
    drop = np.zeros(len(predicted), np.bool_)
    cuts = np.arange(frames + 1)
    true_rows, rows = np.searchsorted(truth.frame, cuts), np.searchsorted(predicted.frame, cuts)
    for frame in range(frames):
        a = slice(true_rows[frame], true_rows[frame + 1])
        b = slice(rows[frame], rows[frame + 1])
        iou = box_iou(truth.xyxy[a], predicted.xyxy[b])
        score = np.where(iou < MIN_SIMILARITY - SLACK, 0, iou)
        g, p = linear_sum_assignment(score, maximize=True)
        real = score[g, p] > SLACK
        odd = np.isin(truth.label[a][g[real]], DISTRACTORS)
        drop[rows[frame] + p[real][odd]] = True
    return drop


def oks_scene(truth: Path, prediction: Path) -> BoxScene:
    """Poses of two files, compared by COCO's OKS: over the joints that are labelled, by the area of
    the true box; a joint that was not predicted counts as missed. People without a labelled joint
    do not count. Raises InputError, FormatError.
    """
    true, predicted = _one_video(truth), _one_video(prediction)
    order = np.asarray(joint_map(predicted.skeleton, true.skeleton))
    if (order < 0).all():
        raise InputError(f"{prediction} and {truth} share no joint by name, so OKS cannot compare.")
    theirs = {f.index: _labelled(f.tracks) for f in true.frames if f.labeled}
    ours = {f.index: f.tracks for f in predicted.frames}
    frames = 1 + max((*theirs, *ours), default=0)
    people = [theirs.get(f) or Tracks.empty(true.skeleton) for f in range(frames)]
    found = [ours.get(f) or Tracks.empty(predicted.skeleton) for f in range(frames)]
    similarity = [_truth_oks(a.poses, b.poses, order) for a, b in zip(people, found, strict=True)]
    return box_scene(_ids_only(people), _ids_only(found), frames, similarity)


def _labelled(tracks: Tracks) -> Tracks:
    return tracks[np.flatnonzero(tracks.poses.present.any(axis=1))]


def _truth_oks(true: Poses, predicted: Poses, order: npt.NDArray[np.int64]) -> Floats:
    """OKS (G, P) of true and predicted people; ``order`` (K,) finds the true joints among the
    predicted, -1 where there is none.
    """
    xy = np.where(predicted.present[..., None], predicted.xy, np.inf)[:, order]
    xy[:, order < 0] = np.inf  # infinitely far: counted, and missed
    areas = true.boxes.area.astype(np.float64)
    rows = [
        oks(
            true.xy[[n]],
            xy,
            areas[[n]],
            np.full(len(xy), areas[n]),
            true.skeleton.oks_sigmas,
            absent="skip",
        )
        for n in range(len(true))
    ]
    return np.concatenate(rows) if rows else np.zeros((0, len(xy)))


def _ids_only(frames: list[Tracks]) -> BoxTracks:
    """Who is where, without boxes."""
    frame = np.repeat(np.arange(len(frames)), [len(tracks) for tracks in frames])
    ids = np.concatenate([tracks.id for tracks in frames])
    return BoxTracks(frame, ids, np.zeros((len(frame), 4)))
