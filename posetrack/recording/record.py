"""The results of one video on disk: native tracks while the run goes on, then the rendered video
and other formats.

Nothing stands under a final name before it is whole. While a run goes on the tracks grow in
``<name>.jsonl.part``, which is readable at any time; a run that breaks off leaves it there with the
tracker's memory beside it, and a resumed run draws the finished frames again, restores the tracker
and goes on with the same identities. The ``.jsonl`` gets its name last: where it stands, everything
else does too.
"""

from __future__ import annotations

__all__ = ["Progress", "Run", "native_header", "record"]

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, InputError
from posetrack.files import cannot_write, locked, part_path, sync_folder
from posetrack.formats import get_format, native
from posetrack.formats.native_writer import NativeWriter, forget_state, has_state
from posetrack.pipeline import Pipeline, Stopwatch
from posetrack.recording.identity import refuse_others, source_identity
from posetrack.recording.painter import Painter, over_black
from posetrack.recording.results import ResultPaths, Summary
from posetrack.recording.style import DEFAULT_STYLE, DrawStyle
from posetrack.refining.live import Memory, Smoothed
from posetrack.structures import Frame, FrameLabels, Image, Sequence, Skeleton, Tracks
from posetrack.video.ahead import Behind, read_ahead
from posetrack.video.open import VideoSource, VideoWriter

_log = logging.getLogger(__name__)

READ_AHEAD_FRAMES = 16  # decoded frames that wait at most
DRAW_BEHIND_FRAMES = 8  # tracked frames that wait to be drawn at most

Progress = Callable[[int, int | None], None]


Run = Pipeline | Smoothed  # what is recorded


def record(
    source: VideoSource,
    paths: ResultPaths,
    header: Sequence,
    run: Run,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    show: Callable[[Image], bool] | None = None,
    style: DrawStyle = DEFAULT_STYLE,
) -> Summary:
    """Track ``source`` with ``run`` and write the results.

    ``header`` describes the tracks; its settings must be those of the interrupted run when
    ``resume`` goes on with one. ``progress(done, total)`` is called after every frame;
    ``show(picture)`` gets the rendered frames and says False to stop. Ctrl-C ends a live source as
    its end would; whatever else breaks off the run leaves the finished frames for ``resume``.
    Raises PosetrackError.
    """
    with locked(paths.native):
        return _record(source, paths, header, run, resume, progress, show, style)


def _record(
    source: VideoSource,
    paths: ResultPaths,
    header: Sequence,
    run: Run,
    resume: bool,
    progress: Progress | None,
    show: Callable[[Image], bool] | None,
    style: DrawStyle,
) -> Summary:
    begin = time.perf_counter()
    summary = Summary(source.name, paths.all())
    frames = read_ahead(source, READ_AHEAD_FRAMES)
    painter = Painter(source.size_wh, style)
    recorder = _Recorder(source, paths, header, resume, run.stopwatch, show, painter)
    try:
        before = recorder.replay(frames, run.tracker, summary)
        with (
            # Ctrl-C is how one stops a camera
            suppress(KeyboardInterrupt) if source.live else nullcontext(),
            closing(run.run(frames, before)) as tracked,
        ):
            for frame, tracks in tracked:
                state = (
                    run.tracker.state() if (recorder.frame_count + 1) % run.window == 0 else None
                )
                wanted = recorder.write(frame, tracks, state)
                summary.count(tracks)
                if progress:
                    progress(summary.frames, source.frame_count)
                if not wanted:
                    break
        recorder.finish()
    except BaseException:
        recorder.break_off()
        raise
    finally:
        frames.close()
    summary.seconds, summary.stages = time.perf_counter() - begin, dict(run.stopwatch.seconds)
    return summary


