"""The 1 euro filter: smooth at rest, quick in motion, and causal, so that it works while a video is
being tracked.

Casiez, Roussel and Vogel 2012, "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input
in Interactive Systems". The cutoff grows with the speed; speeds are taken in persons' sizes a
second, so that near and far people are smoothed alike.
"""

from __future__ import annotations

__all__ = ["JointFilter", "LiveSmoother", "OneEuroSettings", "one_euro"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.structures import Poses, Skeleton, Tracks

Floats = npt.NDArray[np.float64]

FORGET_S = 0.5  # seconds unseen after which a joint begins anew


@dataclass(frozen=True, slots=True)
class OneEuroSettings:
    """``min_cutoff_hz`` at rest, ``beta`` Hz more for every size a second, ``speed_cutoff_hz`` of
    the speed itself.

    Chosen on drawn clips (``benchmarks/refine_error.py``).
    """

    min_cutoff_hz: float = 2.0
    beta: float = 10.0
    speed_cutoff_hz: float = 1.5


class JointFilter:
    """The filter of one person's K joints."""

    def __init__(self, joints: int, settings: OneEuroSettings | None = None) -> None:
        self.settings = settings or OneEuroSettings()
        self.raw = np.full((joints, 2), np.nan)
        self.smooth = np.full((joints, 2), np.nan)
        self.speed = np.zeros((joints, 2))
        self.time_s = np.full(joints, -np.inf)

    def step(self, xy: Floats, time_s: float, size: float) -> Floats:
        """The smoothed places (K, 2) of the places (K, 2) at ``time_s``; absent ones stay absent.

        ``size`` is the person's, in pixels.
        """
        present = np.asarray(np.isfinite(xy).all(axis=1))
        step_s = time_s - self.time_s
        known = np.asarray(np.isfinite(self.smooth).all(axis=1))
        old = present & known & (step_s > 0) & (step_s <= FORGET_S)
        dt = np.where(old, step_s, 1.0)[:, None]
        speed = np.where(old[:, None], (xy - self.raw) / dt, 0)
        share = _share(self.settings.speed_cutoff_hz, dt)
        speed = np.where(old[:, None], self.speed + share * (speed - self.speed), 0)
        fast = np.hypot(speed[:, :1], speed[:, 1:]) / max(size, 1.0)
        share = _share(self.settings.min_cutoff_hz + self.settings.beta * fast, dt)
        smooth = np.where(old[:, None], self.smooth + share * (xy - self.smooth), xy)
        for own, new in ((self.raw, xy), (self.smooth, smooth), (self.speed, speed)):
            own[present] = new[present]
        self.time_s[present] = time_s
        return np.where(present[:, None], smooth, np.nan)


def _share(cutoff_hz: Any, step_s: Floats) -> Floats:
    """How much of what is new comes through: alpha of an exponential filter."""
    turn: Floats = 2 * np.pi * cutoff_hz * step_s
    return turn / (turn + 1)


def one_euro(
    time_s: Floats, xy: Floats, size: float, settings: OneEuroSettings | None = None
) -> Floats:
    """A whole series (T, K, 2) through the filter, frame by frame."""
    joints = JointFilter(xy.shape[1], settings)
    steps = [joints.step(places, float(t), size) for t, places in zip(time_s, xy, strict=True)]
    return np.stack(steps) if steps else xy


class LiveSmoother:
    """Smooths the people of a video while it is tracked. ``state`` and ``restore`` are those of a
    tracker: a run that goes on smooths on.
    """

    def __init__(self, skeleton: Skeleton, settings: OneEuroSettings | None = None) -> None:
        self._joints, self._settings = len(skeleton), settings
        self._people: dict[int, JointFilter] = {}

    def smooth(self, tracks: Tracks, time_s: float) -> Tracks:
        """The same people, their joints smoothed."""
        poses = tracks.poses
        xy = poses.xy.astype(np.float64)
        for n, identity in enumerate(tracks.id.tolist()):
            if identity not in self._people:
                self._people[identity] = JointFilter(self._joints, self._settings)
            size = float(poses.boxes.wh[n].max())
            xy[n] = self._people[identity].step(xy[n], time_s, size)
        self._people = {
            i: f for i, f in self._people.items() if time_s - f.time_s.max() <= FORGET_S
        }
        smoothed = Poses(xy.astype(np.float32), poses.score, poses.boxes, poses.skeleton)
        return Tracks(tracks.id, smoothed)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything remembered, as arrays with a row a person."""
        people, K = list(self._people.values()), self._joints
        return {
            "smooth_id": np.array(list(self._people), np.int64),
            "smooth_raw": np.array([p.raw for p in people]).reshape(-1, K, 2),
            "smooth_xy": np.array([p.smooth for p in people]).reshape(-1, K, 2),
            "smooth_speed": np.array([p.speed for p in people]).reshape(-1, K, 2),
            # a joint never seen has no time: JSON knows no infinity
            "smooth_time_s": np.array(
                [np.where(np.isfinite(p.time_s), p.time_s, np.nan) for p in people]
            ).reshape(-1, K),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Remember what ``state`` gave."""
        self._people = {}
        for n, identity in enumerate(state["smooth_id"].tolist()):
            joints = self._people[identity] = JointFilter(self._joints, self._settings)
            joints.raw, joints.smooth = state["smooth_raw"][n].copy(), state["smooth_xy"][n].copy()
            joints.speed = state["smooth_speed"][n].copy()
            joints.time_s = np.nan_to_num(state["smooth_time_s"][n].copy(), nan=-np.inf)
