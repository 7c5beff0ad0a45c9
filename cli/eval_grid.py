"""``posetrack eval posetrack --grid``: all combinations of tracking options in one table."""

from __future__ import annotations

__all__ = ["print_grid", "read_grid"]

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posetrack.cli.eval_model import option_value

if TYPE_CHECKING:
    from posetrack.evaluation.model import ModelRun


def read_grid(texts: Sequence[str]) -> dict[str, list[Any]]:
    """``("flow=dis,none", "memory=1,5")`` as values by option, each of the option's type.

    Several options may stand in one text with spaces between. Raises UsageError.
    """
    from posetrack.errors import UsageError

    grid: dict[str, list[Any]] = {}
    for text in " ".join(texts).split():
        name, _, values = text.partition("=")
        if not values:
            raise UsageError(f"--grid {text} names no values; write {name}=1,5, say.")
        pairs = [option_value(f"{name}={value}", "--grid") for value in values.split(",")]
        if pairs[0][0] in grid:
            raise UsageError(f"--grid names {name} twice; write all its values in one list.")
        grid[pairs[0][0]] = [value for _, value in pairs]
    return grid


def print_grid(
    truth: Path,
    prediction: Path,
    run: ModelRun | None,
    grid: Mapping[str, Sequence[Any]],
    how: str,
    **scoring: Any,
) -> None:
    """Run, score and print; ``scoring`` as ``evaluate_grid`` takes it. Raises UsageError without a
    network.
    """
    import json

    from posetrack.cli.progress import progress
    from posetrack.errors import UsageError
    from posetrack.evaluation.grid import evaluate_grid, grid_table
    from posetrack.evaluation.tables import render

    if run is None:
        raise UsageError("--grid runs a network for every combination; give --model.")
    with progress("tracking", unit="frames") as report:
        rows = evaluate_grid(truth, prediction, run, grid, progress=report, **scoring)
    if how != "json":
        click.echo(render([grid_table(rows)], how))
        return
    content = [
        {"run": str(row.folder), "options": dict(row.options)}
        | row.scores.scored.to_json(row.scores.settings)
        for row in rows
    ]
    click.echo(json.dumps(content, indent=1))
