"""``posetrack review``: look at tracks and mend them, in the browser."""

from __future__ import annotations

__all__ = ["review"]

from pathlib import Path

import click

from posetrack.cli.sections import SectionedCommand, section

PATH = click.Path(path_type=Path)


@click.command(
    cls=SectionedCommand,
    examples=(
        "clip.mp4",
        "clip.mp4 tracked/clip.jsonl",
        "clip.mp4 clip.jsonl --no-browser --port 8008",
    ),
)
@click.argument("video", type=PATH)
@click.argument("tracks", type=PATH, required=False)
@section(
    "Input",
    click.option(
        "--edits",
        type=PATH,
        metavar="FILE",
        help="The log of edits; default: beside TRACKS, clip.edits.jsonl for clip.jsonl.",
    ),
)
@section(
    "Server",
    click.option(
        "--no-browser", is_flag=True, help="Do not open the page; its address is printed."
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=0,
        metavar="N",
        help="The port on 127.0.0.1; default: a free one.",
    ),
)
def review(
    video: Path, tracks: Path | None, edits: Path | None, no_browser: bool, port: int
) -> None:
    """Look at the tracks of a video and mend them, in the browser: swap, merge, split, name and
    delete people, move joints; suspicious moments come first.

    TRACKS are those that posetrack track left beside VIDEO where not given. They are never changed:
    every edit is at once in clip.edits.jsonl, and posetrack edit apply makes mended tracks of both.
    The page is served on this machine only, and its address, with a token, is printed on stdout.
    Ctrl-C ends it; nothing is lost.
    """
    from posetrack.review.serve import ReviewOptions
    from posetrack.review.serve import review as serve

    def started(address: str) -> None:
        click.echo(address)
        click.echo("Ctrl-C ends the review; every edit is saved already.", err=True)

    def warn(sentence: str) -> None:
        click.echo(f"Warning: {sentence}", err=True)

    options = ReviewOptions(tracks, edits, port, not no_browser)
    serve(video, options, say=warn, started=started)
