"""Smooth strokes of any width, to fractions of a pixel, on canvases of three or four channels.

OpenCV's lines are whole pixels wide; filled polygons and circles with smooth borders are not. Their
borders spread beyond the shape by a fixed amount, which is measured and taken off here. On a canvas
of four channels the last one is opacity and the others are colour times opacity, which is what
OpenCV's mixing along smooth borders makes of colours with 255 behind them.
"""

from __future__ import annotations

__all__ = ["Canvas", "capsules", "discs", "polyline", "rectangle"]

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from posetrack.palette import Color

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


def capsules(canvas: Canvas, a: Floats, b: Floats, widths: Floats, colors: Sequence[Color]) -> None:
    """Lines from ``a`` to ``b`` (L, 2) (pixels, x then y), ``widths`` (L,) pixels wide, with round
    ends, one after the other.
    """
    import cv2

    along = b - a
    length = np.hypot(along[:, 0], along[:, 1])
    half = np.maximum(widths - _POLYGON_SPREAD, _THINNEST) / 2 / np.maximum(length, 1e-9)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * half[:, None]
    corners = _fixed(np.stack([a + across, b + across, b - across, a - across], axis=1))
    for n, color in enumerate(colors):
        if length[n] > 0:
            cv2.fillConvexPoly(canvas, corners[n], _full(canvas, color), cv2.LINE_AA, _BITS)
        if widths[n] > 2 * _POLYGON_SPREAD or length[n] == 0:  # thinner ends are round enough
            ends = np.stack([a[n], b[n]])
            discs(canvas, ends, widths[[n, n]] / 2, (color, color))


def discs(canvas: Canvas, centers: Floats, radii: Floats, colors: Sequence[Color]) -> None:
    """Filled circles around ``centers`` (N, 2) (pixels, x then y), one after the other."""
    import cv2

    sizes = np.round(np.maximum(radii - _DISC_SPREAD, _THINNEST) * (1 << _BITS)).astype(int)
    points = _fixed(centers).tolist()
    for point, size, color in zip(points, sizes.tolist(), colors, strict=True):
        cv2.circle(canvas, point, size, _full(canvas, color), -1, cv2.LINE_AA, _BITS)


def polyline(canvas: Canvas, points: Floats, widths: Floats, color: Color) -> None:
    """A path through ``points`` (P, 2); piece i, from point i to i + 1, is ``widths[i]`` wide."""
    pieces = len(points) - 1
    capsules(canvas, points[:-1], points[1:], widths[:pieces], [color] * pieces)


def rectangle(canvas: Canvas, low: Floats, high: Floats, thickness: int, color: Color) -> None:
    """The outline of a rectangle between two corners (pixels, x then y)."""
    import cv2

    corners = _fixed(low).tolist(), _fixed(high).tolist()
    cv2.rectangle(canvas, *corners, _full(canvas, color), thickness, cv2.LINE_AA, _BITS)
