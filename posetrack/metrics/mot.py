"""Boxes with identities against true ones: CLEAR MOT, IDF1 and HOTA, as the MOTChallenge has them.

Two tools give these numbers, and they differ in two rules of CLEAR MOT (Bernardin & Stiefelhagen,
2008); ``Rules`` names them. IDF1 (Ristani et al., 2016) and HOTA (Luiten et al., IJCV 2021) have
one definition.

A similarity (0 to 1) is given for every true and predicted person of the same frame: the overlap
(IoU) of their boxes, or the OKS of their poses.
"""

from __future__ import annotations

__all__ = [
    "ALPHAS",
    "MIN_SIMILARITY",
    "MOTCHALLENGE",
    "PY_MOTMETRICS",
    "RULES",
    "BoxScene",
    "BoxTracks",
    "Clear",
    "Hota",
    "Rules",
    "box_iou",
    "box_scene",
    "clear",
    "hota",
    "identity_true_positives",
]

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

MIN_SIMILARITY = 0.5  # from here on two boxes may be the same person; HOTA takes ``ALPHAS``
ALPHAS = np.arange(0.05, 0.99, 0.05)  # 19 thresholds of HOTA
SLACK = float(np.finfo(np.float64).eps)  # of every comparison with a threshold
FIRST = 1000.0  # outweighs every similarity: who was matched in the last frame is matched again
MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2  # shares of a trajectory
TINY = 1e-10  # keeps LocA at 1 where nothing was matched
NOBODY = -1

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rules:
    """Where the tools differ.

    ``remembers_long``: a true person keeps the prediction they were last matched with, however long
    ago (py-motmetrics); else only that of the last frame in which both sides had somebody, and it
    is weighed in one assignment with all others (TrackEval). ``whole_share_tracked``: a trajectory
    of exactly 80 % counts as mostly tracked (py-motmetrics).
    """

    name: str
    remembers_long: bool
    whole_share_tracked: bool


MOTCHALLENGE = Rules("motchallenge", remembers_long=False, whole_share_tracked=False)  # TrackEval
PY_MOTMETRICS = Rules("motmetrics", remembers_long=True, whole_share_tracked=True)
RULES = {rules.name: rules for rules in (MOTCHALLENGE, PY_MOTMETRICS)}


@dataclass(frozen=True, slots=True)
class BoxTracks:
    """N boxes of one sequence in double precision, sorted by frame.

    ``frame`` (N,) from 0, ``id`` (N,) any numbers, unique in a frame, ``xyxy`` (N, 4) pixels.
    """

    frame: Ints
    id: Ints
    xyxy: Floats

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, keep: Mask | Ints) -> BoxTracks:
        return BoxTracks(self.frame[keep], self.id[keep], self.xyxy[keep])


@dataclass(frozen=True, slots=True)
class BoxScene:
    """A sequence ready for scoring: in each of F frames the identities, numbered from 0, and who is
    how similar.

    ``truth`` and ``predicted`` hold (G_f,) and (P_f,) identities a frame, ``similarity`` (G_f, P_f)
    a frame; ``truths`` and ``predictions`` are how many identities there are.
    """

    truth: tuple[Ints, ...]
    predicted: tuple[Ints, ...]
    similarity: tuple[Floats, ...]
    truths: int
    predictions: int


def box_iou(a: Floats, b: Floats) -> Floats:
    """Overlap of boxes (N, 4) and (M, 4) as x1, y1, x2, y2 -> (N, M); 0 where a box is empty."""
    corner = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared: Floats = np.maximum(corner, 0).prod(axis=2)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b))
    shared[(area_a <= SLACK)[:, None] | (area_b <= SLACK)[None, :]] = 0
    union = area_a[:, None] + area_b[None, :] - shared
    return shared / np.where(union <= SLACK, 1, union)


def box_scene(
    truth: BoxTracks, predicted: BoxTracks, frames: int, similarity: Sequence[Floats] | None = None
) -> BoxScene:
    """Pair two sides frame by frame; ``similarity`` (G_f, P_f) a frame stands in for the boxes'
    IoU.
    """
    cuts = np.arange(1, frames)

    def by_frame(side: BoxTracks) -> tuple[tuple[Ints, ...], list[Floats], int]:
        ids, number = np.unique(side.id, return_inverse=True)
        at = np.searchsorted(side.frame, cuts)
        numbers = tuple(np.split(number.astype(np.int64), at))
        return numbers, np.split(side.xyxy, at), len(ids)

    true_ids, true_boxes, truths = by_frame(truth)
    ids, boxes, predictions = by_frame(predicted)
    if similarity is None:
        similarity = [box_iou(a, b) for a, b in zip(true_boxes, boxes, strict=True)]
    return BoxScene(true_ids, ids, tuple(similarity), truths, predictions)


