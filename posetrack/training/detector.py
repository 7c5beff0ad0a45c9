"""Training the person detector: pictures drawn ahead on a thread, AdamW, an average of the weights,
resumable.

The budget is time, not epochs: a run lasts ``minutes`` of training and ends at its planned low
learning rate however busy the machine is. Pictures start small, since a coarse idea of people is
learnt fastest there, and grow.
"""

from __future__ import annotations

__all__ = [
    "DetectorRun",
    "Settings",
    "average_into",
    "learning_rate",
    "make_batch",
    "make_optimizer",
    "picture_size",
    "train_detector",
]

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posetrack.errors import TrainingError
from posetrack.nets.person_detector import PersonDetector, cell_centers
from posetrack.samples.mosaics import MIXED, NATURAL, Mix, MosaicSampler, Picture
from posetrack.structures import InputSpec
from posetrack.training.detector_loss import Targets, detector_loss, joint_loss, joint_targets

# Side of the training pictures in pixels from each part of the run on.
SIZES = ((0.0, (160, 192)), (0.35, (224, 256)), (0.8, (288, 320)))
NATURAL_FROM = 0.8  # part of the run from which pictures look like real ones
NORMALISATION = InputSpec((416, 416))  # only its mean and standard deviation count here


@dataclass(frozen=True, slots=True)
class Settings:
    """How long and how fast: ``minutes`` of training, learning rate after ``warmup`` steps, decay,
    save interval.

    ``sizes`` are the sides of the pictures in pixels from each part of the run on, ``natural_from``
    the part of it from which pictures look like real ones.
    """

    minutes: float = 80.0
    batch: int = 16
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: int = 200
    average: float = 0.999
    save_every_s: float = 120.0
    seed: int = 0
    sizes: tuple[tuple[float, tuple[int, ...]], ...] = SIZES
    natural_from: float = NATURAL_FROM
    mix: Mix = MIXED
    half: bool = False


class DetectorRun:
    """The state of a run: network, optimiser, averaged weights, steps and seconds. One file holds
    all of it.
    """

    def __init__(self, net: PersonDetector, settings: Settings) -> None:
        self.net = net.to(memory_format=torch.channels_last)
        self.settings = settings
        self.optimizer = make_optimizer(net, settings)
        self.average = {k: v.detach().clone() for k, v in net.state_dict().items()}
        self.steps, self.pictures, self.seconds = 0, 0, 0.0

    @property
    def progress(self) -> float:
        """Part of the run that is done, 0 to 1."""
        return min(self.seconds / (60 * self.settings.minutes), 1.0)

    def step(self, images: Tensor, targets: Targets) -> dict[str, float]:
        """One optimiser step on images (B, S, S, 3) uint8; gives the parts of the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.progress, self.steps)
        self.net.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.half):
            logits, sides, heatmaps = self.net(_normalise(images))
        logits, sides = logits.float(), sides.float()
        centers, strides = cell_centers((images.shape[2], images.shape[1]))
        loss, parts = detector_loss(logits, sides, targets, centers, strides)
        if heatmaps is not None:
            joints = joint_loss(heatmaps.float(), targets)
            parts["joints"] = float(joints.detach())
            loss = loss + joints
        if not torch.isfinite(loss):
            value = float(loss.detach())
            raise TrainingError(
                f"The detector's loss became {value} at step {self.steps}; lower the learning rate."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimizer.step()
        self.steps += 1
        self.pictures += len(images)
        average_into(self.average, self.net, self.settings, self.steps)
        return parts

    def save(self, path: Path) -> None:
        """Write everything needed to go on, beside the target first."""
        part = path.with_name(path.name + ".part")
        state = {
            "net": self.net.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
            "pictures": self.pictures,
            "seconds": self.seconds,
        }
        torch.save(state, part)
        os.replace(part, path)

    def load(self, path: Path) -> None:
        """Go on from a saved run."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = state["average"]
        self.steps, self.pictures, self.seconds = (
            state["steps"],
            state["pictures"],
            state["seconds"],
        )


