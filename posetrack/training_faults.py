"""Which sample spoilt a loss."""

from __future__ import annotations

__all__ = ["blame"]

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from posetrack.errors import TrainingError
from posetrack.losses import supervised

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@torch.no_grad()
def blame(
    outputs: Tensor | list[Tensor],
    loss_of: Loss,
    target: Tensor,
    weight: Tensor,
    names: Sequence[str],
    place: tuple[int, int],
) -> TrainingError:
    """The error for a loss that is no number, at ``place`` (epoch and batch from 0), with the image where it began."""
    maps = outputs if isinstance(outputs, list) else [outputs]
    bad = [i for i in range(len(target)) if not math.isfinite(_alone(maps, loss_of, target, weight, i))]
    which = f" in {len(bad)} of {len(target)} samples, first in image {names[bad[0]]}" if bad and names else ""
    return TrainingError(
        f"The loss is no number at epoch {place[0] + 1}, batch {place[1] + 1}{which}; "
        "look at its labels, lower the learning rate, or resume an older state."
    )


def _alone(maps: Sequence[Tensor], loss_of: Loss, target: Tensor, weight: Tensor, i: int) -> float:
    one = slice(i, i + 1)
    return float(supervised([m[one] for m in maps], lambda part: loss_of(part, target[one], weight[one])))
