"""PCKh of MPII (Andriluka et al., CVPR 2014): joints within a share of the head size, as the
official code counts.
"""

from __future__ import annotations

__all__ = ["MPII_GROUPS", "OFFICIAL_FINE", "PckhResult", "head_sizes", "pckh"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HEAD_FACTOR = 0.6  # of the head box's diagonal
COARSE = 0.5  # the usual threshold
FINE = 0.1
# The official code prints "Mean@0.1" from entry 11 of 0, 0.01, 0.02 ... 0.5, which is the threshold
# 0.11.
OFFICIAL_FINE = float(np.arange(0, 0.51, 0.01)[11])

# Joints of ``skeletons.MPII_16`` behind the printed columns; pelvis (6) and thorax (7) are in no
# column and no mean.
MPII_GROUPS = {
    "Head": (9,),
    "Shoulder": (13, 12),
    "Elbow": (14, 11),
    "Wrist": (15, 10),
    "Hip": (3, 2),
    "Knee": (4, 1),
    "Ankle": (5, 0),
}
UNCOUNTED = (6, 7)


@dataclass(frozen=True, slots=True)
class PckhResult:
    """Percent. ``joints`` (16,) at 0.5 and ``groups`` (mean of right and left); means are weighted
    by joint counts.

    ``mean_at_0_1`` is really at 0.1; ``official_mean_at_0_1`` is what the official code prints
    under that name, taken at 0.11. NaN where a joint is never annotated (and then in all means, as
    officially).
    """

    joints: Floats
    counts: npt.NDArray[np.int64]
    groups: dict[str, float]
    mean: float
    mean_at_0_1: float
    official_mean_at_0_1: float


def head_sizes(corners: Floats) -> Floats:
    """The unit of distance from head boxes (N, 4) x1, y1, x2, y2: (N,)."""
    sizes: Floats = HEAD_FACTOR * np.sqrt(((corners[:, 2:] - corners[:, :2]) ** 2).sum(axis=1))
    return sizes


def pckh(
    predicted: Floats, truth: Floats, missing: npt.NDArray[np.bool_], head_size: Floats
) -> PckhResult:
    """Score joints ``predicted`` and ``truth`` (N, 16, 2), same pixel origin; ``missing`` (N, 16)
    have no truth.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.linalg.norm(predicted - truth, axis=2) / head_size[:, None]
    distance = np.where(missing, np.inf, distance)
    counts = (~missing).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = {
            t: 100 * (distance <= t).sum(axis=0) / counts for t in (COARSE, FINE, OFFICIAL_FINE)
        }
    weight = counts.astype(np.float64)
    weight[list(UNCOUNTED)] = 0
    counted = np.setdiff1d(np.arange(truth.shape[1]), UNCOUNTED)

    def mean(threshold: float) -> float:
        return float((shares[threshold] * weight)[counted].sum() / max(weight.sum(), 1))

    groups = {
        name: float(np.mean([shares[COARSE][j] for j in js])) for name, js in MPII_GROUPS.items()
    }
    return PckhResult(shares[COARSE], counts, groups, mean(COARSE), mean(FINE), mean(OFFICIAL_FINE))
