"""The default: people are followed by where they should be and by the colours of their clothes;
a track is a person as long as detections confirm it.

In each frame

1. everybody remembered is moved to the frame twice: by their own motion against the background (a
   Kalman filter, which also knows where somebody hidden should be; the background moves by the
   median of the flow), and, if they were seen in the frame before, along the flow itself;
2. **sure detections** (by their box or by their pose) are assigned first, to everybody, at the
   largest total affinity (Kuhn 1955): overlap with either place, weakened where the colours of
   upper body and legs differ;
3. **what is left, weak or odd,** goes to those left who were seen in the frame before, by place
   alone: somebody half hidden scores low or wears the colours of a pole, and so does a coat on a
   rail, which nobody was before (the two rounds of ByteTrack: Zhang et al., ECCV 2022);
4. sure detections that are left may be somebody lost for longer, within the reach of a walk, known
   by their colours;
5. one that is still nobody's begins a **tentative** track, which gets an identity, and is shown,
   when the next frames confirm it, or at once if its box is certain.

Where the detector misses somebody, ``propose`` asks the pose network to look where they should be;
a pose that it believes in keeps them. Boxes are the detections' own. (The OKS of limbs was tried in
the affinity, as the larger of the two and as a share of a mean: it changed nothing on drawn clips
or made them worse, so ``min_oks`` is for the other trackers.)
"""

from __future__ import annotations

__all__ = ["FusedTracker"]

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from posetrack.geometry import iou_matrix
from posetrack.matching import optimal_match
from posetrack.options import SURE_SCORE
from posetrack.structures import Boxes, FloatArray, Flow, Frame, Poses, Skeleton, Tracks
from posetrack.trackers.appearance import (
    COLOUR_BINS,
    HALVES,
    describe_halves,
    half_likeness,
)
from posetrack.trackers.base import DETECTED, TrackerSettings, box_score
from posetrack.trackers.flow import moved_along
from posetrack.trackers.kalman import BoxMotion

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# --- affinity: chosen on the first half of PETS2009 S2.L1; drawn and real clips were watched ------
MIN_AFFINITY = 0.05  # of a sure detection to somebody with an identity
MIN_WEAK_OVERLAP = 0.5  # of a detection by place alone
MIN_TENTATIVE_AFFINITY = 0.3
# likeness of colours that says nothing against a pair, and that says all it can: of one person 10
# to 60 frames apart 0.95 at the median, of two people 0.71 (PETS2009)
ALIKE, UNLIKE = 0.95, 0.8
COLOUR_WEIGHT = 0.9  # of an affinity that the colours can take away
# --- people who come back -------------------------------------------------------------------------
MIN_LIKENESS = 0.85  # of the colours of somebody found again
REACH, REACH_PER_FRAME, MAX_REACH = 0.4, 0.05, 3.0  # of the box's longer side
EDGE = 0.01  # of the picture: who was lost that near to its border has left
SIZE_RATIO = 2.5  # between areas, at most
# --- looks ----------------------------------------------------------------------------------------
LOOK_GAIN = 0.1  # share of the newest colours in a look
COVERED_IOU = 0.15  # overlap with another person from which colours may be that one's
SURE_POSE_SCORE = 0.12  # of a pose (box times joints) that makes its detection sure as well
CARRIED_JOINT_SCORE = 0.4  # mean of all joints of a pose that keeps somebody whom only it finds
CAMERA_STEP = 8  # working pixels of the flow between those whose median is the camera's
CONFIRMED = 3  # detections that make somebody of a tentative track
NEW_BOX_SCORE = 0.6  # of a box that may begin somebody new, whatever its pose
CERTAIN_SCORE = 0.9  # of a box that needs no confirming: a label's, say


