"""What the detector is asked to get right: which cells see a person, where the box lies, where the
joints are.

Cells are given to people by how well they do already, score times overlap (task-aligned assignment,
TOOD: Feng et al., ICCV 2021), with a pull towards the middle of the box. Scores learn the overlap
that their box reaches (quality focal loss, GFL: Li et al., NeurIPS 2020), so that a score says how
good a box is. Ground that no labeller looked at counts little where the network believes to see a
person.
"""

from __future__ import annotations

__all__ = [
    "Assignment",
    "Targets",
    "assign",
    "detector_loss",
    "giou",
    "joint_loss",
    "joint_targets",
]

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from posetrack.nets.person_detector import decode_boxes
from posetrack.samples.mosaics import GROUND_STRIDE, IGNORED, UNKNOWN, Picture
from posetrack.structures import FloatArray

CELLS = 9  # best cells of a person
SCORE_POWER, IOU_POWER, CENTER_PULL = 0.5, 3.0, 1.0
BOX_WEIGHT, JOINT_WEIGHT = 2.0, 0.3  # beside the score's 1
UNKNOWN_WEIGHT, UNKNOWN_SEEN_WEIGHT, UNKNOWN_SEEN = (
    0.6,
    0.1,
    0.25,
)  # of background nobody looked at; above this score
JOINT_SIGMA = (0.05, 0.7, 2.5)  # part of the box's longer side, least and most cells
# pixels, longer side of a box: the joints of smaller people share a cell
SMALLEST_WITH_JOINTS = 40.0


@dataclass(frozen=True, slots=True)
class Targets:
    """A batch: boxes (B, M, 4) with rows beyond each image's people empty (all 0), ground (B, h, w)
    uint8, joint heatmaps and their weights (B, K, h, w).
    """

    boxes: Tensor
    ground: Tensor
    heatmaps: Tensor
    heatmap_weights: Tensor


@dataclass(frozen=True, slots=True)
class Assignment:
    """For every cell (B, N): the index of its person (-1: none) and the score it should give."""

    person: Tensor
    score: Tensor


def _iou_parts(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and union of boxes that broadcast against each other."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    overlap = (high - low).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - overlap
    return overlap / union.clamp(min=1e-6), union


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al., CVPR 2019) of boxes pair by pair, (..., 4) and (..., 4)
    -> (...).
    """
    iou, union = _iou_parts(a, b)
    hull = (
        (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2]))
        .prod(-1)
        .clamp(min=1e-6)
    )
    return iou - (hull - union) / hull


@torch.no_grad()
def assign(score: Tensor, boxes: Tensor, people: Tensor, centers: Tensor) -> Assignment:
    """Give each of ``people`` (B, M, 4) its best cells; ``score`` (B, N), ``boxes`` (B, N, 4) are
    predicted.
    """
    low, high = people[:, :, None, :2], people[:, :, None, 2:]
    offset = (centers - (low + high) / 2) / ((high - low) / 2).clamp(
        min=1e-3
    )  # (B, M, N, 2), 1 at the box's sides
    inside = (offset.abs() < 1).all(-1) & (high > low).all(-1)
    iou = _iou_parts(people[:, :, None], boxes[:, None])[0]
    metric = (
        score[:, None] ** SCORE_POWER
        * iou**IOU_POWER
        * torch.exp(-CENTER_PULL * offset.square().sum(-1))
    )
    metric = (metric + 1e-9) * inside
    count = min(CELLS, metric.shape[2])
    threshold = metric.topk(count, dim=2).values[..., -1:]
    metric = metric * (metric >= threshold)
    best, person = metric.max(dim=1)
    taken = best > 0
    peak = metric.amax(dim=2, keepdim=True).clamp(min=1e-12)
    quality = (metric / peak * (iou * (metric > 0)).amax(dim=2, keepdim=True)).gather(
        1, person[:, None]
    )[:, 0]
    return Assignment(torch.where(taken, person, -1), torch.where(taken, quality, 0.0))


def detector_loss(
    logits: Tensor, sides: Tensor, targets: Targets, centers: Tensor, strides: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Score and box loss of a batch (B, N), (B, N, 4), each per unit of target score; the parts for
    the log.
    """
    boxes = decode_boxes(sides, centers, strides)
    score = logits.detach().sigmoid()
    given = assign(score, boxes.detach(), targets.boxes, centers)
    mass = given.score.sum().clamp(min=1.0)
    cells = (centers / GROUND_STRIDE).long()
    ground = targets.ground[:, cells[:, 1], cells[:, 0]]
    unknown = torch.where(score > UNKNOWN_SEEN, UNKNOWN_SEEN_WEIGHT, UNKNOWN_WEIGHT)
    weight = torch.where(ground == UNKNOWN, unknown, 1.0) * (ground != IGNORED)
    weight = torch.where(given.person >= 0, 1.0, weight)
    cross = binary_cross_entropy_with_logits(logits, given.score, reduction="none")
    score_loss = (weight * (given.score - logits.sigmoid()).square() * cross).sum() / mass
    image, cell = torch.nonzero(given.person >= 0, as_tuple=True)
    wanted = targets.boxes[image, given.person[image, cell]]
    overlap = giou(boxes[image, cell], wanted)
    box_loss = ((1 - overlap) * given.score[image, cell].clamp(min=0.05)).sum() / mass
    parts = {
        "score": float(score_loss.detach()),
        "box": float(box_loss.detach()),
        "people": float(mass),
    }
    return score_loss + BOX_WEIGHT * box_loss, parts


