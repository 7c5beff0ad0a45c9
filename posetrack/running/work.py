"""One video of many: fetched where it is elsewhere, tracked, its results put where they belong."""

from __future__ import annotations

__all__ = ["MAX_TRIES", "Outcome", "Plan", "again", "attempt", "track_input"]

import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from posetrack.errors import OutputError, PosetrackError, UsageError
from posetrack.recording.record import Progress
from posetrack.recording.results import OutputOptions, Summary
from posetrack.running import remote
from posetrack.running.inputs import Input

if TYPE_CHECKING:
    from posetrack.tracker import PoseTracker

MAX_TRIES = 3  # of a video whose worker was lost; a video that kills its worker is given up


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done with every input: the options of ``PoseTracker`` by name, the results wanted.

    ``address`` is the output folder where that is elsewhere; ``outputs.folder`` is None then.
    """

    options: Mapping[str, Any]
    outputs: OutputOptions
    address: str | None = None

    @property
    def offline(self) -> bool:
        """Whether nothing may be fetched."""
        return bool(self.options.get("offline"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input: a summary, or the sentence that says why there is none."""

    name: str
    summary: Summary | None = None
    files: tuple[str, ...] = ()
    error: str = ""
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON: what was done and for which input, or ``error``."""
        if self.summary is None:
            return {"name": Path(self.name).name, "input": self.name, "error": self.error}
        return self.summary.to_dict() | {"input": self.name, "files": list(self.files)}


def again(plan: Plan) -> Plan:
    """The plan for an input whose worker was lost in the middle: what stands there is its own.

    It goes on where the lost one stood; with ``force`` it starts again, because older results may
    stand there too.
    """
    o = plan.outputs
    return replace(plan, outputs=replace(o, resume=o.resume or not o.force))


def attempt(
    tracker: PoseTracker, one: Input, plan: Plan, sentence: Callable[[Exception], str], **more: Any
) -> Outcome:
    """``track_input`` with every error as an outcome, so that the inputs after it get their
    turn. ``sentence`` words what is no PosetrackError.
    """
    try:
        summary, files = track_input(tracker, one, plan, **more)
        return Outcome(one.name, summary, tuple(files))
    except PosetrackError as error:
        said = str(error)
        code = error.exit_code
    except Exception as error:  # whatever it is: the inputs after it are not to blame
        said, code = sentence(error), 1
    file = Path(one.name).name
    said = said if file and file in said else f"{one.name}: {said}"
    return Outcome(one.name, error=said, exit_code=code)


def track_input(
    tracker: PoseTracker,
    one: Input,
    plan: Plan,
    *,
    progress: Progress | None = None,
    **more: Any,
) -> tuple[Summary, list[str]]:
    """Track one input as planned: what was done, and the files or addresses of the results.
    ``more`` goes to ``PoseTracker.record``. Raises PosetrackError.
    """
    elsewhere = remote.is_address(one.name)
    if elsewhere and not (plan.address or plan.outputs.folder):
        raise UsageError(f"{one.name} is not on this machine: say with -o where results go.")
    with ExitStack() as open_:
        target = plan.address and "/".join([plan.address.rstrip("/"), *one.under.parts])
        if target and (done := _done_there(one, plan, target)):
            return done
        outputs, source = _below(plan.outputs, one), one.name
        if target:
            folder = open_.enter_context(tempfile.TemporaryDirectory(prefix="posetrack-"))
            outputs = replace(outputs, folder=Path(folder))
        if elsewhere:
            copy = open_.enter_context(remote.fetched(one.name, offline=plan.offline))
            source = str(copy)
        summary = tracker.record(source, outputs, progress=progress, **more)
        if target:
            last = sorted(summary.files, key=lambda path: path.suffix == ".jsonl")
            return summary, remote.publish(last, target, offline=plan.offline)
        return summary, [str(path) for path in summary.files]


def _below(outputs: OutputOptions, one: Input) -> OutputOptions:
    return replace(outputs, folder=outputs.folder / one.under) if outputs.folder else outputs


def _done_there(one: Input, plan: Plan, target: str) -> tuple[Summary, list[str]] | None:
    """What ``resume`` skips. Raises OutputError where results are in the way."""
    name = urlsplit(one.name).path if remote.is_address(one.name) else os.fspath(one.name)
    native = f"{PurePosixPath(name).stem}.jsonl"
    if plan.outputs.force or not remote.exists(target, native, offline=plan.offline):
        return None
    if plan.outputs.resume:
        return Summary(Path(one.name).name, [], skipped=True), [f"{target}/{native}"]
    raise OutputError(
        f"{target}/{native} exists already; use --force to replace it, or another folder with -o."
    )
