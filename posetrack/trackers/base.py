"""What every tracker shares: a memory of the poses of the last frames, greedy matching and the
birth of identities.

After Xiao et al. 2018, section 3: a queue holds the poses of the last L frames with their
identities, each brought to the current frame; a current pose takes the identity of the remembered
pose most similar to it, best pairs first, and what is left unmatched becomes somebody new. A lost
person is remembered for L frames and found again under the same identity.

Where a detector misses somebody, ``propose`` carries them: a box around the last pose of everybody
seen in the last few frames, or, where nobody in a crowd is detected, the box they had (``crowds``).
(The paper carries the last frame's people only; one bad frame then loses a person whom no detector
finds. For much longer, the lost come back as whatever stands where they were.) Its score is that of
the box the pose came from times ``proposal_decay`` for each frame since, so that a track which no
detection confirms fades out instead of haunting a chair for ever. Poses whose joints the network
does not believe in never get here: the pipeline drops them.
"""

from __future__ import annotations

__all__ = ["DETECTED", "REPEATED", "MemoryTracker", "Tracker", "TrackerSettings", "box_score"]

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from posetrack.geometry import keypoint_boxes
from posetrack.matching import greedy_match, pose_similarity, reliable_joints
from posetrack.oks import rescore
from posetrack.options import (
    MEMORY,
    MIN_JOINT_SCORE,
    MIN_NEW_SCORE,
    MIN_OKS,
    MIN_POSE_SCORE,
    PROPOSAL_DECAY,
    PROPOSAL_FRAMES,
    REVIVE,
)
from posetrack.structures import Boxes, FloatArray, Flow, Frame, Poses, Skeleton, Tracks
from posetrack.trackers.crowds import steadied, unseen_together
from posetrack.trackers.exchange import renamed
from posetrack.trackers.revival import Missing

# needed by a pose too weak to be somebody new: a thing near the place somebody left is not them
WEAK_OKS = 0.35
# factor on a similarity for every frame since the pose was seen, for the order of matching only:
# old memories drift, fresh ones go first
AGE_DECAY = 0.95
# to somebody of the same frame: somebody new does not begin on another one's body
MAX_NEW_OKS = 0.3
DETECTED = -1  # in place of the number of a proposal: the detector saw it
# the detector saw it, but a better pose lies on the same body: nobody new
REPEATED = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """The numbers that trackers share, named as the options are that give them; what belongs to one
    tracker stands in its file.

    ``memory``: frames that a pose is remembered for (L). ``min_oks``: OKS (or IoU) below which two
    poses are two people. ``min_new_score``: score of a detected pose (box times joints) that may
    become somebody new. ``min_joint_score``: joints below it count neither for similarity nor for
    the box around a pose. ``min_pose_score``: mean joint score of a pose where somebody stands.
    ``proposal_decay``: factor on the box score for every frame without a detection.
    ``proposal_frames``: how many frames after they were last seen somebody is still proposed.
    ``revive``: frames in which somebody lost may still be known again by their looks (``revival``).
    """

    memory: int = MEMORY
    min_oks: float = MIN_OKS
    min_new_score: float = MIN_NEW_SCORE
    min_joint_score: float = MIN_JOINT_SCORE
    proposal_decay: float = PROPOSAL_DECAY
    proposal_frames: int = PROPOSAL_FRAMES
    revive: int = REVIVE
    min_pose_score: float = MIN_POSE_SCORE


class Tracker(Protocol):
    """The contract of every tracker; ``state`` and ``restore`` let an interrupted run go on
    exactly.
    """

    uses_flow: ClassVar[bool]
    one_nms: ClassVar[bool]  # whether one suppression by score unites detections and proposals
    takes_repeated: ClassVar[bool]  # whether ``update`` is given detections that are ``REPEATED``

    def __init__(self, skeleton: Skeleton, settings: TrackerSettings) -> None: ...

    def propose(self, frame: Frame, flow: Flow, detected: Boxes | None = None) -> Boxes:
        """Boxes where the remembered people should be in ``frame``; ``flow`` leads from the last
        frame to it.

        ``detected`` is what the detector says of ``frame``, for a tracker that wants to know.
        """
        ...

    def update(
        self,
        frame: Frame,
        poses: Poses,
        flow: Flow,
        carried: npt.NDArray[np.int64] | None = None,
    ) -> Tracks:
        """The people of ``frame`` with identities, by rising identity; poses nobody should see are
        left out.

        ``carried`` (N,) says which of the boxes just proposed each pose was found in, ``DETECTED``
        where the detector saw it (without it: all).
        """
        ...

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything remembered, as arrays."""
        ...

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what ``state`` gave."""
        ...


