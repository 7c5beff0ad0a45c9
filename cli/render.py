"""``posetrack render``: draw tracks again, over their video or over nothing."""

from __future__ import annotations

__all__ = ["render"]

from pathlib import Path
from typing import Any

import click

from posetrack.cli.drawing import draw_options, style_of
from posetrack.cli.sections import SectionedCommand, section

PATH = click.Path(path_type=Path)


@click.command(
    cls=SectionedCommand,
    examples=(
        "mended.jsonl clip.mp4",
        "clip.jsonl clip.mp4 --only 1,4 --trails 2 -o two.mp4",
        "clip.jsonl --background none -o overlay.mov",
        "openpose_output/ clip.mp4 --colours side --line-width 3",
    ),
)
@click.argument("tracks", metavar="TRACKS", type=PATH)
@click.argument("video", metavar="[VIDEO]", required=False)
@section(
    "Input",
    click.option(
        "--start", type=click.FloatRange(0), metavar="SECONDS", help="Begin at this time."
    ),
    click.option("--end", type=click.FloatRange(0), metavar="SECONDS", help="Stop at this time."),
)
@section(
    "Output",
    click.option(
        "-o",
        "--output",
        type=PATH,
        metavar="FILE",
        help="The video to write (.mp4, .mov, .webm); default: TRACKS.rendered.mp4.",
    ),
    click.option("--force", is_flag=True, help="Replace an existing file."),
)
@draw_options("--boxes", "--draw-boxes")
@section(
    "Drawing",
    click.option(
        "--min-score",
        type=click.FloatRange(0, 1),
        default=0,
        metavar="X",
        help="Leave out joints scored below.",
    ),
)
@click.option("--quiet", is_flag=True, help="No progress.")
def render(
    tracks: Path,
    video: str | None,
    start: float | None,
    end: float | None,
    output: Path | None,
    force: bool,
    min_score: float,
    quiet: bool,
    **options: Any,
) -> None:
    """Draw tracks again: mended ones, refined ones, those of other tools.

    TRACKS is a file of any format posetrack reads, or the folder of one video. VIDEO is the one
    they were made from, in any size; without it the background must be black, white or none. The
    times and the sound of VIDEO are kept. The file written is named on stdout.
    """
    from posetrack.cli.progress import progress
    from posetrack.recording.render import RenderOptions
    from posetrack.recording.render import render as render_tracks

    style = style_of(options, min_score=min_score)
    how = RenderOptions(output, start, end, force)
    with progress(tracks.name, quiet) as report:
        click.echo(render_tracks(tracks, video, how, style=style, progress=report))
