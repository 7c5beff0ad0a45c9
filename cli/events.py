"""``posetrack events``: what happened when, and where somebody should look."""

from __future__ import annotations

__all__ = ["events"]

from pathlib import Path
from typing import TYPE_CHECKING

import click

from posetrack.cli.sections import SectionedCommand, section
from posetrack.cli.tables import print_table

if TYPE_CHECKING:
    from posetrack.events.event import Event

PATH = click.Path(path_type=Path)


@click.command(
    cls=SectionedCommand,
    examples=(
        "clip.jsonl",
        "clip.jsonl --suspicious",
        "clip.jsonl --truth truth.jsonl --csv clip.events.csv",
    ),
)
@click.argument("tracks", metavar="TRACKS", type=PATH)
@section(
    "Events",
    click.option(
        "--truth",
        type=PATH,
        metavar="GT",
        help="True people of the same video, any format: adds identity switches, misses and "
        "false tracks.",
    ),
    click.option(
        "--suspicious", is_flag=True, help="Only where somebody should look, the worst first."
    ),
)
@section(
    "Output",
    click.option("--json", "as_json", is_flag=True, help="Print a JSON array."),
    click.option("--csv", "table", type=PATH, metavar="FILE", help="Also write a table."),
    click.option("--force", is_flag=True, help="Replace an existing file."),
)
def events(
    tracks: Path,
    truth: Path | None,
    suspicious: bool,
    as_json: bool,
    table: Path | None,
    force: bool,
) -> None:
    """List what happened when: who comes and goes, gaps, crossings, jumps, exchanged sides.

    TRACKS is a file of any format, or the folder of one video. Every event has a severity from 0 to
    1: an order of what to look at first. docs/events.md defines every kind.
    """
    from posetrack.events.find import read_events
    from posetrack.events.table import write_csv

    found = read_events(tracks, truth, suspicious=suspicious)
    if table is not None:
        write_csv(table, found, force=force)
    (_print_json if as_json else _print)(found)


def _print_json(found: list[Event]) -> None:
    import json

    click.echo(json.dumps([event.to_dict() for event in found], indent=1))


def _print(found: list[Event]) -> None:
    rows = [
        (
            str(e.frame),
            "-" if e.time_s is None else f"{e.time_s:.2f}",
            e.kind,
            f"{e.severity:.2f}" if e.suspicious else "-",
            e.text,
        )
        for e in found
    ]
    if rows:
        print_table(("frame", "time_s", "kind", "severity", "what happened"), rows)
    worth = sum(e.suspicious for e in found)
    click.echo(f"{len(found)} events, {worth} of them suspicious.", err=True)
