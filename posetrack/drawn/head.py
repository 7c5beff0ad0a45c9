"""Drawn heads: skull, face, ears, hair and caps."""

from __future__ import annotations

__all__ = ["ear", "hair", "head"]

import numpy as np
import numpy.typing as npt

from posetrack.drawn import body as b
from posetrack.drawn.body import Look  # noqa
from posetrack.drawn.loft import CLOTH, HAIR, SKIN, Fit, Loft, around, ramp, refine, rings

Array = npt.NDArray[np.float64]

# height over the chin, half width, half depth, shift to the front: shares of the head's height
_HEAD = np.array(
    [
        (-0.06, 0.12, 0.14, 0.08),
        (-0.02, 0.17, 0.20, 0.17),
        (0.03, 0.21, 0.26, 0.16),
        (0.09, 0.245, 0.31, 0.13),
        (0.15, 0.27, 0.345, 0.10),
        (0.21, 0.288, 0.37, 0.08),
        (0.27, 0.30, 0.39, 0.06),
        (0.33, 0.312, 0.40, 0.05),
        (0.39, 0.322, 0.41, 0.035),
        (0.45, 0.33, 0.415, 0.02),
        (0.51, 0.336, 0.42, 0.01),
        (0.57, 0.342, 0.425, 0.005),
        (0.63, 0.345, 0.43, 0.0),
        (0.69, 0.343, 0.43, -0.005),
        (0.75, 0.333, 0.42, -0.01),
        (0.81, 0.31, 0.395, -0.02),
        (0.87, 0.273, 0.35, -0.03),
        (0.925, 0.22, 0.28, -0.04),
        (0.965, 0.15, 0.19, -0.04),
        (0.99, 0.07, 0.09, -0.04),
        (1.0, 0.005, 0.005, -0.04),
    ]
)


def _head_points(fit: Fit, table: Array, n: int) -> Array:
    head = b.HEAD * fit.h
    chin = fit.rest["neck"] + np.array([0, b.CHIN_UP * fit.h, 0.06 * head])
    t = table * head
    return rings(t, n, chin, 1.0, 0.93)


def head(fit: Fit) -> Loft:
    """Skull and face."""
    n, look = 32, fit.look
    t = refine(_HEAD, 2)
    points = _head_points(fit, t, n)
    up, front = t[:, :1], around(n)[0] - np.pi / 2
    front = (front + np.pi) % (2 * np.pi) - np.pi
    unit = b.HEAD * fit.h
    nose = np.exp(-((front / 0.17) ** 2)) * np.exp(
        -(((up - 0.39) / np.where(up > 0.39, 0.11, 0.045)) ** 2)
    )
    socket = np.exp(-(((abs(front) - 0.42) / 0.2) ** 2)) * np.exp(-(((up - 0.54) / 0.05) ** 2))
    points[..., 2] += unit * (0.125 * nose - 0.03 * socket)
    skin = np.ones((len(t) - 1, n, 3)) * np.array(look.skin)
    colour = _face(fit, skin, (t[1:, :1] + t[:-1, :1]) / 2, front)
    return Loft(points, {"head": np.ones(points.shape[:2])}, colour, SKIN, "head")


def _face(fit: Fit, colour: Array, up: Array, front: Array) -> Array:
    """Paint eyes, brows, lips, cheeks and a beard's shadow on the head's faces (R, N, 3)."""

    def paint(rgb: Array, y: float, x: float, high: float, wide: float, strength: float) -> None:
        spot = (
            np.exp(-(((up - y) / high) ** 4) - ((abs(front) - x) / wide) ** 4)[..., None] * strength
        )
        colour[:] = colour * (1 - spot) + rgb * spot

    skin, hair = np.array(fit.look.skin), np.array(fit.look.hair)
    paint(skin * [1.0, 0.85, 0.82], 0.34, 0.62, 0.09, 0.25, 0.5)  # cheeks
    paint(skin * 0.72, 0.535, 0.43, 0.06, 0.24, 0.55)  # eye sockets
    paint(np.array([0.85, 0.83, 0.8]), 0.53, 0.43, 0.03, 0.16, 0.7)
    paint(np.array([0.10, 0.07, 0.06]), 0.53, 0.43, 0.036, 0.085, 0.95)
    paint(hair * 0.8, 0.625, 0.43, 0.022, 0.22, 0.8)  # brows
    paint(skin * 0.6, 0.325, 0.07, 0.02, 0.06, 0.6)  # nostrils
    paint(skin * [0.85, 0.55, 0.55], 0.2, 0.0, 0.032, 0.26, 0.8)  # lips
    paint(skin * 0.45, 0.205, 0.0, 0.009, 0.24, 0.6)
    if fit.look.bust == 0 and fit.look.seed % 4 == 0:
        beard = ramp(-up, -0.30, -0.22) * (
            1 - 0.7 * np.exp(-(((up - 0.2) / 0.04) ** 2) - (front / 0.3) ** 2)
        )
        beard = (beard * ramp(-abs(front), -1.9, -1.5))[..., None] * 0.75
        colour[:] = colour * (1 - beard) + hair * beard
    return colour


