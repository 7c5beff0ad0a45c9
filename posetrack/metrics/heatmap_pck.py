"""The accuracy that the official HRNet code prints while training: PCK on heatmap maxima, oddities
kept.
"""

from __future__ import annotations

__all__ = ["NO_TARGET", "heatmap_accuracy"]

import numpy as np
import numpy.typing as npt

NO_TARGET = -1.0  # accuracy of a joint without targets
UNIT_PARTS = 10  # the unit is a tenth of the map's side
MAX_DISTANCE = 0.5  # in that unit, exclusive
FIRST_PIXEL = 1  # a target counts only beyond this row and column


def heatmap_accuracy(
    output_xy: npt.NDArray[np.float64], target_xy: npt.NDArray[np.float64], size_hw: tuple[int, int]
) -> tuple[npt.NDArray[np.float64], float, int]:
    """Share of maxima near their target: accuracy (J + 1,), its mean, and the number of joints in
    it.

    ``output_xy`` and ``target_xy`` (N, J, 2) are the maxima of heatmaps of ``size_hw``. The first
    accuracy is the mean over joints with targets, then come the joints (``NO_TARGET`` without one).
    As in the official code x is divided by a tenth of the *height* and y by a tenth of the *width*,
    which shows on maps that are not square.
    """
    unit = np.array(size_hw, np.float64) / UNIT_PARTS
    counted = (target_xy > FIRST_PIXEL).all(axis=2)
    distance = np.linalg.norm(output_xy / unit - target_xy / unit, axis=2)
    count = counted.sum(axis=0)
    near = ((distance < MAX_DISTANCE) & counted).sum(axis=0)
    joints = np.where(count > 0, near / np.maximum(count, 1), NO_TARGET)
    with_target = joints[count > 0]
    mean = float(with_target.mean()) if len(with_target) else 0.0
    return np.concatenate([[mean], joints]), mean, len(with_target)
