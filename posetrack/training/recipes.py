"""Training recipes: plain values, printed and overridden at will (``training.override``). Add yours
to ``RECIPES``.
"""

from __future__ import annotations

__all__ = ["RECIPES", "Recipe", "Stage"]

from dataclasses import dataclass, field, replace
from typing import Any

from posetrack.samples.augment import PAPER, Augmentation
from posetrack.structures import InputSpec


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run at one input size; ``sigma`` is that of the targets, in heatmap pixels.

    ``ce_share`` and ``mse_share`` weigh the two parts of the loss "ce_mse".
    """

    epochs: int
    size_wh: tuple[int, int]
    batch_size: int
    sigma: float = 2.0
    augmentation: Augmentation = PAPER
    ce_share: float = 1.0
    mse_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what a run learns.

    The learning rate rises over ``warmup`` (share of all steps) to ``lr``; then it is multiplied by
    ``gamma`` at the epochs ``milestones`` or, without any, falls to nothing as a cosine over all
    stages. ``ema`` is the decay of the averaged weights, which are the ones that are validated and
    kept (0: no averaging). ``targets`` are "subpixel" or "official" (rounded to heatmap pixels); a
    gradient longer than ``clip_norm`` is shortened (0: never). ``accumulate`` splits every batch
    into so many parts that fit into memory. ``frozen`` names the beginnings of parameters that are
    not learnt; ``fixed_norms`` keeps the statistics of batch norms. A run without a better score
    for ``patience`` epochs ends (0: never). ``task`` is "pose" or "classify"; ``decay_all`` decays
    batch norms and biases too.
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
    optimizer: str = "adamw"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    targets: str = "subpixel"
    accumulate: int = 1
    frozen: tuple[str, ...] = ()
    fixed_norms: bool = False
    patience: int = 0
    task: str = "pose"
    decay_all: bool = False
    notes: dict[str, Any] = field(default_factory=dict)

    def spec(self, stage: Stage) -> InputSpec:
        """What the network is fed in ``stage``."""
        return InputSpec(stage.size_wh, padding=self.padding)


# A light touch of everything: short runs learn little from samples that are hardly recognisable.
MILD = Augmentation(
    rotation_deg=40,
    shift=0.05,
    p_half_body=0.1,
    colour=0.25,
    p_grey=0.03,
    p_blur=0.08,
    p_jpeg=0.08,
    p_noise=0.05,
    p_occluder=0.15,
)
# Lighter still, for the end of a run that has no time to learn all that ``MILD`` shows it.
LIGHT = Augmentation(
    rotation_deg=30,
    scale=0.25,
    shift=0.04,
    p_half_body=0.05,
    colour=0.2,
    p_grey=0.03,
    p_blur=0.08,
    p_jpeg=0.08,
    p_noise=0.05,
    p_occluder=0.1,
)
# With others pasted in: whose limbs are whose.
CROWDED = replace(LIGHT, p_neighbour=0.4)
# For weights that know their training people much better than others.
HARD = replace(
    CROWDED,
    rotation_deg=45,
    scale=0.35,
    shift=0.06,
    p_half_body=0.25,
    colour=0.4,
    p_grey=0.08,
    p_blur=0.15,
    p_jpeg=0.15,
    p_noise=0.1,
    p_occluder=0.4,
)
# For the second look at people who lean: half of all samples are turned upright.
TURNED = replace(CROWDED, p_upright=0.5)
HARD_TURNED = replace(HARD, p_upright=0.5)
# What the recipes of Sun et al. 2019 share: nothing but Adam on the squared error of the official
# targets.
_PAPER: dict[str, Any] = {
    "loss": "mse",
    "optimizer": "adam",
    "lr": 1e-3,
    "weight_decay": 0.0,
    "warmup": 0.0,
    "clip_norm": 0.0,
    "ema": 0.0,
    "targets": "official",
}
BUNDLED_NET = {"modules": [1, 1, 2], "blocks": 2, "stem": 32, "stem_blocks": 1}

RECIPES: dict[str, Recipe] = {
    # Cross-entropy first because it starts fast, at a small size because that is cheap; squared
    # error last because it gives the scores their meaning. beta2 is low so that the optimiser
    # follows the change.
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
    # For a run of ``bundled_pose`` that had to be stopped early: one pass in which the averaged
    # weights settle.
    "bundled_pose_finish": Recipe(
        "bundled_pose_finish",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(Stage(1, (96, 128), 32, 1.2, LIGHT, 0.3, 5.0),),
        lr=3e-4,
        warmup=0.08,
        betas=(0.9, 0.99),
        ema=0.98,
    ),
    # Three more epochs on the result of bundled_pose_finish, which had not levelled off.
    "bundled_pose_more": Recipe(
        "bundled_pose_more",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(Stage(3, (96, 128), 32, 1.2, LIGHT, 0.3, 5.0),),
        lr=7e-4,
        warmup=0.05,
        betas=(0.9, 0.99),
        ema=0.99,
    ),
    # The long one, from the weights of bundled_pose_more: half of it at the small size, where a
    # sample costs half; people are pasted together only at the end.
    "bundled_pose_long": Recipe(
        "bundled_pose_long",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(
            Stage(14, (64, 96), 64, 1.0, MILD, 1.0, 1.0),
            Stage(3, (64, 96), 64, 1.0, LIGHT, 1.0, 1.0),
            Stage(10, (96, 128), 64, 1.2, LIGHT, 1.0, 1.0),
            Stage(3, (96, 128), 64, 1.2, CROWDED, 1.0, 1.0),
            Stage(4, (96, 128), 64, 1.2, CROWDED, 0.3, 5.0),
        ),
        lr=1.5e-3,
        warmup=0.02,
        betas=(0.9, 0.99),
    ),
    # All at the full size, from the weights of bundled_pose_long, with a faster optimiser. Those
    # weights had grown to three times their first size under next to no decay, so that a step
    # turned them less and less.
    "bundled_pose_muon": Recipe(
        "bundled_pose_muon",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(
            Stage(13, (96, 128), 64, 1.2, LIGHT, 1.0, 1.0),
            Stage(8, (96, 128), 64, 1.2, CROWDED, 1.0, 1.0),
            Stage(4, (96, 128), 64, 1.2, CROWDED, 0.3, 5.0),
        ),
        optimizer="muon",
        lr=3e-3,
        weight_decay=0.02,
        warmup=0.02,
    ),
    # From the averaged weights of bundled_pose_muon after 19 epochs, no longer better at people it
    # had not seen.
    "bundled_pose_hard": Recipe(
        "bundled_pose_hard",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(
            Stage(7, (96, 128), 64, 1.2, HARD, 1.0, 1.0),
            Stage(1, (96, 128), 64, 1.2, HARD, 0.3, 5.0),
            Stage(2, (96, 128), 64, 1.2, CROWDED, 0.3, 5.0),
        ),
        optimizer="muon",
        lr=2e-3,
        weight_decay=0.02,
        warmup=0.02,
    ),
    # At a larger size, from the weights of bundled_pose_hard: what is left to gain there is detail.
    "bundled_pose_large": Recipe(
        "bundled_pose_large",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(
            Stage(14, (128, 160), 64, 1.5, HARD_TURNED, 1.0, 1.0),
            Stage(2, (128, 160), 64, 1.5, HARD_TURNED, 0.3, 5.0),
            Stage(4, (128, 160), 64, 1.5, TURNED, 0.3, 5.0),
        ),
        optimizer="muon",
        lr=3e-3,
        weight_decay=0.05,
        warmup=0.02,
    ),
    # Once more around from the weights of bundled_pose_large, whose curve still rose; more of it
    # lightly augmented, as LSPET's training people were hardly known better than others.
    "bundled_pose_again": Recipe(
        "bundled_pose_again",
        "hrnet_w24",
        BUNDLED_NET,
        stages=(
            Stage(7, (128, 160), 64, 1.5, HARD_TURNED, 1.0, 1.0),
            Stage(2, (128, 160), 64, 1.5, HARD_TURNED, 0.3, 5.0),
            Stage(5, (128, 160), 64, 1.5, TURNED, 0.3, 5.0),
        ),
        optimizer="muon",
        lr=2e-3,
        weight_decay=0.05,
        warmup=0.02,
        seed=1,
    ),
    # Sun et al. 2019, section 4.1: Adam, 1e-3, a tenth of it from epoch 170 and of that from 200,
    # 210 epochs. Sigma as in the official code (the paper's text says 1); batch 128 as on its four
    # GPUs. Start from ImageNet weights.
    "coco": Recipe(
        "coco",
        "hrnet_w32",
        {},
        (Stage(210, (192, 256), 128, 2.0),),
        milestones=(170, 200),
        **_PAPER,
    ),
    # Section 4.2: as COCO, but 256x256. (The official configuration turns by 30 degrees, scales by
    # 0.25, no half body.)
    "mpii": Recipe(
        "mpii",
        "hrnet_w32",
        {},
        (Stage(210, (256, 256), 128, 2.0),),
        milestones=(170, 200),
        **_PAPER,
    ),
    # Section 4.3: from COCO weights, 1e-4, a tenth from epoch 10 and of that from 15, 20 epochs, at
    # 384x288.
    "posetrack17": Recipe(
        "posetrack17",
        "hrnet_w48",
        {},
        (Stage(20, (288, 384), 64, 3.0),),
        milestones=(10, 15),
        **{**_PAPER, "lr": 1e-4},
    ),
    # Wang et al. 2020 (TPAMI), ImageNet: SGD with Nesterov's momentum of 0.9, 0.1, a tenth of it
    # from epoch 30, of that from 60 and of that from 90, 100 epochs, batch 256. What comes out is a
    # start for ``coco``.
    "imagenet": Recipe(
        "imagenet",
        "hrnet_w32_cls",
        {},
        (Stage(100, (224, 224), 256),),
        milestones=(30, 60, 90),
        task="classify",
        decay_all=True,
        **{**_PAPER, "loss": "cross_entropy", "optimizer": "sgd", "lr": 0.1, "weight_decay": 1e-4},
    ),
    # A few hundred people of one's own, from weights that know people already.
    "finetune": Recipe(
        "finetune",
        "hrnet_w32",
        {},
        (Stage(40, (192, 256), 16, 2.0, MILD),),
        loss="mse",
        lr=3e-4,
        patience=10,
    ),
}
