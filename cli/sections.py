"""Help pages whose options stand in named groups, as wide as the terminal, with examples.

@click.command(cls=SectionedCommand, examples=("clip.mp4", "a.mp4 b.mp4 -o out"))
@section("Input", click.option(...), click.option(...))
"""

from __future__ import annotations

__all__ = ["GENERAL", "SectionedCommand", "section", "terminal_width"]

import shutil
from collections.abc import Callable
from typing import Any

import click

GENERAL = "Other"  # where options without a section stand, --help among them
FIRST, LAST = ("Input", "Output"), (GENERAL,)  # sections whose place does not depend on the code
MAX_WIDTH = 140  # characters; longer lines are hard to read on any screen
Command = Callable[..., Any]


def terminal_width() -> int:
    """Columns that a help page may use."""
    return min(shutil.get_terminal_size().columns, MAX_WIDTH)


def section(title: str, *options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that adds ``options`` in this order, all under ``title``."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
            _newest(command).section = title
        return command

    return add


def _newest(command: Command) -> Any:
    """The parameter that a decorator added last; click keeps them on the function until the end."""
    parameters = getattr(command, "__click_params__", None)
    return parameters[-1] if parameters else command.params[-1]  # type: ignore[attr-defined]


class SectionedCommand(click.Command):
    """A command whose help groups its options; ``examples`` are shown at the end, each after the
    command's name.
    """

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **more: Any) -> None:
        more.setdefault("context_settings", {})["max_content_width"] = terminal_width()
        super().__init__(*args, **more)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every section that has options; between the fixed ones, as they came."""
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in FIRST}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx) if isinstance(option, click.Option) else None
            if record is not None:
                sections.setdefault(getattr(option, "section", GENERAL), []).append(record)
        for title in sorted(filter(sections.get, sections), key=lambda title: title in LAST):
            with formatter.section(f"{title} options"):
                formatter.write_dl(sections[title])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write_text(f"{ctx.command_path} {example}")
