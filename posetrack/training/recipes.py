"""Training recipes: plain values, printed and overridden at will (``training.override``). Add yours
to ``RECIPES``.
"""

from __future__ import annotations

__all__ = ["DETAIL", "MILD", "MIN_SIGMA", "RECIPES", "Recipe", "Stage"]

from dataclasses import dataclass, field, replace
from typing import Any

from posetrack.samples.augment import PAPER, Augmentation
from posetrack.structures import InputSpec

DETAIL = 1.25  # sides of the network's input: as large as ``MILD`` enlarges people
GRAIN = 32  # pixels: the coarsest stride of a detector, of which its pictures are multiples
MIN_SIGMA = 1.0  # heatmap pixels; a narrower target is one lone pixel


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run at one input size; ``sigma`` is that of the targets, in heatmap pixels.

    ``ce_share`` and ``mse_share`` weigh the two parts of the loss "ce_mse". For detectors
    ``size_wh`` is what is shown to them at work; their training pictures are squares of one of
    ``sides`` pixels (none: as wide as ``size_wh``), composed as ``mix`` says
    (``samples.mosaics.MIXES``).
    """

    epochs: int
    size_wh: tuple[int, int]
    batch_size: int
    sigma: float = 2.0
    augmentation: Augmentation = PAPER
    ce_share: float = 1.0
    mse_share: float = 1.0
    sides: tuple[int, ...] = ()
    mix: str = "mixed"

    def resized(self, size_wh: tuple[int, int]) -> Stage:
        """The stage at another input size, sigma in proportion to the longer side: 2 at 256x192 is
        3 at 384x288, as the official configurations have it.
        """
        sigma = max(MIN_SIGMA, round(self.sigma * max(size_wh) / max(self.size_wh), 2))
        factor = max(size_wh) / max(self.size_wh)
        sides = tuple(max(GRAIN, GRAIN * round(side * factor / GRAIN)) for side in self.sides)
        return replace(self, size_wh=size_wh, sigma=sigma, sides=sides)


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
    for ``patience`` epochs ends (0: never). ``task`` is "pose", "classify" or "detect";
    ``decay_all`` decays batch norms and biases too. ``complete`` says of a detector's labels that
    everybody in their images has a box; where only some have, nothing is learnt of the ground
    beside them. ``initial`` weights are the "paper"'s (or its code's) or "he".
    People are read at most ``detail`` sides of the network's input large, shrunk by area, which is
    fast, or (0) as large as they are, as in every test.
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
    initial: str = "paper"
    detail: float = 0.0
    complete: bool = True
    notes: dict[str, Any] = field(default_factory=dict)

    def spec(self, stage: Stage) -> InputSpec:
        """What the network is fed in ``stage``."""
        return InputSpec(stage.size_wh, padding=self.padding)


# A light touch of everything: short runs learn little from samples that are hardly recognisable.
MILD = Augmentation(
    geometry="uniform",
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
# The official configuration of MPII.
_MPII = Augmentation(rotation_deg=30, scale=0.25, p_half_body=0)

RECIPES: dict[str, Recipe] = {
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
    # Section 4.2: as COCO at 256x256 by the text. The official configuration turns by 30 degrees,
    # scales by 0.25 and cuts no half bodies; the code counts here.
    "mpii": Recipe(
        "mpii",
        "hrnet_w32",
        {},
        (Stage(210, (256, 256), 128, 2.0, _MPII),),
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
        initial="he",
        detail=DETAIL,
    ),
    # The bundled detector on people in boxes of one's own: pictures grow, and look like real ones
    # at the end. Start from its weights; from random ones a rate of 2e-3 and more epochs.
    "detector": Recipe(
        "detector",
        "person_detector",
        {"channels": [16, 32, 64, 128, 192], "blocks": [1, 1, 2, 1], "width": 64, "depth": 1},
        (
            Stage(20, (384, 384), 16, sides=(192, 256)),
            Stage(20, (384, 384), 16, sides=(256, 320)),
            Stage(20, (384, 384), 16, sides=(320, 384), mix="natural"),
        ),
        loss="detector",
        lr=1e-3,
        weight_decay=0.05,
        clip_norm=10.0,
        ema=0.999,
        task="detect",
    ),
}
