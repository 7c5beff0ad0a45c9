"""Points in polygons: what the official tool's geometry library says of them (checked against it
when written).
"""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.metrics.polygons import inside

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]
BOW_TIE = [[0, 0], [10, 10], [10, 0], [0, 10]]  # cuts itself at (5, 5)
TWICE = [
    [0, 0],
    [10, 0],
    [10, 10],
    [0, 10],
    [0, 0],
    [4, 0],
    [4, 4],
    [0, 4],
]  # a part is covered twice
SLIVER = [[0, 0], [5, 5], [10, 10]]  # no area
TENTHS = [[0.1, 0.1], [0.3, 0.1], [0.3, 0.3]]


@pytest.mark.parametrize(
    ("polygon", "point", "expected"),
    [
        (SQUARE, (5, 5), True),
        (SQUARE, (0, 5), False),  # on an edge
        (SQUARE, (10, 10), False),  # on a corner
        (SQUARE, (5, 10), False),
        (SQUARE, (-1e-12, 5), False),
        (SQUARE, (1e-12, 5), True),
        (SQUARE, (15, 0), False),  # on the line of an edge, beyond it
        (SQUARE, (np.nan, 5), False),
        ([*SQUARE, SQUARE[0]], (5, 5), True),  # closed
        (BOW_TIE, (8, 5), True),
        (BOW_TIE, (5, 8), False),
        (BOW_TIE, (5, 5), False),
        (TWICE, (2, 2), False),  # even-odd
        (TWICE, (7, 7), True),
        (SLIVER, (5, 5), False),
        (SLIVER, (4, 4.0000001), False),
        (TENTHS, (0.2, 0.2), False),  # 0.2 lies exactly on the slope as doubles have it
        (TENTHS, (0.2, 0.19999999999999998), True),
    ],
)
def test_inside(polygon: list[list[float]], point: tuple[float, float], expected: bool) -> None:
    for corners in (polygon, polygon[::-1]):
        assert inside(np.array([point], float), np.array(corners, float)).tolist() == [expected]


def test_no_points() -> None:
    assert inside(np.zeros((0, 2)), np.array(SQUARE, float)).shape == (0,)