def make_optimizer(net: nn.Module, settings: Settings) -> torch.optim.AdamW:
    """AdamW that decays weights, but neither batch norms nor biases."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, settings.lr, weight_decay=settings.weight_decay)


def learning_rate(settings: Settings, progress: float, steps: int) -> float:
    """The rate after ``steps`` steps, ``progress`` (0 to 1) of the run: a rise, then a cosine to a
    hundredth.
    """
    rate = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
    return settings.lr * (rate * min(1.0, (steps + 1) / settings.warmup))


@torch.no_grad()
def average_into(
    average: Mapping[str, Tensor], net: nn.Module, settings: Settings, steps: int
) -> None:
    """Move averaged weights, in place, towards those of the network after ``steps`` steps: faster
    at the beginning.
    """
    keep = min(settings.average, (1 + steps) / (10 + steps))
    for key, value in net.state_dict().items():
        mean = average[key]
        if mean.is_floating_point():
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


def _normalise(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32, channels last in memory, as the backbone
    wants it.
    """
    mean, std = (255 * torch.tensor(v) for v in (NORMALISATION.mean, NORMALISATION.std))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def picture_size(
    progress: float, draw: float, table: Sequence[tuple[float, Sequence[int]]] = SIZES
) -> int:
    """Side in pixels of the pictures at this part of the run; ``draw`` in 0..1 picks
    among several.
    """
    sizes = [sizes for start, sizes in table if progress >= start][-1]
    return sizes[min(int(draw * len(sizes)), len(sizes) - 1)]


def make_batch(pictures: Sequence[Picture]) -> tuple[Tensor, Targets]:
    """Stack pictures of one size into images (B, S, S, 3) uint8 and their targets."""
    most = max(1, *(len(p.boxes) for p in pictures))
    boxes = np.zeros((len(pictures), most, 4), np.float32)
    for row, picture in zip(boxes, pictures, strict=True):
        row[: len(picture.boxes)] = picture.boxes
    heat, weight = zip(*(joint_targets(p) for p in pictures), strict=True)
    targets = Targets(
        torch.from_numpy(boxes),
        torch.from_numpy(np.stack([p.ground for p in pictures])),
        torch.from_numpy(np.stack(heat)),
        torch.from_numpy(np.stack(weight)),
    )
    return torch.from_numpy(np.stack([p.image for p in pictures])), targets


def train_detector(
    run: DetectorRun, sampler: MosaicSampler, save_to: Path, log: Callable[[str], None] = print
) -> DetectorRun:
    """Train until the budget is spent, saving to ``save_to`` at intervals; goes on from that file
    where it exists.
    """
    if save_to.exists():
        run.load(save_to)
        log(f"going on after {run.steps} steps, {run.seconds / 60:.1f} min")
    settings, sizes = run.settings, np.random.default_rng((run.settings.seed, run.steps))

    def draw(size: int) -> tuple[Tensor, Targets]:
        mix = NATURAL if run.progress >= settings.natural_from else settings.mix
        return make_batch([sampler.draw(size, mix) for _ in range(settings.batch)])

    saved, parts, size = time.monotonic(), [], 0
    with ThreadPoolExecutor(1) as ahead:
        pending = ahead.submit(draw, picture_size(run.progress, 0.0, settings.sizes))
        while run.progress < 1:
            start = time.monotonic()
            batch = pending.result()
            size = batch[0].shape[1]
            pending = ahead.submit(
                draw, picture_size(run.progress, float(sizes.random()), settings.sizes)
            )
            parts.append(run.step(*batch))
            run.seconds += time.monotonic() - start
            if run.steps % 50 == 0:
                means = " ".join(f"{k} {np.mean([p[k] for p in parts]):.3f}" for k in parts[-1])
                log(
                    f"{run.seconds / 60:6.2f} min {run.steps} steps {run.pictures} pictures of "
                    f"{size}: {means}"
                )
                parts.clear()
            if time.monotonic() - saved > settings.save_every_s:
                run.save(save_to)
                saved = time.monotonic()
    run.save(save_to)
    return run
