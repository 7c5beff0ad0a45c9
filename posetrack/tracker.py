"""``PoseTracker``: videos in, people with identities out. The library's front door."""

from __future__ import annotations

__all__ = ["PoseTracker"]

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from posetrack.assemble import Stages, build_pipeline, build_stages, in_force
from posetrack.detect.detectors import Detector, FileBoxes
from posetrack.detect.function import FunctionDetector
from posetrack.errors import UsageError, WrongTypeError, unknown_name
from posetrack.notebook import reporting
from posetrack.offered import check_offered
from posetrack.options import TrackOptions
from posetrack.pipeline import Stopwatch, Windows
from posetrack.recording.complete import complete
from posetrack.recording.record import Progress, native_header, record
from posetrack.recording.results import OutputOptions, Summary, is_finished, plan_results
from posetrack.stream import Stream
from posetrack.structures import Frame, Image, Tracks
from posetrack.video.decode import DEFAULT_FPS
from posetrack.video.open import open_source, read_ahead
from posetrack.video.source import VideoSource

_FOR_OURS = ("boxes", "detector_net", "detector_size")  # options that say which boxes or detector


class PoseTracker:
    """People in videos, followed. Takes the options of ``posetrack track`` by name;
    ``TrackOptions`` lists them.

    A **source** is a video file, a folder or glob of pictures, a camera's index, a network address,
    or pictures at hand: an array (H, W, 3) uint8 RGB, an array (T, H, W, 3), or anything that gives
    such arrays or ``Frame``s one by one (on a thread of its own, some frames ahead). Every video
    gets identities of its own, from 1 on. For the pictures of one's own camera loop there is
    ``step``.

    ``detector`` may also be a function: a picture (H, W, 3) uint8 RGB in; boxes out, as ``Boxes``
    or (N, 4) of x1, y1, x2, y2 in pixels, or (N, 5) with scores of 0 to 1. Or an object with
    ``detect(images) -> list[Boxes]``.

    The networks are loaded on the first use and kept. Several threads may use one PoseTracker: each
    video has a memory of its own, and what cannot work for two at once takes turns; only ``step``,
    whose calls are one video, refuses a second thread (``stream`` makes another). Raises
    PosetrackError.
    """

    def __init__(self, preset: str = "lite", *, detector: Any = None, **options: Any) -> None:
        for name in options.keys() - {f.name for f in fields(TrackOptions)}:
            raise unknown_name("option", name, (f.name for f in fields(TrackOptions)))
        self._detector = _own_detector(detector)
        if self._detector is not None:
            both = [name for name in _FOR_OURS if options.get(name) is not None]
            if both:
                raise UsageError(f"{both[0]} has no meaning beside a detector of your own.")
            detector = getattr(self._detector, "name", None) or type(detector).__qualname__
        asked = TrackOptions(preset=preset, detector=detector, **options)
        self._asked = check_offered(asked)
        self._loading = threading.RLock()
        self._stages: Stages | None = None
        self._stream = self.stream()

    def __repr__(self) -> str:
        return repr(self._asked).replace("TrackOptions", "PoseTracker", 1)

    @property
    def options(self) -> TrackOptions:
        """The options in force: what was asked for, and what the preset says about the rest."""
        return in_force(self._asked)

    @property
    def stages(self) -> Stages:
        """Detector, flow and pose network, loaded when they are first wanted."""
        with self._loading:  # once, however many threads want them
            if self._stages is None:
                self._stages = build_stages(self.options, self._detector)
            return self._stages

    def step(self, image: object, time_s: float | None = None) -> Tracks:
        """The people of the next picture of one's own loop, at once: an array (H, W, 3) uint8 RGB
        (OpenCV's are BGR: ``image[..., ::-1]``). ``reset`` begins another video; ``Stream.step``
        says more.
        """
        return self._stream.step(image, time_s)

    def reset(self) -> None:
        """Forget everybody seen by ``step``: its next picture begins another video."""
        self._stream.reset()

    def stream(self) -> Stream:
        """A loop of its own beside others, as each of several cameras needs it; the networks are
        shared.
        """
        return Stream(lambda: build_pipeline(self.options, self.stages, live=True))

    def track(
        self, source: object, *, fps: float = DEFAULT_FPS, progress: Progress | bool | None = None
    ) -> Iterator[Tracks]:
        """The people of each frame, in order; ``run`` gives the frames as well, and says the
        rest.
        """
        return (tracks for _, tracks in self.run(source, fps=fps, progress=progress))

    def run(
        self, source: object, *, fps: float = DEFAULT_FPS, progress: Progress | bool | None = None
    ) -> Iterator[tuple[Frame, Tracks]]:
        """Each frame with its people. What is wrong with ``source`` is told by the call, not by the
        first frame.

        ``fps`` is the rate of pictures without times: arrays, and those of a folder.
        ``progress(done, total)`` is called after every frame; without it a notebook shows a bar
        (False: it does not).
        """
        return self._run(self._open(source, fps), progress)

    def _run(
        self, source: VideoSource, progress: Progress | bool | None
    ) -> Iterator[tuple[Frame, Tracks]]:
        with source as video, reporting(progress, video.name) as report:
            frames = read_ahead(video)
            try:
                run = build_pipeline(self.options, self.stages, live=video.live).run(frames)
                for done, (frame, tracks) in enumerate(run, 1):
                    if report:
                        report(done, video.frame_count)
                    yield frame, tracks
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
        source: object,
        outputs: OutputOptions | None = None,
        *,
        fps: float = DEFAULT_FPS,
        progress: Progress | bool | None = None,
        show: Callable[[Image], bool] | None = None,
        stopwatch: Stopwatch | None = None,
        windows: Windows | None = None,
    ) -> Summary:
        """Track a video and write the results: ``OutputOptions`` says what and where. Pictures at
        hand are called ``frames``.

        ``fps`` and ``progress`` as for ``run``; ``show(picture)`` gets each rendered frame and says
        False to stop early. ``stopwatch`` is told the time of every stage. ``windows`` are
        workers that detect, estimate flow and poses (``running.cluster``); the bits stay the same.
        """
        outputs = outputs or OutputOptions()
        with self._open(source, fps) as video, reporting(progress, video.name) as report:
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
                return complete(video, paths, header, style=outputs.style, progress=report)
            return record(
                video,
                paths,
                header,
                build_pipeline(
                    self.options,
                    self.stages,
                    live=video.live,
                    stopwatch=stopwatch,
                    elsewhere=None if video.live else windows,
                ),
                resume=outputs.resume,
                progress=report,
                show=show,
                style=outputs.style,
            )

    def _open(self, source: object, fps: float) -> VideoSource:
        o = self._asked
        return open_source(
            source, start_s=o.start, end_s=o.end, image_fps=fps, decode_on=o.decode_on
        )


def _own_detector(given: object) -> Detector | None:
    """A detector that is no name: a function, or an object with ``detect``. Raises
    WrongTypeError.
    """
    if given is None or isinstance(given, str) or hasattr(given, "__fspath__"):
        return None
    if callable(getattr(given, "detect", None)):
        detector: Detector = given  # type: ignore[assignment]
        return detector
    if callable(given) and not isinstance(given, type):
        return FunctionDetector(given)
    raise WrongTypeError(
        f"detector is a name, a file, a function (image -> boxes) or an object with "
        f"detect(images), not {given!r}."
    )