@dataclass(frozen=True, slots=True)
class _People:
    """P people: ``id`` (P,; 0: tentative), ``hits`` (P,) detections so far, ``age`` (P,) frames
    since the last one, ``carried`` (P,) whether a proposal has kept them in this frame,
    ``box_score`` (P,), ``mean`` and ``covariance`` of their motion, ``look`` (P, H, D) by
    halves of the body, and their
    poses, moved along the flow.
    """

    id: Ints
    hits: Ints
    age: Ints
    carried: Mask
    box_score: FloatArray
    mean: Floats
    covariance: Floats
    look: FloatArray
    poses: Poses

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, index: Ints | Mask) -> _People:
        return _People(*(getattr(self, f.name)[index] for f in fields(self)))

    @property
    def motion(self) -> BoxMotion:
        return BoxMotion(self.mean, self.covariance)

    @classmethod
    def new(cls, poses: Poses, look: FloatArray, box_score: FloatArray) -> _People:
        """People seen for the first time, tentative."""
        n, motion = len(poses), BoxMotion.start(poses.boxes.xyxy)
        return cls(
            id=np.zeros(n, np.int64),
            hits=np.ones(n, np.int64),
            age=np.zeros(n, np.int64),
            carried=np.zeros(n, bool),
            box_score=box_score,
            mean=motion.mean,
            covariance=motion.covariance,
            look=look,
            poses=poses,
        )

    @classmethod
    def concat(cls, a: _People, b: _People) -> _People:
        """The people of ``a``, then those of ``b``."""
        names = [f.name for f in fields(cls) if f.name != "poses"]
        rest = {name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in names}
        return cls(**rest, poses=Poses.concat([a.poses, b.poses], a.poses.skeleton))


