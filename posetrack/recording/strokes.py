"""Smooth strokes of any width, to fractions of a pixel, on canvases of three or four channels.

OpenCV's lines are whole pixels wide; filled polygons and circles with smooth borders are not. Their
borders spread beyond the shape by a fixed amount, which is measured and taken off here. On a canvas
of four channels the last one is opacity and the others are colour times opacity, which is what
OpenCV's mixing along smooth borders makes of colours with 255 behind them.
"""

from __future__ import annotations

__all__ = ["Canvas", "capsule", "disc", "polyline", "rectangle"]

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from posetrack.recording.style import Color

Canvas = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_BITS = 4  # OpenCV draws at sixteenths of a pixel
_POLYGON_SPREAD = 1.4  # pixels by which a filled polygon comes out wider than its corners say
_DISC_SPREAD = 0.5  # the same for the radius of a filled circle
_THINNEST = 0.05  # width of a polygon that still has four corners


def _fixed(xy: Floats) -> npt.NDArray[np.int32]:
    return np.round(xy * (1 << _BITS)).astype(np.int32)


def _full(canvas: Canvas, color: Color) -> tuple[int, ...]:
    return (*color, 255) if canvas.shape[2] == 4 else color


def capsule(canvas: Canvas, a: Floats, b: Floats, width: float, color: Color) -> None:
    """A line from ``a`` to ``b`` (pixels, x then y), ``width`` pixels wide, with round ends."""
    import cv2

    along = b - a
    length = float(np.hypot(*along))
    if length > 0:
        half = max(width - _POLYGON_SPREAD, _THINNEST) / 2
        across = np.array([-along[1], along[0]]) / length * half
        corners = _fixed(np.array([a + across, b + across, b - across, a - across]))
        cv2.fillConvexPoly(canvas, corners, _full(canvas, color), cv2.LINE_AA, _BITS)
    if width > 2 * _POLYGON_SPREAD or length == 0:  # thinner ends are round enough
        disc(canvas, a, width / 2, color)
        disc(canvas, b, width / 2, color)


def disc(canvas: Canvas, center: Floats, radius: float, color: Color) -> None:
    """A filled circle around ``center`` (pixels, x then y)."""
    import cv2

    size = round(max(radius - _DISC_SPREAD, _THINNEST) * (1 << _BITS))
    point = _fixed(center).tolist()
    cv2.circle(canvas, point, size, _full(canvas, color), -1, cv2.LINE_AA, _BITS)


def polyline(canvas: Canvas, points: Sequence[Floats], widths: Floats, color: Color) -> None:
    """A path through ``points`` (P of them); piece i, from point i to i + 1, is ``widths[i]``
    wide.
    """
    for i in range(len(points) - 1):
        capsule(canvas, points[i], points[i + 1], float(widths[i]), color)


def rectangle(canvas: Canvas, low: Floats, high: Floats, thickness: int, color: Color) -> None:
    """The outline of a rectangle between two corners (pixels, x then y)."""
    import cv2

    corners = _fixed(low).tolist(), _fixed(high).tolist()
    cv2.rectangle(canvas, *corners, _full(canvas, color), thickness, cv2.LINE_AA, _BITS)
