"""Videos and windows of videos on a Ray cluster, or on this machine through Ray.

Each worker is an actor with networks of its own, loaded once. Videos are handed out largest first.
Of one long video the windows are: what depends on no track is found out by the workers, and one
tracker here goes over it in order. Work of a lost actor, or of a lost machine, is done again.
"""

from __future__ import annotations

__all__ = ["Cluster", "ClusterOptions"]

import queue
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from posetrack.assemble import build_look
from posetrack.errors import PosetrackError, UsageError
from posetrack.inference.privacy import no_calls_home
from posetrack.inference.threads import thread_count
from posetrack.pipeline import Part, Seen
from posetrack.running.inputs import Input
from posetrack.running.jobs import Event
from posetrack.running.work import MAX_TRIES, Outcome, Plan, again, attempt

POLL_S = 0.5  # between questions how far the videos are
RESTART_S = 120.0  # for a lost worker to load its networks, maybe on another machine
Sentence = Callable[[Exception], str]


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How many workers, where, and what each of them gets.

    ``address`` None: this machine; ``auto`` or an address: a Ray cluster that is there. ``workers``
    None: as many as fit. ``cpus`` None: this machine's cores shared out, or one on a cluster.
    ``gpus`` None: those that are there shared out, one a worker at most.
    """

    workers: int | None = None
    address: str | None = None
    cpus: float | None = None
    gpus: float | None = None


class Cluster:
    """Workers of one plan, until ``close``. Raises UsageError where Ray is not installed, where
    there is no cluster at the address, or where not one worker fits.
    """

    def __init__(self, plan: Plan, options: ClusterOptions, worker: Any = None) -> None:
        """``worker`` is a class that stands in for the actor's."""
        self._ray = _import_ray()
        self._ours = not self._ray.is_initialized()
        if self._ours:
            _connect(self._ray, options)
        try:
            count, cpus, gpus = _share(self._ray.cluster_resources(), options)
            threads = plan.options.get("threads") or max(1, int(cpus))
            plan = replace(plan, options={**plan.options, "threads": threads})
            actor = self._ray.remote(worker or _Worker).options(
                num_cpus=cpus,
                num_gpus=gpus,
                max_restarts=-1,  # an actor of a lost machine comes back on another one
                max_concurrency=2,  # work, and questions how far it is
            )
            self._actors = [actor.remote(plan) for _ in range(count)]
        except BaseException:
            self.close()
            raise
        self._starting: dict[Any, Any] = {}  # lost workers by the question whether they are back
        self._free: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for one in self._actors:
            self._free.put(one)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the workers go, and Ray where it was started for this."""
        for worker in getattr(self, "_actors", ()):
            self._ray.kill(worker)
        if self._ours:
            self._ray.shutdown()

    @property
    def count(self) -> int:
        """Workers."""
        return len(self._actors)

    def wait(self) -> None:
        """Until all workers are there with their networks loaded."""
        self._ray.get([self._back(worker) for worker in self._actors])

    # --- whole videos

    def run(self, inputs: Sequence[Input], *, sentence: Sentence) -> Generator[Event]:
        """Track ``inputs``, the largest first; every input ends with an event that has its
        outcome. One whose worker was lost is done again, at most ``MAX_TRIES`` times.
        """
        order = sorted(range(len(inputs)), key=lambda i: -inputs[i].size)
        waiting, tries = deque(order), [0] * len(inputs)
        idle = deque(self._actors)
        at_work: dict[Any, tuple[int, Any]] = {}
        while waiting or at_work:
            self._wake(idle, waiting=len(waiting) if not at_work else 0)
            while waiting and idle:
                index, worker = waiting.popleft(), idle.popleft()
                tries[index] += 1
                task = worker.track.remote(inputs[index], tries[index] > 1, sentence)
                at_work[task] = (index, worker)
                yield Event(index)
            ready, _ = self._ray.wait(list(at_work), timeout=POLL_S)
            for task in ready:
                index, worker = at_work.pop(task)
                outcome = self._outcome(task, inputs[index].name, tries[index])
                if outcome is None:
                    waiting.appendleft(index)
                    self._starting[self._back(worker)] = worker
                else:
                    idle.append(worker)
                yield Event(index, outcome=outcome)
            if not ready:
                yield from self._news(at_work)

    def _wake(self, idle: deque[Any], *, waiting: int) -> None:
        """Workers that were lost are idle once they answer: to be lost again while its networks are
        loaded is no video's fault. With videos ``waiting`` and nobody at work it waits for one.
        """
        if not self._starting:
            return
        limit = RESTART_S if waiting and not idle else 0
        answers, late = self._ray.wait(list(self._starting), timeout=limit)
        for answer in answers or (
            late if limit else ()
        ):  # the next video will tell about late ones
            idle.append(self._starting.pop(answer))

    def _back(self, worker: Any) -> Any:
        """An answer of a lost worker, as soon as it has its networks again."""
        return worker.wake.options(max_task_retries=-1).remote()

    def _outcome(self, task: Any, name: str, tries: int) -> Outcome | None:
        """None: its worker was lost, and it may be tried again."""
        try:
            outcome: Outcome = self._ray.get(task)
            return outcome
        except self._ray.exceptions.RayActorError:
            if tries < MAX_TRIES:
                return None
            said = f"{name}: its worker was lost {MAX_TRIES} times; is there memory?"
        except self._ray.exceptions.RayError as error:
            said = f"{name}: {_first_line(error)}"
        return Outcome(name, error=said, exit_code=1)

    def _news(self, at_work: dict[Any, tuple[int, Any]]) -> Iterator[Event]:
        asked = {worker.progress.remote(): index for index, worker in at_work.values()}
        ready, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=POLL_S)
        for answer in ready:
            try:
                done, total = self._ray.get(answer)
            except self._ray.exceptions.RayError:  # its video will tell
                continue
            yield Event(asked[answer], done, total)

    # --- windows of one video

    def here(self, plan: Plan) -> Plan:
        """What this process does beside workers on the same machine: one thread is enough for what
        depends on tracks, and the others would be in their way.
        """
        threads = plan.options.get("threads") or (1 if self._ours else None)
        return replace(plan, options={**plan.options, "threads": threads})

    def look(self, part: Part) -> Seen:
        """What depends on no track, for frames of one video; called by as many threads as there
        are workers. Raises PosetrackError.
        """
        worker = self._free.get()
        try:
            return self._looked(worker, part)
        finally:
            self._free.put(worker)

    def _looked(self, worker: Any, part: Part) -> Seen:
        frames, before = part
        for _ in range(MAX_TRIES):
            try:
                flows, boxes, poses = self._ray.get(worker.look.remote(frames, before))
                return Seen(frames, flows, boxes, poses)
            except self._ray.exceptions.RayActorError:
                self._ray.wait([self._back(worker)], timeout=RESTART_S)
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from error
        raise PosetrackError(
            f"The worker for frame {frames[0].index} was lost {MAX_TRIES} times; is there memory?"
        )


class _Worker:
    """The actor: one set of networks."""

    def __init__(self, plan: Plan) -> None:
        from posetrack.inference.threads import set_threads
        from posetrack.tracker import PoseTracker

        set_threads(plan.options["threads"])  # before any library looks
        self._plan, self._tracker = plan, PoseTracker(**plan.options)
        self._look: Callable[[Part], Seen] | None = None
        self._at: tuple[int | None, int | None] = (None, None)

    def wake(self) -> None:
        """Load the networks."""
        with suppress(Exception):  # the first video will tell, in one sentence
            self._tracker.stages  # noqa: B018 - loads them

    def track(self, one: Input, repeated: bool, sentence: Sentence) -> Outcome:
        """One video."""
        plan = again(self._plan) if repeated else self._plan
        self._at = (None, None)
        return attempt(self._tracker, one, plan, sentence, progress=self._report)

    def _report(self, done: int, total: int | None) -> None:
        self._at = (done, total)

    def progress(self) -> tuple[int | None, int | None]:
        """Frames done, and of how many."""
        return self._at

    def look(self, frames: list[Any], before: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Flows, boxes and poses of some frames; these themselves do not travel back."""
        self._look = self._look or build_look(self._tracker.options, self._tracker.stages)
        seen = self._look((frames, before))
        return seen.flows, seen.boxes, seen.poses