# --- CLEAR MOT --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clear:
    """Counts of one sequence, or summed over several. ``similarity`` sums that of matched pairs."""

    true_positives: int = 0
    misses: int = 0
    false_positives: int = 0
    switches: int = 0
    fragmentations: int = 0
    trajectories: int = 0
    mostly_tracked: int = 0
    mostly_lost: int = 0
    similarity: float = 0.0

    def __add__(self, other: Clear) -> Clear:
        return Clear(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def objects(self) -> int:
        """True boxes."""
        return self.true_positives + self.misses

    @property
    def mota(self) -> float:
        """1 - (misses + false positives + switches) / true boxes; NaN without any."""
        errors = self.misses + self.false_positives + self.switches
        return 1 - errors / self.objects if self.objects else float("nan")

    @property
    def motp(self) -> float:
        """Mean similarity of matched pairs; NaN without any."""
        found = self.true_positives
        return self.similarity / found if found else float("nan")


def clear(scene: BoxScene, rules: Rules = MOTCHALLENGE) -> Clear:
    """Walk the frames in order and count.

    A pair counts from ``MIN_SIMILARITY`` on. It is a switch where the true person was last matched
    with somebody else, however long ago.
    """
    walk = _Walk(scene, rules)
    for frame in zip(scene.truth, scene.predicted, scene.similarity, strict=True):
        walk.advance(*frame)
    return walk.result()


class _Walk:
    """What is known of every true person (T,) while the frames go by: ``last`` is the prediction
    they were last matched with, ``before`` that of the frame before.
    """

    def __init__(self, scene: BoxScene, rules: Rules) -> None:
        self.rules, self.count = rules, Clear()
        self.last, self.before = (np.full(scene.truths, NOBODY) for _ in range(2))
        self.seen, self.found, self.begins = (np.zeros(scene.truths, np.int64) for _ in range(3))
        self.followed = np.zeros(scene.truths, np.bool_)

    def advance(self, truth: Ints, predicted: Ints, similarity: Floats) -> None:
        """One frame: ``truth`` (G,), ``predicted`` (P,), ``similarity`` (G, P)."""
        self.seen[truth] += 1
        both = len(truth) > 0 and len(predicted) > 0
        choose = self._keep_then_assign if self.rules.remembers_long else self._assign_at_once
        rows, columns = choose(truth, predicted, similarity) if both else (truth[:0], truth[:0])
        mine, theirs = truth[rows], predicted[columns]

        switched = (self.last[mine] != NOBODY) & (self.last[mine] != theirs)
        self.last[mine] = theirs
        self._follow(truth, mine, both)
        if both:  # TrackEval lets an empty frame pass without forgetting
            self.before[:] = NOBODY
            self.before[mine] = theirs

        self.found[mine] += 1
        self.count += Clear(
            true_positives=len(rows),
            misses=len(truth) - len(rows),
            false_positives=len(predicted) - len(rows),
            switches=int(switched.sum()),
            similarity=float(similarity[rows, columns].sum()),
        )

    def _follow(self, truth: Ints, mine: Ints, both: bool) -> None:
        """Count the beginnings of what is followed without a break."""
        if self.rules.remembers_long:  # broken by a frame in which somebody is there but missed
            now = self.followed.copy()
            now[truth] = False
            now[mine] = True
        elif both:  # broken by every other frame, also one in which the person is not there
            now = np.zeros_like(self.followed)
            now[mine] = True
        else:
            return
        self.begins += now & ~self.followed
        self.followed = now

    def _assign_at_once(
        self, truth: Ints, predicted: Ints, similarity: Floats
    ) -> tuple[Ints, Ints]:
        """The assignment of most similarity in which pairs of the last frame come first."""
        again = self.before[truth][:, None] == predicted[None, :]
        score = np.where(similarity < MIN_SIMILARITY - SLACK, 0, FIRST * again + similarity)
        rows, columns = linear_sum_assignment(score, maximize=True)
        real = score[rows, columns] > SLACK
        return rows[real], columns[real]

    def _keep_then_assign(
        self, truth: Ints, predicted: Ints, similarity: Floats
    ) -> tuple[Ints, Ints]:
        """Who is remembered is kept; then the most pairs, and of those the most similar."""
        possible = 1 - similarity <= 1 - MIN_SIMILARITY
        kept = possible & (self.last[truth][:, None] == predicted[None, :])
        rows, columns = np.nonzero(kept & (kept.cumsum(axis=0) == 1))  # the first who claims it
        possible[rows], possible[:, columns] = False, False
        if possible.any():
            more = _most_pairs(1 - similarity, possible)
            rows, columns = (
                np.concatenate(pair) for pair in zip((rows, columns), more, strict=True)
            )
        return rows, columns

    def result(self) -> Clear:
        """All counts."""
        there = self.seen > 0
        share = self.found[there] / self.seen[there]
        whole = self.rules.whole_share_tracked
        return self.count + Clear(
            fragmentations=int(np.maximum(self.begins - 1, 0).sum()),
            trajectories=int(there.sum()),
            mostly_tracked=int(
                (share >= MOSTLY_TRACKED if whole else share > MOSTLY_TRACKED).sum()
            ),
            mostly_lost=int((share < MOSTLY_LOST).sum()),
        )


def _most_pairs(cost: Floats, possible: Mask) -> tuple[Ints, Ints]:
    """The assignment with the most possible pairs and, of those, the least cost."""
    free_rows, free_columns = (np.flatnonzero(possible.any(axis=axis)) for axis in (1, 0))
    place = np.ix_(free_rows, free_columns)
    # py-motmetrics' number in place of what is impossible, so that equal costs are settled alike
    dear = 2 * min(cost[place].shape) * (cost[place][possible[place]].max() + 1) + 1
    rows, columns = linear_sum_assignment(np.where(possible[place], cost[place], dear))
    real = possible[place][rows, columns]
    return free_rows[rows[real]], free_columns[columns[real]]


# --- identities -------------------------------------------------------------------------------


def identity_true_positives(scene: BoxScene) -> int:
    """IDTP: pairs from ``MIN_SIMILARITY`` on under the best one-to-one assignment of identities.

    IDF1 = 2 IDTP / (true boxes + predicted boxes).
    """
    together = np.zeros((scene.truths, scene.predictions))
    for truth, predicted, similarity in zip(
        scene.truth, scene.predicted, scene.similarity, strict=True
    ):
        together[np.ix_(truth, predicted)] += similarity >= MIN_SIMILARITY
    return int(together[linear_sum_assignment(together, maximize=True)].sum())


# --- HOTA -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hota:
    """Counts (19,) at ``ALPHAS``; the shares AssA, AssRe, AssPr and the similarity of matched pairs
    are summed over true positives, so that sequences add up.
    """

    tp: Floats
    fn: Floats
    fp: Floats
    association: Floats
    association_recall: Floats
    association_precision: Floats
    similarity: Floats

    def __add__(self, other: Hota) -> Hota:
        return Hota(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def values(self) -> dict[str, float]:
        """HOTA and its parts, fractions, each the mean over the thresholds."""
        found = np.maximum(1, self.tp)
        detection = self.tp / np.maximum(1, self.tp + self.fn + self.fp)
        curves = {
            "HOTA": np.sqrt(detection * self.association / found),
            "DetA": detection,
            "AssA": self.association / found,
            "DetRe": self.tp / np.maximum(1, self.tp + self.fn),
            "DetPr": self.tp / np.maximum(1, self.tp + self.fp),
            "AssRe": self.association_recall / found,
            "AssPr": self.association_precision / found,
            "LocA": np.maximum(TINY, self.similarity) / np.maximum(TINY, self.tp),
        }
        return {name: float(curve.mean()) for name, curve in curves.items()}


def hota(scene: BoxScene) -> Hota:
    """HOTA of one sequence.

    People are matched in each frame once, by similarity weighed with how well their identities go
    together over the whole sequence (eq. 12 to 15); each threshold keeps the pairs that reach it.
    """
    lives = _lives(scene.truth, scene.truths)[:, None]
    predicted_lives = _lives(scene.predicted, scene.predictions)[None, :]
    alignment = _alignment(scene, lives, predicted_lives)
    together = np.zeros((len(ALPHAS), *alignment.shape))
    similar = np.zeros(len(ALPHAS))
    for truth, predicted, similarity in zip(
        scene.truth, scene.predicted, scene.similarity, strict=True
    ):
        weight = alignment[np.ix_(truth, predicted)] * similarity
        rows, columns = linear_sum_assignment(weight, maximize=True)
        value = similarity[rows, columns]
        passed = value >= ALPHAS[:, None] - SLACK
        together[:, truth[rows], predicted[columns]] += passed
        similar += (passed * value).sum(axis=1)
    tp = together.sum(axis=(1, 2))

    def shared(whole: Floats) -> Floats:
        return (together * together / np.maximum(1, whole)).sum(axis=(1, 2))

    return Hota(
        tp=tp,
        fn=lives.sum() - tp,
        fp=predicted_lives.sum() - tp,
        association=shared(lives + predicted_lives - together),
        association_recall=shared(lives),
        association_precision=shared(predicted_lives),
        similarity=similar,
    )


def _lives(ids: Sequence[Ints], count: int) -> Floats:
    """In how many frames each identity is, (count,)."""
    return np.bincount(np.concatenate(ids), minlength=count).astype(np.float64)


def _alignment(scene: BoxScene, lives: Floats, predicted_lives: Floats) -> Floats:
    """How well identities go together over the sequence, (T, H): soft matches over soft union."""
    soft = np.zeros((scene.truths, scene.predictions))
    for truth, predicted, similarity in zip(
        scene.truth, scene.predicted, scene.similarity, strict=True
    ):
        others = similarity.sum(axis=0)[None, :] + similarity.sum(axis=1)[:, None] - similarity
        share = np.divide(similarity, others, out=np.zeros_like(similarity), where=others > SLACK)
        soft[np.ix_(truth, predicted)] += share
    return soft / np.maximum(lives + predicted_lives - soft, TINY)
