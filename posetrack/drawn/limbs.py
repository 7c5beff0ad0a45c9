"""Drawn bodies: arms, hands, legs and shoes."""

from __future__ import annotations

__all__ = ["arm", "foot", "hand", "leg", "thumb"]

import numpy as np
import numpy.typing as npt

from posetrack.drawn import body as b
from posetrack.drawn.clothes import share, shirt_colour
from posetrack.drawn.loft import CLOTH, LEATHER, SKIN, Fit, Loft, around, folds, ramp, refine, rings

Array = npt.NDArray[np.float64]

# along the arm (0 shoulder, 1 elbow, 2 wrist), half width, half depth, shift to the front
_ARM = np.array(
    [
        (-0.13, 0.005, 0.006, 0.0),
        (-0.12, 0.012, 0.016, 0.0),
        (-0.08, 0.021, 0.027, 0.0),
        (-0.02, 0.027, 0.033, 0.0),
        (0.10, 0.031, 0.036, 0.0),
        (0.25, 0.030, 0.035, 0.001),
        (0.40, 0.028, 0.034, 0.002),
        (0.55, 0.027, 0.032, 0.002),
        (0.70, 0.025, 0.029, 0.001),
        (0.85, 0.024, 0.026, 0.0),
        (0.95, 0.024, 0.025, 0.0),
        (1.05, 0.024, 0.025, 0.0),
        (1.15, 0.025, 0.026, 0.0),
        (1.30, 0.024, 0.027, 0.001),
        (1.45, 0.022, 0.025, 0.001),
        (1.60, 0.019, 0.022, 0.0),
        (1.75, 0.016, 0.019, 0.0),
        (1.90, 0.014, 0.017, 0.0),
        (2.02, 0.013, 0.017, 0.0),
    ]
)
# beyond the wrist as shares of the hand's length, half width (thin), half depth, shift to the front
_HAND = np.array(
    [
        (-0.05, 0.012, 0.016, 0.0),
        (0.12, 0.012, 0.018, 0.0),
        (0.30, 0.012, 0.023, 0.001),
        (0.48, 0.012, 0.025, 0.003),
        (0.62, 0.011, 0.023, 0.006),
        (0.78, 0.010, 0.020, 0.011),
        (0.92, 0.008, 0.016, 0.017),
        (1.0, 0.003, 0.008, 0.021),
    ]
)
_THUMB = np.array(
    [
        (0.12, 0.005, 0.005, 0.012),
        (0.25, 0.008, 0.009, 0.024),
        (0.42, 0.007, 0.008, 0.033),
        (0.58, 0.006, 0.006, 0.037),
        (0.64, 0.002, 0.002, 0.038),
    ]
)
# along the leg (0 hip, 1 knee, 2 ankle), half width, half depth, shift to the front
_LEG = np.array(
    [
        (-0.12, 0.024, 0.034, 0.0),
        (-0.04, 0.037, 0.048, -0.002),
        (0.05, 0.045, 0.054, -0.003),
        (0.17, 0.050, 0.056, -0.002),
        (0.32, 0.049, 0.054, 0.0),
        (0.47, 0.045, 0.050, 0.002),
        (0.62, 0.041, 0.045, 0.003),
        (0.76, 0.036, 0.040, 0.003),
        (0.88, 0.034, 0.037, 0.003),
        (0.96, 0.033, 0.037, 0.004),
        (1.04, 0.032, 0.036, 0.002),
        (1.14, 0.031, 0.035, -0.003),
        (1.27, 0.033, 0.038, -0.007),
        (1.40, 0.032, 0.037, -0.008),
        (1.55, 0.027, 0.031, -0.006),
        (1.70, 0.022, 0.025, -0.003),
        (1.85, 0.019, 0.021, -0.001),
        (1.97, 0.019, 0.022, 0.0),
        (2.06, 0.021, 0.025, 0.002),
    ]
)
# along the foot (from the heel), half width, height of the upper, shares of the body height
_FOOT = np.array([
    (-0.042, 0.012, 0.020), (-0.036, 0.020, 0.036), (-0.020, 0.023, 0.046), (0.000, 0.023, 0.050),
    (0.020, 0.024, 0.045), (0.040, 0.026, 0.036), (0.062, 0.029, 0.029), (0.082, 0.029, 0.025),
    (0.098, 0.025, 0.021), (0.109, 0.017, 0.016), (0.114, 0.006, 0.010),
])  # fmt: skip


def _clothed(fit: Fit, table: Array, reach: float, flare: float) -> Array:
    """Where a limb is clothed, its rings are wider: the table with a step at ``reach``."""
    at = table[:, 0]
    cloth = at <= reach
    table = table.copy()
    table[cloth, 1:3] += flare
    if reach > 0.3 and reach < 1.99:  # the opening of a sleeve or a trouser leg stands off a little
        last = np.flatnonzero(cloth)[-1]
        table[last, 1:3] += flare * 0.6
    return table


def _limb(
    fit: Fit,
    table: Array,
    n: int,
    side: str,
    bones: tuple[str, str, str],
    reach: float,
    parts: tuple[str, str],
) -> tuple[Array, dict[str, Array], Array]:
    """Points, weights and places along the limb (R,) of an arm or a leg."""
    h, rest = fit.h, fit.rest
    top, mid, end = (rest[f"{side}_{b}"] for b in bones)
    t = _clothed(fit, refine(table, 2), reach, 0.004)
    at = t[:, 0].copy()
    t[:, 0] = np.interp(
        at,
        [-1, 0, 1, 2, 3],
        [-(top - mid)[1], 0, (top - mid)[1], (top - end)[1], (top - end)[1] * 1.5],
    )
    t[:, 1:] *= h
    t[:, 1:3] *= 0.35 + 0.65 * fit.look.girth
    points = rings(t, n, top, -1.0)
    low = np.repeat(ramp(at, 0.88, 1.12)[:, None], n, axis=1)
    return points, {f"{side}_{parts[0]}": 1 - low, f"{side}_{parts[1]}": low}, at


