"""How the bundled pose network came to be: the recipes of its runs, one after another.

They are one checkpoint's history, not advice; ``posetrack.training.recipes`` has the papers'.
``train_bundled_pose.py`` runs them.
"""

from __future__ import annotations

__all__ = [
    "BUNDLED_NET",
    "BUNDLED_RECIPES",
    "CROWDED",
    "HARD",
    "HARD_TURNED",
    "LIGHT",
    "TURNED",
]

from dataclasses import replace
from functools import partial

from posetrack.samples.augment import Augmentation
from posetrack.training.recipes import DETAIL, MILD, Recipe, Stage

# Lighter still, for the end of a run that has no time to learn all that ``MILD`` shows it.
LIGHT = Augmentation(
    geometry="uniform",
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
BUNDLED_NET = {"modules": [1, 1, 2], "blocks": 2, "stem": 32, "stem_blocks": 1}


def _stage(
    epochs: int,
    size_wh: tuple[int, int],
    batch_size: int,
    *,
    sigma: float,
    how: Augmentation,
    ce_share: float = 1.0,
    mse_share: float = 1.0,
) -> Stage:
    return Stage(epochs, size_wh, batch_size, sigma, how, ce_share, mse_share)


_recipe = partial(Recipe, net="hrnet_w24", net_args=BUNDLED_NET, initial="he", detail=DETAIL)

BUNDLED_RECIPES: dict[str, Recipe] = {
    # Cross-entropy first because it starts fast, at a small size because that is cheap; squared
    # error last because it gives the scores their meaning. beta2 is low so that the optimiser
    # follows the change.
    "bundled_pose": _recipe(
        "bundled_pose",
        stages=(
            _stage(3, (64, 96), 32, sigma=1.0, how=MILD, ce_share=1.0, mse_share=0.0),
            _stage(6, (64, 96), 32, sigma=1.0, how=MILD),
            _stage(4, (64, 96), 32, sigma=1.0, how=LIGHT),
            _stage(4, (96, 128), 32, sigma=1.2, how=LIGHT, ce_share=0.3, mse_share=5.0),
            _stage(2, (96, 128), 32, sigma=1.2, how=LIGHT, ce_share=0.1, mse_share=10.0),
        ),
        lr=2e-3,
        betas=(0.9, 0.99),
    ),
    # For a run of ``bundled_pose`` that had to be stopped early: one pass in which the averaged
    # weights settle.
    "bundled_pose_finish": _recipe(
        "bundled_pose_finish",
        stages=(_stage(1, (96, 128), 32, sigma=1.2, how=LIGHT, ce_share=0.3, mse_share=5.0),),
        lr=3e-4,
        warmup=0.08,
        betas=(0.9, 0.99),
        ema=0.98,
    ),
    # Three more epochs on the result of bundled_pose_finish, which had not levelled off.
    "bundled_pose_more": _recipe(
        "bundled_pose_more",
        stages=(_stage(3, (96, 128), 32, sigma=1.2, how=LIGHT, ce_share=0.3, mse_share=5.0),),
        lr=7e-4,
        warmup=0.05,
        betas=(0.9, 0.99),
        ema=0.99,
    ),
    # The long one, from the weights of bundled_pose_more: half of it at the small size, where a
    # sample costs half; people are pasted together only at the end.
    "bundled_pose_long": _recipe(
        "bundled_pose_long",
        stages=(
            _stage(14, (64, 96), 64, sigma=1.0, how=MILD),
            _stage(3, (64, 96), 64, sigma=1.0, how=LIGHT),
            _stage(10, (96, 128), 64, sigma=1.2, how=LIGHT),
            _stage(3, (96, 128), 64, sigma=1.2, how=CROWDED),
            _stage(4, (96, 128), 64, sigma=1.2, how=CROWDED, ce_share=0.3, mse_share=5.0),
        ),
        lr=1.5e-3,
        warmup=0.02,
        betas=(0.9, 0.99),
    ),
    # All at the full size, from the weights of bundled_pose_long, with a faster optimiser. Those
    # weights had grown to three times their first size under next to no decay, so that a step
    # turned them less and less.
    "bundled_pose_muon": _recipe(
        "bundled_pose_muon",
        stages=(
            _stage(13, (96, 128), 64, sigma=1.2, how=LIGHT),
            _stage(8, (96, 128), 64, sigma=1.2, how=CROWDED),
            _stage(4, (96, 128), 64, sigma=1.2, how=CROWDED, ce_share=0.3, mse_share=5.0),
        ),
        optimizer="muon",
        lr=3e-3,
        weight_decay=0.02,
        warmup=0.02,
    ),
    # From the averaged weights of bundled_pose_muon after 19 epochs, no longer better at people it
    # had not seen.
    "bundled_pose_hard": _recipe(
        "bundled_pose_hard",
        stages=(
            _stage(7, (96, 128), 64, sigma=1.2, how=HARD),
            _stage(1, (96, 128), 64, sigma=1.2, how=HARD, ce_share=0.3, mse_share=5.0),
            _stage(2, (96, 128), 64, sigma=1.2, how=CROWDED, ce_share=0.3, mse_share=5.0),
        ),
        optimizer="muon",
        lr=2e-3,
        weight_decay=0.02,
        warmup=0.02,
    ),
    # At a larger size, from the weights of bundled_pose_hard: what is left to gain there is detail.
    "bundled_pose_large": _recipe(
        "bundled_pose_large",
        stages=(
            _stage(14, (128, 160), 64, sigma=1.5, how=HARD_TURNED, ce_share=1.0, mse_share=1.0),
            _stage(2, (128, 160), 64, sigma=1.5, how=HARD_TURNED, ce_share=0.3, mse_share=5.0),
            _stage(4, (128, 160), 64, sigma=1.5, how=TURNED, ce_share=0.3, mse_share=5.0),
        ),
        optimizer="muon",
        lr=3e-3,
        weight_decay=0.05,
        warmup=0.02,
    ),
    # Once more around from the weights of bundled_pose_large, whose curve still rose; more of it
    # lightly augmented, as LSPET's training people were hardly known better than others.
    "bundled_pose_again": _recipe(
        "bundled_pose_again",
        stages=(
            _stage(7, (128, 160), 64, sigma=1.5, how=HARD_TURNED, ce_share=1.0, mse_share=1.0),
            _stage(2, (128, 160), 64, sigma=1.5, how=HARD_TURNED, ce_share=0.3, mse_share=5.0),
            _stage(5, (128, 160), 64, sigma=1.5, how=TURNED, ce_share=0.3, mse_share=5.0),
        ),
        optimizer="muon",
        lr=2e-3,
        weight_decay=0.05,
        warmup=0.02,
        seed=1,
    ),
    # From the weights of bundled_pose_again, on fourteen times the people of COCO: what is new is
    # learnt best where it can be recognised, so lightly augmented from the start. In bfloat16,
    # which costs half where a processor has it; the last step in size is paid for by INT8.
    "bundled_pose_coco": _recipe(
        "bundled_pose_coco",
        stages=(
            _stage(2, (128, 160), 64, sigma=1.5, how=TURNED),
            _stage(5, (160, 192), 64, sigma=1.8, how=TURNED),
            _stage(1, (160, 192), 64, sigma=1.8, how=TURNED, ce_share=0.3, mse_share=5.0),
        ),
        optimizer="muon",
        lr=3e-3,
        weight_decay=0.05,
        warmup=0.02,
        ema=0.995,
        seed=2,
    ),
    # Once more around from the weights of bundled_pose_coco, whose curves rose to their end.
    "bundled_pose_longer": _recipe(
        "bundled_pose_longer",
        stages=(
            _stage(4, (160, 192), 64, sigma=1.8, how=TURNED),
            _stage(1, (160, 192), 64, sigma=1.8, how=TURNED, ce_share=0.3, mse_share=5.0),
        ),
        optimizer="muon",
        lr=3e-3,
        weight_decay=0.05,
        warmup=0.02,
        ema=0.995,
        seed=3,
    ),
}
