"""How many threads networks run on, known without loading PyTorch."""

from __future__ import annotations

__all__ = ["MOST_STREAMS", "set_threads", "stream_count", "taking_turns", "thread_count"]

import os
import sys
import threading
from contextlib import AbstractContextManager, nullcontext

# Networks at work at once; with more threads each has several. On two threads two streams of one
# were 1.3 to 1.5 times as fast as one of two; Python keeps more than some from being fed, and who
# waits for a single picture wants it from more than one thread.
MOST_STREAMS = 4
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # what PyTorch goes by when it is loaded


def set_threads(count: int) -> None:
    """For the whole process, and for PyTorch if it is loaded later: no library has a smaller
    switch.
    """
    import cv2

    cv2.setNumThreads(count)
    for name in _VARIABLES:
        os.environ[name] = str(count)
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(count)


def thread_count() -> int:
    """As many as PyTorch uses, or would use: what was set, else one for every core of which this
    process may have a part.
    """
    if "torch" in sys.modules:
        import torch

        return torch.get_num_threads()
    for name in _VARIABLES:
        value = os.environ.get(name, "").split(",")[0]  # OpenMP takes a list, one a level
        if value.isdigit() and int(value):
            return int(value)
    return _cores()


def stream_count() -> int:
    """Networks that run at once where the runtime is good at that."""
    return min(thread_count(), MOST_STREAMS)


def taking_turns(concurrent: bool) -> AbstractContextManager[object]:
    """What threads that share a stage go through: one at a time, unless it is made for several at
    once.
    """
    return nullcontext() if concurrent else threading.Lock()


def _cores() -> int:
    """Cores, not counting a second thread in one."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    ours, found = os.sched_getaffinity(0), set()
    for cpu in ours:
        place = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        try:
            with open(place, encoding="ascii") as file:
                found.add(file.read())
        except OSError:
            return len(ours)
    return len(found)