def box_score(poses: Poses) -> FloatArray:
    """The detector's score of each pose (N,): the pose's without its joints' share."""
    joints = rescore(poses.score, np.ones(len(poses)))
    whole = np.divide(poses.boxes.score, joints, out=np.zeros(len(poses)), where=joints > 0)
    return np.minimum(whole, 1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Memory:
    """M remembered poses: identity (M,), age (M,) in frames (0: the current one), the score of
    their boxes (M,), and whether they stood on boxes that were proposed, not detected (M,).
    """

    id: npt.NDArray[np.int64]
    age: npt.NDArray[np.int64]
    box_score: npt.NDArray[np.float32]
    carried: npt.NDArray[np.bool_]
    poses: Poses

    def __getitem__(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> _Memory:
        return _Memory(
            self.id[index],
            self.age[index],
            self.box_score[index],
            self.carried[index],
            self.poses[index],
        )

    @classmethod
    def empty(cls, skeleton: Skeleton) -> _Memory:
        none = np.zeros(0, np.int64)
        return cls(none, none, np.zeros(0, np.float32), np.zeros(0, bool), Poses.empty(skeleton))


class MemoryTracker:
    """The shared tracker; a kind of its own says how poses move (``_move``) and how alike two are
    (``_similarity``).
    """

    uses_flow: ClassVar[bool] = False
    one_nms: ClassVar[bool] = False
    takes_repeated: ClassVar[bool] = False

    def __init__(self, skeleton: Skeleton, settings: TrackerSettings) -> None:
        self.settings = settings
        self._skeleton = skeleton
        self._memory = _Memory.empty(skeleton)
        self._next_id = 1
        self._frame_index = -1  # frame the memory stands at
        self._missing = Missing(0 if self.one_nms else settings.revive)

    def _move(self, poses: Poses, flow: Flow) -> Poses:
        """``poses`` of the last frame as they should stand in the current one."""
        return poses

    def _similarity(self, poses: Poses, remembered: Poses) -> npt.NDArray[np.float64]:
        """How alike current (N) and remembered (M) poses are, (N, M) in 0..1."""
        raise NotImplementedError

    def propose(self, frame: Frame, flow: Flow, detected: Boxes | None = None) -> Boxes:
        self._advance(frame, flow)
        s = self.settings
        last = self._freshest()
        xyxy = keypoint_boxes(reliable_joints(last.poses, s.min_joint_score))
        kept = unseen_together(xyxy, last.poses.boxes.xyxy, last.carried, detected)
        xyxy[kept] = last.poses.boxes.xyxy[kept]
        inside = np.logical_and(
            (xyxy[:, :2] < frame.size_wh).all(axis=1), (xyxy[:, 2:] > 0).all(axis=1)
        )  # not for NaN
        score = (last.box_score * s.proposal_decay**last.age).astype(np.float32)
        return Boxes(xyxy, score)[inside]

    def update(
        self,
        frame: Frame,
        poses: Poses,
        flow: Flow,
        carried: npt.NDArray[np.int64] | None = None,
    ) -> Tracks:
        self._advance(frame, flow)
        seen = np.full(len(poses), DETECTED) if carried is None else carried
        unseen = seen != DETECTED
        ids = self._assign(frame, poses, unseen)
        known = ids > 0
        ids, poses, unseen = ids[known], poses[known], unseen[known]
        changes = self._missing.see(frame, Tracks(ids, poses), self.settings.min_joint_score)
        if changes:
            ids, self._memory = (
                renamed(ids, changes),
                replace(self._memory, id=renamed(self._memory.id, changes)),
            )
        order = np.argsort(ids)
        tracks = Tracks(ids[order], poses[order])
        self._remember(tracks, unseen[order])
        return tracks

    def state(self) -> dict[str, npt.NDArray[Any]]:
        m, p = self._memory, self._memory.poses
        arrays = {
            "next_id": np.array([self._next_id]),
            "frame_index": np.array([self._frame_index]),
            "id": m.id,
            "age": m.age,
            "box_score": m.box_score,
            "carried": m.carried,
            "xy": p.xy,
            "score": p.score,
            "pose_score": p.boxes.score,
            "xyxy": p.boxes.xyxy,
        }
        arrays |= self._missing.state()
        return {key: np.ascontiguousarray(array) for key, array in arrays.items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        boxes = Boxes(state["xyxy"], state["pose_score"])
        poses = Poses(state["xy"], state["score"], boxes, self._skeleton)
        self._memory = _Memory(
            state["id"], state["age"], state["box_score"], state["carried"], poses
        )
        self._next_id, self._frame_index = int(state["next_id"][0]), int(state["frame_index"][0])
        self._missing.restore(state)

    def _advance(self, frame: Frame, flow: Flow) -> None:
        """Bring the memory to ``frame``, once."""
        if frame.index == self._frame_index:
            return
        self._frame_index = frame.index
        m = self._memory[self._memory.age < self.settings.memory]
        self._memory = _Memory(m.id, m.age + 1, m.box_score, m.carried, self._move(m.poses, flow))

    def _freshest(self) -> _Memory:
        """The last pose of everybody who may be proposed, by rising identity."""
        m = self._memory[self._memory.age <= self.settings.proposal_frames]
        order = np.lexsort((m.age, m.id))
        return m[order[np.unique(m.id[order], return_index=True)[1]]]

    def _assign(
        self, frame: Frame, poses: Poses, carried: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.int64]:
        """An identity for each pose: a remembered one, a new one, or 0 for poses that cannot be
        somebody new.

        What a proposal found can only be the person it came from. A detected pose that would be
        somebody new, but lies on somebody's pose or is like a person whom only a proposal found, is
        that person: of the two poses the more certain one stays.
        """
        ids = np.zeros(len(poses), np.int64)
        people, worth = self._worth(poses)
        for pose, person in greedy_match(worth, 0.0):
            ids[pose] = people[person]
        spare, rivals = (ids == 0) & ~carried, np.flatnonzero(ids > 0)
        same_place = worth[:, np.searchsorted(people, ids[rivals])]
        overlap = pose_similarity(poses, poses[rivals], self.settings.min_joint_score)
        same_body = np.where(overlap >= MAX_NEW_OKS, overlap, -np.inf)
        alike = np.where(
            spare[:, None],
            np.where(carried[rivals], np.maximum(same_place, same_body), same_body),
            -np.inf,
        )
        for pose, rival in greedy_match(alike, 0.0):
            if self._certainty(poses)[pose] > self._certainty(poses)[rivals[rival]]:
                ids[pose], ids[rivals[rival]] = ids[rivals[rival]], 0
        born = (
            spare
            & (alike.max(axis=1, initial=-np.inf) < 0)
            & (poses.boxes.score >= self.settings.min_new_score)
        )
        back = np.flatnonzero(born)
        for pose, identity in self._missing.find(
            frame, poses[back], ids, self.settings.min_joint_score
        ):
            ids[back[pose]], born[back[pose]] = identity, False
        ids[born] = np.arange(self._next_id, self._next_id + born.sum())
        self._next_id += int(born.sum())
        return ids

    def _worth(self, poses: Poses) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The remembered identities (P,), and what each pose is worth to each (N, P): the best of
        what is remembered.

        Worth is similarity, weakened by age; -inf where the similarity is below its threshold.
        """
        memory, s = self._memory, self.settings
        similarity = self._similarity(poses, memory.poses)
        weak = poses.boxes.score < s.min_new_score
        needed = np.where(weak, max(WEAK_OKS, s.min_oks), s.min_oks)
        aged = np.where(similarity >= needed[:, None], similarity * AGE_DECAY**memory.age, -np.inf)
        people, of = np.unique(memory.id, return_inverse=True)
        worth = np.full((len(poses), len(people)), -np.inf)
        np.maximum.at(worth.T, of, aged.T)
        return people, worth

    def _certainty(self, poses: Poses) -> npt.NDArray[np.float64]:
        """Mean score of the joints of each pose that count, (N,)."""
        return rescore(poses.score, np.ones(len(poses)))

    def _boxes(self, tracks: Tracks) -> FloatArray:
        """The boxes (N, 4) that people just seen are remembered with."""
        last = self._freshest()
        return steadied(
            tracks.poses.boxes.xyxy,
            tracks.id,
            dict(zip(last.id.tolist(), last.poses.boxes.xyxy, strict=True)),
        )

    def _remember(self, tracks: Tracks, carried: npt.NDArray[np.bool_]) -> None:
        m, poses = self._memory, tracks.poses
        poses = Poses(
            poses.xy, poses.score, Boxes(self._boxes(tracks), poses.boxes.score), poses.skeleton
        )
        self._memory = _Memory(
            np.concatenate([m.id, tracks.id]),
            np.concatenate([m.age, np.zeros(len(tracks), np.int64)]),
            np.concatenate([m.box_score, box_score(poses)]),
            np.concatenate([m.carried, carried]),
            Poses.concat([m.poses, poses], self._skeleton),
        )
