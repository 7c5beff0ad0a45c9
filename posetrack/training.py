"""The training core: a recipe and crops of people in, a checkpoint that runs anywhere out.

State: one device, or several under Lightning Fabric (``training_fabric``). The order of samples and their augmentation
are pure functions of (seed, epoch), and the state file holds weights, averaged weights, optimiser and step, so that a
resumed run goes on as if never stopped.
"""

from __future__ import annotations

__all__ = [
    "Run",
    "Validation",
    "Watcher",
    "load_state",
    "pck_hits",
    "predict",
    "save_state",
    "score_pck",
    "start",
    "to_input",
    "torso_px",
    "train",
]

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from posetrack import checkpoints, losses, nets
from posetrack.datasets.crops import Crop
from posetrack.datasets.samples import Batch, Sampler
from posetrack.errors import TrainingError
from posetrack.files import cannot_write, write_beside
from posetrack.geometry import box_to_center_scale, crop_affine, crop_image, heatmap_to_image
from posetrack.heatmaps import decode, flip_average
from posetrack.recipes import Recipe, Stage
from posetrack.structures import InputSpec, Skeleton
from posetrack.training_engine import Engine
from posetrack.training_faults import blame
from posetrack.training_feed import batches
from posetrack.training_optimizer import freeze, keep_norms, make_optimizer, rate
from posetrack.training_signals import StopRequest, stop_requests

STATE_SCHEMA = 1
_DIAGONALS = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
PCK_TORSOS = 0.2  # how near a joint must be, in torsos
CHECKPOINT_EVERY_S = 120.0  # seconds between two state files: what a killed run loses at most

# --- feeding ---------------------------------------------------------------------------------------------------------


def to_input(images: npt.NDArray[np.uint8], spec: InputSpec, device: torch.device) -> Tensor:
    """Pictures (B, H, W, 3) uint8 -> normalised (B, 3, H, W) float32, channels last in memory."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    mean = torch.tensor(spec.mean, device=device).view(1, 3, 1, 1) * 255
    std = torch.tensor(spec.std, device=device).view(1, 3, 1, 1) * 255
    return (x - mean) / std


# --- validation ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Validation:
    """A named set of held-out crops; ``joints`` are the indices that count.

    ``score`` adds numbers of its own, in percent, from joints (N, K, 2) in pixels of the images and scores (N, K).
    """

    name: str
    crops: Sequence[Crop]
    joints: tuple[int, ...]
    score: Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], Mapping[str, float]] | None = None


def predict(
    net: nn.Module,
    crops: Sequence[Crop],
    spec: InputSpec,
    skeleton: Skeleton,
    *,
    flip: bool = False,
    method: str = "dark",
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Joints (N, K, 2) in crop pixels and scores (N, K) from the given boxes."""
    device = next(net.parameters()).device
    center, scale = box_to_center_scale(np.stack([c.xyxy for c in crops]), spec.size_wh, spec.padding)
    affine = crop_affine(center, scale, spec.size_wh)
    xy, score = [], []
    net.eval()
    for start in range(0, len(crops), 64):
        rows = range(start, min(start + 64, len(crops)))
        images = np.stack([crop_image(crops[i].image, affine[i], spec.size_wh) for i in rows])
        maps = _maps(net, images, spec, device)
        if flip:
            maps = flip_average(maps, _maps(net, images[:, :, ::-1].copy(), spec, device), skeleton.flip_order)
        points, values = decode(maps, method)
        part = slice(start, rows.stop)
        xy.append(heatmap_to_image(points, center[part], scale[part], (maps.shape[3], maps.shape[2])))
        score.append(values)
    return np.concatenate(xy), np.concatenate(score)


def _maps(
    net: nn.Module, images: npt.NDArray[np.uint8], spec: InputSpec, device: torch.device
) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        out = net(to_input(images, spec, device))
    maps: npt.NDArray[np.float32] = (out[-1] if isinstance(out, list) else out).float().cpu().numpy()
    return maps


def score_pck(xy: npt.NDArray[np.float32], crops: Sequence[Crop], skeleton: Skeleton, joints: Sequence[int]) -> float:
    """PCK@0.2 of the torso in percent over labelled ``joints``: within 0.2 x (left shoulder to right hip).

    The other diagonal counts where one of the two is not labelled; a person with neither is left out.
    """
    hits = pck_hits(xy, crops, skeleton)[:, list(joints)]
    return 100.0 * float(np.nanmean(hits)) if np.isfinite(hits).any() else 0.0


