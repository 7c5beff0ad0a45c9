"""Drawn people as solid bodies: skin, clothes and hair as tubes of rings, moved by the bones (linear blend skinning).

Every tube is given in the rest posture (limbs hanging straight down, facing the camera, hips at the origin), once per
person, with a weight per vertex and bone. Angles around a ring start at the left and run to the front.
"""

from __future__ import annotations

__all__ = ["Figure"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack import synthetic_body as b
from posetrack.synthetic_body import ANCHORS, SIDES, Look, Skeleton3D, pose_skeleton
from posetrack.synthetic_motion import posture

Array = npt.NDArray[np.float64]
BONES = list(ANCHORS)
CLOTH, SKIN, LEATHER, HAIR = 0.02, 0.16, 0.3, 0.22  # how much light a surface mirrors

# height above the hips, half width, half depth, shift to the front: shares of the body height
_TORSO = np.array([
    (-0.062, 0.030, 0.040, 0.000), (-0.048, 0.066, 0.056, -0.002), (-0.030, 0.086, 0.063, -0.004),
    (-0.010, 0.093, 0.066, -0.005), (0.015, 0.093, 0.065, -0.004), (0.040, 0.089, 0.061, 0.000),
    (0.065, 0.084, 0.057, 0.003), (0.090, 0.080, 0.055, 0.004), (0.115, 0.080, 0.055, 0.004),
    (0.140, 0.083, 0.057, 0.003), (0.165, 0.087, 0.060, 0.003), (0.190, 0.092, 0.063, 0.003),
    (0.215, 0.097, 0.064, 0.002), (0.238, 0.101, 0.062, 0.000), (0.258, 0.102, 0.058, -0.003),
    (0.274, 0.096, 0.052, -0.006), (0.287, 0.080, 0.045, -0.008), (0.297, 0.058, 0.039, -0.008),
    (0.305, 0.040, 0.034, -0.006), (0.311, 0.034, 0.032, -0.004),
])  # fmt: skip
# along the arm (0 shoulder, 1 elbow, 2 wrist), half width, half depth, shift to the front
_ARM = np.array([
    (-0.19, 0.006, 0.006, 0.0), (-0.17, 0.018, 0.019, 0.0), (-0.12, 0.027, 0.028, 0.0), (-0.03, 0.032, 0.034, 0.0),
    (0.10, 0.033, 0.036, 0.0), (0.25, 0.030, 0.035, 0.001), (0.40, 0.028, 0.034, 0.002), (0.55, 0.027, 0.032, 0.002),
    (0.70, 0.025, 0.029, 0.001), (0.85, 0.024, 0.026, 0.0), (0.95, 0.024, 0.025, 0.0), (1.05, 0.024, 0.025, 0.0),
    (1.15, 0.025, 0.026, 0.0), (1.30, 0.024, 0.027, 0.001), (1.45, 0.022, 0.025, 0.001), (1.60, 0.019, 0.022, 0.0),
    (1.75, 0.016, 0.019, 0.0), (1.90, 0.014, 0.017, 0.0), (2.02, 0.013, 0.017, 0.0),
])  # fmt: skip
# beyond the wrist as shares of the hand's length, half width (thin), half depth, shift to the front
_HAND = np.array([
    (-0.05, 0.012, 0.016, 0.0), (0.12, 0.012, 0.018, 0.0), (0.30, 0.012, 0.023, 0.001), (0.48, 0.012, 0.025, 0.003),
    (0.62, 0.011, 0.023, 0.006), (0.78, 0.010, 0.020, 0.011), (0.92, 0.008, 0.016, 0.017), (1.0, 0.003, 0.008, 0.021),
])  # fmt: skip
_THUMB = np.array([
    (0.12, 0.005, 0.005, 0.012), (0.25, 0.008, 0.009, 0.024), (0.42, 0.007, 0.008, 0.033), (0.58, 0.006, 0.006, 0.037),
    (0.64, 0.002, 0.002, 0.038),
])  # fmt: skip
# along the leg (0 hip, 1 knee, 2 ankle), half width, half depth, shift to the front
_LEG = np.array([
    (-0.12, 0.030, 0.036, 0.0), (-0.04, 0.047, 0.052, -0.002), (0.05, 0.051, 0.056, -0.003),
    (0.17, 0.052, 0.057, -0.002), (0.32, 0.049, 0.054, 0.0), (0.47, 0.045, 0.050, 0.002), (0.62, 0.041, 0.045, 0.003),
    (0.76, 0.036, 0.040, 0.003), (0.88, 0.034, 0.037, 0.003), (0.96, 0.033, 0.037, 0.004), (1.04, 0.032, 0.036, 0.002),
    (1.14, 0.031, 0.035, -0.003), (1.27, 0.033, 0.038, -0.007), (1.40, 0.032, 0.037, -0.008),
    (1.55, 0.027, 0.031, -0.006), (1.70, 0.022, 0.025, -0.003), (1.85, 0.019, 0.021, -0.001),
    (1.97, 0.019, 0.022, 0.0), (2.06, 0.021, 0.025, 0.002),
])  # fmt: skip
# along the foot (from the heel), half width, height of the upper, shares of the body height
_FOOT = np.array([
    (-0.042, 0.012, 0.020), (-0.036, 0.020, 0.036), (-0.020, 0.023, 0.046), (0.000, 0.023, 0.050),
    (0.020, 0.024, 0.045), (0.040, 0.026, 0.036), (0.062, 0.029, 0.029), (0.082, 0.029, 0.025),
    (0.098, 0.025, 0.021), (0.109, 0.017, 0.016), (0.114, 0.006, 0.010),
])  # fmt: skip
# height over the chin, half width, half depth, shift to the front: shares of the head's height
_HEAD = np.array([
    (-0.06, 0.12, 0.14, 0.08), (-0.02, 0.17, 0.20, 0.17), (0.03, 0.21, 0.26, 0.16), (0.09, 0.245, 0.31, 0.13),
    (0.15, 0.27, 0.345, 0.10), (0.21, 0.288, 0.37, 0.08), (0.27, 0.30, 0.39, 0.06), (0.33, 0.312, 0.40, 0.05),
    (0.39, 0.322, 0.41, 0.035), (0.45, 0.33, 0.415, 0.02), (0.51, 0.336, 0.42, 0.01), (0.57, 0.342, 0.425, 0.005),
    (0.63, 0.345, 0.43, 0.0), (0.69, 0.343, 0.43, -0.005), (0.75, 0.333, 0.42, -0.01), (0.81, 0.31, 0.395, -0.02),
    (0.87, 0.273, 0.35, -0.03), (0.925, 0.22, 0.28, -0.04), (0.965, 0.15, 0.19, -0.04), (0.99, 0.07, 0.09, -0.04),
    (1.0, 0.005, 0.005, -0.04),
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Loft:
    """A tube in the rest posture: ``points`` (R, N, 3) metres, ``weights`` bone -> (R, N) adding up to 1, ``colour``
    (R - 1, N, 3) RGB 0..1 with NaN where a face is left out."""

    points: Array
    weights: dict[str, Array]
    colour: Array
    gloss: float
    name: str


def _ramp(x: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    s = np.clip((x - low) / (high - low), 0, 1)
    result: Array = s * s * (3 - 2 * s)
    return result


def _around(n: int, squareness: float = 1.0) -> tuple[Array, Array, Array]:
    """Angles (N,) and the ring's unit offsets to the left and to the front."""
    theta = (np.arange(n) + 0.5) * 2 * np.pi / n
    c, s = np.cos(theta), np.sin(theta)
    return theta, np.sign(c) * abs(c) ** squareness, np.sign(s) * abs(s) ** squareness


def _rings(table: Array, n: int, centre: Array, down: float, squareness: float = 1.0) -> Array:
    """Points (R, N, 3) of rings lying flat: ``centre`` (x, y, z), ``table`` rows as above, y running by ``down``."""
    _, c, s = _around(n, squareness)
    x = centre[0] + table[:, 1:2] * c
    y = centre[1] + np.repeat(table[:, :1] * down, n, axis=1)
    z = centre[2] + table[:, 3:4] + table[:, 2:3] * s
    return np.stack([x, y, z], axis=-1)


def _refine(table: Array, steps: int) -> Array:
    """``steps`` rings for every one of the table, interpolated."""
    i = np.arange(len(table))
    fine = np.linspace(0, len(table) - 1, (len(table) - 1) * steps + 1)
    return np.stack([np.interp(fine, i, column) for column in table.T], axis=1)


class _Tailor:
    """Makes the tubes of one look."""

    def __init__(self, look: Look) -> None:
        self.look, self.h = look, look.height
        self.rng = np.random.default_rng(look.seed)
        points = pose_skeleton(look, posture(), 0, 0, 0).points
        self.rest = {name: point - points["pelvis"] for name, point in points.items()}
        self.print = self.rng.random((5, 5, 3))

    def lofts(self) -> list[_Loft]:
        sided = [f(side, sign) for side, sign in SIDES for f in (self.arm, self.hand, self.thumb, self.leg, self.foot)]
        lofts = [self.torso(), self.neck(), self.head(), *sided]
        lofts += [self.ear(sign) for _, sign in SIDES]
        if self.look.hair_style != "bald":
            lofts += self.hair()
        if self.look.skirt:
            lofts.append(self.skirt())
        if self.look.backpack:
            lofts.append(self.backpack())
        return lofts

    # colours

    def _folds(self, rings: int, n: int, amount: float) -> Array:
        """Creases: smooth random brightness (rings, n, 1) about 1."""
        import cv2

        coarse = self.rng.normal(size=(max(rings // 3, 2), max(n // 3, 3))).astype(np.float32)
        fine = cv2.resize(np.concatenate([coarse, coarse[:, :1]], axis=1), (n, rings), interpolation=cv2.INTER_CUBIC)
        return 1 + amount * fine[..., None].astype(np.float64)

    def _shirt(self, x: Array, y: Array, front: Array) -> Array:
        """Shirt colours at x and y (metres from the hips' centre), ``front`` 0..1; (..., 3)."""
        look, h = self.look, self.h
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
            colour = np.where(inside[..., None], self.print[i, j], colour)
        return colour

    # tubes

    def torso(self) -> _Loft:
        look, h, n = self.look, self.h, 28
        t = _refine(_TORSO, 2) * h
        share = t[:, 0] / h
        wide = look.girth * np.interp(
            share, [0.0, 0.09, 0.18, 0.26, 0.30], [look.hips, 1, look.shoulders, look.shoulders, 1]
        )
        belly = 1 + max(look.girth - 1, 0) * 1.2 * np.exp(-(((share - 0.08) / 0.07) ** 2))
        t[:, 1] *= wide
        t[:, 2] *= look.girth * belly
        points = _rings(t, n, np.zeros(3), 1.0, 0.86)
        theta = _around(n)[0]
        y = points[..., 1] / h
        lobes = np.exp(-(((abs(theta - np.pi / 2) - 0.55) / 0.33) ** 2))
        points[..., 2] += look.bust * h * np.exp(-(((y - 0.205) / 0.026) ** 2)) * lobes
        seat = np.exp(-(((abs(theta - 1.5 * np.pi) - 0.5) / 0.5) ** 2))
        points[..., 2] -= 0.016 * h * np.exp(-(((y + 0.008) / 0.03) ** 2)) * seat
        hem = -0.02 if look.seed % 3 else 0.045  # worn over the trousers or tucked in
        centre = (points[:-1] + points[1:]) / 2
        shirt = self._shirt(centre[..., 0], centre[..., 1], np.broadcast_to(np.sin(theta), centre.shape[:2]))
        shirt = np.where((centre[..., 1:2] / h) > 0.306, np.array(look.shirt) * 0.8, shirt)
        trousers = np.array(look.shirt if look.skirt and look.seed % 2 else look.trousers)
        colour = np.where(centre[..., 1:2] / h > hem, shirt, trousers)
        colour = colour * self._folds(*centre.shape[:2], 0.05)
        points[..., 0] *= np.where(y > hem, 1.05, 1.0)
        points[..., 2] *= np.where(y > hem, 1.05, 1.0)
        chest = _ramp(y, 0.045, 0.135)
        weights = {"pelvis": 1 - chest, "chest": chest}
        for side, sign in SIDES:
            pull = 0.4 * _ramp(sign * points[..., 0] / h, 0.06, 0.115) * _ramp(y, 0.2, 0.27)
            weights = {bone: w * (1 - pull) for bone, w in weights.items()} | {f"{side}_upper_arm": pull}
            sit = 0.55 * _ramp(-y, -0.01, 0.05) * _ramp(sign * points[..., 0] / h, 0.0, 0.05)
            weights = {bone: w * (1 - sit) for bone, w in weights.items()} | {f"{side}_thigh": sit}
        return _Loft(points, weights, colour, CLOTH, "torso")

    def neck(self) -> _Loft:
        h, n = self.h, 16
        base = self.rest["neck"]
        table = np.array([(-0.02, 0.040, 0.034, 0.004), (0.0, 0.034, 0.033, 0.0), (0.02, 0.031, 0.033, 0.003),
                          (0.04, 0.030, 0.034, 0.006), (0.07, 0.030, 0.034, 0.006)]) * h  # fmt: skip
        table[:, 1:3] *= 0.5 + 0.5 * self.look.girth * self.look.shoulders
        points = _rings(_refine(table, 2), n, base, 1.0)
        up = _ramp((points[..., 1] - base[1]) / h, -0.005, 0.04)
        colour = np.broadcast_to(np.array(self.look.skin) * 0.86, (len(points) - 1, n, 3)).copy()
        return _Loft(points, {"chest": 1 - up, "head": up}, colour, SKIN, "neck")

    def _clothed(self, table: Array, reach: float, flare: float) -> Array:
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
        self, table: Array, n: int, side: str, bones: tuple[str, str, str], reach: float, parts: tuple[str, str]
    ) -> tuple[Array, dict[str, Array], Array]:
        """Points, weights and places along the limb (R,) of an arm or a leg."""
        h, rest = self.h, self.rest
        top, mid, end = (rest[f"{side}_{b}"] for b in bones)
        t = self._clothed(_refine(table, 2), reach, 0.004)
        at = t[:, 0].copy()
        t[:, 0] = np.interp(
            at, [-1, 0, 1, 2, 3], [-(top - mid)[1], 0, (top - mid)[1], (top - end)[1], (top - end)[1] * 1.5]
        )
        t[:, 1:] *= h
        t[:, 1:3] *= 0.35 + 0.65 * self.look.girth
        points = _rings(t, n, top, -1.0)
        low = np.repeat(_ramp(at, 0.88, 1.12)[:, None], n, axis=1)
        return points, {f"{side}_{parts[0]}": 1 - low, f"{side}_{parts[1]}": low}, at

    def arm(self, side: str, sign: float) -> _Loft:
        look, n = self.look, 14
        bones, parts = ("shoulder", "elbow", "wrist"), ("upper_arm", "forearm")
        points, weights, at = self._limb(_ARM, n, side, bones, look.sleeve, parts)
        mid = (at[1:] + at[:-1]) / 2
        y = (0.24 - 0.12 * mid)[:, None] * self.h + np.zeros((1, n))
        shirt = self._shirt(np.full(y.shape, 0.5) + _around(n)[1] * 0.03, y, np.zeros(y.shape))
        shirt = shirt * self._folds(len(mid), n, 0.06)
        skin = np.array(look.skin) * (1 - 0.05 * _ramp(abs(mid - 1), 0.12, 0.0001))[:, None, None]
        colour = np.where((mid <= look.sleeve)[:, None, None], shirt, skin)
        chest = 0.5 * (1 - _ramp(np.repeat(at[:, None], n, axis=1), -0.15, 0.12))
        weights = {bone: w * (1 - chest) for bone, w in weights.items()} | {"chest": chest}
        return _Loft(points, weights, colour, CLOTH if look.sleeve > 1.5 else SKIN, "arm")

    def hand(self, side: str, sign: float) -> _Loft:
        return self._hand(_HAND, 10, side, 0.0, "hand")

    def thumb(self, side: str, sign: float) -> _Loft:
        return self._hand(_THUMB, 6, side, -sign * 0.004, "thumb")

    def _hand(self, table: Array, n: int, side: str, x: float, name: str) -> _Loft:
        t = table * self.h
        t[:, 0] *= b.HAND
        points = _rings(t, n, self.rest[f"{side}_wrist"] + np.array([x * self.h, 0, 0]), -1.0)
        shade = np.linspace(1.0, 0.9, len(t) - 1)[:, None, None]
        colour = np.array(self.look.skin) * shade * np.ones((1, n, 1))
        return _Loft(points, {f"{side}_forearm": np.ones(points.shape[:2])}, colour, SKIN, name)

    def leg(self, side: str, sign: float) -> _Loft:
        look, n = self.look, 16
        points, weights, at = self._limb(_LEG, n, side, ("hip", "knee", "ankle"), look.trouser, ("thigh", "shank"))
        if look.trouser > 1.5:  # trouser legs hang wider than the shin
            hang = 1 + 0.22 * _ramp(at, 1.2, 1.9)[:, None] * (1 + look.seed % 3) / 2
            centre = points.mean(axis=1, keepdims=True)
            points[..., 0::2] = centre[..., 0::2] + (points[..., 0::2] - centre[..., 0::2]) * hang[..., None]
        mid = (at[1:] + at[:-1]) / 2
        cloth = np.array(look.trousers) * self._folds(len(mid), n, 0.07)
        bent = 1 - 0.05 * np.exp(-(((mid - 1) / 0.06) ** 2))[:, None, None]
        skin = np.array(look.skin) * bent * np.ones((1, n, 1))
        colour = np.where((mid <= look.trouser)[:, None, None], cloth, skin)
        hip = 0.6 * (1 - _ramp(np.repeat(at[:, None], n, axis=1), -0.1, 0.25))
        weights = {bone: w * (1 - hip) for bone, w in weights.items()} | {"pelvis": hip}
        return _Loft(points, weights, colour, CLOTH if look.trouser > 1.5 else SKIN, "leg")

    def foot(self, side: str, sign: float) -> _Loft:
        h, n = self.h, 12
        t = _refine(_FOOT, 2) * h
        theta, c, s = _around(n)
        ankle = self.rest[f"{side}_ankle"]
        floor = ankle[1] - b.ANKLE_UP * h
        toe = _ramp(t[:, 0] / h, 0.03, 0.1)[:, None] * 0.004 * h
        x = ankle[0] + t[:, 1:2] * np.sign(c) * abs(c) ** 0.7 + sign * toe
        up = np.clip(s, -0.35, 1)
        y = floor + np.where(
            up > 0, 0.014 * h + up * np.maximum(t[:, 2:3] - 0.014 * h, 0.002 * h), 0.014 * h * (1 + up / 0.35)
        )
        z = ankle[2] + np.repeat(t[:, :1], n, axis=1)
        points = np.stack([x, y, z], axis=-1)
        sole = np.array(self.look.shoes) * 0.4 if self.look.seed % 2 else np.array([0.8, 0.8, 0.78])
        low = (points[:-1, :, 1] + points[1:, :, 1])[..., None] / 2 - floor < 0.011 * h
        colour = np.where(low, sole, np.array(self.look.shoes) * self._folds(len(t) - 1, n, 0.06))
        return _Loft(points, {f"{side}_foot": np.ones(points.shape[:2])}, colour, LEATHER, "foot")

    def _head_points(self, table: Array, n: int) -> Array:
        head = b.HEAD * self.h
        chin = self.rest["neck"] + np.array([0, b.CHIN_UP * self.h, 0.06 * head])
        t = table * head
        return _rings(t, n, chin, 1.0, 0.93)

    def head(self) -> _Loft:
        n, look = 32, self.look
        t = _refine(_HEAD, 2)
        points = self._head_points(t, n)
        up, front = t[:, :1], _around(n)[0] - np.pi / 2
        front = (front + np.pi) % (2 * np.pi) - np.pi
        unit = b.HEAD * self.h
        nose = np.exp(-((front / 0.17) ** 2)) * np.exp(-(((up - 0.39) / np.where(up > 0.39, 0.11, 0.045)) ** 2))
        socket = np.exp(-(((abs(front) - 0.42) / 0.2) ** 2)) * np.exp(-(((up - 0.54) / 0.05) ** 2))
        points[..., 2] += unit * (0.125 * nose - 0.03 * socket)
        skin = np.ones((len(t) - 1, n, 3)) * np.array(look.skin)
        colour = self._face(skin, (t[1:, :1] + t[:-1, :1]) / 2, front)
        return _Loft(points, {"head": np.ones(points.shape[:2])}, colour, SKIN, "head")

    def _face(self, colour: Array, up: Array, front: Array) -> Array:
        """Paint eyes, brows, lips, cheeks and a beard's shadow on the head's faces (R, N, 3)."""

        def paint(rgb: Array, y: float, x: float, high: float, wide: float, strength: float) -> None:
            spot = np.exp(-(((up - y) / high) ** 4) - ((abs(front) - x) / wide) ** 4)[..., None] * strength
            colour[:] = colour * (1 - spot) + rgb * spot

        skin, hair = np.array(self.look.skin), np.array(self.look.hair)
        paint(skin * [1.0, 0.85, 0.82], 0.34, 0.62, 0.09, 0.25, 0.5)  # cheeks
        paint(skin * 0.72, 0.535, 0.43, 0.06, 0.24, 0.55)  # eye sockets
        paint(np.array([0.85, 0.83, 0.8]), 0.53, 0.43, 0.03, 0.16, 0.7)
        paint(np.array([0.10, 0.07, 0.06]), 0.53, 0.43, 0.036, 0.085, 0.95)
        paint(hair * 0.8, 0.625, 0.43, 0.022, 0.22, 0.8)  # brows
        paint(skin * 0.6, 0.325, 0.07, 0.02, 0.06, 0.6)  # nostrils
        paint(skin * [0.85, 0.55, 0.55], 0.2, 0.0, 0.032, 0.26, 0.8)  # lips
        paint(skin * 0.45, 0.205, 0.0, 0.009, 0.24, 0.6)
        if self.look.bust == 0 and self.look.seed % 4 == 0:
            beard = _ramp(-up, -0.30, -0.22) * (1 - 0.7 * np.exp(-(((up - 0.2) / 0.04) ** 2) - (front / 0.3) ** 2))
            beard = (beard * _ramp(-abs(front), -1.9, -1.5))[..., None] * 0.75
            colour[:] = colour * (1 - beard) + hair * beard
        return colour

    def ear(self, sign: float) -> _Loft:
        unit = b.HEAD * self.h
        centre = self.rest["neck"] + np.array([sign * 0.34 * unit, b.CHIN_UP * self.h + 0.35 * unit, 0.03 * unit])
        table = np.array([(0, 0.01, 0.02, 0), (0.05, 0.035, 0.06, 0), (0.13, 0.05, 0.085, -0.02), (0.2, 0.055, 0.09, -0.03),
                          (0.25, 0.04, 0.07, -0.03), (0.28, 0.01, 0.02, -0.03)]) * unit  # fmt: skip
        points = _rings(table, 8, centre, 1.0)
        colour = np.ones((len(table) - 1, 8, 3)) * np.array(self.look.skin) * [0.95, 0.85, 0.82]
        return _Loft(points, {"head": np.ones(points.shape[:2])}, colour, SKIN, "ear")

    def hair(self) -> list[_Loft]:
        look, n, unit = self.look, 32, b.HEAD * self.h
        style = look.hair_style
        t = _refine(_HEAD, 2)
        front = (_around(n)[0] - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi
        f = abs(front)
        thick = {"short": 0.035, "cap": 0.045, "long": 0.06, "bob": 0.07, "bun": 0.03}[style]
        shell = t.copy()
        shell[:, 1:3] += thick * _ramp(t[:, :1], 0.05, 0.6)
        shell[:, 0] = t[:, 0] + thick * _ramp(t[:, 0], 0.7, 1.0)
        points = self._head_points(shell, n)
        line = np.interp(f, [0, 0.6, 1.0, 1.35, 1.75, 2.2, np.pi], [0.80, 0.79, 0.72, 0.52, 0.42, 0.2, 0.12])
        if style == "cap":
            line = np.interp(f, [0, 1.2, np.pi], [0.70, 0.66, 0.50])
        if style in ("long", "bob"):
            line = np.interp(f, [0, 0.5, 0.9, 1.2, np.pi], [0.80, 0.74, 0.45, 0.08, 0.0])
        up = (t[1:, :1] + t[:-1, :1]) / 2
        strands = 1 + 0.16 * np.repeat(self.rng.normal(size=(1, n, 1)), len(up), axis=0) * (up[..., None] < 0.95)
        base = np.array(look.shirt_accent if style == "cap" else look.hair)
        colour = np.where((up > line)[..., None], base * (strands if style != "cap" else 1), np.nan)
        lofts = [_Loft(points, {"head": np.ones(points.shape[:2])}, colour, HAIR, "hair")]
        if style in ("long", "bun"):
            lofts.append(self._tail(style, unit))
        if style == "cap":
            lofts.append(self._peak(unit))
        return lofts

    def _tail(self, style: str, unit: float) -> _Loft:
        """Hair down the back, or a bun."""
        table = np.array([(0.93, 0.02, 0.02, 0.0), (0.82, 0.16, 0.10, -0.02), (0.6, 0.27, 0.14, 0.0), (0.2, 0.30, 0.15, 0.02),
                          (-0.2, 0.27, 0.12, 0.03), (-0.6, 0.19, 0.08, 0.02), (-0.75, 0.03, 0.02, 0.02)])  # fmt: skip
        if style == "bun":
            table = np.array([(0.22, 0.01, 0.01, 0), (0.19, 0.11, 0.09, 0), (0.08, 0.16, 0.14, 0), (-0.06, 0.14, 0.12, 0),
                              (-0.12, 0.01, 0.01, 0)]) + np.array([0.65, 0, 0, -0.12])  # fmt: skip
        table = _refine(table, 2) * unit
        centre = self.rest["neck"] + np.array([0, b.CHIN_UP * self.h, -0.36 * unit])
        points = _rings(table, 14, centre, 1.0)
        chest = 0.6 * _ramp(-(points[..., 1] - centre[1]) / unit, 0.0, 0.6)
        colour = (
            np.array(self.look.hair) * (1 + 0.15 * self.rng.normal(size=(1, 14, 1))) * np.ones((len(table) - 1, 1, 1))
        )
        return _Loft(points, {"head": 1 - chest, "chest": chest}, colour, HAIR, "tail")

    def _peak(self, unit: float) -> _Loft:
        """A cap's peak."""
        n = 12
        _, c, s = _around(n)
        far = np.array([0.30, 0.46, 0.60, 0.66])[:, None]
        wide = np.array([0.30, 0.27, 0.20, 0.04])[:, None]
        chin = self.rest["neck"] + np.array([0, b.CHIN_UP * self.h, 0.06 * unit])
        x = chin[0] + unit * wide * c
        y = chin[1] + unit * (0.70 - 0.12 * (far - 0.3) + 0.02 * s)
        z = chin[2] + unit * (far + 0 * c)
        points = np.stack([x, y, z], axis=-1)
        colour = np.ones((3, n, 3)) * np.array(self.look.shirt_accent) * 0.8
        return _Loft(points, {"head": np.ones(points.shape[:2])}, colour, CLOTH, "peak")

    def skirt(self) -> _Loft:
        h, n, look = self.h, 28, self.look
        length = 0.16 + 0.16 * self.rng.random()
        down = np.linspace(-0.045, length, 16)
        flare = 0.02 + 0.05 * self.rng.random()
        wide = np.interp(down, [-0.045, 0.0, length], [0.088, 0.103, 0.105 + flare]) * look.hips * look.girth
        deep = np.interp(down, [-0.045, 0.0, length], [0.064, 0.077, 0.08 + flare]) * look.girth
        points = _rings(np.stack([down, wide, deep, 0 * down - 0.003], axis=1) * h, n, np.zeros(3), -1.0, 0.9)
        theta = _around(n)[0]
        pleat = 1 + 0.04 * np.sin(theta * 7 + look.seed % 7) * np.clip(down / length, 0, 1)[:, None]
        points[..., 0::2] *= pleat[..., None]
        moved = 0.8 * _ramp(down, -0.03, 0.12)[:, None]
        left = (1 + np.clip(1.6 * np.cos(theta), -1, 1)) / 2
        weights = {
            "pelvis": np.repeat(1 - moved, n, axis=1),
            "left_thigh": moved * left,
            "right_thigh": moved * (1 - left),
        }
        cloth = np.array(look.trousers if look.seed % 2 == 0 else look.shirt) * self._folds(len(down) - 1, n, 0.07)
        return _Loft(points, weights, cloth, CLOTH, "skirt")

    def backpack(self) -> _Loft:
        h, n = self.h, 16
        table = np.array([(0.055, 0.02, 0.01, 0), (0.06, 0.068, 0.03, 0), (0.08, 0.078, 0.042, 0), (0.20, 0.076, 0.042, 0),
                          (0.26, 0.064, 0.03, 0.005), (0.272, 0.02, 0.01, 0.01)]) * h  # fmt: skip
        points = _rings(_refine(table, 3), n, np.array([0, 0, -0.095 * h]), 1.0, 0.6)
        colour = np.array(self.look.shirt_accent) * 0.7 * self._folds(len(points) - 1, n, 0.06)
        return _Loft(points, {"chest": np.ones(points.shape[:2])}, colour, LEATHER, "backpack")


class Figure:
    """One person ready to be posed: ``faces`` (F, 4) vertex indices, ``colour`` (F, 3) RGB 0..1, ``gloss`` (F,).

    A face's corners run so that its diagonals' cross product, times ``outward`` (F,), points outside. ``head`` are the
    vertices of the skull, without hair, from which head boxes are taken.
    """

    def __init__(self, look: Look) -> None:
        tailor = _Tailor(look)
        lofts = tailor.lofts()
        self.look = look
        self.faces, self.colour, self.gloss, self.outward, self.head = _assemble(lofts)
        points = np.concatenate([loft.points.reshape(-1, 3) for loft in lofts])
        self._rest = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        self._weights = np.concatenate(
            [np.stack([_flat(loft.weights.get(bone), loft.points) for bone in BONES], axis=1) for loft in lofts]
        )
        self._anchors = {bone: tailor.rest[point] for bone, point in ANCHORS.items()}

    def vertices(self, bones: Skeleton3D) -> Array:
        """All vertices of the posed body, (V, 3) metres."""
        moves = np.stack([
            np.column_stack([bones.frames[bone], bones.points[at] - bones.frames[bone] @ self._anchors[bone]])
            for bone, at in ANCHORS.items()
        ])  # fmt: skip
        blended = (self._weights @ moves.reshape(len(BONES), 12)).reshape(-1, 3, 4)
        result: Array = np.einsum("vij,vj->vi", blended, self._rest)
        return result


def _flat(weight: Array | None, points: Array) -> Array:
    return np.zeros(points[..., 0].size) if weight is None else weight.reshape(-1)


def _assemble(lofts: list[_Loft]) -> tuple[npt.NDArray[np.int64], Array, Array, Array, slice]:
    """Faces, colours, gloss and outward signs of all tubes, and the slice of the head's vertices."""
    faces, colours, gloss, outward, start, head = [], [], [], [], 0, slice(0)
    for loft in lofts:
        rings, n = loft.points.shape[:2]
        i = start + np.arange(rings * n).reshape(rings, n)
        j = np.roll(i, -1, axis=1)
        quads = np.stack([i[:-1], j[:-1], j[1:], i[1:]], axis=-1).reshape(-1, 4)
        colour = loft.colour.reshape(-1, 3)
        keep = ~np.isnan(colour[:, 0])
        faces.append(quads[keep])
        colours.append(np.clip(colour[keep], 0.01, 1))
        gloss.append(np.full(keep.sum(), loft.gloss))
        outward.append(np.full(keep.sum(), _outward(loft.points)))
        if loft.name == "head":
            head = slice(start, start + i.size)
        start += i.size
    return np.concatenate(faces), np.concatenate(colours), np.concatenate(gloss), np.concatenate(outward), head


def _outward(points: Array) -> float:
    """+1 where the cross product of a face's diagonals points out of the tube, -1 where it points in."""
    corners = points[:-1], np.roll(points, -1, axis=1)[:-1], np.roll(points, -1, axis=1)[1:], points[1:]
    normal = np.cross(corners[2] - corners[0], corners[3] - corners[1])
    middle = (points[:-1] + points[1:]) / 2
    away = middle - middle.mean(axis=1, keepdims=True)
    return float(np.sign(np.sum(normal * away)) or 1.0)
