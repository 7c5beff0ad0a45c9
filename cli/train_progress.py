"""Progress of a training run on stderr: a live line on a terminal, now and then a line in a pipe or
a log.
"""

from __future__ import annotations

__all__ = ["LINE_EVERY_S", "training_progress"]

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from posetrack.training.loop import Run, Watcher

LINE_EVERY_S = 60.0  # between lines within an epoch where there is no terminal


@contextmanager
def training_progress(quiet: bool) -> Iterator[list[Watcher]]:
    """The watchers that show a run; none where ``quiet``."""
    if quiet:
        yield []
    elif sys.stderr.isatty():
        with _bar() as watcher:
            yield [watcher]
    else:
        yield [_Lines()]


class _Lines(Watcher):
    """A line an epoch, and one a minute."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def step(self, run: Run, loss: float, samples_per_s: float) -> None:
        if time.monotonic() - self._last < LINE_EVERY_S:
            return
        self._last = time.monotonic()
        mean = run.epoch_loss / max(run.epoch_steps, 1)
        left = _left(run, samples_per_s)
        click.echo(
            f"step {run.step} of {run.total_steps}: loss {mean:.4g}, {samples_per_s:.1f} "
            f"samples/s, {left} left",
            err=True,
        )

    def epoch(self, run: Run, row: Mapping[str, Any]) -> None:
        self._last = time.monotonic()
        epochs = sum(s.epochs for s in run.recipe.stages)
        left = _left(run, row["samples_per_s"])
        click.echo(
            f"epoch {row['epoch']} of {epochs}: loss {row['loss']:.4g}{_scores(row)}, "
            f"{row['samples_per_s']:.1f} samples/s, {left} left",
            err=True,
        )


@contextmanager
def _bar() -> Iterator[Watcher]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bars = Progress(*columns, console=Console(stderr=True))
    task = bars.add_task("training", total=None)

    class Live(Watcher):
        scores = ""

        def step(self, run: Run, loss: float, samples_per_s: float) -> None:
            bars.start()  # not before: until then sentences about the data are written
            mean = run.epoch_loss / max(run.epoch_steps, 1)
            text = f"loss {mean:.4g}{self.scores}, {samples_per_s:.1f} samples/s"
            bars.update(task, completed=run.step, total=run.total_steps, description=text)

        def epoch(self, run: Run, row: Mapping[str, Any]) -> None:
            self.scores = _scores(row)
            bars.print(f"epoch {row['epoch']}: loss {row['loss']:.4g}{_scores(row)}")

    try:
        yield Live()
    finally:
        bars.stop()


def _scores(row: Mapping[str, Any]) -> str:
    """The validations of an epoch, each with a comma before it."""
    from posetrack.training.curves import score_names

    return "".join(f", {name} {row[name]:.1f}" for name in score_names([row]))


def _left(run: Run, samples_per_s: float) -> str:
    """The time that the remaining steps take at this speed."""
    stages = zip(run.recipe.stages, run.steps_per_stage, strict=True)
    samples = sum(stage.batch_size * steps for stage, steps in stages)
    share = 1 - run.step / max(run.total_steps, 1)
    minutes, seconds = divmod(round(samples * share / max(samples_per_s, 1e-9)), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes} min"
        if hours
        else f"{minutes} min {seconds} s"
        if minutes
        else f"{seconds} s"
    )
