"""``posetrack edit``: apply a log of edits to tracks, or read it."""

from __future__ import annotations

__all__ = ["apply", "edit", "show"]

import click


@click.group()
def edit() -> None:
    """Replay the edits that posetrack review made, or read them."""


@edit.command()
@click.argument("tracks", type=click.Path())
@click.argument("edits", type=click.Path(), required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    required=True,
    metavar="FILE",
    help="Where the mended tracks go; its name says the format.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
def apply(tracks: str, edits: str | None, output: str, force: bool) -> None:
    """Apply the edits of a log to tracks: posetrack edit apply clip.jsonl -o mended.jsonl

    EDITS is the log; where not given, the one beside TRACKS (clip.edits.jsonl for clip.jsonl).
    TRACKS itself is never changed. The file written is named on stdout.
    """
    from posetrack.editing.replay import apply_log

    count, warning = apply_log(tracks, edits, output, force=force)
    if warning:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(f"{count} edit{'s' * (count != 1)} applied.", err=True)
    click.echo(output)


@edit.command()
@click.argument("edits", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print the edits as JSON.")
def show(edits: str, as_json: bool) -> None:
    """Print the edits of a log that hold, oldest first: what was undone is left out."""
    import json

    from posetrack.editing.encoding import describe_edit, encode_edit
    from posetrack.editing.log import read_log

    done = read_log(edits)[1].done
    if as_json:
        click.echo(json.dumps([encode_edit(e) for e in done], indent=1))
        return
    for number, one in enumerate(done, start=1):
        click.echo(f"{number:4}  {describe_edit(one)}")