def ear(fit: Fit, sign: float) -> Loft:
    """One ear."""
    unit = b.HEAD * fit.h
    centre = fit.rest["neck"] + np.array(
        [sign * 0.34 * unit, b.CHIN_UP * fit.h + 0.35 * unit, 0.03 * unit]
    )
    table = (
        np.array(
            [
                (0, 0.01, 0.02, 0),
                (0.05, 0.035, 0.06, 0),
                (0.13, 0.05, 0.085, -0.02),
                (0.2, 0.055, 0.09, -0.03),
                (0.25, 0.04, 0.07, -0.03),
                (0.28, 0.01, 0.02, -0.03),
            ]
        )
        * unit
    )
    points = rings(table, 8, centre, 1.0)
    colour = np.ones((len(table) - 1, 8, 3)) * np.array(fit.look.skin) * [0.95, 0.85, 0.82]
    return Loft(points, {"head": np.ones(points.shape[:2])}, colour, SKIN, "ear")


def hair(fit: Fit) -> list[Loft]:
    """Hair, its tail or bun, or a cap."""
    look, n, unit = fit.look, 32, b.HEAD * fit.h
    style = look.hair_style
    t = refine(_HEAD, 2)
    front = (around(n)[0] - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
    f = abs(front)
    thick = {"short": 0.035, "cap": 0.045, "long": 0.06, "bob": 0.07, "bun": 0.03}[style]
    shell = t.copy()
    shell[:, 1:3] += thick * ramp(t[:, :1], 0.05, 0.6)
    shell[:, 0] = t[:, 0] + thick * ramp(t[:, 0], 0.7, 1.0)
    points = _head_points(fit, shell, n)
    line = np.interp(
        f, [0, 0.6, 1.0, 1.35, 1.75, 2.2, np.pi], [0.80, 0.79, 0.72, 0.52, 0.42, 0.2, 0.12]
    )
    if style == "cap":
        line = np.interp(f, [0, 1.2, np.pi], [0.70, 0.66, 0.50])
    if style in ("long", "bob"):
        line = np.interp(f, [0, 0.5, 0.9, 1.2, np.pi], [0.80, 0.74, 0.45, 0.08, 0.0])
    up = (t[1:, :1] + t[:-1, :1]) / 2
    strands = 1 + 0.16 * np.repeat(fit.rng.normal(size=(1, n, 1)), len(up), axis=0) * (
        up[..., None] < 0.95
    )
    base = np.array(look.shirt_accent if style == "cap" else look.hair)
    colour = np.where((up > line)[..., None], base * (strands if style != "cap" else 1), np.nan)
    lofts = [Loft(points, {"head": np.ones(points.shape[:2])}, colour, HAIR, "hair")]
    if style in ("long", "bun"):
        lofts.append(_tail(fit, style, unit))
    if style == "cap":
        lofts.append(_peak(fit, unit))
    return lofts


def _tail(fit: Fit, style: str, unit: float) -> Loft:
    """Hair down the back, or a bun."""
    table = np.array([(0.93, 0.02, 0.02, 0.0), (0.82, 0.16, 0.10, -0.02), (0.6, 0.27, 0.14, 0.0),
                      (0.2, 0.30, 0.15, 0.02), (-0.2, 0.27, 0.12, 0.03),
                      (-0.6, 0.19, 0.08, 0.02), (-0.75, 0.03, 0.02, 0.02)])  # fmt: skip
    if style == "bun":
        table = np.array(
            [
                (0.22, 0.01, 0.01, 0),
                (0.19, 0.11, 0.09, 0),
                (0.08, 0.16, 0.14, 0),
                (-0.06, 0.14, 0.12, 0),
                (-0.12, 0.01, 0.01, 0),
            ]
        ) + np.array([0.65, 0, 0, -0.12])
    table = refine(table, 2) * unit
    centre = fit.rest["neck"] + np.array([0, b.CHIN_UP * fit.h, -0.36 * unit])
    points = rings(table, 14, centre, 1.0)
    chest = 0.6 * ramp(-(points[..., 1] - centre[1]) / unit, 0.0, 0.6)
    colour = (
        np.array(fit.look.hair)
        * (1 + 0.15 * fit.rng.normal(size=(1, 14, 1)))
        * np.ones((len(table) - 1, 1, 1))
    )
    return Loft(points, {"head": 1 - chest, "chest": chest}, colour, HAIR, "tail")


def _peak(fit: Fit, unit: float) -> Loft:
    """A cap's peak."""
    n = 12
    _, c, s = around(n)
    far = np.array([0.30, 0.46, 0.60, 0.66])[:, None]
    wide = np.array([0.30, 0.27, 0.20, 0.04])[:, None]
    chin = fit.rest["neck"] + np.array([0, b.CHIN_UP * fit.h, 0.06 * unit])
    x = chin[0] + unit * wide * c
    y = chin[1] + unit * (0.70 - 0.12 * (far - 0.3) + 0.02 * s)
    z = chin[2] + unit * (far + 0 * c)
    points = np.stack([x, y, z], axis=-1)
    colour = np.ones((3, n, 3)) * np.array(fit.look.shirt_accent) * 0.8
    return Loft(points, {"head": np.ones(points.shape[:2])}, colour, CLOTH, "peak")
