"""Drawn bodies: the trunk from hips to neck, and what is worn on it."""

from __future__ import annotations

__all__ = ["backpack", "neck", "share", "shirt_colour", "skirt", "torso"]

import numpy as np
import numpy.typing as npt

from posetrack.drawn.body import (
    SIDES,
    Look,  # noqa
)
from posetrack.drawn.loft import CLOTH, LEATHER, SKIN, Fit, Loft, around, folds, ramp, refine, rings

Array = npt.NDArray[np.float64]

# height above the hips, half width, half depth, shift to the front: shares of the body height
_TORSO = np.array([
    (-0.062, 0.030, 0.040, 0.000), (-0.048, 0.066, 0.056, -0.002), (-0.030, 0.090, 0.063, -0.004),
    (-0.010, 0.097, 0.067, -0.005), (0.015, 0.096, 0.066, -0.004), (0.040, 0.090, 0.061, 0.000),
    (0.065, 0.084, 0.057, 0.003), (0.090, 0.080, 0.055, 0.004), (0.115, 0.080, 0.055, 0.004),
    (0.140, 0.083, 0.057, 0.003), (0.165, 0.087, 0.060, 0.003), (0.190, 0.092, 0.063, 0.003),
    (0.215, 0.097, 0.064, 0.002), (0.238, 0.101, 0.062, 0.000), (0.258, 0.102, 0.058, -0.003),
    (0.274, 0.098, 0.052, -0.006), (0.287, 0.084, 0.045, -0.008), (0.297, 0.058, 0.039, -0.008),
    (0.305, 0.040, 0.034, -0.006), (0.311, 0.034, 0.032, -0.004),
])  # fmt: skip


def shirt_colour(fit: Fit, x: Array, y: Array, front: Array) -> Array:
    """Shirt colours at x and y (metres from the hips' centre), ``front`` 0..1; (..., 3)."""
    look, h = fit.look, fit.h
    base, accent = np.array(look.shirt), np.array(look.shirt_accent)
    mask = {
        "stripes": (y / h * 32) % 2 < 1,
        "upright": (x / h * 40) % 2 < 0.6,
        "checks": ((y / h * 26) % 2 < 1) ^ ((x / h * 26) % 2 < 1),
        "block": y > 0.19 * h,
    }.get(look.pattern, np.zeros(y.shape, bool))
    colour = np.where(mask[..., None], accent, base)
    if look.pattern == "print":
        inside = (front > 0) & (abs(x) < 0.05 * h) & (y > 0.13 * h) & (y < 0.24 * h)
        i, j = ((y / h - 0.13) / 0.022).astype(int) % 5, ((x / h + 0.05) / 0.02).astype(int) % 5
        colour = np.where(inside[..., None], fit.picture[i, j], colour)
    return colour


def torso(fit: Fit) -> Loft:
    """The trunk from crotch to throat, in shirt and trousers."""
    hem = -0.02 if fit.look.seed % 3 else 0.045  # of the shirt: worn over the trousers or tucked in
    points = _trunk(fit, 28)
    y = points[..., 1] / fit.h
    points[..., 0::2] *= np.where(y > hem, 1.05, 1.0)[..., None]
    return Loft(
        points, _trunk_weights(points / fit.h), _trunk_colour(fit, points, hem), CLOTH, "torso"
    )


def _trunk(fit: Fit, n: int) -> Array:
    """The bare trunk's points (R, n, 3): the build's widths, a belly, bust and seat."""
    look, h = fit.look, fit.h
    t = refine(_TORSO, 2)
    up = t[:, 0]
    builds = [look.hips, 1, look.shoulders, look.shoulders, 1]
    t[:, 1] *= look.girth * np.interp(up, [0.0, 0.09, 0.18, 0.26, 0.30], builds)
    t[:, 2] *= look.girth * (
        1 + max(look.girth - 1, 0) * 1.2 * np.exp(-(((up - 0.08) / 0.07) ** 2))
    )
    points = rings(t * h, n, np.zeros(3), 1.0, 0.86)
    theta, y = around(n)[0], points[..., 1] / h
    bust = np.exp(-(((y - 0.205) / 0.026) ** 2)) * np.exp(
        -(((abs(theta - np.pi / 2) - 0.55) / 0.33) ** 2)
    )
    seat = np.exp(-(((y + 0.008) / 0.03) ** 2)) * np.exp(
        -(((abs(theta - 1.5 * np.pi) - 0.5) / 0.5) ** 2)
    )
    points[..., 2] += h * (look.bust * bust - 0.016 * seat)
    return points