def pck_hits(xy: npt.NDArray[np.float32], crops: Sequence[Crop], skeleton: Skeleton) -> npt.NDArray[np.float64]:
    """(N, K): 1 where a joint is within 0.2 torsos, 0 where it is not, NaN where it or the torso is not labelled."""
    truth = np.stack([c.xy for c in crops])
    torso = np.array([_unit_px(c, skeleton) for c in crops])[:, None]
    distance = np.linalg.norm(xy - truth, axis=2)
    judged = np.isfinite(distance) & (torso > 0)
    return np.where(judged, distance <= PCK_TORSOS * torso, np.nan)


def _unit_px(crop: Crop, skeleton: Skeleton) -> float:
    """The torso of a person; for a skeleton without one, half the longer side of the box."""
    if any(set(pair) <= set(skeleton.joints) for pair in _DIAGONALS):
        return torso_px(crop.xy, skeleton)
    return float((crop.xyxy[2:] - crop.xyxy[:2]).max()) / 2


def torso_px(xy: npt.NDArray[np.float32], skeleton: Skeleton) -> float:
    """Left shoulder to right hip, else right shoulder to left hip, in px; 0 where neither is labelled."""
    at = {name: xy[i] for i, name in enumerate(skeleton.joints)}
    for a, b in _DIAGONALS:
        length = float(np.linalg.norm(at[a] - at[b])) if a in at and b in at else math.nan
        if math.isfinite(length):
            return length
    return 0.0


# --- the run ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """A training run in memory: networks, optimiser, and how far it is.

    ``epoch_loss`` sums the losses of ``epoch_steps`` steps of the epoch that is not finished.
    """

    recipe: Recipe
    skeleton: Skeleton
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


class Watcher:
    """Told of everything while a run goes on; does nothing."""

    def step(self, run: Run, loss: float, samples_per_s: float) -> None:
        """After every step."""

    def epoch(self, run: Run, row: Mapping[str, Any]) -> None:
        """After every epoch, with its line of ``metrics.jsonl``."""


def start(
    recipe: Recipe,
    skeleton: Skeleton,
    crops: int,
    device: torch.device,
    *,
    initialise: Callable[[nn.Module], None] = lambda _: None,
    engine: Engine | None = None,
) -> Run:
    """A fresh run: seeded weights, changed by ``initialise``; both networks on ``device``."""
    torch.manual_seed(recipe.seed)
    build = partial(nets.build, recipe.net, joints=len(skeleton), **recipe.net_args)
    net, averaged = (build().to(device, memory_format=torch.channels_last) for _ in range(2))  # type: ignore[call-overload]
    initialise(net)
    freeze(net, recipe.frozen)
    averaged.load_state_dict(net.state_dict())
    steps = [s.epochs * max(1, crops // s.batch_size) for s in recipe.stages]
    return Run(recipe, skeleton, net, averaged, make_optimizer(recipe, net), steps, engine=engine or Engine(device))


def train(
    recipe: Recipe,
    skeleton: Skeleton,
    crops: Sequence[Crop],
    out: Path,
    *,
    validations: Sequence[Validation] = (),
    resume: bool = False,
    device: str = "cpu",
    report: Callable[[str], None] = lambda _: None,
    initialise: Callable[[nn.Module], None] = lambda _: None,
    watchers: Sequence[Watcher] = (),
    workers: int = 0,
    engine: Engine | None = None,
) -> Run:
    """Run a recipe; writes ``last.safetensors``, ``best.safetensors``, ``state.pt`` and ``metrics.jsonl`` into ``out``.

    ``best`` is the highest mean of the validations' PCK (the last one without any). Batches are made by ``workers``
    processes (0: a thread). Ctrl-C saves the state and raises KeyboardInterrupt. Raises TrainingError where a loss is
    no number, OutputError where nothing can be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    engine = engine or Engine(torch.device(device))
    run = start(recipe, skeleton, len(crops), engine.device, initialise=initialise, engine=engine)
    if resume and (out / "state.pt").is_file():
        load_state(run, out / "state.pt")
        report(f"Resumed at step {run.step} of {run.total_steps}.")
    run.engine.wrap(run.net, run.optimizer)
    with stop_requests() as stop:
        while (run.step < run.total_steps or run.epoch_is_learnt) and not _stalled(run):
            stage = recipe.stages[run.at(run.step - run.epoch_is_learnt)[0]]
            sampler = Sampler(
                crops, skeleton, recipe.spec(stage), stage.sigma, stage.augmentation, stage.batch_size, recipe.seed,
                recipe.targets, run.engine.rank, run.engine.world,
            )  # fmt: skip
            row = _epoch(run, stage, sampler, out, stop, watchers, workers)
            if run.engine.rank == 0:
                row |= _validate(run, stage, validations)
            row = run.engine.from_first(row)
            _finish_epoch(run, stage, row, out)
            report(json.dumps(row))
            for watcher in watchers:
                watcher.epoch(run, row)
    return run


