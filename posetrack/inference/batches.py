"""Batches of a network side by side on the processor, a thread each: faster than one after the
other on all threads.
"""

from __future__ import annotations

__all__ = ["BatchThreads"]

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import TypeVar

from posetrack.inference.threads import thread_count

Part = TypeVar("Part")
Result = TypeVar("Result")


class BatchThreads:
    """Runs the same job on many parts, in ``count()`` threads (as many as torch may use), each of
    which computes on its own.

    Small networks spend much of their time waiting for all threads at the end of every layer;
    batches that are computed side by side do not (``benchmarks/pose_speed.py``). The threads live
    until the process ends.
    """

    def __init__(self, count: Callable[[], int] = thread_count) -> None:
        self._count = count
        self._pool: ThreadPoolExecutor | None = None
        self._threads = 0
        self._starting = Lock()

    def map(
        self, job: Callable[[Part], Result], parts: Sequence[Part], *, few: bool = False
    ) -> list[Result]:
        """``job(part)`` of every part, in order; with fewer parts than threads one after
        the other, unless ``few`` are worth it.
        """
        threads = self._count()
        if threads < 2 or len(parts) < (2 if few else threads):
            return [job(part) for part in parts]
        return list(self._started(threads).map(job, parts))

    def run(self, job: Callable[[], Result]) -> Result:
        """The job on a thread of its own, waited for."""
        return self._started(self._count()).submit(job).result()

    def _started(self, threads: int) -> ThreadPoolExecutor:
        with self._starting:
            if self._pool is None or self._threads != threads:
                self._pool, self._threads = _pool_of(threads), threads
            return self._pool


def _pool_of(threads: int) -> ThreadPoolExecutor:
    if "torch" not in sys.modules:  # another runtime, whose calls are one thread's each
        return ThreadPoolExecutor(threads, "batch")
    import torch

    pool = ThreadPoolExecutor(threads, "batch", _compute_alone)
    # The number of threads is each thread's own, but new threads take the last one set: with all
    # of these there (they wait for each other), set it back.
    everyone = Barrier(threads)
    list(pool.map(lambda _: everyone.wait(), range(threads)))
    torch.set_num_threads(threads)
    return pool


def _compute_alone() -> None:
    import torch

    # asked for once, the number is this thread's own and follows that of others no more
    torch.get_num_threads()
    torch.set_num_threads(1)
