"""The training core: a recipe and a task (what is learnt, from what) in, a checkpoint that runs
anywhere out.

State: one device, or several under Lightning Fabric (``training.fabric``). The order of samples and
their augmentation are pure functions of (seed, epoch), and the state file holds weights, averaged
weights, optimiser and step, so that a resumed run goes on as if never stopped.
"""

from __future__ import annotations

__all__ = ["CHECKPOINT_EVERY_S", "Run", "Validation", "Watcher", "learn", "learn_poses", "start"]

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posetrack import checkpoints, nets
from posetrack.files import write_beside
from posetrack.samples.crops import Crop
from posetrack.samples.keypoints import batch_count
from posetrack.structures import Skeleton
from posetrack.training.engine import Engine
from posetrack.training.feed import batches, to_input
from posetrack.training.optimizer import INITIAL, freeze, keep_norms, make_optimizer, move_average
from posetrack.training.pose import PoseTask
from posetrack.training.recipes import Recipe, Stage
from posetrack.training.run import (
    METRICS,
    Run,
    StopRequest,
    blame,
    load_state,
    save_state,
    stop_requests,
)
from posetrack.training.task import Batch, Batches, Task
from posetrack.training.validation import Validation

CHECKPOINT_EVERY_S = 120.0  # seconds between two state files: what a killed run loses at most


class Watcher:
    """Told of everything while a run goes on; does nothing."""

    def step(self, run: Run, loss: float, samples_per_s: float) -> None:
        """After every step."""

    def epoch(self, run: Run, row: Mapping[str, Any]) -> None:
        """After every epoch, with its line of ``metrics.jsonl``."""


def start(
    recipe: Recipe,
    task: Task[Any],
    device: torch.device,
    *,
    initialise: Callable[[nn.Module], None] = lambda _: None,
    engine: Engine | None = None,
) -> Run:
    """A fresh run: seeded weights, changed by ``initialise``; both networks on ``device``."""
    torch.manual_seed(recipe.seed)
    build = partial(nets.build, recipe.net, **task.outputs, **recipe.net_args)
    net, averaged = (build().to(device, memory_format=torch.channels_last) for _ in range(2))  # type: ignore[call-overload]
    INITIAL[recipe.initial](net, *task.outputs.values())
    initialise(net)
    freeze(net, recipe.frozen)
    averaged.load_state_dict(net.state_dict())
    engine = engine or Engine(device)
    steps = [s.epochs * batch_count(len(task), s.batch_size, engine.world) for s in recipe.stages]
    return Run(
        recipe,
        task,
        net,
        averaged,
        make_optimizer(recipe, net),
        steps,
        engine=engine,
    )


def learn_poses(
    recipe: Recipe,
    skeleton: Skeleton,
    crops: Sequence[Crop],
    out: Path,
    *,
    validations: Sequence[Validation] = (),
    **how: Any,
) -> Run:
    """Learn the joints ``skeleton`` of people; ``how`` as for ``learn``."""
    return learn(recipe, PoseTask(skeleton, crops, tuple(validations)), out, **how)


