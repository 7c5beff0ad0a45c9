"""Charts as HTML and SVG, without a script and without a library.

Labels are HTML and keep their size; lines are SVG that stretches with the page, their width does
not. So a chart is readable on a telephone and on a large screen. Everything that is text goes
through ``escape``.
"""

from __future__ import annotations

__all__ = ["Line", "escape", "lanes", "line_chart", "nice_ticks", "rgb", "thin", "times", "unwound"]

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.palette import Color

Floats = npt.NDArray[np.float64]

MAX_POINTS = 500  # of a line: more than a screen shows
MINUTES_FROM_S = 100.0  # end of a time axis, from which it is in minutes
MINUTE_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # seconds
NEAR_END = 95  # per cent of an axis: labels beyond stand left of their place
BREAK_STEPS = 3.0  # median steps between two points, from which a line is broken


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart: name, colour, places along x and y (NaN breaks it)."""

    name: str
    color: str
    x: Floats
    y: Floats


def escape(text: object) -> str:
    """Text as HTML, also inside of attributes."""
    return html.escape(str(text), quote=True)


def rgb(color: Color) -> str:
    """A colour as CSS has it."""
    return f"#{color[0]:02x}{color[1]:02x}{color[2]:02x}"


def nice_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers from about ``low`` to ``high``: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(n * step, 10) for n in range(first, last + 1)]


def _degrees(low: float, high: float) -> list[float]:
    """Ticks of angles: parts of a right angle."""
    step = next((s for s in (5, 10, 15, 30, 45, 90) if (high - low) / s <= 4), 180)
    return [float(n * step) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def unwound(degrees: Floats) -> Floats:
    """Angles (R,) whose line breaks where they go from 180 to -180, instead of running across."""
    far = np.abs(np.diff(degrees, prepend=degrees[:1])) > 180
    return np.where(far, np.nan, degrees)


def thin(x: Floats, y: Floats, points: int = MAX_POINTS) -> tuple[Floats, Floats]:
    """A line of at most so many points: means of neighbours, NaN where most of them are."""
    if len(x) <= points:
        return x, y
    edges = np.linspace(0, len(x), points + 1).astype(int)
    known = np.isfinite(y)
    total = np.add.reduceat(np.where(known, y, 0), edges[:-1])
    count = np.add.reduceat(known.astype(int), edges[:-1])
    sizes = np.diff(edges)
    mean = np.divide(total, count, out=np.full(points, np.nan), where=2 * count >= sizes)
    return np.add.reduceat(x, edges[:-1]) / sizes, mean


def times(low: float, high: float) -> list[tuple[float, str]]:
    """Ticks of a time axis in seconds, with their words: minutes where it is long."""
    if high < MINUTES_FROM_S:
        return [(t, f"{t:g} s") for t in nice_ticks(low, high, 6)]
    step = next((s for s in MINUTE_STEPS if (high - low) / s <= 6), MINUTE_STEPS[-1])
    ticks = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    return [(float(t), f"{int(t // 60)}:{int(t % 60):02d}") for t in ticks]


def _share(value: float, low: float, high: float) -> float:
    return 100 * (value - low) / (high - low) if high > low else 50.0


def line_chart(
    title: str,
    unit: str,
    lines: Sequence[Line],
    span: tuple[float, float],
    *,
    from_zero: bool = False,
    height: int = 120,
) -> str:
    """A chart of lines over time; ``span`` is the time shown. Empty where there is nothing."""
    thinned = [(line, *thin(line.x, line.y)) for line in lines]
    values = np.concatenate([y for _, _, y in thinned]) if thinned else np.zeros(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    low, high = _range(values, from_zero)
    drawn = "".join(_path(line, x, y, span, (low, high)) for line, x, y in thinned)
    ys = _degrees(low, high) if unit == "degrees" else nice_ticks(low, high, 3)
    grid = "".join(
        f'<line class="g" x1="0" x2="1000" y1="{10 * (100 - _share(t, low, high)):.1f}" '
        f'y2="{10 * (100 - _share(t, low, high)):.1f}"/>'
        for t in ys
    )
    labels = "".join(
        f'<span style="top:{100 - _share(t, low, high):.2f}%">{t:g}</span>' for t in ys
    )
    return (
        f'<figure class="chart"><figcaption>{escape(title)} <span>{escape(unit)}</span>'
        f'</figcaption><div class="plot" style="height:{height}px"><div class="ys">{labels}</div>'
        f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(title)}">{grid}{drawn}</svg></div>{_axis(span)}</figure>'
    )


def _range(values: Floats, from_zero: bool) -> tuple[float, float]:
    """What the y axis shows: all but the farthest 0.5 % on each side, with some air."""
    low, high = np.percentile(values, [0.5, 99.5])
    low = 0.0 if from_zero else float(low)
    air = 0.08 * (float(high) - low) or 1.0
    return (low if from_zero else low - air), float(high) + air


def _path(
    line: Line, x: Floats, y: Floats, span: tuple[float, float], limits: tuple[float, float]
) -> str:
    known = np.isfinite(y)
    steps = np.diff(x)
    usual = float(np.median(steps)) if len(steps) else 0.0
    across = 10 * (x - span[0]) / max(span[1] - span[0], 1e-9) * 100
    up = 1000 - 1000 * (np.clip(y, *limits) - limits[0]) / (limits[1] - limits[0])
    words, pen = [], False
    for i in range(len(x)):
        if not known[i]:
            pen = False
            continue
        far = i > 0 and usual > 0 and steps[i - 1] > BREAK_STEPS * usual
        words.append(f"{'L' if pen and not far else 'M'}{across[i]:.1f} {up[i]:.1f}")
        pen = True
    title = f"<title>{escape(line.name)}</title>"
    return f'<path d="{"".join(words)}" stroke="{line.color}">{title}</path>'


_AT_END = ' class="end"'


def _axis(span: tuple[float, float]) -> str:
    """Labels of the time axis."""
    labels = "".join(
        f'<span style="left:{at:.2f}%"{_AT_END if at > NEAR_END else ""}>{escape(words)}</span>'
        for at, words in ((_share(t, *span), words) for t, words in times(*span))
    )
    return f'<div class="xs">{labels}</div>'


def lanes(
    rows: Sequence[tuple[str, str, Sequence[tuple[float, float, str]]]],
    span: tuple[float, float],
) -> str:
    """A lane for each row over time: label (HTML), colour, and stretches (begin, end, words)."""
    out = []
    for label, color, stretches in rows:
        bars = "".join(
            f'<i style="left:{_share(a, *span):.3f}%;width:{100 * (b - a) / _long(span):.3f}%;'
            f'background:{color}" title="{escape(words)}"></i>'
            for a, b, words in stretches
        )
        out.append(
            f'<div class="lane"><div class="who">{label}</div><div class="bar">{bars}</div></div>'
        )
    return (
        f'<div class="lanes">{"".join(out)}<div class="lane"><div></div>{_axis(span)}</div></div>'
    )


def _long(span: tuple[float, float]) -> float:
    return max(span[1] - span[0], 1e-9)
