"""Which sample spoilt a loss."""

from __future__ import annotations

__all__ = ["blame"]

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from posetrack.errors import TrainingError
from posetrack.training.task import B


@torch.no_grad()
def blame(
    output: Tensor | list[Tensor],
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


def _one(output: Tensor | list[Tensor], i: int) -> Tensor | list[Tensor]:
    return [part[i : i + 1] for part in output] if isinstance(output, list) else output[i : i + 1]
