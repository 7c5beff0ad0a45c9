"""Work on threads of its own, in order and bounded: items read ahead of their use, and jobs done
behind it.
"""

from __future__ import annotations

__all__ = ["Behind", "map_ahead", "read_ahead"]

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(items: Iterable[Item], depth: int = 16) -> Generator[Item]:
    """Iterate ``items`` on a thread of its own, at most ``depth`` items ahead.

    An exception of ``items`` is raised here, after the items before it. Closing this generator (or
    leaving its loop) stops the thread, and closes ``items`` where it is a generator, before
    returning.
    """
    ready: queue.Queue[tuple[bool, Item | BaseException | None]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(entry: tuple[bool, Item | BaseException | None]) -> bool:
        while not stop.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not put((True, item)):
                    break
            else:
                put((False, None))
        except BaseException as error:  # handed to the reader, whatever it is
            put((False, error))
        finally:
            if hasattr(iterator, "close"):
                iterator.close()

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, entry = ready.get()
            if not more:
                if isinstance(entry, BaseException):
                    raise entry
                return
            yield entry  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def map_ahead(
    job: Callable[[Item], Result], items: Iterable[Item], threads: int = 1
) -> Generator[Result]:
    """``job(item)`` of every item, in order: ``threads`` of them at work ahead of their use, and
    one more item waiting. ``items`` are taken on another thread.

    An exception of ``items`` or of a job is raised in its place. Closing this generator waits for
    the jobs at work and drops the others.
    """
    pool = ThreadPoolExecutor(threads, "look")
    try:
        with closing(read_ahead((pool.submit(job, item) for item in items), threads)) as begun:
            for future in begun:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


class Behind:
    """Jobs one after the other on one thread, while the caller goes on; at most ``depth`` wait.

    An exception of a job is raised by the next call here, once; jobs after it are not begun.
    """

    def __init__(self, depth: int = 16) -> None:
        self._thread = ThreadPoolExecutor(1, "behind")
        self._open: deque[Future[Any]] = deque()
        self._depth = depth

    def do(self, job: Callable[..., Any], *args: Any) -> None:
        """Begin ``job(*args)`` after those before it; waits while too many are open."""
        self._settle(self._depth)
        self._open.append(self._thread.submit(job, *args))

    def wait(self) -> None:
        """Until every job is done."""
        self._settle(0)

    def stop(self) -> None:
        """Drop what is not begun, wait for what is, end the thread."""
        self._open.clear()
        self._thread.shutdown(cancel_futures=True)

    def _settle(self, most: int) -> None:
        while self._open and (len(self._open) > most or self._open[0].done()):
            try:
                self._open[0].result()
            except Exception:
                for later in self._open:
                    later.cancel()
                self._open.clear()
                raise
            self._open.popleft()
