"""What a pose network is worth on people held out: its joints from their labelled boxes, and how
many are right.
"""

from __future__ import annotations

__all__ = ["Validation", "pck_hits", "predict", "score_pck", "torso_px", "validate"]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from posetrack.geometry import box_to_center_scale, crop_affine, crop_image, heatmap_to_image
from posetrack.heatmaps import decode, flip_average
from posetrack.samples.crops import Crop
from posetrack.structures import InputSpec, Skeleton
from posetrack.training.feed import to_input

_DIAGONALS = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
PCK_TORSOS = 0.2  # how near a joint must be, in torsos


@dataclass(frozen=True, slots=True)
class Validation:
    """A named set of held-out crops; ``joints`` are the indices that count.

    ``score`` adds numbers of its own, in percent, from joints (N, K, 2) in pixels of the images and
    scores (N, K).
    """

    name: str
    crops: Sequence[Crop]
    joints: tuple[int, ...]
    score: (
        Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], Mapping[str, float]] | None
    ) = None


def predict(
    net: nn.Module,
    crops: Sequence[Crop],
    spec: InputSpec,
    skeleton: Skeleton,
    *,
    flip: bool = False,
    method: str = "dark",
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Joints (N, K, 2) in crop pixels and scores (N, K) from the given boxes."""
    device = next(net.parameters()).device
    center, scale = box_to_center_scale(
        np.stack([c.xyxy for c in crops]), spec.size_wh, spec.padding
    )
    affine = crop_affine(center, scale, spec.size_wh)
    xy, score = [], []
    net.eval()
    for start in range(0, len(crops), 64):
        rows = range(start, min(start + 64, len(crops)))
        images = np.stack([crop_image(crops[i].image, affine[i], spec.size_wh) for i in rows])
        maps = _maps(net, images, spec, device)
        if flip:
            maps = flip_average(
                maps, _maps(net, images[:, :, ::-1].copy(), spec, device), skeleton.flip_order
            )
        points, values = decode(maps, method)
        part = slice(start, rows.stop)
        xy.append(
            heatmap_to_image(points, center[part], scale[part], (maps.shape[3], maps.shape[2]))
        )
        score.append(values)
    return np.concatenate(xy), np.concatenate(score)


def _maps(
    net: nn.Module, images: npt.NDArray[np.uint8], spec: InputSpec, device: torch.device
) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        out = net(to_input(images, spec, device))
    maps: npt.NDArray[np.float32] = (
        (out[-1] if isinstance(out, list) else out).float().cpu().numpy()
    )
    return maps


def score_pck(
    xy: npt.NDArray[np.float32], crops: Sequence[Crop], skeleton: Skeleton, joints: Sequence[int]
) -> float:
    """PCK@0.2 of the torso in percent over labelled ``joints``: within 0.2 x (left shoulder to
    right hip).

    The other diagonal counts where one of the two is not labelled; a person with neither is left
    out.
    """
    hits = pck_hits(xy, crops, skeleton)[:, list(joints)]
    return 100.0 * float(np.nanmean(hits)) if np.isfinite(hits).any() else 0.0


def pck_hits(
    xy: npt.NDArray[np.float32], crops: Sequence[Crop], skeleton: Skeleton
) -> npt.NDArray[np.float64]:
    """(N, K): 1 where a joint is within 0.2 torsos, 0 where it is not, NaN where it or the torso is
    not labelled.
    """
    truth = np.stack([c.xy for c in crops])
    torso = np.array([_unit_px(c, skeleton) for c in crops])[:, None]
    distance = np.linalg.norm(xy - truth, axis=2)
    judged = np.isfinite(distance) & (torso > 0)
    return np.where(judged, distance <= PCK_TORSOS * torso, np.nan)


def _unit_px(crop: Crop, skeleton: Skeleton) -> float:
    """The torso of a person; for a skeleton without one, half the longer side of the box."""
    if any(set(pair) <= set(skeleton.joints) for pair in _DIAGONALS):
        return torso_px(crop.xy, skeleton)
    return float((crop.xyxy[2:] - crop.xyxy[:2]).max()) / 2


def torso_px(xy: npt.NDArray[np.float32], skeleton: Skeleton) -> float:
    """Left shoulder to right hip, else right shoulder to left hip, in px; 0 where neither is
    labelled.
    """
    at = {name: xy[i] for i, name in enumerate(skeleton.joints)}
    for a, b in _DIAGONALS:
        length = float(np.linalg.norm(at[a] - at[b])) if a in at and b in at else math.nan
        if math.isfinite(length):
            return length
    return 0.0


def validate(
    net: nn.Module, validations: Sequence[Validation], spec: InputSpec, skeleton: Skeleton
) -> dict[str, float]:
    """``pck_NAME`` of every set, in percent, and what its own ``score`` adds (``ap_NAME``, ...)."""
    scores = {}
    for v in validations:
        xy, score = predict(net, v.crops, spec, skeleton, method="quarter")
        scores[f"pck_{v.name}"] = round(score_pck(xy, v.crops, skeleton, v.joints), 2)
        if v.score is not None:
            in_image = np.stack(
                [(at + c.offset) / c.zoom for at, c in zip(xy, v.crops, strict=True)]
            )
            scores |= {
                f"{name}_{v.name}": round(value, 2)
                for name, value in v.score(in_image, score).items()
            }
    return scores
