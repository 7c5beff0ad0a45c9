"""Multi-person pose tracking in video: skeletons with identities that last.

    from posetrack import PoseTracker

    for tracks in PoseTracker().track("clip.mp4"):
        print(tracks.id, tracks.poses.xy)

Importing this package loads nothing heavy; each name below is imported when it is first asked for.
"""

from __future__ import annotations

__all__ = [
    "Boxes",
    "Frame",
    "OutputOptions",
    "PoseTracker",
    "Poses",
    "PosetrackError",
    "Skeleton",
    "Summary",
    "TrackOptions",
    "Tracks",
]

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posetrack.detect.detectors import Detector, FileBoxes
    from posetrack.errors import PosetrackError
    from posetrack.flow import FlowEstimator
    from posetrack.options import TrackOptions
    from posetrack.pipeline import Pipeline
    from posetrack.pose.estimator import PoseEstimator
    from posetrack.recording.record import Progress
    from posetrack.recording.results import OutputOptions, Summary
    from posetrack.structures import Boxes, Frame, Image, Poses, Skeleton, Tracks
    from posetrack.video.open import VideoSource

    Stages = tuple[Detector | FileBoxes, FlowEstimator, PoseEstimator]

_HOMES = {
    "OutputOptions": "posetrack.recording.results",
    "PosetrackError": "posetrack.errors",
    "Summary": "posetrack.recording.results",
    "TrackOptions": "posetrack.options",
    **dict.fromkeys(("Boxes", "Frame", "Poses", "Skeleton", "Tracks"), "posetrack.structures"),
}

Source = str | Path | int


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class PoseTracker:
    """People in videos, followed. Takes the options of ``posetrack track`` by name; ``TrackOptions`` lists them.

    The networks are loaded on the first use and kept; every video gets identities of its own, from 1 on. A source is
    a video file, a folder or glob of pictures, a camera's index or a network address. Raises PosetrackError.
    """

    def __init__(self, preset: str = "lite", **options: Any) -> None:
        from posetrack.options import TrackOptions

        self._asked = TrackOptions(preset=preset, **options)
        self._stages: Stages | None = None

    def track(self, source: Source) -> Iterator[Tracks]:
        """The people of each frame, in order; ``run`` gives the frames as well."""
        for _, tracks in self.run(source):
            yield tracks

    def run(self, source: Source) -> Iterator[tuple[Frame, Tracks]]:
        """Each frame with its people."""
        from posetrack.video.open import read_ahead

        with self._open(source) as video:
            frames = read_ahead(video)
            try:
                yield from self._pipeline(video.live, *self._load()).run(frames)
            finally:
                frames.close()  # type: ignore[attr-defined]

    def follow(
        self, frames: Iterable[Frame], detector: Detector | FileBoxes | None = None
    ) -> Iterator[tuple[Frame, Tracks]]:
        """Frames at hand, as one video, each with its people; ``detector`` may stand in for the preset's."""
        own, flow, pose = self._load()
        yield from self._pipeline(False, detector or own, flow, pose).run(frames)

    def record(
        self,
        source: Source,
        outputs: OutputOptions | None = None,
        *,
        progress: Progress | None = None,
        show: Callable[[Image], bool] | None = None,
    ) -> Summary:
        """Track a video and write the results: ``OutputOptions`` says what and where.

        ``progress(done, total)`` is called after every frame; ``show(picture)`` gets each rendered frame and says False
        to stop early.
        """
        from posetrack.recording import record as recording
        from posetrack.recording import results as recording_results

        outputs = outputs or recording_results.OutputOptions()
        with self._open(source) as video:
            paths = recording_results.plan_results(video, outputs)
            if outputs.resume and recording_results.is_finished(paths):
                return recording_results.Summary(video.name, paths.all(), skipped=True)
            stages = self._load()
            settings = {**self.options.shaping(), "decode": stages[2].decode}
            header = recording.native_header(video, stages[2].skeleton, settings)
            run = self._pipeline(video.live, *stages)
            return recording.record(video, paths, header, run, resume=outputs.resume, progress=progress, show=show)

    @cached_property
    def options(self) -> TrackOptions:
        """The options in force: what was asked for, and what the preset says about the rest."""
        from posetrack.weights import PRESETS

        preset = asdict(PRESETS[self._asked.preset])
        left_open = {key for key, value in asdict(self._asked).items() if value is None}
        return replace(self._asked, **{key: preset[key] for key in left_open & preset.keys()})

    def _open(self, source: Source) -> VideoSource:
        from posetrack.video.open import open_source

        return open_source(source, start_s=self._asked.start, end_s=self._asked.end)

    def _load(self) -> Stages:
        """Detector, flow and pose network, loaded once."""
        if self._stages is None:
            self._stages = _build_stages(self.options, self._asked.decode)
        return self._stages

    def _pipeline(
        self, live: bool, detector: Detector | FileBoxes, flow: FlowEstimator, pose: PoseEstimator
    ) -> Pipeline:
        """A pipeline for one video, with a tracker that remembers nobody."""
        from posetrack.options import WINDOW_FRAMES
        from posetrack.pipeline import Pipeline, PipelineSettings
        from posetrack.trackers import TrackerSettings, build_tracker

        o = self.options
        tracker = TrackerSettings(o.memory, o.min_oks, o.min_new_score, o.min_joint_score, revive_frames=o.revive)
        settings = PipelineSettings(
            window=o.window or (1 if live else WINDOW_FRAMES),
            detect_every=o.detect_every,
            min_box_score=o.min_box_score,
            box_nms=o.box_nms,
            min_pose_score=o.min_pose_score,
            oks_nms=o.oks_nms,
            min_joint_score=o.min_joint_score,
        )
        return Pipeline(detector, flow, pose, build_tracker(o.tracker, pose.skeleton, tracker), settings)


def _build_stages(o: TrackOptions, decode: str | None) -> Stages:
    """The stages ``o`` names, with their weights: the one place where networks and weights are joined for tracking.

    ``decode`` is what the user asked for; without it the checkpoint's own note goes before the preset.
    """
    from posetrack import weights
    from posetrack.pose.estimator import PoseEstimator

    if o.threads:
        _use_threads(o.threads)
    detector = _build_detector(o)
    flow = weights.load_flow(
        o.flow if o.tracker == "flow" else "none",
        long_side=o.flow_size, checkpoint=o.flow_weights, device=o.device, offline=o.offline,
    )  # fmt: skip
    assert o.weights is not None  # the preset names one
    net, spec = weights.load_pose(o.weights, offline=o.offline)
    pose = PoseEstimator(
        net, spec.input, spec.skeleton, device=o.device, precision=o.precision,
        flip_test=bool(o.flip), upright_test=bool(o.upright),
        decode=decode or spec.notes.get("decode") or o.decode or "quarter", batch_size=o.batch_size,
        runtime=o.runtime,
    )  # fmt: skip
    return detector, flow, pose


def _build_detector(o: TrackOptions) -> Detector | FileBoxes:
    from posetrack import weights
    from posetrack.detect.detectors import FileBoxes

    if o.boxes:
        from posetrack.formats.boxes import read_boxes

        return FileBoxes(read_boxes(o.boxes))
    assert o.detector is not None  # the preset names one
    return weights.load_detector(
        o.detector, device=o.device, runtime=o.runtime, min_score=o.min_box_score, offline=o.offline
    )


def _use_threads(count: int) -> None:
    """For the whole process: neither library has a smaller switch."""
    import cv2
    import torch

    torch.set_num_threads(count)
    cv2.setNumThreads(count)
