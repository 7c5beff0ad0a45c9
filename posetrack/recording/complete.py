"""What is missing of results that an earlier run tracked to the end, made from its tracks."""

from __future__ import annotations

__all__ = ["complete"]

from posetrack.errors import InputError
from posetrack.files import locked, part_path
from posetrack.formats import get_format, native
from posetrack.formats.native_writer import forget_state
from posetrack.recording.identity import refuse_others
from posetrack.recording.render import Progress, RenderOptions, render
from posetrack.recording.results import ResultPaths, Summary
from posetrack.recording.style import DEFAULT_STYLE, DrawStyle
from posetrack.structures import Sequence
from posetrack.video.source import VideoSource


def complete(
    source: VideoSource,
    paths: ResultPaths,
    header: Sequence,
    *,
    style: DrawStyle = DEFAULT_STYLE,
    progress: Progress | None = None,
) -> Summary:
    """Write the formats and the video that are not there yet; nothing is tracked or replaced.

    ``header`` is that of the run that is asked for. Raises InputError where the tracks are another
    video's or not whole, UsageError where they were made with other settings, OutputError.
    """
    with locked(paths.native):
        found = native.read(paths.native)[0]
        refuse_others(found, header, paths.native)
        if not native.is_complete(paths.native):
            raise InputError(f"{paths.native} is cut off; start again with --force.")
        forget_state(part_path(paths.native))  # of a run that was stopped after its last step
        for name, path in paths.others.items():
            if not path.exists():
                get_format(name).write(path, found)
        if paths.video and not paths.video.exists():
            options = RenderOptions(output=paths.video)
            render(paths.native, source.path, options, style=style, progress=progress)
    return Summary(source.name, paths.all(), skipped=True)