def _import_ray() -> Any:
    no_calls_home()
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "--workers and --cluster need Ray: pip install 'posetrack[cluster]' (--jobs does "
            "without)."
        ) from error
    return ray


def _connect(ray: Any, o: ClusterOptions) -> None:
    import logging

    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if o.address:
        try:
            ray.init(address=o.address, **quiet)
        except Exception as error:
            raise UsageError(
                f"No Ray cluster at {o.address}: {_first_line(error)}; see 'ray start --help'."
            ) from error
        return
    # Cores are ours to share out: two workers on one core are asked for, not found.
    cores = max(thread_count(), o.workers or 1) * max(1.0, o.cpus or 1.0)
    ray.init(
        address="local",
        num_cpus=int(-(-cores // 1)),
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        **quiet,
    )


def _share(there: dict[str, float], o: ClusterOptions) -> tuple[int, float, float]:
    """Workers, and the cores and GPUs of each. Raises UsageError."""
    cores, all_gpus = there.get("CPU", 0.0), there.get("GPU", 0.0)
    gpus = min(1.0, all_gpus / (o.workers or all_gpus or 1)) if o.gpus is None else o.gpus
    cpus = o.cpus or (1.0 if o.address or gpus else max(1.0, thread_count() // (o.workers or 1)))
    fits = int(cores // cpus)
    if gpus:
        fits = min(fits, int(all_gpus / gpus + 1e-6))
    if fits < max(1, o.workers or 1):
        raise UsageError(
            f"{o.workers or 1} workers of {cpus:g} cores and {gpus:g} GPUs do not fit: there are "
            f"{cores:g} cores and {all_gpus:g} GPUs."
        )
    return o.workers or fits, cpus, gpus


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
