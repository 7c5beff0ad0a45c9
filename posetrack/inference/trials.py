"""What a machine is good at, by trying it once: instruction sets say that a processor can, not that
it is fast.

On one processor with AVX512-BF16 a bfloat16 network took twice the time of the float32 one, on
another half of it, with the same flags.
"""

from __future__ import annotations

__all__ = ["TRIAL_S", "processor", "quickest", "remembered"]

import json
import logging
import platform
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from posetrack.errors import OutputError, PosetrackError
from posetrack.files import locked, write_beside

TRIAL_S = 0.6  # for all candidates together, after one run of each that does not count
MIN_ROUNDS = 2
Clock = Callable[[], float]

_log = logging.getLogger(__name__)


def quickest(jobs: Mapping[str, Callable[[], object]], clock: Clock = time.perf_counter) -> str:
    """The name of the job whose best run is the shortest; of equal ones the first.

    The jobs take turns, so that a busy moment of the machine hits all of them.
    """
    for job in jobs.values():
        job()
    best = dict.fromkeys(jobs, float("inf"))
    begin, rounds = clock(), 0
    while rounds < MIN_ROUNDS or clock() - begin < TRIAL_S:
        for name, job in jobs.items():
            start = clock()
            job()
            best[name] = min(best[name], clock() - start)
        rounds += 1
    return min(best, key=best.__getitem__)


def remembered(file: Path, question: str, find_out: Callable[[], str]) -> str:
    """The answer to ``question`` in ``file`` (JSON); found out and written there the first time.

    Of processes that start together one finds out, and all take its answer. A file that cannot be
    read or written costs a second, not the run.
    """
    if (known := _read(file).get(question)) is not None:
        return known
    try:
        with locked(file, wait=True):
            return _read(file).get(question) or _found_out(file, question, find_out)
    except OutputError:  # nothing can be locked there
        return _found_out(file, question, find_out)


def _found_out(file: Path, question: str, find_out: Callable[[], str]) -> str:
    answer = find_out()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_beside(file) as part:
            part.write_text(json.dumps({**_read(file), question: answer}, indent=1), "utf-8")
    except (OSError, PosetrackError) as error:
        _log.info("%s cannot be written (%s); the next run tries again.", file, error)
    return answer


def _read(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {k: v for k, v in content.items() if isinstance(v, str)}


@cache
def processor() -> str:
    """The processor's own name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model n"))
            return next(names, platform.machine())
    except OSError:
        return platform.processor() or platform.machine()
