"""Frames to tracks: the whole method on one page.

    frames -> detect -> (+ tracker.propose: last poses moved by flow) -> NMS
           -> pose -> OKS-NMS -> tracker.update

After Xiao et al. 2018, section 3, and Sun et al. 2019, section 4.3.

(The NMS of both kinds of boxes is ``matching.merge_boxes``.)

Detection and flow depend on no track, and neither does a pose on a detected box: over a window of
frames they go through the networks in full batches. Only the proposals that no detection covers
need a second, small batch a frame. What comes out does not depend on the size of the window, bit
for bit: the stages see to that (``pose.PoseEstimator``, ``devices.full_batches``). A window of 1 is
for live pictures.

For the same reason parts of the next window are looked at side by side, a thread each, while people
are followed through this one (``map_ahead``): the order stays, and so does every bit.
"""

from __future__ import annotations

__all__ = [
    "Part",
    "Pipeline",
    "PipelineSettings",
    "PoseStage",
    "Seen",
    "Stopwatch",
    "Windows",
    "calibrated",
]

import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from posetrack.detect.detectors import Detector, FileBoxes, detect_frames
from posetrack.flow import FlowEstimator, still
from posetrack.geometry import nms
from posetrack.matching import merge_boxes, unite_boxes, without_duplicates
from posetrack.options import (
    BOX_NMS_IOU,
    CARRIED_SHARE,
    MIN_BOX_SCORE,
    MIN_JOINT_SCORE,
    MIN_POSE_SCORE,
    OKS_NMS,
    SURE_SCORE,
    WINDOW_FRAMES,
)
from posetrack.structures import Boxes, FloatArray, Flow, Frame, Image, Poses, Tracks
from posetrack.trackers import DETECTED, REPEATED, Tracker
from posetrack.video.ahead import map_ahead


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """The numbers of the pipeline, as ``options.TrackOptions`` explains them."""

    window: int = WINDOW_FRAMES
    looks: int = 1  # parts of a window that are looked at at once, a thread each
    detect_every: int = 1
    min_box_score: float = MIN_BOX_SCORE
    box_nms: float = BOX_NMS_IOU
    min_pose_score: float = MIN_POSE_SCORE
    oks_nms: float = OKS_NMS
    min_joint_score: float = MIN_JOINT_SCORE
    min_output_score: float | None = None
    sure_score: float = SURE_SCORE
    # a, b: of joints with a score of s, 1 / (1 + exp(-(a + b s))) are right; written in its place
    calibration: tuple[float, float] | None = None


class PoseStage(Protocol):
    """What the pipeline asks of ``pose.PoseEstimator``."""

    def estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        """The poses in the boxes of each image; their ``boxes.score`` is box times joints
        (``oks.rescore``).

        Only without ``padded`` may a pose depend, in its last bits, on who is estimated together.
        """
        ...


# Some frames, and the one before them (None: they begin the video).
Part = tuple[list[Frame], Frame | None]


@dataclass(frozen=True, slots=True)
class Seen:
    """Some frames with what depends on no track: the flow that leads to each, its detected
    people and their poses.
    """

    frames: list[Frame]
    flows: list[Flow]
    boxes: list[Boxes]
    poses: list[Poses]


class Windows(Protocol):
    """Where parts of a video are looked at, if not here: ``count`` of them at once."""

    @property
    def count(self) -> int: ...

    def look(self, part: Part) -> Seen:
        """The bits that ``Pipeline.look`` gives."""
        ...


