"""What the training loop is given to learn: samples, a loss and a validation. ``training.pose`` has
people's joints, ``training.classes`` pictures in folders, ``training.detector`` people in boxes;
add yours with the same names.
"""

from __future__ import annotations

__all__ = ["B", "B_co", "Batch", "Batches", "Task"]

from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from posetrack.checkpoints import ModelSpec
from posetrack.training.recipes import Recipe, Stage

B = TypeVar("B", bound="Batch")
B_co = TypeVar("B_co", bound="Batch", covariant=True)


class Batch(Protocol):
    """Pictures (B, H, W, 3) uint8 with whatever a task's loss wants beside them; ``names`` are
    those of the images.
    """

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """The pictures."""

    @property
    def names(self) -> tuple[str, ...]:
        """Where they are from, for messages."""

    def part(self, start: int, stop: int) -> Self:
        """Some of the samples."""


class Batches(Protocol[B_co]):
    """The batches of every epoch, each a pure function of (seed, epoch, number), so that a resumed
    run repeats them.
    """

    def __len__(self) -> int:
        """Batches an epoch."""

    def batch(self, epoch: int, number: int) -> B_co:
        """One of them, both counted from 0; in a run of several processes the share of this one."""


class Task(Protocol[B]):
    """Everything in which learning poses differs from learning classes."""

    @property
    def outputs(self) -> dict[str, int]:
        """What the network is built with beside the recipe's arguments: ``{"joints": 17}``."""

    def __len__(self) -> int:
        """Samples to learn from."""

    def batches(self, recipe: Recipe, stage: Stage, rank: int = 0, world: int = 1) -> Batches[B]:
        """The batches of a stage; process ``rank`` of ``world`` makes its share of each."""

    def loss(self, recipe: Recipe, stage: Stage, output: Any, batch: B) -> Tensor:
        """One number from the network's output on the pictures of ``batch``."""

    def validate(self, recipe: Recipe, stage: Stage, net: nn.Module) -> dict[str, float]:
        """Scores METRIC_NAME in percent on what is held out (``training_run.METRICS``); empty where
        nothing is.
        """

    def exported(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a checkpoint: all of the network's, or those that are needed at work."""

    def spec(self, recipe: Recipe, stage: Stage, notes: dict[str, Any]) -> ModelSpec:
        """What a checkpoint says about itself."""