def learn(
    recipe: Recipe,
    task: Task[Any],
    out: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    report: Callable[[str], None] = lambda _: None,
    initialise: Callable[[nn.Module], None] = lambda _: None,
    watchers: Sequence[Watcher] = (),
    workers: int = 0,
    engine: Engine | None = None,
) -> Run:
    """Run a recipe; writes ``last.safetensors``, ``best.safetensors``, ``state.pt`` and
    ``metrics.jsonl`` into ``out``.

    ``best`` is the highest mean of the validations' scores (the last one without any). Batches are
    made by ``workers`` processes (0: a thread). Ctrl-C saves the state and raises
    KeyboardInterrupt. Raises TrainingError where a loss is no number, OutputError where nothing can
    be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    engine = engine or Engine(torch.device(device))
    run = start(recipe, task, engine.device, initialise=initialise, engine=engine)
    if resume and (out / "state.pt").is_file():
        load_state(run, out / "state.pt")
        report(f"Resumed at step {run.step} of {run.total_steps}.")
    run.engine.wrap(run.net, run.optimizer)
    with stop_requests() as stop:
        while (run.step < run.total_steps or run.epoch_is_learnt) and not _stalled(run):
            stage = recipe.stages[run.at(run.step - run.epoch_is_learnt)[0]]
            samples = task.batches(recipe, stage, engine.rank, engine.world)
            row = _epoch(run, stage, samples, out, stop, watchers, workers)
            if engine.rank == 0:
                row |= task.validate(recipe, stage, run.averaged)
            row = engine.from_first(row)
            _finish_epoch(run, stage, row, out)
            report(json.dumps(row))
            for watcher in watchers:
                watcher.epoch(run, row)
    return run


def _epoch(
    run: Run,
    stage: Stage,
    samples: Batches[Any],
    out: Path,
    stop: StopRequest,
    watchers: Sequence[Watcher],
    workers: int,
) -> dict[str, Any]:
    """Learn what is left of the epoch; returns its line of metrics so far."""
    (epoch, number), begin = run.place, run.step
    feed = () if run.epoch_is_learnt else batches(samples, epoch, number, workers)
    started = saved = time.monotonic()
    speed = 0.0
    for batch in feed:
        loss = _step(run, stage, batch)
        run.epoch_loss, run.epoch_steps = run.epoch_loss + loss, run.epoch_steps + 1
        speed = (run.step - begin) * stage.batch_size / max(time.monotonic() - started, 1e-9)
        for watcher in watchers:
            watcher.step(run, loss, speed)
        stopping = run.engine.any(stop.asked)
        if stopping or time.monotonic() - saved > CHECKPOINT_EVERY_S:
            save_state(run, out / "state.pt")
            saved = time.monotonic()
        if stopping:
            raise KeyboardInterrupt
    return {
        "epoch": run.at(run.step - 1)[1] + 1,
        "step": run.step,
        "size_wh": stage.size_wh,
        "loss": run.epoch_loss / max(1, run.epoch_steps),
        "samples_per_s": speed,
    }


def _stalled(run: Run) -> bool:
    """Whether the best score is ``patience`` epochs old."""
    scores = [_score(row) for row in run.history]
    patience = run.recipe.patience
    if not patience or len(scores) <= patience or None in scores:
        return False
    return max(s for s in scores[-patience:] if s is not None) <= max(
        s for s in scores[:-patience] if s is not None
    )


def _score(row: Mapping[str, Any]) -> float | None:
    """The mean of an epoch's validations by the first metric of ``METRICS`` that there is; None
    without any.
    """
    for metric in METRICS:
        if values := [v for k, v in row.items() if k.startswith(f"{metric}_")]:
            return float(np.mean(values))
    return None


def _step(run: Run, stage: Stage, batch: Batch) -> float:
    """One optimiser step; returns the loss."""
    run.net.train()
    keep_norms(run.net, run.recipe)
    run.optimizer.zero_grad(set_to_none=True)
    parts = list(_parts(batch, run.recipe.accumulate))
    value = 0.0
    for number, part in enumerate(parts):
        share = len(part.image) / len(batch.image)
        with run.engine.part(last=number == len(parts) - 1):
            loss = _loss(run, stage, part) * share
            run.engine.backward(loss)
        value += float(loss.detach())
    for group in run.optimizer.param_groups:
        group["lr"] = run.rate()
    run.engine.step(run.recipe.clip_norm)
    move_average(run.averaged, run.net, run.recipe.ema, run.step)
    run.step += 1
    return run.engine.mean(value)


def _parts(batch: Batch, count: int) -> Iterator[Batch]:
    """The batch in ``count`` parts of nearly the same size, fewer where it is smaller than that."""
    bounds = np.linspace(0, len(batch.image), min(count, len(batch.image)) + 1).round().astype(int)
    for a, b in pairwise(bounds):
        yield batch.part(int(a), int(b))


def _loss(run: Run, stage: Stage, batch: Batch) -> Tensor:
    """The loss of a batch. Raises TrainingError where it is no number."""
    output = run.engine.forward(to_input(batch.image, run.recipe.spec(stage), run.engine.device))
    loss = run.task.loss(run.recipe, stage, output, batch)
    if not math.isfinite(float(loss.detach())):
        raise blame(output, partial(run.task.loss, run.recipe, stage), batch, run.place)
    return loss


def _finish_epoch(run: Run, stage: Stage, row: dict[str, Any], out: Path) -> None:
    """Checkpoints, the best one where it is, and a line of ``metrics.jsonl``."""
    run.history.append(row)
    run.epoch_loss, run.epoch_steps = 0.0, 0
    score = _score(row)
    value = float(run.step) if score is None else score
    best, run.best = value >= run.best, max(value, run.best)
    if run.engine.rank:
        return
    notes = {**run.recipe.notes, "recipe": asdict(run.recipe), "history": run.history[-1:]}
    spec = run.task.spec(run.recipe, stage, notes)
    state = run.task.exported(run.averaged.state_dict())
    checkpoints.save(out / "last.safetensors", state, spec)
    if best:
        checkpoints.save(out / "best.safetensors", state, spec)
    save_state(run, out / "state.pt")
    with write_beside(
        out / "metrics.jsonl"
    ) as part:  # the whole file, so that no line is missing or twice
        part.write_text("".join(json.dumps(row) + "\n" for row in run.history), encoding="utf-8")
