"""The Kalman filter with its backward pass, for all joints of a person at once."""

from __future__ import annotations

__all__ = ["rts_smooth"]

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

START_SPEED = 3.0  # persons' sizes a second: spread of a speed nobody knows yet, in agilities


def rts_smooth(time_s: Floats, xy: Floats, noise: Floats, agility: float) -> Floats:
    """Smoothed places (T, K, 2) of joints with constant velocity and white acceleration.

    ``noise`` (T, K) is the standard deviation of each place in pixels, ``agility`` the density of
    the acceleration in pixels / s^1.5. Absent places (NaN) are bridged. A joint that is never there
    comes out as NaN. Rauch, Tung, Striebel 1965, "Maximum likelihood estimates of linear dynamic
    systems".
    """
    T, K = noise.shape
    known = np.asarray(np.isfinite(xy).all(axis=2))
    seen = np.where(known[..., None], xy, 0)
    mean, spread = _start(xy, known, agility)
    means, spreads = np.zeros((T, K, 2, 2)), np.zeros((T, K, 2, 2))
    ahead, spreads_ahead = np.zeros((T, K, 2, 2)), np.zeros((T, K, 2, 2))
    for t in range(T):
        if t:
            F, Q = _motion(float(time_s[t] - time_s[t - 1]), agility)
            mean, spread = F @ mean, F @ spread @ F.T + Q
        ahead[t], spreads_ahead[t] = mean, spread
        mean, spread = _update(mean, spread, seen[t], noise[t], known[t])
        means[t], spreads[t] = mean, spread
    for t in range(T - 2, -1, -1):
        F, _ = _motion(float(time_s[t + 1] - time_s[t]), agility)
        gain = spreads[t] @ F.T @ np.linalg.inv(spreads_ahead[t + 1])
        means[t] += gain @ (means[t + 1] - ahead[t + 1])
    ever = np.asarray(known.any(axis=0))
    return np.where(ever[:, None], means[:, :, 0, :], np.nan)


def _start(xy: Floats, known: npt.NDArray[np.bool_], agility: float) -> tuple[Floats, Floats]:
    """State (K, 2, 2), place and speed by x and y, and its covariance (K, 2, 2), before the first
    frame: where each joint is first seen, not moving.
    """
    first = known.argmax(axis=0)
    place = np.nan_to_num(xy[first, np.arange(xy.shape[1])])
    mean = np.stack([place, np.zeros_like(place)], axis=1)
    spread = np.tile(np.diag([1e4, (START_SPEED * agility) ** 2]), (xy.shape[1], 1, 1))
    return mean, spread


def _motion(step_s: float, agility: float) -> tuple[Floats, Floats]:
    """Transition and noise of ``step_s`` seconds, (2, 2) each."""
    F = np.array([[1, step_s], [0, 1]])
    Q = np.array([[step_s**3 / 3, step_s**2 / 2], [step_s**2 / 2, step_s]])
    return F, agility**2 * Q


def _update(
    mean: Floats, spread: Floats, xy: Floats, noise: Floats, known: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """State and covariance after the places (K, 2) are seen; where not known, as they were."""
    gain = spread[:, :, 0] / (spread[:, 0, 0] + noise**2)[:, None] * known[:, None]
    moved = mean + gain[:, :, None] * (xy - mean[:, 0])[:, None, :]
    return moved, spread - gain[:, :, None] * spread[:, None, 0, :]