def joint_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Penalty-reduced focal loss of joint heatmaps (CenterNet: Zhou et al. 2019, equation 1), per
    labelled joint.
    """
    heat, weight = targets.heatmaps, targets.heatmap_weights
    score = logits.sigmoid()
    peak = (heat > 0.95).float()
    log_yes, log_no = (
        torch.nn.functional.logsigmoid(logits),
        torch.nn.functional.logsigmoid(-logits),
    )
    yes = peak * (1 - score).square() * log_yes
    no = (1 - peak) * (1 - heat) ** 4 * score.square() * log_no
    return -JOINT_WEIGHT * (weight * (yes + no)).sum() / (peak * weight).sum().clamp(min=1.0)


def joint_targets(picture: Picture) -> tuple[FloatArray, FloatArray]:
    """Heatmaps (K, h, w) with a Gaussian of peak 1 per joint, and weights: 0 where nobody knows of
    one.
    """
    cells = picture.ground.shape[0]
    count = picture.joints.shape[1]
    heat = np.zeros((count, cells, cells), np.float32)
    weight = np.repeat((picture.ground != IGNORED).astype(np.float32)[None], count, axis=0)
    weight[:, picture.ground == UNKNOWN] = UNKNOWN_WEIGHT
    grid = np.arange(cells)
    for box, joints in zip(picture.boxes, picture.joints, strict=True):
        long_side = float((box[2:] - box[:2]).max())
        x1, y1, x2, y2 = np.round(box / GROUND_STRIDE).astype(int)
        known = ~np.isnan(joints).any(axis=1) & (long_side >= SMALLEST_WITH_JOINTS)
        weight[:, y1 : y2 + 1, x1 : x2 + 1] = np.where(known, 1.0, 0.0)[:, None, None]
        part, least, most = JOINT_SIGMA
        sigma = float(np.clip(part * long_side / GROUND_STRIDE, least, most))
        at = np.floor(joints[known] / GROUND_STRIDE)
        bell = np.exp(-((grid[None, None] - at[..., None]) ** 2) / (2 * sigma**2))  # (k, 2, cells)
        heat[known] = np.maximum(heat[known], bell[:, 1, :, None] * bell[:, 0, None, :])
    return heat, weight
