"""Training recipes: plain values, printed and overridden at will. Add yours to ``RECIPES``.

State: the bundled network's recipe and the paper's defaults for short runs; ``training.train`` reads all fields.
"""

from __future__ import annotations

__all__ = ["RECIPES", "Recipe", "Stage"]

from dataclasses import dataclass, field
from typing import Any

from posetrack.augment import PAPER, Augmentation
from posetrack.structures import InputSpec


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run at one input size; ``sigma`` is that of the targets, in heatmap pixels.

    ``ce_share`` and ``mse_share`` weigh the two parts of the loss "ce_mse".
    """

    epochs: int
    size_wh: tuple[int, int]
    batch_size: int
    sigma: float
    augmentation: Augmentation = PAPER
    ce_share: float = 1.0
    mse_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what a run learns.

    The learning rate rises over ``warmup`` (share of all steps) to ``lr`` and falls to nothing as a cosine over all
    stages. ``ema`` is the decay of the averaged weights, which are the ones that are validated and kept.
    """

    name: str
    net: str
    net_args: dict[str, Any]
    stages: tuple[Stage, ...]
    loss: str = "ce_mse"
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 5.0
    ema: float = 0.998
    seed: int = 0
    padding: float = 1.25
    notes: dict[str, Any] = field(default_factory=dict)

    def spec(self, stage: Stage) -> InputSpec:
        """What the network is fed in ``stage``."""
        return InputSpec(stage.size_wh, padding=self.padding)


# A light touch of everything: short runs learn little from samples that are hardly recognisable.
MILD = Augmentation(
    rotation_deg=40, shift=0.05, p_half_body=0.1, colour=0.25, p_grey=0.03, p_blur=0.08, p_jpeg=0.08, p_noise=0.05,
    p_occluder=0.15,
)  # fmt: skip
# Lighter still, for the end of a run that has no time to learn all that ``MILD`` shows it.
LIGHT = Augmentation(
    rotation_deg=30, scale=0.25, shift=0.04, p_half_body=0.05, colour=0.2, p_grey=0.03, p_blur=0.08, p_jpeg=0.08,
    p_noise=0.05, p_occluder=0.1,
)  # fmt: skip
BUNDLED_NET = {"modules": [1, 1, 2], "blocks": 2, "stem": 32, "stem_blocks": 1}

RECIPES: dict[str, Recipe] = {
    # Cross-entropy first because it starts fast, at a small size because that is cheap; squared error last because it
    # gives the scores their meaning. beta2 is low so that the optimiser follows the change.
    "bundled_pose": Recipe(
        "bundled_pose",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(
            Stage(3, (64, 96), 32, 1.0, MILD, 1.0, 0.0),
            Stage(6, (64, 96), 32, 1.0, MILD, 1.0, 1.0),
            Stage(4, (64, 96), 32, 1.0, LIGHT, 1.0, 1.0),
            Stage(4, (96, 128), 32, 1.2, LIGHT, 0.3, 5.0),
            Stage(2, (96, 128), 32, 1.2, LIGHT, 0.1, 10.0),
        ),
        lr=2e-3,
        betas=(0.9, 0.99),
    ),
}
