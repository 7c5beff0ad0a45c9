"""A training run in memory, the state file from which one that was stopped goes on exactly, and
what stops it: Ctrl-C, and a loss that is no number.
"""

from __future__ import annotations

__all__ = [
    "METRICS",
    "STATE_SCHEMA",
    "Run",
    "StopRequest",
    "blame",
    "load_state",
    "save_state",
    "stop_requests",
]

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posetrack.errors import TrainingError
from posetrack.files import cannot_write, write_beside
from posetrack.training.engine import Engine
from posetrack.training.optimizer import rate
from posetrack.training.recipes import Recipe
from posetrack.training.task import B, Task

STATE_SCHEMA = 1
# Scores of a validation, METRIC_NAME in a line of metrics; the first that there is decides which
# epoch is best.
METRICS = ("top1", "map", "ap", "pckh", "pck", "ap50", "top5")


@dataclass(slots=True)
class Run:
    """A training run in memory: networks, optimiser, and how far it is.

    ``epoch_loss`` sums the losses of ``epoch_steps`` steps of the epoch that is not finished.
    """

    recipe: Recipe
    task: Task[Any]
    net: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    steps_per_stage: list[int]
    step: int = 0
    best: float = -1.0
    history: list[dict[str, Any]] = field(default_factory=list)
    epoch_loss: float = 0.0
    epoch_steps: int = 0
    engine: Engine = field(default_factory=Engine)

    @property
    def total_steps(self) -> int:
        return sum(self.steps_per_stage)

    def at(self, step: int) -> tuple[int, int, int]:
        """Stage, epoch and batch of a step, all from 0."""
        stages = self.recipe.stages
        ends = np.cumsum(self.steps_per_stage)
        number = min(int(np.searchsorted(ends, step, side="right")), len(stages) - 1)
        per_epoch = self.steps_per_stage[number] // stages[number].epochs
        done = step - sum(self.steps_per_stage[:number])
        return number, sum(s.epochs for s in stages[:number]) + done // per_epoch, done % per_epoch

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and batch, both from 0, of the next step."""
        return self.at(self.step)[1:]

    @property
    def epoch_is_learnt(self) -> bool:
        """Whether the state is from between the last step of an epoch and its validation."""
        return self.epoch_steps > 0 and self.place[1] == 0

    def rate(self) -> float:
        """The learning rate of the next step."""
        return rate(self.recipe, self.step, self.total_steps, self.place[0])


def save_state(run: Run, path: Path) -> None:
    """Write all that a resumed run needs, atomically. Raises OutputError."""
    if run.engine.rank:
        return
    state = {
        "schema": STATE_SCHEMA,
        "net": run.net.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "best": run.best,
        "history": run.history,
        "epoch_loss": run.epoch_loss,
        "epoch_steps": run.epoch_steps,
        "random": torch.get_rng_state(),
    }
    try:
        with write_beside(path) as part:
            torch.save(state, part)
    except RuntimeError as error:  # torch's class for a full disk
        raise cannot_write(path, OSError(str(error).splitlines()[0])) from error


def load_state(run: Run, path: Path) -> None:
    """Put a saved state into a fresh run of the same recipe. Raises TrainingError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        run.net.load_state_dict(state["net"])
        run.averaged.load_state_dict(state["averaged"])
        run.optimizer.load_state_dict(state["optimizer"])
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise TrainingError(
            f"{path} does not belong to this recipe or is damaged: {error}."
        ) from error
    run.step, run.best, run.history = state["step"], state["best"], state["history"]
    run.epoch_loss, run.epoch_steps = state.get("epoch_loss", 0.0), state.get("epoch_steps", 0)
    if "random" in state:
        torch.set_rng_state(state["random"])


# --- Ctrl-C: the step is finished and saved first; a second one stops at once
# --------------------------------------------------------------------------------------------------


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


# --- a loss that is no number
# --------------------------------------------------------------------------------------------------


@torch.no_grad()
def blame(
    output: Any,
    loss_of: Callable[[Any, B], Tensor],
    batch: B,
    place: tuple[int, int],
) -> TrainingError:
    """The error for a loss that is no number, at ``place`` (epoch and batch from 0), with the image
    where it began.
    """
    count = len(batch.image)
    bad = [
        i
        for i in range(count)
        if not math.isfinite(float(loss_of(_one(output, i), batch.part(i, i + 1))))
    ]
    which = (
        f" in {len(bad)} of {count} samples, first in image {batch.names[bad[0]]}"
        if bad and batch.names
        else ""
    )
    return TrainingError(
        f"The loss is no number at epoch {place[0] + 1}, batch {place[1] + 1}{which}; "
        "look at its labels, lower the learning rate, or resume an older state."
    )


def _one(output: Any, i: int) -> Any:
    """The part of sample ``i``: of a tensor, or of the tensors of a list or tuple."""
    if isinstance(output, (list, tuple)):
        return type(output)(None if part is None else part[i : i + 1] for part in output)
    return output[i : i + 1]
