"""The task of finding people: pictures composed of labelled images, boxes to match, and images held
out.
"""

from __future__ import annotations

__all__ = ["DETECTOR_LOSSES", "BoxBatch", "DetectorTask", "MosaicBatches", "make_batch"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from posetrack.checkpoints import ModelSpec
from posetrack.detect.bundled import BundledDetector
from posetrack.evaluation.boxes import score_boxes
from posetrack.inference.network import Network
from posetrack.nets.person_detector import cell_centers
from posetrack.samples.boxes import JOINTS, BoxImage
from posetrack.samples.keypoints import batch_count
from posetrack.samples.mosaics import MIXES, MosaicSampler, Picture
from posetrack.structures import FloatArray
from posetrack.training.detector_loss import Targets, detector_loss, joint_loss, joint_targets
from posetrack.training.recipes import Recipe, Stage

# The joints' loss is added where there are joints.
DETECTOR_LOSSES = {"detector": detector_loss}
JOINT_HEAD = "joints."  # of a network in training only: how its tensors' names begin
SHOWN_AT_ONCE = 8  # held-out images


@dataclass(frozen=True, slots=True)
class BoxBatch:
    """Pictures (B, S, S, 3) uint8; boxes (B, M, 4) pixels with rows beyond each one's people empty
    (all 0), ground (B, S/8, S/8), joint heatmaps and their weights (B, K, S/8, S/8).
    """

    image: npt.NDArray[np.uint8]
    boxes: FloatArray
    ground: npt.NDArray[np.uint8]
    heatmaps: FloatArray
    heatmap_weights: FloatArray
    names: tuple[str, ...] = ()

    def part(self, start: int, stop: int) -> BoxBatch:
        """Some of the samples."""
        rows = slice(start, stop)
        return BoxBatch(
            self.image[rows],
            self.boxes[rows],
            self.ground[rows],
            self.heatmaps[rows],
            self.heatmap_weights[rows],
            self.names[rows],
        )

    def targets(self, device: torch.device) -> Targets:
        """What the loss wants, on ``device``."""
        arrays = (self.boxes, self.ground, self.heatmaps, self.heatmap_weights)
        return Targets(*(torch.from_numpy(array).to(device) for array in arrays))


def make_batch(pictures: Sequence[Picture]) -> BoxBatch:
    """Stack pictures of one size and their targets."""
    most = max(1, *(len(p.boxes) for p in pictures))
    boxes = np.zeros((len(pictures), most, 4), np.float32)
    for row, picture in zip(boxes, pictures, strict=True):
        row[: len(picture.boxes)] = picture.boxes
    heat, weight = zip(*(joint_targets(p) for p in pictures), strict=True)
    image, ground = np.stack([p.image for p in pictures]), np.stack([p.ground for p in pictures])
    return BoxBatch(image, boxes, ground, np.stack(heat), np.stack(weight))


@dataclass(frozen=True, slots=True)
class MosaicBatches:
    """The batches of a stage, each a pure function of (seed, epoch, number). All pictures of one
    have the same of the stage's sides; of ``world`` processes each draws its share.
    """

    sampler: MosaicSampler
    stage: Stage
    count: int
    seed: int
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        """Batches an epoch: about as many pictures as there are images."""
        return batch_count(self.count, self.stage.batch_size, self.world)

    def batch(self, epoch: int, number: int) -> BoxBatch:
        """Batch ``number`` of ``epoch``."""
        of_batch = (self.seed, epoch, number)
        sides = self.stage.sides or (max(self.stage.size_wh),)
        side = int(np.random.default_rng(of_batch).choice(sides))
        sampler = self.sampler.seeded((*of_batch, self.rank))
        share = max(1, self.stage.batch_size // self.world)
        mix = MIXES[self.stage.mix]
        return make_batch([sampler.draw(side, mix) for _ in range(share)])


@dataclass(frozen=True, slots=True)
class DetectorTask:
    """People in boxes: ``singles`` are images of one person with joints, which are cut out and
    turned too, ``scenes`` all others; ``held_out`` are sets of images by name.

    Where anybody has joints, the network learns them as well (``nets.person_detector``). ``notes``
    stand in every checkpoint.
    """

    singles: Sequence[BoxImage]
    scenes: Sequence[BoxImage]
    held_out: tuple[tuple[str, Sequence[BoxImage]], ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outputs(self) -> dict[str, int]:
        """One heatmap a joint while it learns, none where no joint is known."""
        known = (i for items in (self.singles, self.scenes) for i in items)
        return {"joints": len(JOINTS) if any(np.isfinite(i.joints).any() for i in known) else 0}

    def __len__(self) -> int:
        """Images to learn from."""
        return len(self.singles) + len(self.scenes)

    def batches(self, recipe: Recipe, stage: Stage, rank: int = 0, world: int = 1) -> MosaicBatches:
        """Mosaics, whole scenes and pasted people."""
        sampler = MosaicSampler(self.singles, self.scenes)
        return MosaicBatches(sampler, stage, len(self), recipe.seed, rank, world)

    def loss(self, recipe: Recipe, stage: Stage, output: Any, batch: BoxBatch) -> Tensor:
        """That of scores and boxes, and that of the joints."""
        logits, sides, heatmaps = output
        targets = batch.targets(logits.device)
        size_wh = (batch.image.shape[2], batch.image.shape[1])
        centers, strides = (part.to(logits.device) for part in cell_centers(size_wh))
        loss_of = DETECTOR_LOSSES[recipe.loss]
        loss, _ = loss_of(logits.float(), sides.float(), targets, centers, strides)
        return loss if heatmaps is None else loss + joint_loss(heatmaps.float(), targets)

    def validate(self, recipe: Recipe, stage: Stage, net: nn.Module) -> dict[str, float]:
        """``ap_NAME`` and ``ap50_NAME`` of every set, as ``posetrack track`` would detect."""
        if not self.held_out:
            return {}
        device = next(net.parameters()).device
        detector = BundledDetector(Network.of(net), self.spec(recipe, stage, {}), device=device)
        scores: dict[str, float] = {}
        for name, items in self.held_out:
            found = [
                boxes
                for start in range(0, len(items), SHOWN_AT_ONCE)
                for boxes in detector.detect(
                    [item.image for item in items[start : start + SHOWN_AT_ONCE]]
                )
            ]
            truth = [(item.boxes, item.doubtful) for item in items]
            scores |= {f"{k}_{name}": round(v, 2) for k, v in score_boxes(truth, found).items()}
        return scores

    def exported(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Without the head of the joints, which only helps to learn."""
        return {name: tensor for name, tensor in state.items() if not name.startswith(JOINT_HEAD)}

    def spec(self, recipe: Recipe, stage: Stage, notes: dict[str, Any]) -> ModelSpec:
        """A detector."""
        of_task = {**notes, **self.notes}
        return ModelSpec(recipe.net, recipe.net_args, "detect", recipe.spec(stage), JOINTS, of_task)
