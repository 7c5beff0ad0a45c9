"""The task of finding joints: crops of people, heatmaps to match, and people held out."""

from __future__ import annotations

__all__ = ["PoseTask"]

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.checkpoints import ModelSpec
from posetrack.samples.crops import Crop
from posetrack.samples.keypoints import Batch, Sampler
from posetrack.structures import Skeleton
from posetrack.training import losses
from posetrack.training.recipes import Recipe, Stage
from posetrack.training.validation import Validation, validate


@dataclass(frozen=True, slots=True)
class PoseTask:
    """Joints of ``skeleton``: people to learn from, and sets of them held out."""

    skeleton: Skeleton
    crops: Sequence[Crop]
    validations: tuple[Validation, ...] = ()

    @property
    def outputs(self) -> dict[str, int]:
        """One heatmap a joint."""
        return {"joints": len(self.skeleton)}

    def __len__(self) -> int:
        """People to learn from."""
        return len(self.crops)

    def batches(self, recipe: Recipe, stage: Stage, rank: int = 0, world: int = 1) -> Sampler:
        """Augmented crops with their heatmaps."""
        return Sampler(
            self.crops,
            self.skeleton,
            recipe.spec(stage),
            stage.sigma,
            stage.augmentation,
            stage.batch_size,
            recipe.seed,
            recipe.targets,
            rank,
            world,
        )

    def loss(self, recipe: Recipe, stage: Stage, output: Any, batch: Batch) -> Tensor:
        """The recipe's loss over all outputs of the network."""
        device = (output[0] if isinstance(output, list) else output).device
        target, weight = (
            torch.from_numpy(batch.target).to(device),
            torch.from_numpy(batch.weight).to(device),
        )
        loss_of = losses.LOSSES[recipe.loss]
        if recipe.loss == "ce_mse":
            loss_of = partial(losses.ce_mse, ce_share=stage.ce_share, mse_share=stage.mse_share)
        return losses.supervised(output, lambda maps: loss_of(maps, target, weight))

    def validate(self, recipe: Recipe, stage: Stage, net: nn.Module) -> dict[str, float]:
        """PCK and more of every set, from the labelled boxes."""
        return validate(net, self.validations, recipe.spec(stage), self.skeleton)

    def spec(self, recipe: Recipe, stage: Stage, notes: dict[str, Any]) -> ModelSpec:
        """A pose network with its joints."""
        args = {**self.outputs, **recipe.net_args}
        return ModelSpec(recipe.net, args, "pose", recipe.spec(stage), self.skeleton, notes)
