"""What an opened video is to the rest: a few facts, and its frames by iterating."""

from __future__ import annotations

__all__ = ["VideoSource"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from posetrack.structures import Frame


@dataclass(frozen=True, slots=True)
class VideoSource:
    """An opened video: what is known about it, and its frames by iterating.

    A file or folder can be iterated again, each time from its start; a camera or stream only once.
    ``size_wh`` is that of the upright frames. ``frame_count`` is an estimate for progress bars
    (None: unknown). ``rotation`` is the turn that was applied, degrees clockwise. ``path`` is None
    for cameras and streams (``live``).
    """

    name: str
    stem: str
    size_wh: tuple[int, int]
    fps: float
    frame_count: int | None
    rotation: int
    path: Path | None
    has_audio: bool
    live: bool
    _frames: Callable[[], Iterator[Frame]]
    _close: Callable[[], None]

    def __repr__(self) -> str:
        count = f", {self.frame_count} frames" if self.frame_count is not None else ""
        size = "{}x{}".format(*self.size_wh)
        return f"VideoSource({self.name!r}, {size}, {self.fps:g} fps{count})"

    def __iter__(self) -> Iterator[Frame]:
        return self._frames()

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, connection or camera."""
        self._close()
