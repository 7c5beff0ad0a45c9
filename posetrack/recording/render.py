"""Drawing again: tracks of any format over their video, or over no video at all."""

from __future__ import annotations

__all__ = ["RenderOptions", "render"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from posetrack.errors import InputError, OutputError, UsageError
from posetrack.formats.folder import base_name, read_one, track_file
from posetrack.recording.painter import Painter
from posetrack.recording.style import DEFAULT_STYLE, DrawStyle
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks
from posetrack.video.open import VideoSource, VideoWriter, open_source

Progress = Callable[[int, int | None], None]

RENDERED_MARK = ".rendered"  # in names of videos that lie beside their tracks
SAME_SHAPE = 0.01  # relative difference of width/height up to which a video is the same, scaled
DEFAULT_FPS = 25.0  # of tracks that do not say theirs, where there is no video to ask


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """``output`` None: ``<tracks>.rendered.mp4`` beside the tracks (``.mov`` for no background).
    ``start_s <= time < end_s`` limits the frames; ``force`` replaces what exists.
    """

    output: Path | None = None
    start_s: float | None = None
    end_s: float | None = None
    force: bool = False


def render(
    tracks: str | Path,
    video: str | Path | None = None,
    options: RenderOptions | None = None,
    *,
    style: DrawStyle = DEFAULT_STYLE,
    progress: Progress | None = None,
) -> Path:
    """Draw the people of ``tracks`` (a file of any format, or the folder of one video) and give
    the file written.

    Over ``video``, with its times and sound; frames without tracks stay as they are. Tracks made
    from the same video in another size are scaled. Without a video the background must be another
    (``style.background``), size and rate come from the tracks. Raises InputError, UsageError,
    OutputError.
    """
    options = options or RenderOptions()
    tracks = track_file(tracks)
    sequence = read_one(tracks)
    output = _output(tracks, video, options, style)
    if video is None:
        return _render_alone(sequence, output, options, style, progress)
    start, end = _range(sequence, options)
    with open_source(video, start_s=start, end_s=end) as source:
        return _render_over(source, sequence, output, style, progress)


def _output(
    tracks: Path, video: str | Path | None, options: RenderOptions, style: DrawStyle
) -> Path:
    """Where the result goes; raises UsageError or OutputError where something is in the way."""
    ending = ".mov" if style.background == "none" else ".mp4"
    output = options.output or tracks.parent / f"{base_name(tracks)}{RENDERED_MARK}{ending}"
    if output.exists():
        inputs = [Path(path) for path in (tracks, video) if path is not None]
        if any(path.exists() and path.samefile(output) for path in inputs):
            raise UsageError(f"{output} is an input; name another file with -o.")
        if not options.force:
            raise OutputError(f"{output} exists already; add --force to replace it.")
    return output


def _range(sequence: Sequence, options: RenderOptions) -> tuple[float | None, float | None]:
    """The seconds to draw: as asked for, else those that were tracked, where the file says so."""
    settings = sequence.meta.get("settings")
    tracked = settings if isinstance(settings, dict) else {}
    start = tracked.get("start") if options.start_s is None else options.start_s
    end = tracked.get("end") if options.end_s is None else options.end_s
    return start, end


# --- over a video
# --------------------------------------------------------------------------------------------------


def _render_over(
    source: VideoSource,
    sequence: Sequence,
    output: Path,
    style: DrawStyle,
    progress: Progress | None,
) -> Path:
    scale = _scale(sequence, source)
    labels = _by_index(sequence)
    painter = Painter(source.size_wh, style)
    audio = source.path if source.has_audio else None
    drawn = 0
    with VideoWriter(
        output, source.size_wh, source.fps, audio_from=audio, alpha=painter.has_alpha
    ) as writer:
        for frame in source:
            found = labels.get(frame.index)
            drawn += found is not None
            tracks = found.tracks if found else Tracks.empty(sequence.skeleton)
            picture = painter.draw(frame.image, _scaled(tracks, scale), frame.time_s)
            writer.write(picture, frame.time_s)
            if progress:
                progress(writer.frame_count, source.frame_count)
        if labels and not drawn:
            raise InputError(
                f"The tracks begin at frame {min(labels)}, and {source.name} has "
                f"{writer.frame_count} frames from the chosen start: none in common."
            )
    return output


def _by_index(sequence: Sequence) -> dict[int, FrameLabels]:
    return {labels.index: labels for labels in sequence.frames}


def _scale(sequence: Sequence, source: VideoSource) -> float:
    """Factor from the tracks' pixels to the video's. Raises InputError where the shapes differ."""
    if sequence.size_wh is None:
        return 1.0
    (w, h), (width, height) = sequence.size_wh, source.size_wh
    if abs(w * height / (h * width) - 1) > SAME_SHAPE:
        raise InputError(
            f"The tracks are of a video of {w}x{h} pixels, {source.name} has {width}x{height}; "
            f"give the video they were made from."
        )
    return width / w


def _scaled(tracks: Tracks, scale: float) -> Tracks:
    if scale == 1:
        return tracks
    p = tracks.poses
    # pixel centres are whole numbers: the corner of the picture is at -0.5
    xy, boxes = ((values + 0.5) * scale - 0.5 for values in (p.xy, p.boxes.xyxy))
    return Tracks(tracks.id, Poses(xy, p.score, Boxes(boxes, p.boxes.score), p.skeleton))


# --- without a video
# --------------------------------------------------------------------------------------------------


def _render_alone(
    sequence: Sequence,
    output: Path,
    options: RenderOptions,
    style: DrawStyle,
    progress: Progress | None,
) -> Path:
    if style.background == "video":
        raise UsageError(
            "Give the video to draw over, or --background black, white or none to draw without."
        )
    size = sequence.size_wh or _size_of(sequence)
    fps = sequence.fps or DEFAULT_FPS
    painter = Painter(size, style)
    with VideoWriter(output, size, fps, alpha=painter.has_alpha) as writer:
        for labels in _timed(sequence, fps, options):
            writer.write(painter.draw(None, labels.tracks, labels.time_s), labels.time_s)
            if progress:
                progress(writer.frame_count, None)
        if not writer.frame_count:
            raise InputError("There is no frame to draw: the tracks, or the time range, are empty.")
    return output


def _size_of(sequence: Sequence) -> tuple[int, int]:
    """Width and height that hold everything, for tracks that do not say how large their video
    is.
    """
    corner = np.zeros(2)
    for labels in sequence.frames:
        points = labels.tracks.poses.xy.reshape(-1, 2)
        for values in (points, labels.tracks.poses.boxes.xyxy[:, 2:]):
            corner = np.fmax(corner, np.nanmax(values, axis=0, initial=0, where=~np.isnan(values)))
    width, height = (max(2, int(np.ceil(value)) + 1) for value in corner)
    return width, height


def _timed(sequence: Sequence, fps: float, options: RenderOptions) -> Iterator[FrameLabels]:
    """The frames of the time range; those without a time get that of their index."""
    for labels in sequence.frames:
        time_s = labels.time_s if np.isfinite(labels.time_s) else labels.index / fps
        if time_s < (options.start_s or 0):
            continue
        if options.end_s is not None and time_s >= options.end_s:
            return
        yield replace(labels, time_s=time_s)
