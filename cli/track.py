"""``posetrack track``: people in videos, followed."""

from __future__ import annotations

__all__ = ["track"]

import glob
import json
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posetrack.cli.drawing import draw_options, style_of
from posetrack.cli.sections import SectionedCommand, section
from posetrack.options import TrackOptions

if TYPE_CHECKING:
    from posetrack import OutputOptions, PoseTracker, Summary
    from posetrack.pipeline import Stopwatch

Command = Callable[..., Any]


def _tracking_options(command: Command) -> Command:
    """One option for each field of ``TrackOptions``, in its section."""
    for f in reversed(fields(TrackOptions)):
        command = section(f.metadata["section"], _option(f))(command)
    return command


def _option(f: Field[Any]) -> Callable[[Command], Command]:
    flag, kind, rule = "--" + f.name.replace("_", "-"), str(f.type).split(" |")[0], f.metadata
    more: dict[str, Any] = {
        "default": f.default,
        "help": rule["help"],
        "show_default": f.default not in (None, False),
    }
    if kind == "bool":
        both = f"{flag}/--no-{flag[2:]}" if f.default is None else flag
        return click.option(both, is_flag=True, **more)
    if "choices" in rule:
        more["type"] = click.Choice(rule["choices"])
    elif kind in ("int", "float"):
        ranged = click.IntRange if kind == "int" else click.FloatRange
        more["type"] = ranged(rule.get("min"), rule.get("max"))
    metavar = rule.get("metavar") or {"int": "N", "float": "X"}.get(kind)
    return click.option(flag, metavar=metavar, **more)


@click.command(
    cls=SectionedCommand,
    examples=(
        "clip.mp4",
        "*.mp4 -o tracked/ --format coco --no-video",
        "clip.mp4 --preset accurate --device cuda",
        "clip.mp4 --boxes my_boxes.json --start 10 --end 20",
        "long.mp4 -o tracked/ --resume",
    ),
)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@section(
    "Output",
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Folder for the results; default: beside the input, as NAME.tracked.mp4 and so on.",
    ),
    click.option(
        "--format",
        "formats",
        multiple=True,
        metavar="NAME",
        help="Also write posetrack17, posetrack18, coco, csv, parquet or openpose; repeatable.",
    ),
    click.option("--no-video", is_flag=True, help="Do not render a video."),
    click.option(
        "--encode-on",
        metavar="NAME",
        help="Encode the video by h264_nvenc, h264_qsv, h264_videotoolbox ... where PyAV and the "
        "machine can.",
    ),
    click.option("--show", is_flag=True, help="Show the frames in a window as they are tracked."),
    click.option("--force", is_flag=True, help="Replace existing results."),
    click.option(
        "--resume", is_flag=True, help="Go on with an interrupted run; skip what is complete."
    ),
)
@_tracking_options
@draw_options("--draw-boxes")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Show where the time went; FILE is a trace for chrome://tracing or Perfetto.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def track(
    inputs: tuple[str, ...],
    output: Path | None,
    formats: tuple[str, ...],
    no_video: bool,
    encode_on: str | None,
    show: bool,
    force: bool,
    resume: bool,
    quiet: bool,
    profile: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Follow the people of a video: INPUT is a file, a folder or glob of pictures, a camera's
    number or an address.

    Writes FOLDER/NAME.mp4 with the skeletons drawn in and FOLDER/NAME.jsonl with the tracks, and
    prints the files' names. The tracks grow in NAME.jsonl.part while the run goes on; a run that
    was interrupted keeps them there.
    """
    from posetrack import OutputOptions, PoseTracker
    from posetrack.cli.window import open_window
    from posetrack.pipeline import Stopwatch
    from posetrack.recording.results import refuse_same_names

    style = style_of(options)
    outputs = OutputOptions(output, formats, not no_video, force, resume, style, encode_on)
    inputs = _expanded(inputs)
    refuse_same_names(inputs, outputs)
    tracker = PoseTracker(**options)
    viewer = open_window() if show else None
    watch = Stopwatch(profile=True) if profile else None
    done = [
        _track_one(tracker, name, outputs, viewer, quiet, alone=len(inputs) == 1, watch=watch)
        for name in inputs
    ]
    if profile and watch:
        _show_profile(profile, watch)
    summaries = [result for result in done if not isinstance(result, int)]
    if as_json:
        click.echo(json.dumps([summary.to_dict() for summary in summaries], indent=2))
    else:
        click.echo(
            "".join(f"{path}\n" for summary in summaries for path in summary.files), nl=False
        )
    return max((result for result in done if isinstance(result, int)), default=0)


def _expanded(inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns of videos as the videos, for shells that leave that to programs (cmd.exe); patterns
    of pictures are one video and stay.
    """
    from posetrack.video.images import VIDEO_SUFFIXES

    found: list[str] = []
    for name in inputs:
        plain = Path(name).suffix.lower() in VIDEO_SUFFIXES and glob.has_magic(name)
        matches = sorted(glob.glob(name)) if plain and not Path(name).exists() else []
        found += matches or [name]
    return tuple(found)


def _track_one(
    tracker: PoseTracker,
    name: str,
    outputs: OutputOptions,
    viewer: Any,
    quiet: bool,
    *,
    alone: bool,
    watch: Stopwatch | None,
) -> Summary | int:
    """The summary of one input; where it fails, the exit code, so that the inputs after it get
    their turn.
    """
    from posetrack.cli.progress import progress
    from posetrack.errors import PosetrackError

    try:
        with progress(Path(name).name or name, quiet) as report:
            summary = tracker.record(name, outputs, progress=report, show=viewer, stopwatch=watch)
    except Exception as error:  # whatever it is: the files after it are not to blame
        if alone:
            raise
        from posetrack.cli import sentence

        ours = isinstance(error, PosetrackError)  # these name the file themselves
        click.echo(f"Error: {'' if ours else f'{name}: '}{sentence(error)}", err=True)
        return error.exit_code if isinstance(error, PosetrackError) else 1
    if not quiet:
        click.echo(_describe(summary), err=True)
    return summary


def _show_profile(path: Path, watch: Stopwatch) -> None:
    """Threads and their stages on stderr, every single span in the file."""
    from posetrack.recording.profile import profile_rows, write_trace

    write_trace(path, watch.spans)
    for thread, stage, seconds, share in profile_rows(watch.spans):
        click.echo(f"{thread:14}  {stage:8}  {seconds:7.2f} s  {share:4.0%}", err=True)


def _describe(s: Summary) -> str:
    """What a run did, in a few lines."""
    if s.skipped:
        return f"{s.name}: complete already, nothing to do."
    speed = s.frames / s.seconds if s.seconds else 0.0
    people = f"{s.tracks} track{'s' * (s.tracks != 1)}, at most {s.most_people} at once"
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in s.stages.items())
    lines = [
        f"{s.name}: {s.frames} frames in {s.seconds:.1f} s ({speed:.1f} frames/s); {people}.",
        f"  {stages}",
    ]
    if not s.tracks:
        lines.append(
            "  Nobody was found: the tracks are empty. (--min-box-score and --min-new-score set "
            "what counts.)"
        )
    return "\n".join(lines)
