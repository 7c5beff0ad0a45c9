"""Smoothing while a video is tracked: a run of the pipeline with the 1 euro filter behind it."""

from __future__ import annotations

__all__ = ["Memory", "Smoothed", "TrackingRun"]

from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import Any, Protocol

import numpy.typing as npt

from posetrack.refining.one_euro import LiveSmoother
from posetrack.structures import Frame, Skeleton, Tracks


class Memory(Protocol):
    """What a run remembers, out and in again."""

    def state(self) -> dict[str, npt.NDArray[Any]]: ...

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None: ...


class TrackingRun(Protocol):
    """What is asked of the pipeline."""

    @property
    def stopwatch(self) -> Any: ...

    @property
    def tracker(self) -> Memory: ...

    @property
    def window(self) -> int: ...

    def run(
        self, frames: Iterable[Frame], before: Frame | None = None
    ) -> Generator[tuple[Frame, Tracks]]: ...

    def step(self, frame: Frame, before: Frame | None) -> Tracks: ...


class _Both:
    """The memories of a tracker and of a smoother as one."""

    def __init__(self, tracker: Memory, smoother: LiveSmoother) -> None:
        self._parts: tuple[Memory, ...] = (tracker, smoother)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        return {key: value for part in self._parts for key, value in part.state().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        for part in self._parts:
            part.restore({key: state[key] for key in part.state()})


class Smoothed:
    """A run whose tracks are smoothed as they come, without delay."""

    def __init__(self, run: TrackingRun, skeleton: Skeleton) -> None:
        self._run, self._smoother = run, LiveSmoother(skeleton)
        self.tracker: Memory = _Both(run.tracker, self._smoother)
        self.stopwatch, self.window = run.stopwatch, run.window

    def run(
        self, frames: Iterable[Frame], before: Frame | None = None
    ) -> Generator[tuple[Frame, Tracks]]:
        """Each frame with its tracks, in order."""
        with closing(self._run.run(frames, before)) as tracked:
            for frame, tracks in tracked:
                yield frame, self._smoother.smooth(tracks, frame.time_s)

    def step(self, frame: Frame, before: Frame | None) -> Tracks:
        """The people of one frame, smoothed; ``before`` is the frame ahead of it."""
        return self._smoother.smooth(self._run.step(frame, before), frame.time_s)
