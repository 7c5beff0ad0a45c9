"""Small pictures of people as text, for a notebook: SVG, which needs no library and stays sharp."""

from __future__ import annotations

__all__ = ["figure", "path", "svg"]

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from posetrack.palette import Color, identity_color, mix_white

Floats = npt.NDArray[np.floating]
HEIGHT = 180  # pixels on the page
MAX_WIDTH = 480
BACKGROUND = "#20242a"
LEFT_TINT = 0.8  # share of white of the left side, as in drawn videos


def svg(parts: Iterable[str], bounds: tuple[float, float, float, float]) -> str:
    """A picture of ``parts``, which are drawn in pixels of the video; ``bounds`` x1, y1, x2, y2 is
    what is seen.
    """
    x, y, right, bottom = bounds
    w, h = max(right - x, 1.0), max(bottom - y, 1.0)
    zoom = min(HEIGHT / h, MAX_WIDTH / w)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w * zoom:.0f}" height="{h * zoom:.0f}" '
        f'viewBox="{x:.1f} {y:.1f} {w:.1f} {h:.1f}" stroke-linecap="round" '
        f'stroke-linejoin="round" fill="none" style="background:{BACKGROUND}">'
        f"{''.join(parts)}</svg>"
    )


def figure(
    identity: int,
    xy: Floats,
    limbs: Sequence[tuple[int, int]],
    left: Iterable[int],
    box: Floats,
) -> str:
    """A person: ``xy`` (K, 2) pixels with NaN for absent joints, the limbs in the identity's colour
    (pale where a joint is of the ``left`` ones), its number above the ``box`` (4,).
    """
    present = np.asarray(np.isfinite(xy).all(axis=1))
    width = max(float(box[3] - box[1]) / 40, 1.0)
    color, pale = identity_color(identity), set(left)
    lines = []
    for a, b in limbs:
        if present[a] and present[b]:
            tone = mix_white(color, LEFT_TINT) if {a, b} & pale else color
            lines.append(
                f'<path d="M{_point(xy[a])}L{_point(xy[b])}" stroke="{_rgb(tone)}" '
                f'stroke-width="{width:.1f}"/>'
            )
    return "".join(lines) + _label(identity, color, box, 6 * width)


def path(identity: int, xy: Floats, width: float) -> str:
    """The way (T, 2) of a person in the identity's colour; NaN interrupts it."""
    steps, pen = [], "M"
    for point in xy:
        if np.isfinite(point).all():
            steps.append(f"{pen}{_point(point)}")
            pen = "L"
        else:
            pen = "M"
    color = _rgb(identity_color(identity))
    return f'<path d="{"".join(steps)}" stroke="{color}" stroke-width="{width:.1f}"/>'


def _label(identity: int, color: Color, box: Floats, size: float) -> str:
    if not np.isfinite(box).all():
        return ""
    x, y = (box[0] + box[2]) / 2, max(float(box[1]), size)
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" text-anchor="middle" '
        f'font-family="sans-serif" fill="{_rgb(mix_white(color, 0.4))}">{identity}</text>'
    )


def _point(xy: Floats) -> str:
    return f"{xy[0]:.1f} {xy[1]:.1f}"


def _rgb(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
