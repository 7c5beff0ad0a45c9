"""The options of drawing, shared by ``track`` and ``render``."""

from __future__ import annotations

__all__ = ["draw_options", "style_of"]

from collections.abc import Callable
from typing import Any

import click

from posetrack.cli.sections import section
from posetrack.recording.style import BACKGROUNDS, COLOURINGS, DrawStyle

Command = Callable[..., Any]
NAMES = ("background", "line_width", "no_ids", "boxes_drawn", "only", "trails", "colours")


def _identities(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...]:
    """``1,4`` as numbers."""
    try:
        return tuple(int(part) for part in (value or "").split(",") if part.strip())
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list of identities such as 1,4.") from error


def draw_options(*box_flags: str) -> Callable[[Command], Command]:
    """A decorator that adds the options of a ``DrawStyle``; ``box_flags`` are the names of the one
    for boxes (in ``track``, ``--boxes`` is a file of boxes to take).
    """
    return section(
        "Drawing",
        click.option(
            "--background",
            type=click.Choice(BACKGROUNDS),
            default="video",
            show_default=True,
            help="What lies behind the skeletons; none is transparent (ProRes 4444 in .mov, or "
            "VP9 in .webm).",
        ),
        click.option(
            "--line-width",
            type=click.FloatRange(0, min_open=True),
            metavar="PIXELS",
            help="Width of the limbs; default: by the sizes of person and picture.",
        ),
        click.option("--no-ids", is_flag=True, help="Draw no identities."),
        click.option(*box_flags, "boxes_drawn", is_flag=True, help="Draw boxes, too."),
        click.option(
            "--only", callback=_identities, metavar="1,4", help="Draw these identities alone."
        ),
        click.option(
            "--trails",
            type=click.FloatRange(0),
            default=0,
            metavar="SECONDS",
            help="Show the way each person came in the last seconds.",
        ),
        click.option(
            "--colours",
            type=click.Choice(COLOURINGS),
            default="identity",
            show_default=True,
            help="One colour a person (right full, left pale), or one a side of the body (right "
            "orange, left blue).",
        ),
    )


def style_of(options: dict[str, Any], **more: Any) -> DrawStyle:
    """The style that a command's options say; they are taken out of ``options``."""
    o = {name: options.pop(name) for name in NAMES}
    return DrawStyle(
        background=o["background"],
        line_width=o["line_width"],
        show_ids=not o["no_ids"],
        show_boxes=o["boxes_drawn"],
        only=o["only"],
        trails=o["trails"],
        colours=o["colours"],
        **more,
    )
