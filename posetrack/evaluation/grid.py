"""All combinations of some tracking options, each run and scored by itself: an ablation as one
table.
"""

from __future__ import annotations

__all__ = ["MAX_COMBINATIONS", "GridRow", "combinations", "evaluate_grid", "grid_table"]

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from posetrack.errors import UsageError
from posetrack.evaluation.evaluate import PoseTrackScores, evaluate_posetrack
from posetrack.evaluation.model import ModelRun
from posetrack.evaluation.posetrack import METRICS
from posetrack.evaluation.report import header, total_figures
from posetrack.evaluation.tables import Table
from posetrack.metrics.protocols import POSEVAL, Protocol

MAX_COMBINATIONS = 1000  # more are a slip of the keyboard
FIGURES = ("mAP", "MOTA", "MOTP", "IDF1", "HOTA", "IDsw", "Frag")  # of all sequences and joints

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class GridRow:
    """One combination: its ``options`` by name, the ``folder`` of its predictions, its scores."""

    options: Mapping[str, Any]
    folder: Path
    scores: PoseTrackScores


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every choice of one value of each option; the last option's values change fastest.

    Raises UsageError for an option without values, or with one twice, and for too many choices.
    """
    for name, values in grid.items():
        if not values or len(set(values)) < len(values):
            raise UsageError(f"--grid {name} needs values that differ, such as {name}=1,5.")
    if prod(map(len, grid.values())) > MAX_COMBINATIONS:
        raise UsageError(f"--grid asks for more than {MAX_COMBINATIONS} runs; leave values out.")
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def evaluate_grid(
    truth: Path,
    prediction: Path,
    run: ModelRun,
    grid: Mapping[str, Sequence[Any]],
    *,
    protocol: Protocol = POSEVAL,
    metrics: Collection[str] = METRICS,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> list[GridRow]:
    """Run and score ``run`` with every combination of ``grid`` (option -> values), in order.

    The predictions of the n-th go to the folder ``prediction``/n (001 and so on). Every combination
    is checked before the first is run. ``progress`` is told of the frames of one combination after
    another. Raises PosetrackError, as ``evaluate_posetrack``.
    """
    chosen = combinations(grid)
    runs = [replace(run, options={**run.options, **options}) for options in chosen]
    folders = [prediction / f"{n:03d}" for n in range(1, len(runs) + 1)]
    for one, folder in zip(runs, folders, strict=True):
        one.in_force()
        one.check(folder)
    rows = []
    for options, one, folder in zip(chosen, runs, folders, strict=True):
        scores = evaluate_posetrack(
            truth,
            folder,
            one,
            protocol=protocol,
            metrics=metrics,
            skip_bad=skip_bad,
            progress=progress,
        )
        rows.append(GridRow(options, folder, scores))
    return rows


def grid_table(rows: Sequence[GridRow]) -> Table:
    """A row a combination: its options, and the figures over all sequences and joints."""
    found = [total_figures(row.scores.scored.report) for row in rows]
    shown = [name for name in FIGURES if name in found[0]]
    columns = ("run", *rows[0].options, *shown)
    cells = tuple(
        (row.folder.name, *map(str, row.options.values()), *(figures[name] for name in shown))
        for row, figures in zip(rows, found, strict=True)
    )
    return Table(header(rows[0].scores.scored.report), columns, cells)
