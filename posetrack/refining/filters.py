"""Smoothing of joints over time: four filters with one signature, in ``SMOOTHERS``.

A filter takes times (T,) in seconds, rising, places (T, K, 2) in pixels with NaN where absent,
scores (T, K) and the person's size in pixels, and gives smoothed places, absent where they were.
Add yours: a function and a line in the table. Frames may come at any rate, also a changing one: the
causal and the Kalman filter take the time of each frame, the other two work on evenly spaced times
in between and go back.
"""

from __future__ import annotations

__all__ = ["SMOOTHERS", "FilterSettings", "Smoother", "butterworth", "kalman", "savgol"]

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.refining.kalman import rts_smooth

Floats = npt.NDArray[np.float64]

ORDER = 2  # of the Butterworth filter, which runs forth and back: order 4 in all, without delay
# the cutoff of one pass, so that two of them halve the power at the cutoff asked for: Winter,
# Biomechanics and Motor Control of Human Movement, 4th ed., section 3.4.4.2
TWO_PASSES = (2 ** (1 / 2) - 1) ** (1 / (2 * ORDER))
MAX_CUTOFF = 0.4  # of the frame rate: above, a filter has nothing to do
POLYNOMIAL = 2  # degree of Savitzky and Golay's polynomials
MIN_PIECE = 4  # frames that follow each other, below which nothing is smoothed
UNEVEN = 0.02  # relative difference of time steps up to which they count as even


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """``cutoff_hz`` of Butterworth; ``window_s`` of Savitzky-Golay; for the Kalman filter,
    ``noise`` of a sure joint and the ``agility`` of its motion: persons' sizes, and sizes / s^1.5.

    Chosen on drawn clips (``benchmarks/refine_error.py``).
    """

    cutoff_hz: float = 6.0
    window_s: float = 0.28
    noise: float = 0.012
    agility: float = 3.0


Smoother = Callable[[Floats, Floats, Floats, float, FilterSettings], Floats]


def butterworth(
    time_s: Floats, xy: Floats, score: Floats, size: float, settings: FilterSettings
) -> Floats:
    """Low pass without delay, order 4 in all (Butterworth forth and back), the usual filter of gait
    analysis.
    """
    from scipy.signal import butter, sosfiltfilt

    def smooth(values: Floats, fps: float) -> Floats:
        cutoff = min(settings.cutoff_hz / TWO_PASSES, MAX_CUTOFF * fps)
        sos = butter(ORDER, cutoff, fs=fps, output="sos")
        return np.asarray(sosfiltfilt(sos, values, axis=0, padlen=min(len(values) - 1, 9)))

    return _pieces(time_s, xy, smooth)


def savgol(
    time_s: Floats, xy: Floats, score: Floats, size: float, settings: FilterSettings
) -> Floats:
    """A parabola through the neighbours of each place, by least squares (Savitzky and Golay
    1964).
    """
    from scipy.signal import savgol_filter

    def smooth(values: Floats, fps: float) -> Floats:
        window = max(2 * round(settings.window_s * fps / 2) + 1, POLYNOMIAL + 3)
        window = min(window, len(values) - (len(values) + 1) % 2)
        if window <= POLYNOMIAL:
            return values
        return np.asarray(savgol_filter(values, window, POLYNOMIAL, axis=0, mode="interp"))

    return _pieces(time_s, xy, smooth)


def kalman(
    time_s: Floats, xy: Floats, score: Floats, size: float, settings: FilterSettings
) -> Floats:
    """Constant velocity with random acceleration, filtered and smoothed backwards (Rauch, Tung and
    Striebel 1965); unsure joints pull less.
    """
    sure = np.clip(np.nan_to_num(score, nan=1.0), 0.1, 1.0)
    noise = settings.noise * size / sure
    smooth = rts_smooth(time_s, xy, noise, settings.agility * size)
    return np.where(np.isfinite(xy), smooth, np.nan)


def _pieces(time_s: Floats, xy: Floats, smooth: Callable[[Floats, float], Floats]) -> Floats:
    """Smooth every run of frames in which a joint is there, on even times. Joints that are there in
    the same frames go together.
    """
    out = xy.copy()
    present = np.asarray(np.isfinite(xy).all(axis=2))
    for k in range(xy.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], present[:, k], [0]])))
        for first, end in edges.reshape(-1, 2).tolist():
            if end - first >= MIN_PIECE:
                piece = slice(first, end)
                out[piece, k] = _evenly(time_s[piece], xy[piece, k], smooth)
    return out


def _evenly(time_s: Floats, values: Floats, smooth: Callable[[Floats, float], Floats]) -> Floats:
    """Smooth (T, 2) at evenly spaced times, as many as there are frames or more, and go back."""
    steps = np.diff(time_s)
    step = float(np.median(steps))
    if (np.abs(steps - step) <= UNEVEN * step).all():
        return smooth(values, 1 / step)
    count = round((time_s[-1] - time_s[0]) / step) + 1
    even = np.linspace(time_s[0], time_s[-1], max(count, MIN_PIECE))
    fps = 1 / (even[1] - even[0])
    there = np.stack([np.interp(even, time_s, column) for column in values.T], axis=1)
    moved = smooth(there, fps)
    return np.stack([np.interp(time_s, even, column) for column in moved.T], axis=1)


SMOOTHERS: dict[str, Smoother] = {
    "butterworth": butterworth,
    "savgol": savgol,
    "kalman": kalman,
}
