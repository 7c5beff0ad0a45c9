"""Losses on heatmaps: squared error (official), spatial cross-entropy, online hard keypoint mining.

All take predicted and target maps (B, K, h, w) and weights (B, K), 0 where a joint is not to be
learnt, and give one number. A target map of zeros says "this joint is not in the picture": squared
errors push it down, the cross-entropy leaves it out.
"""

from __future__ import annotations

__all__ = [
    "BEFORE_THE_LAST",
    "LOSSES",
    "SHARPNESS",
    "ce_mse",
    "mse",
    "ohkm",
    "spatial_ce",
    "supervised",
]

from collections.abc import Callable

import torch
from torch import Tensor, nn

# Softmax of SHARPNESS x heatmap: a peak of height 1 on a map of some thousand zeros then holds
# nearly all the mass, so that the heatmap the cross-entropy wants is close to the one the squared
# error wants.
SHARPNESS = 10.0
OHKM_JOINTS = 8  # hardest joints per person that count; official code


def mse(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Half the mean squared error over all joints and positions (the official JointsMSELoss)."""
    w = weight[:, :, None, None]
    return 0.5 * nn.functional.mse_loss(pred * w, target * w)


def ohkm(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Squared error of the hardest joints of every person only (the official JointsOHKMMSELoss). Of
    several outputs only the last one is mined (``BEFORE_THE_LAST``).
    """
    w = weight[:, :, None, None]
    joints = 0.5 * (pred * w - target * w).square().mean(dim=(2, 3))
    return joints.topk(min(OHKM_JOINTS, joints.shape[1]), dim=1).values.mean()


def spatial_ce(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the softmax over positions against the target as a distribution; it learns
    much faster than MSE.

    The mean over the joints that are in the picture; 0 where there is none.
    """
    mass = target.sum(dim=(2, 3))
    weight = weight * (mass > 0)
    log_p = nn.functional.log_softmax(SHARPNESS * pred.flatten(2), dim=2)
    joints = -(target.flatten(2) * log_p).sum(dim=2) / mass.clamp(min=1e-6)
    return (joints * weight).sum() / weight.sum().clamp(min=1)


def ce_mse(
    pred: Tensor, target: Tensor, weight: Tensor, ce_share: float = 1.0, mse_share: float = 1.0
) -> Tensor:
    """``ce_share`` x spatial cross-entropy + ``mse_share`` x squared error in units of a target's
    own energy.

    The second term gives the maximum of a map its meaning as a confidence: 1 where the joint surely
    lies, low where it may lie anywhere, 0 where it is not in the picture. The first learns faster
    but knows no absolute height.
    """
    loss = pred.new_zeros(())
    if ce_share:
        loss = loss + ce_share * spatial_ce(pred, target, weight)
    if mse_share:
        energy = target.square().sum(dim=(2, 3))
        unit = energy.sum() / (energy > 0).sum().clamp(min=1)
        joints = (pred - target).square().sum(dim=(2, 3)) / unit.clamp(min=1e-6)
        loss = loss + mse_share * (joints * weight).sum() / weight.sum().clamp(min=1)
    return loss


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "mse": mse,
    "ohkm": ohkm,
    "spatial_ce": spatial_ce,
    "ce_mse": ce_mse,
}


# name -> the loss on all outputs but the last: Chen et al. 2018 (CPN, section 3.2) mine the hardest
# joints on RefineNet's output only, GlobalNet's get the plain squared error
BEFORE_THE_LAST: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"ohkm": mse}


def supervised(
    outputs: Tensor | list[Tensor],
    loss: Callable[[Tensor], Tensor],
    before: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The sum of ``loss`` over the outputs of a network with intermediate supervision, or over its
    only one; of ``before`` over all but the last, where it is given.
    """
    parts = outputs if isinstance(outputs, list) else [outputs]
    earlier = [(before or loss)(part) for part in parts[:-1]]
    return torch.stack([*earlier, loss(parts[-1])]).sum()