def arm(fit: Fit, side: str, sign: float) -> Loft:
    """An arm to the wrist, in its sleeve."""
    look, n = fit.look, 14
    bones, parts = ("shoulder", "elbow", "wrist"), ("upper_arm", "forearm")
    points, weights, at = _limb(fit, _ARM, n, side, bones, look.sleeve, parts)
    mid = (at[1:] + at[:-1]) / 2
    y = (0.24 - 0.12 * mid)[:, None] * fit.h + np.zeros((1, n))
    shirt = shirt_colour(fit, np.full(y.shape, 0.5) + around(n)[1] * 0.03, y, np.zeros(y.shape))
    shirt = shirt * folds(fit, len(mid), n, 0.06)
    skin = np.array(look.skin) * (1 - 0.05 * ramp(abs(mid - 1), 0.12, 0.0001))[:, None, None]
    colour = np.where((mid <= look.sleeve)[:, None, None], shirt, skin)
    chest = 0.5 * (1 - ramp(np.repeat(at[:, None], n, axis=1), -0.15, 0.12))
    return Loft(
        points, share(weights, "chest", chest), colour, CLOTH if look.sleeve > 1.5 else SKIN, "arm"
    )


def hand(fit: Fit, side: str, sign: float) -> Loft:
    """Palm and fingers as one, half open."""
    return _hand(fit, _HAND, 10, side, 0.0, "hand")


def thumb(fit: Fit, side: str, sign: float) -> Loft:
    """A thumb."""
    return _hand(fit, _THUMB, 6, side, -sign * 0.004, "thumb")


def _hand(fit: Fit, table: Array, n: int, side: str, x: float, name: str) -> Loft:
    t = table * fit.h
    t[:, 0] *= b.HAND
    points = rings(t, n, fit.rest[f"{side}_wrist"] + np.array([x * fit.h, 0, 0]), -1.0)
    shade = np.linspace(1.0, 0.9, len(t) - 1)[:, None, None]
    colour = np.array(fit.look.skin) * shade * np.ones((1, n, 1))
    return Loft(points, {f"{side}_forearm": np.ones(points.shape[:2])}, colour, SKIN, name)


def leg(fit: Fit, side: str, sign: float) -> Loft:
    """A leg to the ankle, in its trousers."""
    look, n = fit.look, 16
    points, weights, at = _limb(
        fit, _LEG, n, side, ("hip", "knee", "ankle"), look.trouser, ("thigh", "shank")
    )
    if look.trouser > 1.5:  # trouser legs hang wider than the shin
        hang = 1 + 0.22 * ramp(at, 1.2, 1.9)[:, None] * (1 + look.seed % 3) / 2
        centre = points.mean(axis=1, keepdims=True)
        points[..., 0::2] = (
            centre[..., 0::2] + (points[..., 0::2] - centre[..., 0::2]) * hang[..., None]
        )
    mid = (at[1:] + at[:-1]) / 2
    cloth = np.array(look.trousers) * folds(fit, len(mid), n, 0.07)
    bent = 1 - 0.05 * np.exp(-(((mid - 1) / 0.06) ** 2))[:, None, None]
    skin = np.array(look.skin) * bent * np.ones((1, n, 1))
    colour = np.where((mid <= look.trouser)[:, None, None], cloth, skin)
    hip = 0.6 * (1 - ramp(np.repeat(at[:, None], n, axis=1), -0.1, 0.25))
    return Loft(
        points, share(weights, "pelvis", hip), colour, CLOTH if look.trouser > 1.5 else SKIN, "leg"
    )


def foot(fit: Fit, side: str, sign: float) -> Loft:
    """A shoe with its sole."""
    h, n = fit.h, 12
    t = refine(_FOOT, 2) * h
    _, c, s = around(n)
    ankle = fit.rest[f"{side}_ankle"]
    floor = ankle[1] - b.ANKLE_UP * h
    toe = ramp(t[:, 0] / h, 0.03, 0.1)[:, None] * 0.004 * h
    x = ankle[0] + t[:, 1:2] * np.sign(c) * abs(c) ** 0.7 + sign * toe
    up = np.clip(s, -0.35, 1)
    y = floor + np.where(
        up > 0,
        0.014 * h + up * np.maximum(t[:, 2:3] - 0.014 * h, 0.002 * h),
        0.014 * h * (1 + up / 0.35),
    )
    z = ankle[2] + np.repeat(t[:, :1], n, axis=1)
    points = np.stack([x, y, z], axis=-1)
    sole = np.array(fit.look.shoes) * 0.4 if fit.look.seed % 2 else np.array([0.8, 0.8, 0.78])
    low = (points[:-1, :, 1] + points[1:, :, 1])[..., None] / 2 - floor < 0.011 * h
    colour = np.where(low, sole, np.array(fit.look.shoes) * folds(fit, len(t) - 1, n, 0.06))
    return Loft(points, {f"{side}_foot": np.ones(points.shape[:2])}, colour, LEATHER, "foot")