class Stopwatch:
    """Seconds of work by stage, on whatever thread; stages at work together add up to more than the
    clock. With ``profile`` every single span is kept: stage, thread, begin and end in seconds.
    """

    def __init__(self, profile: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self.spans: list[tuple[str, str, float, float]] = []
        self._profile = profile
        self._adding = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            end = time.perf_counter()
            with self._adding:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + end - begin
                if self._profile:
                    self.spans.append((stage, threading.current_thread().name, begin, end))


class Pipeline:
    """Stages joined to one run over one video; the tracker holds what is remembered."""

    def __init__(
        self,
        detector: Detector | FileBoxes,
        flow: FlowEstimator,
        pose: PoseStage,
        tracker: Tracker,
        settings: PipelineSettings | None = None,
        stopwatch: Stopwatch | None = None,
        elsewhere: Windows | None = None,
    ) -> None:
        self.tracker = tracker
        self.settings = settings or PipelineSettings()
        self.stopwatch = stopwatch or Stopwatch()
        self._detector, self._flow, self._pose = detector, flow, pose
        self._elsewhere = elsewhere

    @property
    def window(self) -> int:
        """Frames after which a run can be taken up again; they go through the networks together, or
        in as many parts as are looked at at once.
        """
        return self.settings.window

    def run(
        self, frames: Iterable[Frame], before: Frame | None = None
    ) -> Generator[tuple[Frame, Tracks]]:
        """Each frame with its tracks, in order.

        ``before`` is the frame ahead of the first one when a run goes on from a restored tracker.
        When a pair comes out, the tracker stands at exactly that frame. ``frames`` are taken on
        other threads, which have ended when this generator is closed.
        """
        parts = self._parts(iter(frames), before)
        look = self._elsewhere.look if self._elsewhere else self.look
        with closing(map_ahead(look, parts, self.settings.looks)) as ahead:
            for seen in ahead:
                for frame, tracks in self._follow(seen):
                    yield frame, self._visible(tracks)

    def step(self, frame: Frame, before: Frame | None) -> Tracks:
        """The people of one frame, at once and on this thread; ``before`` is the frame ahead of it,
        None for the first one. The same bits as ``run`` gives.
        """
        ((_, tracks),) = self._follow(self.look(([frame], before)))
        return self._visible(tracks)

    def _parts(self, frames: Iterator[Frame], before: Frame | None) -> Iterator[Part]:
        """The video in pieces that are looked at together."""
        while part := self._read(frames):
            yield part, before
            before = part[-1]

    def _read(self, frames: Iterator[Frame]) -> list[Frame]:
        with self.stopwatch("decode"):
            return list(islice(frames, -(-self.settings.window // self.settings.looks)))

    def look(self, part: Part) -> Seen:
        """All that depends on no track."""
        frames, before = part
        boxes = self._detect(frames)
        flows = self._estimate_flow(frames, before)
        return Seen(frames, flows, boxes, self._estimate_poses(frames, boxes))

    def _follow(self, seen: Seen) -> Iterator[tuple[Frame, Tracks]]:
        """The people of a window, frame by frame."""
        looked = zip(seen.frames, seen.flows, seen.boxes, seen.poses, strict=True)
        for frame, flow, boxes, found in looked:
            with self.stopwatch("track"):
                asked, proposed = self._proposals(frame, flow, boxes)
                merge = unite_boxes if self.tracker.one_nms else merge_boxes
                keep, stays, proposed, embraced = merge(boxes, proposed, self.settings.box_nms)
            # These are the frame's alone, whatever the window.
            again = self._estimate_poses([frame], [proposed], padded=False)[0]
            with self.stopwatch("track"):
                people = Poses.concat([found[keep], again], found.skeleton)
                # a detection that swallowed two does say that people are there: nobody is carried
                carried = np.where(embraced, DETECTED, asked[stays])
                carried = np.concatenate([np.full(len(keep), DETECTED), carried])
                apart = np.concatenate([np.zeros(len(keep), bool), embraced])
                score = np.concatenate([boxes.score[keep], np.zeros(len(proposed))])
                there, kept = self._credible(people, apart, score)
                if self.tracker.takes_repeated:
                    repeated = np.setdiff1d(there[carried[there] == DETECTED], kept)
                    carried[repeated] = REPEATED
                    kept = np.concatenate([kept, repeated])
                tracks = self.tracker.update(frame, people[kept], flow, carried[kept])
            yield frame, tracks

    def _detect(self, window: list[Frame]) -> list[Boxes]:
        """The boxes of every frame; none where it is not the turn of the detector."""
        s = self.settings
        turn = [frame for frame in window if frame.index % s.detect_every == 0]
        with self.stopwatch("detect"):
            found = detect_frames(self._detector, turn)
        strong = {
            f.index: boxes[boxes.score >= s.min_box_score]
            for f, boxes in zip(turn, found, strict=True)
        }
        kept = {
            i: boxes[np.sort(nms(boxes.xyxy, boxes.score, s.box_nms))]
            for i, boxes in strong.items()
        }
        return [kept.get(frame.index, Boxes.empty()) for frame in window]

    def _estimate_flow(self, window: list[Frame], before: Frame | None) -> list[Flow]:
        """The flow that leads to every frame; the very first one stands still."""
        if not self.tracker.uses_flow:
            return [still(frame.size_wh) for frame in window]
        images = [f.image for f in ([before] if before else []) + window]
        with self.stopwatch("flow"):
            flows = self._flow.estimate(list(pairwise(images))) if len(images) > 1 else []
        return flows if before else [still(window[0].size_wh), *flows]

    def _proposals(
        self, frame: Frame, flow: Flow, detected: Boxes
    ) -> tuple[npt.NDArray[np.int64], Boxes]:
        """Where the tracker expects people, and which of its proposals these are; tracks that no
        detection confirmed for long have faded out.
        """
        proposed = self.tracker.propose(frame, flow, detected)
        lasting = np.flatnonzero(proposed.score >= CARRIED_SHARE * self.settings.min_box_score)
        return lasting, proposed[lasting]

    def _estimate_poses(
        self, window: list[Frame], boxes: list[Boxes], padded: bool = True
    ) -> list[Poses]:
        with self.stopwatch("pose"):
            return self._pose.estimate([frame.image for frame in window], boxes, padded=padded)

    def _credible(
        self, poses: Poses, apart: npt.NDArray[np.bool_], detected: npt.NDArray[np.floating]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Which poses are left without those on nobody, and which of these without the worse of two
        on one body; those ``apart`` (N,) are of two. Where the detector is sure (``detected`` (N,)
        is its score), somebody is there however small or hidden their limbs.
        """
        s = self.settings
        there = (_mean_joint_score(poses) >= s.min_pose_score) | (detected >= s.sure_score)
        rows = np.flatnonzero(there)
        return rows, rows[
            without_duplicates(poses[rows], s.oks_nms, s.min_joint_score, apart[rows])
        ]

    def _visible(self, tracks: Tracks) -> Tracks:
        """For output: scores say how likely a joint is right, where the network's are calibrated;
        joints below their threshold have no place, their score stays.
        """
        p = tracks.poses
        score = calibrated(p.score, self.settings.calibration)
        least = self.settings.min_output_score
        least = self.settings.min_joint_score if least is None else least
        xy = np.where((score >= least)[:, :, None], p.xy, np.nan)
        return Tracks(tracks.id, Poses(xy, score, p.boxes, p.skeleton))


def calibrated(score: FloatArray, curve: tuple[float, float] | None) -> FloatArray:
    """Scores of joints, of any shape, as the share of joints with such a score that are right
    within a fifth of the body's size (Platt 1999); a score of 0 stays: nothing was looked at.
    """
    if curve is None:
        return score
    a, b = curve
    likely = 1 / (1 + np.exp(-(a + b * score.astype(np.float64))))
    result: FloatArray = np.where(score == 0, score, likely).astype(np.float32)
    return result


def _mean_joint_score(poses: Poses) -> npt.NDArray[np.float64]:
    """Mean of all joint scores of each pose, (N,)."""
    mean: npt.NDArray[np.float64] = np.nan_to_num(poses.score.astype(np.float64)).mean(axis=1)
    return mean
