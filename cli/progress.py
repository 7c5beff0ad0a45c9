"""Progress on standard error: a bar on a terminal, a plain line every few seconds in a pipe or a
log.
"""

from __future__ import annotations

__all__ = ["LINE_EVERY_S", "progress", "progress_of_many"]

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

LINE_EVERY_S = 5.0  # between lines where there is no terminal

Report = Callable[[int, int | None], None]
ReportOfMany = Callable[[int, int | None, int | None, bool], None]


@contextmanager
def progress(
    label: str, quiet: bool = False, unit: str = "frames", waiting: str = ""
) -> Iterator[Report | None]:
    """Gives ``report(done, total)``, to be called after every frame; ``total`` None: unknown. None
    where ``quiet``. Until then ``waiting`` says what is done.
    """
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar(label, unit, waiting) as report:
            yield report
    else:
        yield _lines(label, unit)


@contextmanager
def _bar(label: str, unit: str, waiting: str) -> Iterator[Report]:
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
        first = f"{label}: {waiting}" if waiting else label
        task = bars.add_task(first, total=None, speed=0.0)
        begin = time.monotonic()

        def report(done: int, total: int | None) -> None:
            speed = done / max(time.monotonic() - begin, 1e-9)
            total = None if total is None else max(total, done)
            bars.update(task, description=label, completed=done, total=total, speed=speed)

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


@contextmanager
def progress_of_many(labels: Sequence[str], quiet: bool = False) -> Iterator[ReportOfMany]:
    """Gives ``report(number, done, total, ended)`` for inputs at work side by side: on a terminal
    a bar for each of them and one for all, else lines. ``done`` None: networks are loaded.
    """
    if quiet:
        yield lambda number, done, total, ended: None
    elif sys.stderr.isatty():
        with _bars(labels) as report:
            yield report
    else:
        yield _lines_of_many(labels)


@contextmanager
def _bars(labels: Sequence[str]) -> Iterator[ReportOfMany]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    text, bar, count = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(text, bar, count, console=Console(stderr=True), transient=True) as bars:
        everything = bars.add_task("videos", total=len(labels))
        tasks: dict[int, Any] = {}

        def report(number: int, done: int | None, total: int | None, ended: bool) -> None:
            if ended:
                bars.advance(everything)
                if number in tasks:
                    bars.remove_task(tasks.pop(number))
                return
            if number not in tasks:
                tasks[number] = bars.add_task(f"{labels[number]}: loading networks", total=None)
            if done is not None:
                bars.update(tasks[number], description=labels[number], completed=done, total=total)

        yield report


def _lines_of_many(labels: Sequence[str]) -> ReportOfMany:
    begin = last = time.monotonic()
    at_work: dict[int, str] = {}
    over = 0

    def report(number: int, done: int | None, total: int | None, ended: bool) -> None:
        nonlocal last, over
        state = "loading networks" if done is None else f"{done}/{total or '?'}"
        at_work[number] = f"{labels[number]} {state}"
        if ended:
            del at_work[number]
            over += 1
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            busy = "; ".join(at_work.values())
            click.echo(f"{over} of {len(labels)} videos, {now - begin:.0f} s: {busy}", err=True)

    return report