class FusedTracker:
    """See the module's text."""

    uses_flow: ClassVar[bool] = True
    one_nms: ClassVar[bool] = False
    takes_repeated: ClassVar[bool] = True

    def __init__(self, skeleton: Skeleton, settings: TrackerSettings) -> None:
        self.settings, self._skeleton = settings, skeleton
        none = np.zeros((0, HALVES, COLOUR_BINS), np.float32)
        self._people = _People.new(Poses.empty(skeleton), none, none[:, 0, 0])
        self._next_id, self._frame_index = 1, -1
        self._first = True  # whether the frame is the first: all who are there are somebody
        self._proposed = np.zeros(0, np.int64)  # who was proposed for this frame: rows of people

    # --- where people should be ---------------------------------------------------------------

    def propose(self, frame: Frame, flow: Flow, detected: Boxes | None = None) -> Boxes:
        self._advance(frame, flow)
        s, p = self.settings, self._people
        boxes = self._places()
        inside = (boxes[:, :2] < frame.size_wh).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
        self._proposed = np.flatnonzero(
            (p.id > 0) & inside & ((p.age <= s.proposal_frames) | p.carried)
        )
        score = (p.box_score * s.proposal_decay**p.age).astype(np.float32)
        return Boxes(boxes, score)[self._proposed]

    def _places(self) -> FloatArray:
        """Where people should be, (P, 4): along the flow while they are seen, else by motion."""
        p = self._people
        seen = ((p.age <= 1) | p.carried)[:, None]
        return np.where(seen, p.poses.boxes.xyxy, p.motion.xyxy)

    def _advance(self, frame: Frame, flow: Flow) -> None:
        """Bring everybody to ``frame``, once; forget who has been gone for too long."""
        if frame.index == self._frame_index:
            return
        self._first, self._frame_index = self._frame_index < 0, frame.index
        p = self._people
        longest = max(self.settings.memory, self.settings.revive)
        p = p[(p.age < longest) & ((p.id > 0) | (p.age < 1))]
        motion = p.motion.predicted().shifted(_camera_shift(flow))
        self._people = replace(
            p,
            age=p.age + 1,
            mean=motion.mean,
            covariance=motion.covariance,
            poses=moved_along(p.poses, flow),
        )

    # --- who is who ---------------------------------------------------------------------------

    def update(self, frame: Frame, poses: Poses, flow: Flow, carried: Ints | None = None) -> Tracks:
        self._advance(frame, flow)
        origin = np.full(len(poses), DETECTED) if carried is None else carried
        detected = origin < 0
        seen, asked = poses[np.flatnonzero(detected)], poses[np.flatnonzero(~detected)]
        look = describe_halves(frame.image, seen, self.settings.min_joint_score)
        score = box_score(seen)
        apart = origin[detected] == DETECTED
        who = self._assign(frame, seen, look, score, apart)
        self._see(seen, look, score, who)
        self._carry(asked, self._proposed[origin[~detected]])
        self._begin(seen, look, score, (who < 0) & apart)
        return self._shown()

    def _assign(
        self, frame: Frame, seen: Poses, look: FloatArray, score: FloatArray, apart: Mask
    ) -> Ints:
        """For each pose (N,) the row of the person it is, or -1.

        Those that are not ``apart`` (N,) from a better one may be two people who hold each other,
        or two boxes of one: they are somebody only where somebody was.
        """
        s, p = self.settings, self._people
        who = np.full(len(seen), -1)
        sure = (score >= SURE_SCORE) | (seen.boxes.score >= SURE_POSE_SCORE)
        sure &= apart
        known = (p.id > 0) & (p.age <= s.memory)
        place = self._overlap(seen)
        affinity = self._affinity(look, place) * score[:, None]
        _match(who, affinity, sure, known, MIN_AFFINITY)
        everybody, lately = np.ones(len(seen), bool), known & ((p.age <= 1) | p.carried)
        _match(who, place, everybody, lately, MIN_WEAK_OVERLAP)
        _match(who, affinity, sure, p.id == 0, MIN_TENTATIVE_AFFINITY)
        _match(who, self._returning(frame, seen, look), sure, p.id > 0, MIN_LIKENESS)
        return who

    def _overlap(self, seen: Poses) -> Floats:
        """IoU of poses (N) with where people (P) should be, the better of both guesses, (N, P)."""
        p = self._people
        by_motion = iou_matrix(seen.boxes.xyxy, p.motion.xyxy)
        lately: Mask = np.logical_or(p.age <= 1, p.carried)
        along = np.where(lately, iou_matrix(seen.boxes.xyxy, p.poses.boxes.xyxy), 0)
        return np.maximum(by_motion, along).astype(np.float64)

    def _affinity(self, look: FloatArray, place: Floats) -> Floats:
        """How well poses (N) fit people (P) by place and colours, (N, P) in 0..1."""
        p = self._people
        alike = half_likeness(look, p.look)
        odd = np.clip((ALIKE - alike) / (ALIKE - UNLIKE), 0, 1)
        return place * (1 - COLOUR_WEIGHT * np.nan_to_num(odd))

    def _returning(self, frame: Frame, seen: Poses, look: FloatArray) -> Floats:
        """Likeness of poses (N) and lost people (P) who may have come to that place; else -inf."""
        p = self._people
        if not self.settings.revive:
            return np.full((len(seen), len(p)), -np.inf)
        low, high = p.motion.xyxy[:, :2], p.motion.xyxy[:, 2:]
        margin = EDGE * np.array(frame.size_wh)
        left = (low < margin).any(axis=1) | (high > frame.size_wh - margin).any(axis=1)
        apart = (seen.boxes.xyxy[:, None, :2] + seen.boxes.xyxy[:, None, 2:] - low - high) / 2
        reach = np.minimum(REACH + REACH_PER_FRAME * p.age, MAX_REACH) * (high - low).max(axis=1)
        size = (seen.boxes.area[:, None] + 1) / ((high - low).prod(axis=1)[None] + 1)
        possible = (np.linalg.norm(apart, axis=2) <= reach) & ((p.age > 1) & ~left)[None]
        possible &= (size < SIZE_RATIO) & (size > 1 / SIZE_RATIO)
        alike = half_likeness(look, p.look)
        return np.where(possible & ~np.isnan(alike), alike, -np.inf)

    # --- what is remembered -------------------------------------------------------------------

    def _see(self, seen: Poses, look: FloatArray, score: FloatArray, who: Ints) -> None:
        """Bring those seen to where they were seen."""
        n = np.flatnonzero(who >= 0)
        rows, p = who[n], self._people
        motion = p.motion.updated(rows, seen.boxes.xyxy[n])
        self._people = replace(
            p,
            hits=_set(p.hits, rows, p.hits[rows] + 1),
            age=_set(p.age, rows, 0),
            box_score=_set(p.box_score, rows, score[n]),
            mean=motion.mean,
            covariance=motion.covariance,
            look=self._learnt(seen, look, n, rows),
            poses=_put(p.poses, rows, seen[n]),
        )

    def _learnt(self, seen: Poses, look: FloatArray, n: Ints, rows: Ints) -> FloatArray:
        """The looks (P, H, D): a little nearer to what is seen of those whom nobody covers."""
        clear = _clear(seen)[n, None]
        known = self._people.look[rows]
        clear = clear & look[n].any(axis=2)
        gain = np.where(known.any(axis=2), np.where(clear, LOOK_GAIN, 0.0), 1.0)[:, :, None]
        return _set(self._people.look, rows, known + gain * (look[n] - known))

    def _carry(self, found: Poses, rows: Ints) -> None:
        """Keep those whom only a proposal found (``rows`` of people) where it found them."""
        p = self._people
        unseen = np.flatnonzero(p.age[rows] > 0)
        rows, found = rows[unseen], found[unseen]
        carried = _set(
            np.zeros(len(p), bool), rows, found.score.mean(axis=1) >= CARRIED_JOINT_SCORE
        )
        self._people = replace(p, carried=carried, poses=_put(p.poses, rows, found))

    def _begin(self, seen: Poses, look: FloatArray, score: FloatArray, free: Mask) -> None:
        """New people of sure detections that are nobody's (``free``); tentative ones get their
        identity.
        """
        s, p = self.settings, self._people
        certain = score >= CERTAIN_SCORE
        likely = (score >= NEW_BOX_SCORE) | (seen.boxes.score >= s.min_new_score)
        likely &= seen.score.mean(axis=1) >= s.min_pose_score
        new = np.flatnonzero(free & (likely | certain))
        people = _People.concat(p, _People.new(seen[new], look[new], score[new]))
        ripe = (people.id == 0) & (people.age == 0)
        ripe &= (people.hits >= CONFIRMED) | (people.box_score >= CERTAIN_SCORE) | self._first
        numbers = np.arange(self._next_id, self._next_id + ripe.sum())
        self._next_id += len(numbers)
        self._people = replace(people, id=_set(people.id, np.flatnonzero(ripe), numbers))

    def _shown(self) -> Tracks:
        """Those with an identity who are seen, or have been carried for a short time only."""
        p = self._people
        shown = (p.age == 0) | p.carried
        rows = np.flatnonzero(shown & (p.id > 0))
        rows = rows[np.argsort(p.id[rows])]
        return Tracks(p.id[rows], p.poses[rows])

    # --- going on from a saved state ----------------------------------------------------------

    def state(self) -> dict[str, npt.NDArray[Any]]:
        p = self._people
        arrays = {f.name: getattr(p, f.name) for f in fields(p) if f.name != "poses"}
        arrays |= {"xy": p.poses.xy, "score": p.poses.score}
        arrays |= {"xyxy": p.poses.boxes.xyxy, "pose_score": p.poses.boxes.score}
        arrays["counters"] = np.array([self._next_id, self._frame_index])
        return {key: np.ascontiguousarray(array) for key, array in arrays.items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        boxes = Boxes(state["xyxy"], state["pose_score"])
        poses = Poses(state["xy"], state["score"], boxes, self._skeleton)
        rest = {f.name: state[f.name] for f in fields(_People) if f.name != "poses"}
        self._people = _People(**rest, poses=poses)
        self._next_id, self._frame_index = (int(n) for n in state["counters"])


def _camera_shift(flow: Flow) -> Floats:
    """What most of the picture moved by, (2,) pixels: the camera."""
    height, width = flow.field.shape[:2]
    shift = np.median(flow.field[::CAMERA_STEP, ::CAMERA_STEP].reshape(-1, 2), axis=0)
    return shift.astype(np.float64) * np.array(flow.image_wh) / (width, height)


def _clear(seen: Poses) -> Mask:
    """Whose colours are their own: nobody else's box lies on theirs, (N,)."""
    overlap = iou_matrix(seen.boxes.xyxy, seen.boxes.xyxy)
    np.fill_diagonal(overlap, 0)
    clear: Mask = overlap.max(axis=1, initial=0) <= COVERED_IOU
    return clear


def _match(who: Ints, worth: Floats, rows: Mask, columns: Mask, least: float) -> None:
    """Assign free poses of ``rows`` (N,) to free people of ``columns`` (P,); changes ``who``."""
    taken = who[who >= 0]
    free_rows, free_columns = rows & (who < 0), columns.copy()
    free_columns[taken] = False
    open_pairs = free_rows[:, None] & free_columns[None]
    for pose, person in optimal_match(np.where(open_pairs, worth, -np.inf), least):
        who[pose] = person


def _set(values: npt.NDArray[Any], rows: Ints, new: Any) -> npt.NDArray[Any]:
    """A copy of ``values`` with other ``rows``."""
    copy = values.copy()
    copy[rows] = new
    return copy


def _put(poses: Poses, rows: Ints, new: Poses) -> Poses:
    """A copy of ``poses`` with other ``rows``."""
    boxes = Boxes(
        _set(poses.boxes.xyxy, rows, new.boxes.xyxy),
        _set(poses.boxes.score, rows, new.boxes.score),
    )
    xy, score = _set(poses.xy, rows, new.xy), _set(poses.score, rows, new.score)
    return Poses(xy, score, boxes, poses.skeleton)
