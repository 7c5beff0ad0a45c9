"""Ctrl-C during training: the step is finished and saved first; a second one stops at once."""

from __future__ import annotations

__all__ = ["StopRequest", "stop_requests"]

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class StopRequest:
    """``asked`` is True once the user wants to stop."""

    asked: bool = False


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Turn the first Ctrl-C of the block into a request. Outside of the main thread nothing
    changes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def asked(number: int, frame: FrameType | None) -> None:
        if request.asked:
            raise KeyboardInterrupt
        request.asked = True

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)
