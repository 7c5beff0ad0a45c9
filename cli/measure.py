"""``posetrack measure``: angles, distances and speeds of tracked people as a table."""

from __future__ import annotations

__all__ = ["measure"]

from pathlib import Path

import click

from posetrack.cli.scaling import pair_of_points, scale_from, scale_options
from posetrack.cli.sections import SectionedCommand, section

PATH = click.Path(path_type=Path)


@click.command(
    cls=SectionedCommand,
    examples=(
        "refined.jsonl -o angles.csv",
        "refined.jsonl -o angles.parquet --height 1.75",
        "refined.jsonl --distance left_wrist:right_wrist --known 100,700,620,700,5.2",
        "refined.jsonl --floor '100,700=0,0 1100,700=5,0 900,400=5,8 300,400=0,8'",
    ),
)
@click.argument("tracks", metavar="TRACKS", type=PATH)
@section(
    "Output",
    click.option(
        "-o",
        "--output",
        type=PATH,
        metavar="FILE",
        help="A .csv or .parquet table; default: TRACKS.measures.csv.",
    ),
    click.option("--force", is_flag=True, help="Replace an existing file."),
)
@scale_options
@section(
    "Measuring",
    click.option(
        "--facing",
        type=click.Choice(("auto", "left", "right", "none")),
        default="auto",
        show_default=True,
        help="Where people look in the picture: it decides what is flexion; none: no signs.",
    ),
    click.option(
        "--distance",
        "distances",
        multiple=True,
        metavar="A:B",
        callback=pair_of_points,
        help="Also the distance of two joints (or of hips, shoulders, neck, head, feet); "
        "repeatable.",
    ),
)
def measure(
    tracks: Path,
    output: Path | None,
    force: bool,
    facing: str,
    distances: tuple[tuple[str, str], ...],
    scale: float | None,
    height: str | None,
    known: str | None,
    floor: str | None,
) -> None:
    """Measure people: a row a person and frame, columns for place, speed and angles.

    TRACKS is a file of any format, or the folder of one video; refine it first, noise in places is
    noise in angles. Angles are in degrees in the picture, lengths in pixels unless a scale is
    given. docs/measures.md defines every column. The file written is named on stdout.
    """
    from posetrack.measuring.measure import MeasureOptions, measure_file

    options = MeasureOptions(scale_from(scale, height, known, floor), facing, distances)
    click.echo(measure_file(tracks, output, options, force=force))
