"""The tubes that drawn bodies are made of: rings of points in the rest posture, with colours and a
weight per bone.

In the rest posture the limbs hang straight down, the body faces the camera and the hips' centre is
the origin. Angles around a ring start at the left and run to the front.
"""

from __future__ import annotations

__all__ = [
    "CLOTH",
    "HAIR",
    "LEATHER",
    "SKIN",
    "Fit",
    "Loft",
    "around",
    "folds",
    "ramp",
    "refine",
    "rings",
]

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.drawn.body import Look

Array = npt.NDArray[np.float64]
CLOTH, SKIN, LEATHER, HAIR = 0.02, 0.16, 0.3, 0.22  # how much light a surface mirrors


@dataclass(frozen=True, slots=True)
class Loft:
    """A tube in the rest posture: ``points`` (R, N, 3) metres, ``weights`` bone -> (R, N) adding up
    to 1, ``colour`` (R - 1, N, 3) RGB 0..1 with NaN where a face is left out.
    """

    points: Array
    weights: dict[str, Array]
    colour: Array
    gloss: float
    name: str


@dataclass(frozen=True, slots=True)
class Fit:
    """Whom the tubes are made for: the look, the joints of the rest posture (metres) and a source
    of chance.
    """

    look: Look
    rest: dict[str, Array]
    rng: np.random.Generator
    picture: Array  # (5, 5, 3) the print on a shirt

    @property
    def h(self) -> float:
        """Height of the body, metres."""
        return self.look.height


def ramp(x: Array, low: float, high: float) -> Array:
    """0 below ``low``, 1 above ``high``, smooth between."""
    s = np.clip((x - low) / (high - low), 0, 1)
    result: Array = s * s * (3 - 2 * s)
    return result


def around(n: int, squareness: float = 1.0) -> tuple[Array, Array, Array]:
    """Angles (N,) and the ring's unit offsets to the left and to the front."""
    theta = (np.arange(n) + 0.5) * 2 * np.pi / n
    c, s = np.cos(theta), np.sin(theta)
    return theta, np.sign(c) * abs(c) ** squareness, np.sign(s) * abs(s) ** squareness


def rings(table: Array, n: int, centre: Array, down: float, squareness: float = 1.0) -> Array:
    """Points (R, N, 3) of rings lying flat: ``centre`` (x, y, z), ``table`` rows as above, y
    running by ``down``.
    """
    _, c, s = around(n, squareness)
    x = centre[0] + table[:, 1:2] * c
    y = centre[1] + np.repeat(table[:, :1] * down, n, axis=1)
    z = centre[2] + table[:, 3:4] + table[:, 2:3] * s
    return np.stack([x, y, z], axis=-1)


def refine(table: Array, steps: int) -> Array:
    """``steps`` rings for every one of the table, interpolated."""
    i = np.arange(len(table))
    fine = np.linspace(0, len(table) - 1, (len(table) - 1) * steps + 1)
    return np.stack([np.interp(fine, i, column) for column in table.T], axis=1)


def folds(fit: Fit, rings: int, n: int, amount: float) -> Array:
    """Creases: smooth random brightness (rings, n, 1) about 1."""
    coarse = fit.rng.normal(size=(max(rings // 3, 2), max(n // 3, 3))).astype(np.float32)
    fine = cv2.resize(
        np.concatenate([coarse, coarse[:, :1]], axis=1), (n, rings), interpolation=cv2.INTER_CUBIC
    )
    return 1 + amount * fine[..., None].astype(np.float64)
