"""``posetrack report``: what is in the tracks, as a page that opens anywhere."""

from __future__ import annotations

__all__ = ["report"]

from pathlib import Path

import click

from posetrack.cli.scaling import scale_from, scale_options
from posetrack.cli.sections import SectionedCommand, section

PATH = click.Path(path_type=Path)


@click.command(
    cls=SectionedCommand,
    examples=(
        "clip.jsonl --video clip.mp4",
        "clip.jsonl --video clip.mp4 --height 1.75 --csv -o clip.html",
        "tracked/ --video videos/ -o reports/",
    ),
)
@click.argument("tracks", metavar="TRACKS...", type=PATH, nargs=-1, required=True)
@section(
    "Input",
    click.option(
        "--video",
        type=PATH,
        metavar="FILE",
        help="The video, for pictures; for several clips the folder of their videos.",
    ),
    click.option("--raw", is_flag=True, help="Measure the tracks as they are, unrefined."),
)
@section(
    "Output",
    click.option(
        "-o",
        "--output",
        type=PATH,
        metavar="FILE",
        help="Default: TRACKS.report.html, or for several clips the folder report.",
    ),
    click.option(
        "--csv", "tables", is_flag=True, help="Also write the numbers: people and measures."
    ),
    click.option("--force", is_flag=True, help="Replace existing files."),
)
@scale_options
@click.option("--quiet", is_flag=True, help="No progress.")
def report(
    tracks: tuple[Path, ...],
    video: Path | None,
    raw: bool,
    output: Path | None,
    tables: bool,
    force: bool,
    scale: float | None,
    height: str | None,
    known: str | None,
    floor: str | None,
    quiet: bool,
) -> int:
    """Make a page of what is in tracks: who was there and when, their pictures, ways, speeds, joint
    angles, and how good the tracks are.

    One HTML file that opens anywhere and loads nothing. Several TRACKS, or a folder of several
    clips, make a page each and an index. The files written are named on stdout.
    """
    from posetrack.cli.progress import progress
    from posetrack.measuring.measure import MeasureOptions
    from posetrack.reporting.report import ReportOptions
    from posetrack.reporting.report import report as write_report

    measures = MeasureOptions(scale_from(scale, height, known, floor))
    options = ReportOptions(output, video, measures, raw, tables, force)
    with progress("reporting", quiet, "clips") as say:
        written, failed = write_report(tracks, options, progress=say)
    for sentence in failed:
        click.echo(f"Left out: {sentence}", err=True)
    for path in written:
        click.echo(path)
    return 1 if failed else 0
