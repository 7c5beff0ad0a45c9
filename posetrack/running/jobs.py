"""Several videos at once on this machine: processes that each have networks and cores of their own.

Each worker has one pipe to here. What comes through it are frames done and outcomes; when it ends
without a word the worker was lost, and its video goes to another one.
"""

from __future__ import annotations

__all__ = ["Event", "run_jobs"]

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from posetrack.inference.threads import thread_count
from posetrack.running.inputs import Input
from posetrack.running.work import MAX_TRIES, Outcome, Plan, again, attempt

REPORT_EVERY_S = 0.5  # of the frames done
STOP_S = 20.0  # for a worker to keep what it has
Sentence = Callable[[Exception], str]


@dataclass(frozen=True, slots=True)
class Event:
    """News of one input: ``done`` frames of ``total`` (None: unknown; ``done`` None: networks are
    loaded), or at last its ``outcome``.
    """

    index: int
    done: int | None = None
    total: int | None = None
    outcome: Outcome | None = None


def run_jobs(
    inputs: Sequence[Input], plan: Plan, workers: int, *, sentence: Sentence
) -> Generator[Event]:
    """Track ``inputs`` in ``workers`` processes, the largest first; every input ends with an event
    that has its outcome.

    A worker has its share of the cores unless ``plan`` says how many threads. The input of a worker
    that was killed is done again, at most ``MAX_TRIES`` times. Closing this generator, or an
    exception in its loop (Ctrl-C), stops all workers; what they have stays for ``resume``.
    """
    workers = min(workers, len(inputs))
    share = max(1, thread_count() // workers)
    options = {**plan.options, "threads": plan.options.get("threads") or share}
    pool = _Pool(inputs, replace(plan, options=options), sentence)
    try:
        for _ in range(workers):
            pool.start()
        yield from pool.events()
    finally:
        pool.stop()


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    index: int | None = None  # of the input at work


class _Pool:
    def __init__(self, inputs: Sequence[Input], plan: Plan, sentence: Sentence) -> None:
        self._inputs, self._plan, self._sentence = inputs, plan, sentence
        order = sorted(range(len(inputs)), key=lambda i: -inputs[i].size)
        self._open, self._left = deque(order), len(inputs)
        self._tries = [0] * len(inputs)
        self._spare = MAX_TRIES  # workers lost before they began anything
        self._workers: dict[Connection, _Worker] = {}
        # a fork would share locks that threads of this process hold
        self._spawn = multiprocessing.get_context("spawn")

    def start(self) -> None:
        """One more process."""
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(
            target=_serve, args=(theirs, self._plan, self._sentence), daemon=True
        )
        process.start()
        theirs.close()  # so that the pipe ends with the process
        self._workers[ours] = _Worker(process, ours)

    def events(self) -> Iterator[Event]:
        while self._left:
            if not self._workers:
                yield from self._given_up()
                return
            for pipe in wait(list(self._workers)):
                worker = self._workers[pipe]  # type: ignore[index]
                try:
                    event = worker.pipe.recv()
                except (EOFError, OSError):
                    event = self._lost(worker)
                if event is not None:
                    self._left -= event.outcome is not None
                    yield event
                if event is None or event.outcome is not None:
                    self._give(worker)

    def _give(self, worker: _Worker) -> None:
        """The next input, where there is one and the worker lives."""
        worker.index = None
        if not self._open or worker.pipe not in self._workers:
            return
        worker.index = index = self._open.popleft()
        self._tries[index] += 1
        with suppress(OSError):  # its pipe will tell
            worker.pipe.send((index, self._inputs[index], self._tries[index] > 1))

    def _lost(self, worker: _Worker) -> Event | None:
        """A worker in its place; its input is done again, or given up."""
        del self._workers[worker.pipe]
        worker.process.join()
        code, index = worker.process.exitcode, worker.index
        worker.index = None
        if index is None:
            self._spare -= 1
            if self._spare >= 0 and self._open:
                self.start()
            return None
        name = self._inputs[index].name
        if self._tries[index] < MAX_TRIES:
            self._open.appendleft(index)
            self.start()
            return Event(index)
        if self._open:
            self.start()
        said = f"{name}: its worker was lost {MAX_TRIES} times (exit code {code}); is there memory?"
        return Event(index, outcome=Outcome(name, error=said, exit_code=1))

    def _given_up(self) -> Iterator[Event]:
        for index in self._open:
            name = self._inputs[index].name
            said = f"{name}: no worker could be started; try fewer --jobs."
            yield Event(index, outcome=Outcome(name, error=said, exit_code=1))

    def stop(self) -> None:
        """End all workers, with time to keep what they have."""
        for worker in self._workers.values():
            if worker.index is None:
                worker.pipe.close()
            else:
                worker.process.terminate()
        deadline = time.monotonic() + STOP_S
        for worker in self._workers.values():
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()


def _serve(pipe: Connection, plan: Plan, sentence: Sentence) -> None:
    """A worker's life: inputs in, events out, until the pipe ends."""
    # Ctrl-C reaches every process of a terminal; the first one decides, and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_once)
    from posetrack.inference.threads import set_threads
    from posetrack.tracker import PoseTracker

    set_threads(plan.options["threads"])  # before any library looks
    tracker = PoseTracker(**plan.options)
    with suppress(EOFError, OSError, KeyboardInterrupt):
        pipe.send(None)  # ready
        while True:
            index, one, repeated = pipe.recv()
            pipe.send(Event(index))
            wanted = again(plan) if repeated else plan
            report = _reporter(pipe, index)
            outcome = attempt(tracker, one, wanted, sentence, progress=report)
            pipe.send(Event(index, outcome=outcome))


def _reporter(pipe: Connection, index: int) -> Callable[[int, int | None], None]:
    last = 0.0

    def report(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= REPORT_EVERY_S:
            last = now
            try:
                pipe.send(Event(index, done, total))
            except OSError as error:  # the process that asked is gone
                raise KeyboardInterrupt from error

    return report


def _end_once(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
