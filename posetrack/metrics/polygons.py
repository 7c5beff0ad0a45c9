"""Points in polygons, decided exactly: a point on the edge is not inside."""

from __future__ import annotations

__all__ = ["inside"]

from fractions import Fraction

import numpy as np
import numpy.typing as npt

# A determinant of doubles whose size is below this part of its terms may have the wrong sign (4
# roundings of 2**-53).
SAFE_PART = 1e-15


def inside(
    points: npt.NDArray[np.float64], polygon: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which of the points (N, 2) lie strictly inside the polygon (C, 2), closed or not: (N,).

    Even-odd rule: of a polygon that cuts itself the parts covered twice are outside. NaN points are
    outside.
    """
    x, y = points[:, :1], points[:, 1:]
    a, b = polygon, np.roll(polygon, -1, axis=0)
    rising = (a[:, 1] <= y) & (b[:, 1] > y)
    falling = (b[:, 1] <= y) & (a[:, 1] > y)
    side = _side(points, a, b, rising | falling)
    odd = ((rising & (side > 0)) | (falling & (side < 0))).sum(axis=1) % 2 == 1
    in_x = (np.minimum(a[:, 0], b[:, 0]) <= x) & (x <= np.maximum(a[:, 0], b[:, 0]))
    flat = (a[:, 1] == y) & (b[:, 1] == y) & in_x
    corner = (a[:, 0] == x) & (a[:, 1] == y)
    edge = (((rising | falling) & (side == 0)) | flat | corner).any(axis=1)
    strictly: npt.NDArray[np.bool_] = odd & ~edge
    return strictly


def _side(
    points: npt.NDArray[np.float64],
    a: npt.NDArray[np.float64],
    b: npt.NDArray[np.float64],
    needed: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """On which side of the edges a -> b (C) the points (N) lie, (N, C): its sign is exact where
    ``needed``.
    """
    x, y = points[:, :1], points[:, 1:]
    left = (b[:, 0] - a[:, 0]) * (y - a[:, 1])
    right = (b[:, 1] - a[:, 1]) * (x - a[:, 0])
    side: npt.NDArray[np.float64] = left - right
    doubtful = needed & (np.abs(side) <= SAFE_PART * (np.abs(left) + np.abs(right)))
    for n, c in zip(*np.nonzero(doubtful), strict=True):
        (ax, ay), (bx, by), (px, py) = (
            map(Fraction, row.tolist()) for row in (a[c], b[c], points[n])
        )
        exact = (bx - ax) * (py - ay) - (by - ay) * (px - ax)
        side[n, c] = (exact > 0) - (exact < 0)
    return side
