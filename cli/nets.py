"""``posetrack nets``: the networks, their size, cost, published scores, weights and speed."""

from __future__ import annotations

__all__ = ["nets"]

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from posetrack.nets.overview import Row, Speeds

HEADINGS = ("network", "parameters", "input", "MACs", "paper's", "published", "crops/s", "weights")
LEGEND = (
    "MACs: 10^9 multiply-adds executed; paper's: weights x output positions / 2^30, printed "
    "there as GFLOPs."
)


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--measure",
    is_flag=True,
    help="Measure crops per second on this machine (minutes for all networks).",
)
@click.option(
    "--batch-size",
    default=8,
    show_default=True,
    type=click.IntRange(1),
    help="Crops at a time of --measure.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Device of --measure: auto, cpu, cuda or mps.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON, with exact counts.")
def nets(
    names: tuple[str, ...], measure: bool, batch_size: int, device: str, as_json: bool
) -> None:
    """List the networks: size, cost, published scores, where weights are, speed.

    NAME narrows the list; any HRNet width can be named (hrnet_w18, hrnet_w40_cls). Multiply-adds
    are given as executed and as the papers count them. Crops per second were measured on the
    machine named below the table, or are measured here with --measure. The names of weights are
    those of posetrack weights.
    """
    from posetrack.nets.overview import committed_speeds, overview, speeds_here

    rows = overview(names)
    if measure:
        label = "this machine"
        speeds = speeds_here(rows, batch_size, device, lambda text: click.echo(text, err=True))
    else:
        label, speeds = committed_speeds()
    (_print_json if as_json else _print_table)(rows, speeds, label)


def _weights(rows: list[Row]) -> list[list[str]]:
    """For each row, the names of the weights made for its network and input size.

    Weights of a size that has no row, or of none (ImageNet's), stand in the first row of their
    network.
    """
    from posetrack.weights import entries

    places = {(row.name, row.size_wh): i for i, row in reversed(list(enumerate(rows)))}
    first = {row.name: i for i, row in reversed(list(enumerate(rows)))}
    found: list[list[str]] = [[] for _ in rows]
    for entry in entries().values():
        if entry.net in first:
            place = (
                first[entry.net]
                if entry.input is None
                else places.get((entry.net, entry.input), first[entry.net])
            )
            found[place].append(entry.name)
    return found


def _print_json(rows: list[Row], speeds: Speeds, machine: str) -> None:
    import json

    table = [
        {
            **row.as_json(),
            "crops_per_s": speeds.get(row.name, {}).get(row.size_wh),
            "weights": names,
        }
        for row, names in zip(rows, _weights(rows), strict=True)
    ]
    click.echo(json.dumps({"speed_measured_on": machine or None, "networks": table}, indent=1))


def _print_table(rows: list[Row], speeds: Speeds, machine: str) -> None:
    from posetrack.cli.tables import print_table

    lines, before = [], ""
    for row, names in zip(rows, _weights(rows), strict=True):
        speed = speeds.get(row.name, {}).get(row.size_wh)
        lines.append(
            (
                row.name if row.name != before else "",
                f"{row.parameters / 1e6:.2f} M" if row.name != before else "",
                row.size_text,
                f"{row.macs / 1e9:.3g}",
                f"{row.paper_macs / 2**30:.3g}",
                row.scores,
                "" if speed is None else f"{speed:.1f}",
                ", ".join(names),
            )
        )
        before = row.name
    print_table(HEADINGS, lines)
    further = [
        (row.name, f"{score.value} {score.metric}", score.data, score.source)
        for row in rows
        for score in row.further
    ]
    if further:
        print_table(("network", "also published", "on", "in"), further)
    click.echo(LEGEND, err=True)
    if machine:
        click.echo(f"crops/s: {machine}.", err=True)
