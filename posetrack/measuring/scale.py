"""From pixels to metres: a scale, a known height, a known distance, or four points of the floor."""

from __future__ import annotations

__all__ = [
    "Scale",
    "chain_height_px",
    "floor_homography",
    "on_floor",
    "parse_floor",
    "parse_heights",
]

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posetrack.errors import UsageError
from posetrack.measuring.points import has_point, point
from posetrack.structures import Skeleton

Floats = npt.NDArray[np.float64]

# Shares of the standing height: Drillis and Contini 1966, "Body segment parameters".
EYES, ANKLES = 0.936, 0.039
STRETCHED = 90  # per cent of the frames: seen at their longest, limbs lie in the picture


@dataclass(frozen=True, slots=True)
class Scale:
    """How pixels become metres. ``metres_per_px`` for all; ``heights_m`` by identity (key None: for
    everybody else), from which each person has a scale of their own; ``floor`` (3, 3) takes points
    of the floor in pixels to metres. Without any of them, figures are in pixels.
    """

    metres_per_px: float | None = None
    heights_m: dict[int | None, float] = field(default_factory=dict)
    floor: Floats | None = None

    def of(self, identity: int, skeleton: Skeleton, xy: Floats) -> float | None:
        """Metres a pixel for a person with places ``xy`` (T, K, 2); None: unknown."""
        height = self.heights_m.get(identity, self.heights_m.get(None))
        if height is None:
            return self.metres_per_px
        pixels = chain_height_px(skeleton, xy)
        return height / pixels if pixels else self.metres_per_px


def chain_height_px(skeleton: Skeleton, xy: Floats) -> float | None:
    """The standing height of a person in pixels, from the lengths of head, trunk, thigh and shank,
    so that they need not stand straight; None where too little of them is seen.

    Lengths are those that are reached in a tenth of the frames: foreshortened ones are shorter.
    """
    top = next((name for name in ("head_top", "left_eye") if has_point(skeleton, name)), None)
    if top is None or not has_point(skeleton, "left_ankle"):
        return None
    parts = [[("head", "shoulders")], [("shoulders", "hips")]]
    parts += [
        [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right")]
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    ]
    total = sum(_length(skeleton, xy, pairs) for pairs in parts)
    if not np.isfinite(total) or total <= 0:
        return None
    return total / ((1.0 if top == "head_top" else EYES) - ANKLES)


def _length(skeleton: Skeleton, xy: Floats, pairs: list[tuple[str, str]]) -> float:
    """The stretched length of a part, the mean of both sides; NaN where never seen."""
    lengths = []
    for a, b in pairs:
        along = point(skeleton, xy, a) - point(skeleton, xy, b)
        length = np.hypot(along[:, 0], along[:, 1])
        length = length[np.isfinite(length)]
        if len(length):
            lengths.append(float(np.percentile(length, STRETCHED)))
    return float(np.mean(lengths)) if lengths else float("nan")


def floor_homography(pixels: Floats, metres: Floats) -> Floats:
    """The projective map (3, 3) that takes four or more points of the floor (P, 2) in pixels to
    metres, by least squares of the direct linear transform. Raises UsageError where three of four
    lie on a line.

    Hartley and Zisserman, Multiple View Geometry, 2nd ed., algorithm 4.2.
    """
    (a, p), (b, q) = _normalised(pixels), _normalised(metres)
    rows = []
    for (x, y), (u, v) in zip(p, q, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    _, values, vectors = np.linalg.svd(np.array(rows))
    if len(values) < 8 or values[7] < 1e-6 * values[0]:
        raise UsageError(
            "The points of the floor do not say where it lies: give four, no three in a line."
        )
    matrix: Floats = np.linalg.inv(b) @ vectors[8].reshape(3, 3) @ a
    return matrix / matrix[2, 2]


def _normalised(points: Floats) -> tuple[Floats, Floats]:
    """A similarity (3, 3) that centres points and scales them to a mean distance of the root of 2,
    and the points moved by it.
    """
    middle = points.mean(axis=0)
    away = float(np.hypot(*(points - middle).T).mean()) or 1.0
    k = np.sqrt(2) / away
    matrix = np.array([[k, 0, -k * middle[0]], [0, k, -k * middle[1]], [0, 0, 1]])
    return matrix, (points - middle) * k


def on_floor(homography: Floats, xy: Floats) -> Floats:
    """Points (T, 2) in pixels as metres on the floor; NaN stays NaN."""
    ahead = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ homography.T
    moved: Floats = ahead[:, :2] / ahead[:, 2:]
    return moved


def parse_floor(text: str) -> Floats:
    """The homography of ``"x,y=X,Y x,y=X,Y ..."``: four or more points in pixels, and in metres.
    Raises UsageError.
    """
    try:
        pairs = [part.split("=") for part in text.split()]
        points = np.array([[float(n) for n in end.split(",")] for pair in pairs for end in pair])
        points = points.reshape(-1, 2, 2)
    except ValueError as error:
        raise UsageError(_FLOOR.format(text)) from error
    if len(points) < 4:
        raise UsageError(_FLOOR.format(text))
    return floor_homography(points[:, 0], points[:, 1])


_FLOOR = (
    "{!r} are not four points of the floor: write pixels=metres four times, as in "
    "'100,700=0,0 1100,700=5,0 900,400=5,8 300,400=0,8'."
)


def parse_heights(text: str) -> dict[int | None, float]:
    """``"1.75"`` for everybody, or ``"1=1.75,4=1.62"``, in metres. Raises UsageError."""
    heights: dict[int | None, float] = {}
    try:
        for part in text.split(","):
            name, _, value = part.rpartition("=")
            heights[int(name) if name.strip() else None] = float(value)
    except ValueError as error:
        raise UsageError(
            f"{text!r} are not heights in metres: write 1.75, or 1=1.75,4=1.62 by identity."
        ) from error
    if not all(0 < height < 10 for height in heights.values()):
        raise UsageError(f"Heights are in metres, as in 1.75; {text!r} cannot be.")
    return heights
