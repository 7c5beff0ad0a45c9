"""One camera's frames, handed over one by one: ``step(image)`` gives the people at once."""

from __future__ import annotations

__all__ = ["Steps", "Stream"]

import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from posetrack.errors import InputError, UsageError, WrongTypeError
from posetrack.structures import Frame, Tracks
from posetrack.video.arrays import as_image


class Steps(Protocol):
    """What is asked of the pipeline."""

    def step(self, frame: Frame, before: Frame | None) -> Tracks: ...


class Stream:
    """The frames of one camera, followed one by one, with a memory of its own. ``begin`` makes a
    pipeline with an empty memory.

    A stream is one video: two threads in ``step`` at once are refused. Streams beside each other
    may each have a thread.
    """

    def __init__(self, begin: Callable[[], Steps]) -> None:
        self._begin = begin
        self._in_step = threading.Lock()
        self._forget()

    def __repr__(self) -> str:
        return f"Stream({self.frame_count} frames)"

    @property
    def frame_count(self) -> int:
        """Frames since the beginning or the last ``reset``."""
        return self._count

    def step(self, image: object, time_s: float | None = None) -> Tracks:
        """The people of the next picture: an array (H, W, 3) uint8 RGB, which is copied, or a
        ``Frame``.

        ``time_s`` is the time of the picture, only needed for smoothing; without it the clock
        counts, from the first picture on. Nothing is remembered of a picture that raised:
        WrongTypeError, InputError for another size than before or a time that goes back,
        UsageError for another thread in ``step``.
        """
        if not self._in_step.acquire(blocking=False):
            raise UsageError(
                "Another thread is in step() of this stream: a stream is one video; make one for "
                "each camera with stream()."
            )
        try:
            return self._step(self._frame(image, time_s))
        finally:
            self._in_step.release()

    def reset(self) -> None:
        """Forget everybody: the next picture begins another video, identities count from 1."""
        with self._in_step:
            self._forget()

    def _forget(self) -> None:
        self._steps: Steps | None = None
        self._before: Frame | None = None
        self._count, self._began = 0, 0.0

    def _step(self, frame: Frame) -> Tracks:
        before = self._before
        if before and before.size_wh != frame.size_wh:
            raise InputError(
                f"The picture is {frame.size_wh[0]}x{frame.size_wh[1]}, those before it "
                f"{before.size_wh[0]}x{before.size_wh[1]}; reset() begins another video."
            )
        if before and frame.time_s < before.time_s:
            raise InputError(
                f"The time goes back from {before.time_s:g} s to {frame.time_s:g} s; reset() "
                f"begins another video."
            )
        self._steps = self._steps or self._begin()
        tracks = self._steps.step(frame, before)
        self._before, self._count = frame, self._count + 1
        return tracks

    def _frame(self, image: object, time_s: float | None) -> Frame:
        """The picture as the next frame; its index counts steps."""
        if isinstance(image, Frame):
            return Frame(self._count, image.time_s, as_image(image.image), image.name)
        if time_s is None:
            now = time.monotonic()
            self._began = self._began if self._count else now
            return Frame(self._count, now - self._began, as_image(image))
        if not isinstance(time_s, int | float) or not math.isfinite(time_s):
            raise WrongTypeError(f"time_s is a number of seconds, not {time_s!r}.")
        return Frame(self._count, float(time_s), as_image(image))
