"""``posetrack weights``: list, download, verify and add checkpoints."""

from __future__ import annotations

__all__ = ["weights"]

import json
from pathlib import Path
from typing import Any

import click

TASKS = ("pose", "detect", "flow", "classify")
COLUMNS = ("name", "task", "input", "skeleton", "score", "where")


@click.group()
def weights() -> None:
    """List, download, verify and add checkpoints.

    Files lie in the user's cache folder; the environment variables POSETRACK_CACHE (another
    folder), POSETRACK_OFFLINE (1: download nothing) and POSETRACK_MIRROR (address of a folder with
    the same files) change that.
    """


@weights.command("list")
@click.option("--task", type=click.Choice(TASKS), help="Only those for this task.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, with licences, addresses and hashes."
)
def _list(task: str | None, as_json: bool) -> None:
    """Show every known checkpoint and where it is."""
    from posetrack.weights.report import list_rows

    rows = list_rows(task)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows, COLUMNS)
        click.echo("Licences, addresses and hashes: posetrack weights list --json", err=True)


@weights.command("get")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--offline", is_flag=True, help="Download nothing.")
def _get(names: tuple[str, ...], offline: bool) -> None:
    """Download checkpoints into the cache and print their paths; a preset's name gets all of it."""
    from posetrack.weights import PRESETS, entries, path_of

    parts = {
        key: ("detector_lite" if p.detector == "bundled" else p.detector, p.weights)
        for key, p in PRESETS.items()
    }
    for name in [part for asked in names for part in parts.get(asked, (asked,))]:
        known = entries().get(name)
        if known and known.licence and not known.path.is_file():
            click.echo(f"{name}: licence {known.licence}", err=True)
        click.echo(path_of(name, offline=offline))


@weights.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def _verify(as_json: bool) -> int:
    """Read every file there is and compare its hash; exit code 1 where one is wrong."""
    from posetrack.weights.report import verify_rows

    rows = verify_rows()
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows, ("name", "state", "sha256"))
    return int(any(row["state"] != "ok" for row in rows))


@weights.command("path")
@click.argument("name")
def _path(name: str) -> None:
    """Print where the file of a checkpoint lies, or would lie; nothing is downloaded."""
    from posetrack.weights.manifest import added_folder, entries, entry

    added = added_folder() / f"{name}.safetensors"
    click.echo(added if name not in entries() and added.is_file() else entry(name).path)


@weights.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Name to use it by; default: the file's.")
@click.option("--net", help="Network it holds (posetrack nets lists them).")
@click.option("--skeleton", help="coco17, mpii16, posetrack15 or lsp14.")
@click.option("--joints", help="Names of the joints, with commas, for a skeleton of your own.")
@click.option(
    "--input", "size", metavar="WxH", help="Width and height of the network's input, like 192x256."
)
@click.option(
    "--trust-pickle",
    is_flag=True,
    help="Unpickle without limits: runs whatever code the file holds.",
)
def _add(
    file: Path,
    name: str | None,
    net: str | None,
    skeleton: str | None,
    joints: str | None,
    size: str | None,
    trust_pickle: bool,
) -> None:
    """Convert FILE (posetrack's, the official ones, OpenMMLab's) into the cache, to be used by
    name.
    """
    from posetrack.weights.add import add_file

    names = [joint.strip() for joint in joints.split(",")] if joints else []
    click.echo(
        add_file(
            file,
            name=name,
            net=net,
            skeleton=skeleton,
            joints=names,
            size_wh=_parse_size(size),
            trust=trust_pickle,
        )
    )


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise click.BadParameter(
            f"{text!r} is not a width and a height; write it like 192x256.", param_hint="--input"
        )
    return int(width), int(height)


def _print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from posetrack.cli.tables import print_table

    print_table(columns, [tuple(str(row.get(c, "")) for c in columns) for row in rows])
