"""How well identities last, per joint: IDF1 (Ristani et al., 2016) and the fate of each trajectory.

The definitions are those of motmetrics: a true identity is mostly tracked if at least 80 % of its
joints were matched (by anybody), mostly lost below 20 %, and fragmented each time it is lost and
found again.
"""

from __future__ import annotations

__all__ = ["MOSTLY_LOST", "MOSTLY_TRACKED", "IdentityCounts", "identity_counts"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.metrics.clear_mot import Tracking
from posetrack.metrics.scenes import Scene

MOSTLY_TRACKED = 0.8  # share of a trajectory, from here on
MOSTLY_LOST = 0.2  # share of a trajectory, below

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class IdentityCounts:
    """Counts per sequence and joint, (S, J).

    ``true_positives`` are joints within reach under the one-to-one assignment of true to predicted
    identities that has the most of them; ``trajectories`` are true identities with the joint.
    """

    true_positives: Ints
    trajectories: Ints
    mostly_tracked: Ints
    mostly_lost: Ints
    fragmentations: Ints


def identity_counts(scenes: Sequence[Scene], tracking: Tracking) -> IdentityCounts:
    """The counts of the frames that took part in ``tracking``."""
    per_scene = zip(scenes, tracking.matched, tracking.counted_gt, strict=True)
    rows = [_scene_counts(scene, matched, counted) for scene, matched, counted in per_scene]
    return IdentityCounts(*(np.stack(column) for column in zip(*rows, strict=True)))


def _scene_counts(scene: Scene, matched: Ints, counted_gt: Mask) -> tuple[Ints, ...]:
    joints = scene.distance.shape[1]
    ids, identity = np.unique(scene.gt.track_id, return_inverse=True)
    there = scene.gt.present & counted_gt[:, None]
    order = np.lexsort((scene.gt_frame, identity))
    life = _per_identity(identity, there, len(ids))
    share = _per_identity(identity, matched >= 0, len(ids)) / np.maximum(life, 1)
    lives = life > 0
    return (
        _best_overlap(scene, identity, len(ids), counted_gt),
        lives.sum(axis=0),
        (lives & (share >= MOSTLY_TRACKED)).sum(axis=0),
        (lives & (share < MOSTLY_LOST)).sum(axis=0),
        np.array(
            [
                _breaks(identity[order], there[order, j], matched[order, j] >= 0)
                for j in range(joints)
            ]
        ),
    )


def _per_identity(identity: Ints, values: Mask, count: int) -> Ints:
    """Sum of the rows of each identity, (O, J)."""
    if not count:
        return np.zeros((0, values.shape[1]), np.int64)
    order = np.argsort(identity, kind="stable")
    starts = np.searchsorted(identity[order], np.arange(count))
    return np.add.reduceat(values[order], starts, axis=0, dtype=np.int64)


def _breaks(identity: Ints, there: Mask, found: Mask) -> int:
    """How often an identity is found again after it was lost; rows are sorted by identity, then
    frame.
    """
    identity, found = identity[there], found[there]
    again = found & ~np.concatenate([[False], found[:-1]])
    new = np.diff(identity, prepend=-1) != 0
    begins = identity[found & (new | again)]
    return len(begins) - len(np.unique(begins))


def _best_overlap(scene: Scene, identity: Ints, identities: int, counted_gt: Mask) -> Ints:
    """Joints within reach under the best one-to-one assignment of identities, (J,)."""
    from scipy.optimize import linear_sum_assignment

    counted = counted_gt[scene.pair_gt]
    truth, predicted = (
        identity[scene.pair_gt[counted]],
        scene.pred.track_id[scene.pair_pred[counted]],
    )
    match = scene.match[counted]
    close = match.any(axis=1)
    columns, predicted = np.unique(predicted[close], return_inverse=True)
    keys, place = np.unique(truth[close] * len(columns) + predicted, return_inverse=True)
    overlap = np.zeros((identities * len(columns), match.shape[1]), np.int64)
    overlap[keys] = _per_identity(place, match[close], len(keys))
    tables = overlap.reshape(identities, len(columns), match.shape[1]).transpose(2, 0, 1)
    return np.array([table[linear_sum_assignment(table, maximize=True)].sum() for table in tables])