class _Recorder:
    """The open files of one run."""

    def __init__(
        self,
        source: VideoSource,
        paths: ResultPaths,
        header: Sequence,
        resume: bool,
        watch: Stopwatch,
        show: Callable[[Image], bool] | None,
        painter: Painter,
    ) -> None:
        self._paths, self._watch, self._show, self._painter = paths, watch, show, painter
        self._part = part_path(paths.native)
        self._tracks = (_reopen(self._part, header) if resume else None) or NativeWriter(
            self._part, header
        )
        self._video: VideoWriter | None = None
        self._drawing = Behind(DRAW_BEHIND_FRAMES)
        if paths.video:
            audio = source.path if source.has_audio else None
            try:
                self._video = VideoWriter(
                    paths.video,
                    source.size_wh,
                    source.fps,
                    audio_from=audio,
                    alpha=painter.has_alpha,
                    encoder=paths.encode_on,
                )
            except BaseException:
                self.break_off()
                raise

    @property
    def frame_count(self) -> int:
        """Frames whose tracks are written."""
        return self._tracks.frame_count

    def replay(self, frames: Iterator[Frame], tracker: Memory, summary: Summary) -> Frame | None:
        """Draw again what the interrupted run had finished, restore its tracker; gives the last
        finished frame.
        """
        if not self.frame_count:
            return None
        last = None
        for labels in islice(native.read(self._part)[0].frames, self.frame_count):
            last = next(frames, None)
            if last is None or last.index != labels.index:
                raise InputError(
                    f"{self._part} belongs to another video or time range; start again with "
                    f"--force."
                )
            self._render(last, labels.tracks)
            summary.count(labels.tracks)
        tracker.restore(_arrays(self._tracks.state, tracker.state()))
        return last

    def write(self, frame: Frame, tracks: Tracks, state: Any) -> bool:
        """Append one frame; False when the viewer wants no more."""
        with self._watch("write"):
            self._tracks.write(FrameLabels(frame.index, frame.time_s, tracks, frame.name), state)
        return self._render(frame, tracks)

    def _render(self, frame: Frame, tracks: Tracks) -> bool:
        if self._show:  # a window belongs to the thread that opened it
            return self._show(over_black(self._draw(frame, tracks)))
        if self._video:
            self._drawing.do(self._draw, frame, tracks)
        return True

    def _draw(self, frame: Frame, tracks: Tracks) -> Image:
        with self._watch("render"):
            picture = self._painter.draw(frame.image, tracks, frame.time_s)
            if self._video:
                self._video.write(picture, frame.time_s)
        return picture

    def finish(self) -> None:
        """Close everything and give the files their names, the native one last. Can be repeated:
        the tracker's memory stays until then.
        """
        with self._watch("write"):
            self._tracks.complete()
            for name, path in self._paths.others.items():
                get_format(name).write(path, native.read(self._part)[0])
        self._drawing.wait()
        if self._video:
            with self._watch("render"):
                self._video.close()
        try:
            os.replace(self._part, self._paths.native)
            sync_folder(self._paths.native.parent)
            forget_state(self._part)
        except OSError as error:
            raise cannot_write(self._paths.native, error) from error
        self._drawing.stop()

    def break_off(self) -> None:
        """Keep the finished frames, or nothing where there are none; drop the unfinished video."""
        self._tracks.release()
        self._drawing.stop()
        if self._video:
            self._video.abort()
        if not self.frame_count and self._part.exists():
            self._part.unlink(missing_ok=True)
            forget_state(self._part)
        elif self._part.exists():
            _log.warning(
                "%d finished frames are in %s; --resume goes on from there.",
                self.frame_count,
                self._part,
            )


def _reopen(part: Path, header: Sequence) -> NativeWriter | None:
    """The writer of an interrupted run, where its tracker was last kept; None where there is
    nothing to go on from.

    Raises UsageError where that run had other settings, InputError where it was another video's.
    """
    if not part.exists() or not has_state(part):
        return None
    try:
        writer = NativeWriter.resume(part)
    except FormatError as error:  # not even the first line is whole
        _log.warning("%s The run starts again.", error)
        return None
    try:
        refuse_others(writer.sequence, header, part)
    except BaseException:
        writer.release()
        raise
    return writer


def _arrays(
    saved: Mapping[str, Any], like: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    """Arrays that went through JSON, with their types and axes again (NaN was written as null)."""
    return {key: _array(saved[key], template) for key, template in like.items()}


def _array(values: Any, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    plain = np.array(values, np.float64 if like.dtype.kind == "f" else like.dtype)
    return plain.reshape(-1, *like.shape[1:]).astype(like.dtype)


def native_header(source: VideoSource, skeleton: Skeleton, settings: Mapping[str, Any]) -> Sequence:
    """What the first line of the native file says: the video, the skeleton and all settings that
    shape the tracks.
    """
    meta: dict[str, Any] = {"settings": dict(settings), "rotation": source.rotation}
    identity = source_identity(source)
    if identity:
        meta["source"] = identity
    # names on disk need not be text (Latin-1 on Linux); JSON is
    name = source.stem.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Sequence(name, source.size_wh, source.fps, skeleton, (), meta)
