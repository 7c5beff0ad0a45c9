"""A constant-velocity Kalman filter for many boxes at once (Kalman 1960; the noise of DeepSORT:
Wojke et al., ICIP 2017, as ByteTrack has it).

The state of a box is its middle x, y, its width and height and the four velocities, in pixels and
pixels a frame; noise grows with the box's height.
"""

from __future__ import annotations

__all__ = ["BoxMotion"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.structures import FloatArray

POSITION_NOISE = 1 / 20  # of the height, standard deviation
VELOCITY_NOISE = 1 / 160
STEP = np.eye(8) + np.eye(8, k=4)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoxMotion:
    """Means (P, 8) and covariances (P, 8, 8) of P boxes."""

    mean: Floats
    covariance: Floats

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> BoxMotion:
        return BoxMotion(self.mean[index], self.covariance[index])

    @property
    def xyxy(self) -> FloatArray:
        """Where the boxes are, (P, 4)."""
        half = np.maximum(self.mean[:, 2:4], 1) / 2
        corners = [self.mean[:, :2] - half, self.mean[:, :2] + half]
        return np.concatenate(corners, axis=1).astype(np.float32)

    @classmethod
    def start(cls, xyxy: FloatArray) -> BoxMotion:
        """Boxes (P, 4) seen for the first time: at rest, but hardly known to be."""
        mean = np.zeros((len(xyxy), 8))
        mean[:, :4] = _measured(xyxy)
        deviation = np.repeat([2 * POSITION_NOISE, 10 * VELOCITY_NOISE], 4) * mean[:, 3:4]
        return cls(mean, _diagonal(deviation**2))

    @classmethod
    def concat(cls, a: BoxMotion, b: BoxMotion) -> BoxMotion:
        """The boxes of ``a``, then those of ``b``."""
        return cls(np.concatenate([a.mean, b.mean]), np.concatenate([a.covariance, b.covariance]))

    def shifted(self, by: Floats) -> BoxMotion:
        """With everybody moved by ``by`` (2,) pixels, as a camera does that turns: velocities stay,
        so they become those against the background.
        """
        mean = self.mean.copy()
        mean[:, :2] += by
        return BoxMotion(mean, self.covariance)

    def predicted(self) -> BoxMotion:
        """One frame later."""
        deviation = np.repeat([POSITION_NOISE, VELOCITY_NOISE], 4) * self.mean[:, 3:4]
        covariance = STEP @ self.covariance @ STEP.T + _diagonal(deviation**2)
        return BoxMotion(self.mean @ STEP.T, covariance)

    def updated(self, rows: npt.NDArray[np.int64], xyxy: FloatArray) -> BoxMotion:
        """With boxes (R, 4) seen of the distinct ``rows`` (R,)."""
        mean, covariance = self.mean.copy(), self.covariance.copy()
        noise = _diagonal((POSITION_NOISE * mean[rows, 3:4] * np.ones(4)) ** 2)
        shared = covariance[rows][:, :4]  # of measured and all, (R, 4, 8)
        gain = np.linalg.solve(shared[..., :4] + noise, shared)  # transposed, (R, 4, 8)
        surprise = _measured(xyxy) - mean[rows, :4]
        mean[rows] += np.einsum("rm,rms->rs", surprise, gain)
        covariance[rows] -= np.swapaxes(gain, 1, 2) @ shared
        return BoxMotion(mean, covariance)


def _measured(xyxy: FloatArray) -> Floats:
    """Middle, width and height of boxes (P, 4)."""
    low, high = xyxy[:, :2].astype(np.float64), xyxy[:, 2:].astype(np.float64)
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def _diagonal(values: Floats) -> Floats:
    """Matrices (P, N, N) with ``values`` (P, N) on their diagonals."""
    return values[:, :, None] * np.eye(values.shape[1])
