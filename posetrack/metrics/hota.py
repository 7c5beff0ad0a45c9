"""Pose HOTA of the PoseTrack21 kit: per joint, over 19 localisation thresholds (Luiten et al., IJCV
2021).

The similarity of two joints at distance d (in head sizes) is max(0, 1 - d / 0.5001). Each joint is
matched by itself in each frame, for the largest total similarity; at threshold alpha a match counts
if its similarity reaches alpha.
"""

from __future__ import annotations

__all__ = ["ALPHAS", "FIELDS", "Hota", "combine", "hota"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.metrics.protocols import Protocol
from posetrack.metrics.scenes import Scene, need_identities

ALPHAS = np.arange(0.05, 0.99, 0.05)  # 19 thresholds
REACH = 0.5001  # head sizes at which similarity falls to 0
EPSILON = float(np.finfo(np.float64).eps)  # slack of the threshold comparison
TINY = 1e-10  # keeps LocA at 1 where nothing was matched
FIELDS = (
    "HOTA",
    "DetA",
    "AssA",
    "DetRe",
    "DetPr",
    "AssRe",
    "AssPr",
    "LocA",
    "FragA",
    "RHOTA",
    "FA-HOTA",
    "FA-RHOTA",
)
_AVERAGED = ("AssA", "AssRe", "AssPr", "FragA", "LocA")  # over sequences by their true positives

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hota:
    """``values[field]`` for every field, fractions, and the counts ``tp``, ``fn``, ``fp``: all (19,
    J + 1).

    The last column is the total: of a sequence the mean over its joints (counts: the sum), of
    several sequences together the counts pooled over joints.
    """

    values: dict[str, Floats]
    tp: Floats
    fn: Floats
    fp: Floats

    def mean(self, field: str) -> Floats:
        """A field averaged over the thresholds, (J + 1,)."""
        average: Floats = self.values[field].mean(axis=0)
        return average


@dataclass(frozen=True, slots=True)
class _Matches:
    """T matched joints sorted by joint, true identity and frame, with the number of thresholds they
    pass.
    """

    joint: Ints
    truth: Ints
    predicted: Ints
    similarity: Floats
    passed: Ints


def hota(scene: Scene, protocol: Protocol) -> Hota:
    """HOTA of one sequence. Raises FormatError where an identity is missing."""
    need_identities(scene)
    matches = _match(scene)
    A, J = len(ALPHAS), scene.distance.shape[1]
    tp = _at_thresholds(np.ones(len(matches.joint)), matches.joint, matches.passed, J).T
    fn, fp = _errors(scene, tp, protocol)
    values = {"LocA": _at_thresholds(matches.similarity, matches.joint, matches.passed, J).T}
    values["LocA"] = np.maximum(TINY, values["LocA"]) / np.maximum(TINY, tp)
    values |= _association(scene, matches, tp)
    values |= _detection(tp, fn, fp)
    values |= _combined(values)
    wide = {
        key: np.concatenate([v, v.mean(axis=1, keepdims=True)], axis=1) for key, v in values.items()
    }
    counts = [np.concatenate([c, c.sum(axis=1, keepdims=True)], axis=1) for c in (tp, fn, fp)]
    assert counts[0].shape == (A, J + 1)
    return Hota({field: wide[field] for field in FIELDS}, *counts)


def combine(parts: Sequence[Hota]) -> Hota:
    """HOTA of several sequences: counts summed, association and localisation weighted by true
    positives.
    """
    tp, fn, fp = (np.sum([getattr(p, c) for p in parts], axis=0) for c in ("tp", "fn", "fp"))
    values = {
        field: np.sum([p.values[field] * p.tp for p in parts], axis=0) / np.maximum(1, tp)
        for field in _AVERAGED
    }
    located = np.sum([p.values["LocA"] * p.tp for p in parts], axis=0)
    values["LocA"] = np.maximum(TINY, located) / np.maximum(TINY, tp)
    values |= _detection(tp, fn, fp)
    values |= _combined(values)
    return Hota({field: values[field] for field in FIELDS}, tp, fn, fp)


def _detection(tp: Floats, fn: Floats, fp: Floats) -> dict[str, Floats]:
    return {
        "DetA": tp / np.maximum(1, tp + fn + fp),
        "DetRe": tp / np.maximum(1, tp + fn),
        "DetPr": tp / np.maximum(1, tp + fp),
    }


def _combined(values: dict[str, Floats]) -> dict[str, Floats]:
    fragmented = np.sqrt(values["AssA"] * values["FragA"])
    return {
        "HOTA": np.sqrt(values["DetA"] * values["AssA"]),
        "RHOTA": np.sqrt(values["DetRe"] * values["AssA"]),
        "FA-HOTA": np.sqrt(values["DetA"] * fragmented),
        "FA-RHOTA": np.sqrt(values["DetRe"] * fragmented),
    }


def _match(scene: Scene) -> _Matches:
    """Match every joint in every frame."""
    similarity = np.maximum(0, 1 - scene.distance / REACH)
    pair, joint = np.nonzero(similarity > 0)
    chosen = _choose(scene, similarity, pair, joint)
    pair, joint = pair[chosen], joint[chosen]
    _, truth = np.unique(scene.gt.track_id, return_inverse=True)
    _, predicted = np.unique(scene.pred.track_id, return_inverse=True)
    truth, predicted = truth[scene.pair_gt[pair]], predicted[scene.pair_pred[pair]]
    order = np.lexsort((pair, truth, joint))  # pairs are sorted by frame
    value = similarity[pair, joint][order]
    passed = (value[:, None] >= ALPHAS - EPSILON).sum(axis=1)
    return _Matches(joint[order], truth[order], predicted[order], value, passed)


def _choose(scene: Scene, similarity: Floats, pair: Ints, joint: Ints) -> npt.NDArray[np.bool_]:
    """Which similar (pair, joint) are matched: all without a rival; rivals share by the assignment
    problem.
    """
    from scipy.optimize import linear_sum_assignment

    joints = scene.distance.shape[1]
    gt_key, pred_key = scene.pair_gt[pair] * joints + joint, scene.pair_pred[pair] * joints + joint
    rival = (
        (np.bincount(gt_key)[gt_key] > 1) | (np.bincount(pred_key)[pred_key] > 1)
        if len(pair)
        else pair > 0
    )
    chosen = ~rival
    contested = np.flatnonzero(rival)
    problem = scene.gt_frame[scene.pair_gt[pair[contested]]] * joints + joint[contested]
    order = np.argsort(problem, kind="stable")
    contested, problem = contested[order], problem[order]
    row, column = (_number_within(problem, key[contested]) for key in (gt_key, pred_key))
    value = similarity[pair[contested], joint[contested]]
    won = np.zeros(len(contested), np.bool_)
    ends = np.flatnonzero(np.diff(problem, append=-1)) + 1
    for start, end in zip(np.append(0, ends[:-1]), ends, strict=False):
        r, c = row[start:end], column[start:end]
        table = np.zeros((r.max() + 1, c.max() + 1))
        table[r, c] = value[start:end]
        best = np.full(len(table), -1)
        i, k = linear_sum_assignment(table, maximize=True)
        best[i] = k
        won[start:end] = best[r] == c
    chosen[contested] = won
    return chosen


def _number_within(group: Ints, key: Ints) -> Ints:
    """Number the different keys of each group from 0; ``group`` is sorted."""
    order = np.lexsort((key, group))
    new_group = np.diff(group[order], prepend=-1) != 0
    rank = np.cumsum(new_group | (np.diff(key[order], prepend=-1) != 0)) - 1
    first = rank[new_group]
    numbers = np.empty(len(key), np.int64)
    numbers[order] = rank - first[np.cumsum(new_group) - 1]
    return numbers


def _at_thresholds(weight: Floats, place: Ints, passed: Ints, places: int) -> Floats:
    """Sum of ``weight`` at each place over what passes each threshold, (places, 19)."""
    steps = len(ALPHAS) + 1
    total = np.bincount(place * steps + passed, weight, places * steps).reshape(places, steps)
    summed: Floats = total[:, ::-1].cumsum(axis=1)[:, -2::-1]
    return summed


def _errors(scene: Scene, tp: Floats, protocol: Protocol) -> tuple[Floats, Floats]:
    """Misses and false positives, (19, J); with the kit's way of counting frames where one side is
    empty.
    """
    sides = []
    for table, frame, other in (
        (scene.gt, scene.gt_frame, scene.pred_frame),
        (scene.pred, scene.pred_frame, scene.gt_frame),
    ):
        joints = table.present.sum(axis=0)
        if not protocol.whole_sequence_misses or not len(other):
            sides.append(joints - tp)
            continue
        alone = ~np.isin(frame, other)
        # The kit adds the whole sequence's joints for each frame in which the other side is empty;
        # a frame without anybody it takes for one without ground truth.
        empty = (
            len(np.unique(frame[alone]))
            if table is scene.gt
            else scene.frames - len(np.unique(other))
        )
        sides.append(joints - table.present[alone].sum(axis=0) - tp + empty * joints)
    return sides[0], sides[1]


def _association(scene: Scene, matches: _Matches, tp: Floats) -> dict[str, Floats]:
    """AssA, AssRe, AssPr and FragA, (19, J)."""
    J = scene.distance.shape[1]
    truth_joints, predicted_joints = (
        _joints_of_identities(t.track_id, t.present) for t in (scene.gt, scene.pred)
    )
    T, H = max(len(truth_joints), 1), max(len(predicted_joints), 1)
    keys, pair = np.unique(
        (matches.joint * T + matches.truth) * H + matches.predicted, return_inverse=True
    )
    joint, truth, predicted = keys // (T * H), keys // H % T, keys % H
    together = _at_thresholds(np.ones(len(pair)), pair, matches.passed, len(keys))
    of_truth, of_predicted = (
        truth_joints[truth, joint][:, None],
        predicted_joints[predicted, joint][:, None],
    )
    either = of_truth + of_predicted - together
    shares = {"AssA": either, "AssRe": of_truth, "AssPr": of_predicted}
    result = {}
    for field, whole in shares.items():
        total = np.zeros((J, len(ALPHAS)))
        starts = np.flatnonzero(np.diff(joint, prepend=-1))
        if len(starts):
            total[joint[starts]] = np.add.reduceat(
                together * together / np.maximum(1, whole), starts, axis=0
            )
        result[field] = total.T / np.maximum(1, tp)
    result["FragA"] = _fragments(matches, pair, either, J).T / np.maximum(1, tp)
    return result


def _joints_of_identities(track_id: Ints, present: npt.NDArray[np.bool_]) -> Ints:
    """How often each identity has each joint, (identities, J)."""
    order = np.argsort(track_id, kind="stable")
    starts = np.flatnonzero(np.diff(track_id[order], prepend=track_id[order[:1]] - 1))
    if not len(starts):
        return np.zeros((0, present.shape[1]), np.int64)
    return np.add.reduceat(present[order], starts, axis=0, dtype=np.int64)


def _fragments(matches: _Matches, pair: Ints, either: Floats, joints: int) -> Floats:
    """Sum over fragments (runs of matches of a true identity with one predicted
    identity), (J, 19).
    """
    alpha, kept = np.nonzero(np.arange(len(ALPHAS))[:, None] < matches.passed)
    of_pair = pair[kept]
    starts = np.flatnonzero(np.diff(of_pair + alpha * len(either), prepend=-1))
    length = np.diff(starts, append=len(kept))
    of_pair, alpha = of_pair[starts], alpha[starts]
    share = length * (length / np.maximum(1, either[of_pair, alpha]))
    place = matches.joint[kept[starts]] * len(ALPHAS) + alpha
    total: Floats = np.bincount(place, share, joints * len(ALPHAS)).astype(np.float64)
    return total.reshape(joints, len(ALPHAS))
