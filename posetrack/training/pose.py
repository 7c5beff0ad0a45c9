"""The task of finding joints: crops of people, heatmaps to match, and people held out."""

from __future__ import annotations

__all__ = ["PoseTask", "heatmap_stride"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posetrack import nets
from posetrack.checkpoints import ModelSpec
from posetrack.samples.crops import Crop
from posetrack.samples.keypoints import Batch, Sampler, target_maps
from posetrack.structures import Skeleton
from posetrack.training import losses
from posetrack.training.recipes import MIN_SIGMA, Recipe, Stage
from posetrack.training.validation import Validation, validate

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


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
        """Augmented crops with their heatmaps, of the size of the network's last output."""
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
            heatmap_stride(recipe, stage, len(self.skeleton)),
        )

    def loss(self, recipe: Recipe, stage: Stage, output: Any, batch: Batch) -> Tensor:
        """The recipe's loss over all outputs of the network, each against targets of its size."""
        parts = output if isinstance(output, list) else [output]
        targets = {tuple(part.shape[2:]): _targets(recipe, stage, part, batch) for part in parts}
        loss_of = losses.LOSSES[recipe.loss]
        if recipe.loss == "ce_mse":
            loss_of = partial(losses.ce_mse, ce_share=stage.ce_share, mse_share=stage.mse_share)

        def on(loss: Loss) -> Callable[[Tensor], Tensor]:
            return lambda maps: loss(maps, *targets[tuple(maps.shape[2:])])

        before = losses.BEFORE_THE_LAST.get(recipe.loss, loss_of)
        return losses.supervised(parts, on(loss_of), on(before))

    def validate(self, recipe: Recipe, stage: Stage, net: nn.Module) -> dict[str, float]:
        """PCK and more of every set, from the labelled boxes."""
        return validate(net, self.validations, recipe.spec(stage), self.skeleton)

    def exported(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All of them."""
        return dict(state)

    def spec(self, recipe: Recipe, stage: Stage, notes: dict[str, Any]) -> ModelSpec:
        """A pose network with its joints."""
        args = {**self.outputs, **recipe.net_args}
        return ModelSpec(recipe.net, args, "pose", recipe.spec(stage), self.skeleton, notes)


def heatmap_stride(recipe: Recipe, stage: Stage, joints: int) -> int:
    """Input pixels per pixel of the network's final heatmaps; shapes go through it on torch's
    "meta" device.
    """
    with torch.device("meta"):
        net = nets.build(recipe.net, joints=joints, **recipe.net_args).eval()
        output = net(torch.zeros(1, 3, stage.size_wh[1], stage.size_wh[0]))
    maps = output[-1] if isinstance(output, list) else output
    return stage.size_wh[0] // int(maps.shape[3])


def _targets(recipe: Recipe, stage: Stage, maps: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Target maps and weights for ``maps`` (B, K, h, w), on their device; the batch has those of
    the final output.

    Coarser heads (four resolutions, section 4.4 of the HRNet paper) get targets of the same width
    in input pixels, but no narrower than a heatmap pixel.
    """
    target, weight = batch.target, batch.weight
    if tuple(maps.shape[2:]) != target.shape[2:]:
        stride = stage.size_wh[0] // maps.shape[3]
        sigma = max(MIN_SIGMA, stage.sigma * maps.shape[3] / target.shape[3])
        made = [
            target_maps(recipe.targets, xy, visible, stage.size_wh, sigma, stride)
            for xy, visible in zip(batch.xy, batch.weight, strict=True)
        ]
        target, weight = (np.stack(part) for part in zip(*made, strict=True))
    return torch.from_numpy(target).to(maps.device), torch.from_numpy(weight).to(maps.device)
