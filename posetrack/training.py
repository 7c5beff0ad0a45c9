"""The training core: a recipe and crops of people in, a checkpoint that runs anywhere out.

State: one process, one device. The order of samples and their augmentation are pure functions of (seed, epoch), and
the state file holds weights, averaged weights, optimiser and step, so that a resumed run goes on as if never stopped.
"""

from __future__ import annotations

__all__ = [
    "Run",
    "Validation",
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
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
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
from posetrack.geometry import box_to_center_scale, crop_affine, crop_image, heatmap_to_image
from posetrack.heatmaps import decode, flip_average
from posetrack.recipes import Recipe, Stage
from posetrack.structures import InputSpec, Skeleton

STATE_SCHEMA = 1
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
    """A named set of held-out crops; ``joints`` are the indices that count."""

    name: str
    crops: Sequence[Crop]
    joints: tuple[int, ...]


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
    torso = np.array([torso_px(c.xy, skeleton) for c in crops])[:, None]
    distance = np.linalg.norm(xy - truth, axis=2)
    judged = np.isfinite(distance) & (torso > 0)
    return np.where(judged, distance <= PCK_TORSOS * torso, np.nan)


def torso_px(xy: npt.NDArray[np.float32], skeleton: Skeleton) -> float:
    """Left shoulder to right hip, else right shoulder to left hip, in px; 0 where neither is labelled."""
    at = {name: xy[i] for i, name in enumerate(skeleton.joints)}
    for a, b in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")):
        length = float(np.linalg.norm(at[a] - at[b])) if a in at and b in at else math.nan
        if math.isfinite(length):
            return length
    return 0.0


# --- the run ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """A training run in memory: networks, optimiser, and how far it is."""

    recipe: Recipe
    skeleton: Skeleton
    net: nn.Module
    averaged: nn.Module
    optimizer: torch.optim.Optimizer
    steps_per_stage: list[int]
    step: int = 0
    best: float = -1.0
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total_steps(self) -> int:
        return sum(self.steps_per_stage)

    def rate(self) -> float:
        """The learning rate of the next step: linear warm-up, then a cosine to zero."""
        warm = max(1, round(self.recipe.warmup * self.total_steps))
        if self.step < warm:
            return self.recipe.lr * (self.step + 1) / warm
        done = (self.step - warm) / max(1, self.total_steps - warm)
        return self.recipe.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def start(recipe: Recipe, skeleton: Skeleton, crops: int, device: torch.device) -> Run:
    """A fresh run: seeded weights, both networks on ``device``."""
    torch.manual_seed(recipe.seed)
    build = partial(nets.build, recipe.net, joints=len(skeleton), **recipe.net_args)
    net, averaged = (build().to(device, memory_format=torch.channels_last) for _ in range(2))  # type: ignore[call-overload]
    averaged.load_state_dict(net.state_dict())
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]  # batch norms and biases are not decayed
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas)
    steps = [s.epochs * max(1, crops // s.batch_size) for s in recipe.stages]
    return Run(recipe, skeleton, net, averaged, optimizer, steps)


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
) -> Run:
    """Run a recipe; writes ``last.safetensors``, ``best.safetensors``, ``state.pt`` and ``metrics.jsonl`` into ``out``.

    ``best`` is the highest mean of the validations' PCK (the last one without any). Raises TrainingError where a loss
    is no number.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = start(recipe, skeleton, len(crops), torch.device(device))
    if resume and (out / "state.pt").is_file():
        load_state(run, out / "state.pt")
        report(f"Resumed at step {run.step} of {run.total_steps}.")
    saved = time.monotonic()
    for number, stage in enumerate(recipe.stages):
        first = sum(run.steps_per_stage[:number])
        sampler = Sampler(
            crops, skeleton, recipe.spec(stage), stage.sigma, stage.augmentation, stage.batch_size, recipe.seed
        )
        while run.step < first + run.steps_per_stage[number]:
            epoch = sum(s.epochs for s in recipe.stages[:number]) + (run.step - first) // len(sampler)
            started, begin, summed = time.monotonic(), run.step, 0.0
            for batch in _made_ahead(sampler, epoch, (run.step - first) % len(sampler)):
                summed += _step(run, stage, batch)
                if time.monotonic() - saved > CHECKPOINT_EVERY_S:
                    save_state(run, out / "state.pt")
                    saved = time.monotonic()
            seconds = time.monotonic() - started
            row: dict[str, Any] = {
                "epoch": epoch + 1,
                "step": run.step,
                "size_wh": stage.size_wh,
                "loss": summed / max(1, run.step - begin),
                "samples_per_s": (run.step - begin) * stage.batch_size / max(seconds, 1e-9),
            }
            row |= _validate(run, stage, validations)
            _finish_epoch(run, stage, row, out)
            report(json.dumps(row))
            saved = time.monotonic()
    return run


def _made_ahead(sampler: Sampler, epoch: int, start: int) -> Iterator[Batch]:
    """The batches of an epoch from number ``start`` on, each made on a thread while the one before is learnt."""
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(sampler.batch, epoch, start)
        for number in range(start + 1, len(sampler)):
            ready, pending = pending.result(), thread.submit(sampler.batch, epoch, number)
            yield ready
        yield pending.result()


def _step(run: Run, stage: Stage, batch: Batch) -> float:
    """One optimiser step; returns the loss."""
    device = next(run.net.parameters()).device
    run.net.train()
    x = to_input(batch.image, run.recipe.spec(stage), device)
    target, weight = torch.from_numpy(batch.target).to(device), torch.from_numpy(batch.weight).to(device)
    loss_of = losses.LOSSES[run.recipe.loss]
    if run.recipe.loss == "ce_mse":
        loss_of = partial(losses.ce_mse, ce_share=stage.ce_share, mse_share=stage.mse_share)
    loss = losses.supervised(run.net(x), lambda maps: loss_of(maps, target, weight))
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TrainingError(
            f"The loss is {value} at step {run.step}; lower the learning rate or resume an older state."
        )
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.net.parameters(), run.recipe.clip_norm)
    for group in run.optimizer.param_groups:
        group["lr"] = run.rate()
    run.optimizer.step()
    _average(run)
    run.step += 1
    return value


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
        xy, _ = predict(run.averaged, v.crops, spec, run.skeleton, method="quarter")
        scores[f"pck_{v.name}"] = round(score_pck(xy, v.crops, run.skeleton, v.joints), 2)
    return scores


def _finish_epoch(run: Run, stage: Stage, row: dict[str, Any], out: Path) -> None:
    """Checkpoints, the best one where it is, and a line of ``metrics.jsonl``."""
    run.history.append(row)
    pcks = [v for k, v in row.items() if k.startswith("pck_")]
    value = float(np.mean(pcks)) if pcks else float(run.step)
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
    if value >= run.best:
        run.best = value
        checkpoints.save(out / "best.safetensors", run.averaged.state_dict(), spec)
    save_state(run, out / "state.pt")
    with (out / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


# --- state -----------------------------------------------------------------------------------------------------------


def save_state(run: Run, path: Path) -> None:
    """Write all that a resumed run needs, atomically."""
    part = path.with_name(path.name + ".part")
    state = {
        "schema": STATE_SCHEMA,
        "net": run.net.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "best": run.best,
        "history": run.history,
    }
    torch.save(state, part)
    os.replace(part, path)


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
