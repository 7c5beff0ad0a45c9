"""``PoseTracker``: videos in, people with identities out. The library's front door."""

from __future__ import annotations

__all__ = ["PoseTracker"]

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from posetrack.assemble import Stages, build_pipeline, build_stages, in_force
from posetrack.detect.detectors import Detector, FileBoxes
from posetrack.options import TrackOptions
from posetrack.pipeline import Stopwatch
from posetrack.recording.complete import complete
from posetrack.recording.record import Progress, native_header, record
from posetrack.recording.results import OutputOptions, Summary, is_finished, plan_results
from posetrack.structures import Frame, Image, Tracks
from posetrack.video.open import open_source, read_ahead
from posetrack.video.source import VideoSource

Source = str | Path | int


class PoseTracker:
    """People in videos, followed. Takes the options of ``posetrack track`` by name;
    ``TrackOptions`` lists them.

    The networks are loaded on the first use and kept; every video gets identities of its own, from
    1 on. A source is a video file, a folder or glob of pictures, a camera's index or a network
    address. Raises PosetrackError.
    """

    def __init__(self, preset: str = "lite", **options: Any) -> None:
        self._asked = TrackOptions(preset=preset, **options)

    @cached_property
    def options(self) -> TrackOptions:
        """The options in force: what was asked for, and what the preset says about the rest."""
        return in_force(self._asked)

    @cached_property
    def stages(self) -> Stages:
        """Detector, flow and pose network, loaded when they are first wanted."""
        return build_stages(self.options)

    def track(self, source: Source) -> Iterator[Tracks]:
        """The people of each frame, in order; ``run`` gives the frames as well."""
        for _, tracks in self.run(source):
            yield tracks

    def run(self, source: Source) -> Iterator[tuple[Frame, Tracks]]:
        """Each frame with its people."""
        with self._open(source) as video:
            frames = read_ahead(video)
            try:
                yield from build_pipeline(self.options, self.stages, live=video.live).run(frames)
            finally:
                frames.close()

    def follow(
        self, frames: Iterable[Frame], detector: Detector | FileBoxes | None = None
    ) -> Iterator[tuple[Frame, Tracks]]:
        """Frames at hand, as one video, each with its people; ``detector`` may stand in for the
        preset's.
        """
        stages = replace(self.stages, detector=detector) if detector else self.stages
        yield from build_pipeline(self.options, stages, live=False).run(frames)

    def record(
        self,
        source: Source,
        outputs: OutputOptions | None = None,
        *,
        progress: Progress | None = None,
        show: Callable[[Image], bool] | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> Summary:
        """Track a video and write the results: ``OutputOptions`` says what and where.

        ``progress(done, total)`` is called after every frame; ``show(picture)`` gets each rendered
        frame and says False to stop early. ``stopwatch`` is
        told the time of every stage.
        """
        outputs = outputs or OutputOptions()
        with self._open(source) as video:
            paths = plan_results(video, outputs)
            pose = self.stages.pose
            settings = {
                **self.options.shaping(),
                "decode": pose.decode,
                "precision": pose.precision,
                "runtime": pose.runtime,
            }
            header = native_header(video, pose.skeleton, settings)
            if outputs.resume and is_finished(paths):
                return complete(video, paths, header, style=outputs.style, progress=progress)
            return record(
                video,
                paths,
                header,
                build_pipeline(self.options, self.stages, live=video.live, stopwatch=stopwatch),
                resume=outputs.resume,
                progress=progress,
                show=show,
                style=outputs.style,
            )

    def _open(self, source: Source) -> VideoSource:
        return open_source(source, start_s=self._asked.start, end_s=self._asked.end)
