"""Small tables of results as aligned text, Markdown, LaTeX or CSV, and what every result file
says about its making.
"""

from __future__ import annotations

__all__ = ["Table", "plain_json", "provenance", "render"]

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

_LATEX = {letter: "\\" + letter for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
DECIMALS = 1  # of percentages in tables; JSON has them all


@dataclass(frozen=True, slots=True)
class Table:
    """A title, column names and rows of texts and numbers; floats are printed with ``DECIMALS``."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def render(tables: Iterable[Table], style: str) -> str:
    """The tables one after another in style "text", "markdown", "latex" or "csv"."""
    lines = {"text": _text, "markdown": _markdown, "latex": _latex, "csv": _csv}[style]
    return "\n\n".join("\n".join(lines(table)) for table in tables)


def _cell(value: Any, style: str) -> str:
    if isinstance(value, float):
        if style == "csv":
            return "" if math.isnan(value) else repr(value)
        return "-" if math.isnan(value) else f"{value:.{DECIMALS}f}"
    return str(value)


def _text(table: Table) -> list[str]:
    grid = [table.columns, *([_cell(v, "text") for v in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in grid) for i in range(len(table.columns))]
    lines = []
    for first, *others in grid:
        cells = [
            first.ljust(widths[0]),
            *(v.rjust(w) for v, w in zip(others, widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells).rstrip())
    return [table.title, lines[0], "-" * len(lines[0]), *lines[1:]]


def _markdown(table: Table) -> list[str]:
    rows = [[_cell(v, "markdown").replace("|", "\\|") for v in row] for row in table.rows]
    rule = ["---", *(["---:"] * (len(table.columns) - 1))]
    return [
        f"**{table.title}**",
        "",
        *("| " + " | ".join(row) + " |" for row in (table.columns, rule, *rows)),
    ]


def _latex(table: Table) -> list[str]:
    """A tabular of plain LaTeX; the title is a comment above it."""
    grid = [table.columns, *([_cell(v, "latex") for v in row] for row in table.rows)]
    head, *rows = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in grid]
    return [
        f"% {table.title}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}",
        r"\hline",
        head,
        r"\hline",
        *rows,
        r"\hline",
        r"\end{tabular}",
    ]


def _escaped(text: str) -> str:
    """``text`` with LaTeX's own characters as characters."""
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _csv(table: Table) -> list[str]:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("table", *table.columns))
    writer.writerows((table.title, *(_cell(v, "csv") for v in row)) for row in table.rows)
    return out.getvalue().splitlines()


def provenance(
    settings: Mapping[str, Any], packages: Sequence[str] = ("numpy", "scipy")
) -> dict[str, Any]:
    """Versions, settings and time: what a result file needs so that it can be understood later."""
    import datetime
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for package in ("posetrack", *packages):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"versions": versions, "made": made, "settings": dict(settings)}


def plain_json(value: Any) -> Any:
    """Arrays, dataclasses and tuples as plain lists and objects; NaN as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_json(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "tolist"):
        return plain_json(value.tolist())
    if isinstance(value, Mapping):
        return {str(k): plain_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