def _trunk_colour(fit: Fit, points: Array, hem: float) -> Array:
    look, h = fit.look, fit.h
    centre = (points[:-1] + points[1:]) / 2
    up, n = centre[..., 1:2] / h, points.shape[1]
    shirt = shirt_colour(
        fit, centre[..., 0], centre[..., 1], np.broadcast_to(np.sin(around(n)[0]), centre.shape[:2])
    )
    shirt = np.where(up > 0.306, np.array(look.shirt) * 0.8, shirt)  # the collar's edge
    below = np.array(look.shirt if look.skirt and look.seed % 2 else look.trousers)
    colour: Array = np.where(up > hem, shirt, below) * folds(fit, len(centre), n, 0.05)
    return colour


def _trunk_weights(points: Array) -> dict[str, Array]:
    """Pelvis below, chest above; shoulders follow raised arms, hips the thighs. ``points`` in body
    heights.
    """
    x, y = points[..., 0], points[..., 1]
    chest = ramp(y, 0.045, 0.135)
    weights = {"pelvis": 1 - chest, "chest": chest}
    for side, sign in SIDES:
        weights = share(
            weights, f"{side}_upper_arm", 0.4 * ramp(sign * x, 0.06, 0.115) * ramp(y, 0.2, 0.27)
        )
        weights = share(
            weights, f"{side}_thigh", 0.55 * ramp(-y, -0.01, 0.05) * ramp(sign * x, 0.0, 0.05)
        )
    return weights


def share(weights: dict[str, Array], bone: str, part: Array) -> dict[str, Array]:
    """Give ``part`` of every vertex to one more bone."""
    return {other: w * (1 - part) for other, w in weights.items()} | {bone: part}


def neck(fit: Fit) -> Loft:
    """The neck, from the collar into the head."""
    h, n = fit.h, 16
    base = fit.rest["neck"]
    table = (
        np.array(
            [
                (-0.02, 0.040, 0.034, 0.004),
                (0.0, 0.034, 0.033, 0.0),
                (0.02, 0.031, 0.033, 0.003),
                (0.04, 0.030, 0.034, 0.006),
                (0.07, 0.030, 0.034, 0.006),
            ]
        )
        * h
    )
    table[:, 1:3] *= 0.5 + 0.5 * fit.look.girth * fit.look.shoulders
    points = rings(refine(table, 2), n, base, 1.0)
    up = ramp((points[..., 1] - base[1]) / h, -0.005, 0.04)
    colour = np.broadcast_to(np.array(fit.look.skin) * 0.86, (len(points) - 1, n, 3)).copy()
    return Loft(points, {"chest": 1 - up, "head": up}, colour, SKIN, "neck")


def skirt(fit: Fit) -> Loft:
    """A skirt that follows both thighs."""
    h, n, look = fit.h, 28, fit.look
    length = 0.16 + 0.16 * fit.rng.random()
    down = np.linspace(-0.045, length, 16)
    flare = 0.02 + 0.05 * fit.rng.random()
    wide = (
        np.interp(down, [-0.045, 0.0, length], [0.088, 0.103, 0.105 + flare])
        * look.hips
        * look.girth
    )
    deep = np.interp(down, [-0.045, 0.0, length], [0.064, 0.077, 0.08 + flare]) * look.girth
    points = rings(
        np.stack([down, wide, deep, 0 * down - 0.003], axis=1) * h, n, np.zeros(3), -1.0, 0.9
    )
    theta = around(n)[0]
    pleat = 1 + 0.04 * np.sin(theta * 7 + look.seed % 7) * np.clip(down / length, 0, 1)[:, None]
    points[..., 0::2] *= pleat[..., None]
    moved = 0.8 * ramp(down, -0.03, 0.12)[:, None]
    left = (1 + np.clip(1.6 * np.cos(theta), -1, 1)) / 2
    weights = {
        "pelvis": np.repeat(1 - moved, n, axis=1),
        "left_thigh": moved * left,
        "right_thigh": moved * (1 - left),
    }
    cloth = np.array(look.trousers if look.seed % 2 == 0 else look.shirt) * folds(
        fit, len(down) - 1, n, 0.07
    )
    return Loft(points, weights, cloth, CLOTH, "skirt")


def backpack(fit: Fit) -> Loft:
    """A backpack."""
    h, n = fit.h, 16
    table = (
        np.array(
            [
                (0.055, 0.02, 0.01, 0),
                (0.06, 0.068, 0.03, 0),
                (0.08, 0.078, 0.042, 0),
                (0.20, 0.076, 0.042, 0),
                (0.26, 0.064, 0.03, 0.005),
                (0.272, 0.02, 0.01, 0.01),
            ]
        )
        * h
    )
    points = rings(refine(table, 3), n, np.array([0, 0, -0.095 * h]), 1.0, 0.6)
    colour = np.array(fit.look.shirt_accent) * 0.7 * folds(fit, len(points) - 1, n, 0.06)
    return Loft(points, {"chest": np.ones(points.shape[:2])}, colour, LEATHER, "backpack")
