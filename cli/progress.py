"""Progress on standard error: a bar on a terminal, a plain line every few seconds in a pipe or a
log.
"""

from __future__ import annotations

__all__ = ["LINE_EVERY_S", "progress"]

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

LINE_EVERY_S = 5.0  # between lines where there is no terminal

Report = Callable[[int, int | None], None]


@contextmanager
def progress(label: str, quiet: bool = False, unit: str = "frames") -> Iterator[Report | None]:
    """Gives ``report(done, total)``, to be called after every frame; ``total`` None: unknown. None
    where ``quiet``.
    """
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(label, unit) as report:
            yield report
    else:
        yield _lines(label, unit)


@contextmanager
def _bar(label: str, unit: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    speed = TextColumn("{task.fields[speed]:.1f} " + f"{unit}/s")
    text, bar, count = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    with Progress(
        text, bar, count, speed, TimeRemainingColumn(), console=console, transient=True
    ) as bars:
        task = bars.add_task(label, total=None, speed=0.0)
        begin = time.monotonic()

        def report(done: int, total: int | None) -> None:
            speed = done / max(time.monotonic() - begin, 1e-9)
            bars.update(
                task, completed=done, total=None if total is None else max(total, done), speed=speed
            )

        yield report


def _lines(label: str, unit: str) -> Report:
    begin = last = time.monotonic()

    def report(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LINE_EVERY_S:
            return
        last = now
        speed = done / (now - begin)
        of = f" of {total}" if total else ""
        left = f", {max(total - done, 0) / speed:.0f} s left" if total else ""
        click.echo(f"{label}: {done}{of} {unit}, {speed:.1f} {unit}/s{left}", err=True)

    return report
