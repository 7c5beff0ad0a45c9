"""``posetrack refine``: gaps, outliers, sides and noise of tracks, after the fact."""

from __future__ import annotations

__all__ = ["refine"]

from pathlib import Path

import click

from posetrack.cli.sections import SectionedCommand, section

PATH = click.Path(path_type=Path)
SMOOTHINGS = ("kalman", "butterworth", "savgol", "one-euro", "none")


@click.command(
    cls=SectionedCommand,
    examples=(
        "clip.jsonl -o smooth.jsonl",
        "clip.jsonl --smooth butterworth --cutoff 6 --fill 0.2",
        "clip.jsonl --smooth none --no-outliers --no-sides --fill 1",
    ),
)
@click.argument("tracks", metavar="TRACKS", type=PATH)
@section(
    "Output",
    click.option(
        "-o", "--output", type=PATH, metavar="FILE", help="Default: TRACKS.refined.jsonl."
    ),
    click.option("--force", is_flag=True, help="Replace an existing file."),
)
@section(
    "Refining",
    click.option(
        "--fill",
        type=click.FloatRange(0),
        default=0.4,
        show_default=True,
        metavar="SECONDS",
        help="Fill gaps up to so long; 0: none.",
    ),
    click.option(
        "--outliers/--no-outliers",
        default=True,
        show_default=True,
        help="Replace joints that leap away and come back.",
    ),
    click.option(
        "--sides/--no-sides",
        default=True,
        show_default=True,
        help="Exchange left and right where they changed over.",
    ),
    click.option(
        "--smooth",
        type=click.Choice(SMOOTHINGS),
        default="kalman",
        show_default=True,
        help="kalman (with RTS), butterworth, savgol: without delay; one-euro: as live.",
    ),
    click.option(
        "--cutoff",
        type=click.FloatRange(0, min_open=True),
        metavar="HZ",
        help="Of butterworth [6] or, at rest, of one-euro [2].",
    ),
    click.option(
        "--window",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help="Of savgol [0.28].",
    ),
    click.option(
        "--fps",
        type=click.FloatRange(0, min_open=True),
        metavar="X",
        help="Frame rate of tracks that give no times.",
    ),
)
@click.option("--quiet", is_flag=True, help="Do not say what was done.")
def refine(
    tracks: Path,
    output: Path | None,
    force: bool,
    fill: float,
    outliers: bool,
    sides: bool,
    smooth: str,
    cutoff: float | None,
    window: float | None,
    fps: float | None,
    quiet: bool,
) -> None:
    """Fill short gaps, replace outliers, keep left and right apart, smooth.

    TRACKS is a file of any format, or the folder of one video; it is never changed. Every joint
    that was filled or changed is marked in the file written, which is named on stdout. Frames may
    come at a changing rate: their times count.
    """
    from posetrack.refining.filters import FilterSettings
    from posetrack.refining.one_euro import OneEuroSettings
    from posetrack.refining.refine import RefineOptions, refine_file

    given = {"cutoff_hz": cutoff, "window_s": window}
    filters = FilterSettings(**{name: value for name, value in given.items() if value})
    live = OneEuroSettings(**({"min_cutoff_hz": cutoff} if cutoff else {}))
    options = RefineOptions(fill, outliers, sides, smooth, filters, live)
    path, done = refine_file(tracks, output, options, fps=fps, force=force)
    if not quiet:
        of = f"of {done.joints} joints"
        click.echo(
            f"{done.people} people: {done.exchanged} {of} changed sides, {done.outliers} outliers "
            f"replaced, {done.filled} filled, {done.smoothed} smoothed.",
            err=True,
        )
    click.echo(path)
