"""The options that turn pixels into metres, shared by ``measure`` and ``report``."""

from __future__ import annotations

__all__ = ["pair_of_points", "scale_from", "scale_options"]

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from posetrack.cli.sections import section

if TYPE_CHECKING:
    from posetrack.measuring.scale import Scale

Command = Callable[..., Any]


def scale_options(command: Command) -> Command:
    """Add --scale, --height, --known and --floor."""
    return section(
        "Scale",
        click.option(
            "--scale",
            type=click.FloatRange(0, min_open=True),
            metavar="M",
            help="Metres a pixel is wide where the people are.",
        ),
        click.option(
            "--height",
            metavar="M",
            help="How tall people are in metres: 1.75 for all, or 1=1.75,4=1.62 by identity.",
        ),
        click.option(
            "--known",
            metavar="X,Y,X,Y,M",
            help="Two points in pixels and the metres between them, where the people are.",
        ),
        click.option(
            "--floor",
            metavar="X,Y=X,Y...",
            help="Four points of the floor, pixels=metres: places and speeds on the floor.",
        ),
    )(command)


def pair_of_points(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """``left_wrist:right_wrist`` as two names."""
    pairs = [tuple(value.split(":")) for value in values]
    for value, pair in zip(values, pairs, strict=True):
        if len(pair) != 2:
            raise click.BadParameter(f"{value!r} is not a pair such as left_wrist:right_wrist.")
    return tuple((pair[0], pair[1]) for pair in pairs)


def scale_from(
    scale: float | None, height: str | None, known: str | None, floor: str | None
) -> Scale:
    """What the options say. Raises UsageError."""
    from posetrack.errors import UsageError
    from posetrack.measuring.scale import Scale, parse_floor, parse_heights

    if sum(option is not None for option in (scale, height, known)) > 1:
        raise UsageError("Give one of --scale, --height and --known: they say the same.")
    if known is not None:
        try:
            x1, y1, x2, y2, metres = (float(part) for part in known.split(","))
            scale = metres / ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        except (ValueError, ZeroDivisionError) as error:
            raise UsageError(
                f"--known {known} is not two points and their distance: write X,Y,X,Y,METRES."
            ) from error
        if not scale > 0:
            raise UsageError(f"--known {known}: the distance must be above 0.")
    heights = parse_heights(height) if height else {}
    return Scale(scale, heights, parse_floor(floor) if floor else None)
