"""The task of naming what a picture shows: cross-entropy, and the share of pictures named right."""

from __future__ import annotations

__all__ = ["CLASS_LOSSES", "ClassTask", "top_shares"]

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from posetrack.checkpoints import ModelSpec
from posetrack.errors import InputError, TrainingError
from posetrack.samples.classes import ClassBatch, ClassImages, ClassSampler, centre_crop
from posetrack.structures import Image
from posetrack.training.feed import to_input
from posetrack.training.recipes import Recipe, Stage

# logits (B, C) and classes (B,) -> one number
CLASS_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": nn.functional.cross_entropy
}
AT_ONCE = 64  # pictures of a validation batch


@dataclass(frozen=True, slots=True)
class ClassTask:
    """Pictures to learn from, and sets of them held out, by name."""

    images: ClassImages
    held_out: tuple[tuple[str, ClassImages], ...] = ()

    @property
    def outputs(self) -> dict[str, int]:
        """One number a class."""
        return {"classes": len(self.images.names)}

    def __len__(self) -> int:
        """Pictures to learn from."""
        return len(self.images)

    def batches(self, recipe: Recipe, stage: Stage, rank: int = 0, world: int = 1) -> ClassSampler:
        """Random resized crops."""
        return ClassSampler(
            self.images,
            stage.size_wh,
            stage.augmentation,
            stage.batch_size,
            recipe.seed,
            rank,
            world,
        )

    def loss(self, recipe: Recipe, stage: Stage, output: Any, batch: ClassBatch) -> Tensor:
        """The recipe's loss."""
        return CLASS_LOSSES[recipe.loss](output, torch.from_numpy(batch.label).to(output.device))

    def validate(self, recipe: Recipe, stage: Stage, net: nn.Module) -> dict[str, float]:
        """``top1_NAME`` and ``top5_NAME`` of every set, on the middle of its pictures."""
        scores: dict[str, float] = {}
        for name, images in self.held_out:
            shares = top_shares(net, images, recipe, stage)
            scores |= {f"top{k}_{name}": round(share, 2) for k, share in shares.items()}
        return scores

    def exported(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All of them."""
        return dict(state)

    def spec(self, recipe: Recipe, stage: Stage, notes: dict[str, Any]) -> ModelSpec:
        """A classifier, with the names of its classes in the notes."""
        args = {**self.outputs, **recipe.net_args}
        notes = {**notes, "classes": list(self.images.names)}
        return ModelSpec(recipe.net, args, "classify", recipe.spec(stage), notes=notes)


def top_shares(
    net: nn.Module, images: ClassImages, recipe: Recipe, stage: Stage
) -> dict[int, float]:
    """Percent of the readable pictures whose class is the first, and among the first five, of the
    network's.
    """
    device = next(net.parameters()).device
    net.eval()
    right, count = {1: 0, 5: 0}, 0
    for pictures, labels in _batches(images, stage.size_wh):
        with torch.inference_mode():
            logits = net(to_input(pictures, recipe.spec(stage), device)).float().cpu()
        first = logits.topk(min(5, logits.shape[1]), dim=1).indices.numpy()
        hits = first == labels[:, None]
        right = {k: n + int(hits[:, :k].sum()) for k, n in right.items()}
        count += len(labels)
    if not count:
        raise TrainingError(
            f"None of {len(images)} held-out pictures can be read; check their folder."
        )
    return {k: 100 * n / count for k, n in right.items()}


def _batches(
    images: ClassImages, size_wh: tuple[int, int]
) -> Iterator[tuple[npt.NDArray[np.uint8], Any]]:
    """The readable pictures, cropped, and their classes; read by several threads."""

    def picture(index: int) -> Image | None:
        try:
            return centre_crop(images.read(index), size_wh)
        except InputError:  # told by ``read``
            return None

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), AT_ONCE):
            rows = range(start, min(start + AT_ONCE, len(images)))
            read = [
                (p, images.files[i][1]) for i, p in zip(rows, pool.map(picture, rows), strict=True)
            ]
            found = [(p, label) for p, label in read if p is not None]
            if found:
                yield np.stack([p for p, _ in found]), np.array([label for _, label in found])
