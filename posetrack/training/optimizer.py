"""What starts and moves the weights: initial ones and optimisers by name, the learning rate of a
step, and parameters that stay where they are.
"""

from __future__ import annotations

__all__ = [
    "INITIAL",
    "OPTIMIZERS",
    "freeze",
    "keep_norms",
    "make_optimizer",
    "move_average",
    "rate",
]

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from posetrack.errors import UsageError
from posetrack.nets.blocks import init_he
from posetrack.training.muon import Muon
from posetrack.training.recipes import Recipe

SGD_MOMENTUM = 0.9  # official code, ImageNet

Groups = list[dict[str, Any]]

# name -> (parameter groups, recipe) -> optimiser
OPTIMIZERS: dict[str, Callable[[Groups, Recipe], torch.optim.Optimizer]] = {
    "adamw": lambda groups, recipe: torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas),
    "adam": lambda groups, recipe: torch.optim.Adam(groups, lr=recipe.lr, betas=recipe.betas),
    "muon": lambda groups, recipe: Muon(groups, recipe.lr),
    "sgd": lambda groups, recipe: torch.optim.SGD(
        groups, lr=recipe.lr, momentum=SGD_MOMENTUM, nesterov=True
    ),
}


# name -> what it does to the fresh network with so many outputs
INITIAL: dict[str, Callable[[nn.Module, int], None]] = {
    "paper": lambda net, outputs: None,  # ``nets.build`` has done it
    "he": init_he,
}


def make_optimizer(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser over the parameters that are learnt; batch norms and biases decay only
    if it says so.
    """
    learnt = [p for p in net.parameters() if p.requires_grad]
    decayed = [p for p in learnt if p.ndim > 1]
    plain = [p for p in learnt if p.ndim <= 1]
    groups: Groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": recipe.weight_decay if recipe.decay_all else 0.0},
    ]
    return OPTIMIZERS[recipe.optimizer](groups, recipe)


def rate(recipe: Recipe, step: int, total_steps: int, epoch: int) -> float:
    """The learning rate of ``step`` in ``epoch`` (from 0): linear warm-up, then steps at
    milestones, or a cosine.
    """
    warm = (
        max(1, round(recipe.warmup * total_steps)) if recipe.warmup or not recipe.milestones else 0
    )
    if step < warm:
        return recipe.lr * (step + 1) / warm
    if recipe.milestones:
        return recipe.lr * recipe.gamma ** sum(epoch >= m for m in recipe.milestones)
    done = (step - warm) / max(1, total_steps - warm)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def freeze(net: nn.Module, beginnings: Iterable[str]) -> None:
    """Take the parameters whose names begin so out of learning. Raises UsageError where
    none does.
    """
    for beginning in beginnings:
        found = [p for name, p in net.named_parameters() if name.startswith(beginning)]
        if not found:
            parts = ", ".join(
                dict.fromkeys(name.split(".")[0] for name, _ in net.named_parameters())
            )
            raise UsageError(
                f"No parameter begins with {beginning!r}, so it cannot be frozen; there are "
                f"{parts}."
            )
        for parameter in found:
            parameter.requires_grad_(False)


def keep_norms(net: nn.Module, recipe: Recipe) -> None:
    """Put batch norms that must keep their statistics into eval mode: all of them, or those of
    frozen parts.
    """
    if not (recipe.fixed_norms or recipe.frozen):
        return
    for name, module in net.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            frozen = any(f"{name}.".startswith(beginning) for beginning in recipe.frozen)
            if recipe.fixed_norms or frozen:
                module.eval()


@torch.no_grad()
def move_average(averaged: nn.Module, net: nn.Module, ema: float, step: int) -> None:
    """Move averaged weights towards the current ones, whose decay is ``ema``; faster at the start
    (``step`` counts from 0), when the current ones learn quickly.
    """
    decay = min(ema, (1 + step) / (10 + step))
    mine, theirs = averaged.state_dict(), net.state_dict()
    floats = [k for k, v in mine.items() if v.dtype.is_floating_point]
    torch._foreach_lerp_([mine[k] for k in floats], [theirs[k] for k in floats], 1 - decay)
    for key in mine.keys() - set(floats):
        mine[key].copy_(theirs[key])