def _epoch(
    run: Run,
    stage: Stage,
    sampler: Sampler,
    out: Path,
    stop: StopRequest,
    watchers: Sequence[Watcher],
    workers: int,
) -> dict[str, Any]:
    """Learn what is left of the epoch; returns its line of metrics so far."""
    (epoch, number), begin = run.place, run.step
    feed = () if run.epoch_is_learnt else batches(sampler, epoch, number, workers)
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
    return max(s for s in scores[-patience:] if s is not None) <= max(s for s in scores[:-patience] if s is not None)


def _score(row: Mapping[str, Any]) -> float | None:
    """The mean of an epoch's validations, by AP where there is one, else by PCK; None without any."""
    for metric in ("ap_", "pck_"):
        if values := [v for k, v in row.items() if k.startswith(metric)]:
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
    _average(run)
    run.step += 1
    return run.engine.mean(value)


def _parts(batch: Batch, count: int) -> Iterator[Batch]:
    """The batch in ``count`` parts of nearly the same size, fewer where it is smaller than that."""
    bounds = np.linspace(0, len(batch.image), min(count, len(batch.image)) + 1).round().astype(int)
    for a, b in pairwise(bounds):
        yield Batch(batch.image[a:b], batch.target[a:b], batch.weight[a:b], batch.xy[a:b], batch.names[a:b])


def _loss(run: Run, stage: Stage, batch: Batch) -> Tensor:
    """The loss of a batch. Raises TrainingError where it is no number."""
    device = next(run.net.parameters()).device
    x = to_input(batch.image, run.recipe.spec(stage), device)
    target, weight = torch.from_numpy(batch.target).to(device), torch.from_numpy(batch.weight).to(device)
    loss_of = losses.LOSSES[run.recipe.loss]
    if run.recipe.loss == "ce_mse":
        loss_of = partial(losses.ce_mse, ce_share=stage.ce_share, mse_share=stage.mse_share)
    output = run.engine.forward(x)
    loss = losses.supervised(output, lambda maps: loss_of(maps, target, weight))
    if not math.isfinite(float(loss.detach())):
        raise blame(output, loss_of, target, weight, batch.names, run.place)
    return loss


@torch.no_grad()
def _average(run: Run) -> None:
    """Move the averaged weights towards the current ones; faster at the start, when the current ones learn quickly."""
    decay = min(run.recipe.ema, (1 + run.step) / (10 + run.step))
    mine, theirs = run.averaged.state_dict(), run.net.state_dict()
    floats = [k for k, v in mine.items() if v.dtype.is_floating_point]
    torch._foreach_lerp_([mine[k] for k in floats], [theirs[k] for k in floats], 1 - decay)
    for key in mine.keys() - set(floats):
        mine[key].copy_(theirs[key])


def _validate(run: Run, stage: Stage, validations: Sequence[Validation]) -> dict[str, float]:
    spec = run.recipe.spec(stage)
    scores = {}
    for v in validations:
        xy, score = predict(run.averaged, v.crops, spec, run.skeleton, method="quarter")
        scores[f"pck_{v.name}"] = round(score_pck(xy, v.crops, run.skeleton, v.joints), 2)
        if v.score is not None:
            in_image = np.stack([(at + c.offset) / c.zoom for at, c in zip(xy, v.crops, strict=True)])
            scores |= {f"{name}_{v.name}": round(value, 2) for name, value in v.score(in_image, score).items()}
    return scores


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
    spec = checkpoints.ModelSpec(
        run.recipe.net,
        {"joints": len(run.skeleton), **run.recipe.net_args},
        "pose",
        run.recipe.spec(stage),
        run.skeleton,
        notes,
    )
    checkpoints.save(out / "last.safetensors", run.averaged.state_dict(), spec)
    if best:
        checkpoints.save(out / "best.safetensors", run.averaged.state_dict(), spec)
    save_state(run, out / "state.pt")
    with write_beside(out / "metrics.jsonl") as part:  # the whole file, so that no line is missing or twice
        part.write_text("".join(json.dumps(row) + "\n" for row in run.history), encoding="utf-8")


# --- state -----------------------------------------------------------------------------------------------------------


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
        raise TrainingError(f"{path} does not belong to this recipe or is damaged: {error}.") from error
    run.step, run.best, run.history = state["step"], state["best"], state["history"]
    run.epoch_loss, run.epoch_steps = state.get("epoch_loss", 0.0), state.get("epoch_steps", 0)
    if "random" in state:
        torch.set_rng_state(state["random"])
