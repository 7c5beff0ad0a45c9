"""What a pose network is worth on people held out: its joints from their labelled boxes, and how
many are right.
"""

from __future__ import annotations

__all__ = [
    "Validation",
    "pck_hits",
    "predict",
    "predict_heads",
    "score_pck",
    "torso_px",
    "validate",
]

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from posetrack.geometry import transform_points
from posetrack.heatmaps import argmax, flip_average
from posetrack.metrics.heatmap_pck import heatmap_accuracy
from posetrack.pose.crops import Crops
from posetrack.samples.crops import Crop
from posetrack.structures import InputSpec, Skeleton
from posetrack.training.feed import to_input

_DIAGONALS = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
AT_ONCE = 64  # people
PCK_TORSOS = 0.2  # how near a joint must be, in torsos


# joints (N, K, 2) px, scores (N, K), and the share of heatmap maxima near their target
Found = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], float]


@dataclass(frozen=True, slots=True)
class Validation:
    """A named set of held-out crops; ``joints`` are the indices that count.

    ``score`` adds numbers of its own, in percent, from joints (N, K, 2) in pixels of the images and
    scores (N, K). They are a benchmark's, so everybody is looked at as ``posetrack eval`` does:
    with the flip test.
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
    xy, score, _ = predict_heads(net, crops, spec, skeleton, flip=flip, method=method)[-1]
    return xy, score


def predict_heads(
    net: nn.Module,
    crops: Sequence[Crop],
    spec: InputSpec,
    skeleton: Skeleton,
    *,
    flip: bool = False,
    method: str = "dark",
    heads: Sequence[int] = (-1,),
) -> list[Found]:
    """The same from several outputs of the network, numbered by ``heads``, and the share of maxima
    near their target (``heatmap_accuracy``).
    """
    device = next(net.parameters()).device
    boxes = np.stack([c.xyxy for c in crops])
    labelled = np.stack([c.xy for c in crops])
    found: list[list[tuple[Any, ...]]] = [[] for _ in heads]
    net.eval()
    for start in range(0, len(crops), AT_ONCE):
        rows = range(start, min(start + AT_ONCE, len(crops)))
        part = slice(start, rows.stop)
        people = Crops.of_boxes([crops[i].image for i in rows], boxes[part], spec)
        affines = people.affines(spec.size_wh)
        images = people.pictures(spec.size_wh, affines)
        outputs = _maps(net, images, spec, device)
        mirrored = _maps(net, images[:, :, ::-1].copy(), spec, device) if flip else outputs
        for head, parts in zip(heads, found, strict=True):
            maps = outputs[head]
            if flip:
                maps = flip_average(maps, mirrored[head], skeleton.flip_order)
            xy, values = people.decoded(maps, method)
            targets = _target_maxima(
                transform_points(labelled[part], affines), spec, (maps.shape[3], maps.shape[2])
            )
            parts.append((xy, values, argmax(maps)[0], targets))
    sizes = [outputs[head].shape[2:] for head in heads]
    return [_joined(parts, size_hw) for parts, size_hw in zip(found, sizes, strict=True)]


def _target_maxima(
    xy: npt.NDArray[np.float64], spec: InputSpec, maps_wh: tuple[int, int]
) -> npt.NDArray[np.float64]:
    """Where the official targets of joints (N, K, 2), in input pixels, have their maximum, in
    heatmap pixels; (0, 0) where a joint has none.
    """
    at: npt.NDArray[np.float64] = np.trunc(np.nan_to_num(xy) / (spec.size_wh[0] / maps_wh[0]) + 0.5)
    inside = ((at >= 0) & (at < maps_wh)).all(axis=2) & np.isfinite(xy).all(axis=2)
    at[~inside] = 0
    return at


def _joined(parts: Sequence[tuple[Any, ...]], size_hw: tuple[int, int]) -> Found:
    """Batches as one, their maxima compared with those of the targets."""
    xy, score, maxima, targets = (np.concatenate(column) for column in zip(*parts, strict=True))
    _, accuracy, _ = heatmap_accuracy(maxima.astype(np.float64), targets, size_hw)
    return xy, score, accuracy


def _maps(
    net: nn.Module, images: npt.NDArray[np.uint8], spec: InputSpec, device: torch.device
) -> list[npt.NDArray[np.float32]]:
    """The heatmaps of all outputs."""
    with torch.inference_mode():
        out = net(to_input(images, spec, device))
    outputs = out if isinstance(out, list) else [out]
    return [maps.float().cpu().numpy() for maps in outputs]


def _coarser_heads(net: nn.Module, spec: InputSpec) -> dict[int, int]:
    """Number -> stride in input pixels of the outputs that are coarser than the last one."""
    device = next(net.parameters()).device
    nobody = np.zeros((1, spec.size_wh[1], spec.size_wh[0], 3), np.uint8)
    widths = [maps.shape[3] for maps in _maps(net.eval(), nobody, spec, device)]
    return {i: spec.size_wh[0] // w for i, w in enumerate(widths) if w != widths[-1]}


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
    """``pck_NAME`` of every set, in percent, what its own ``score`` adds (``ap_NAME``, ...), and
    ``accuracy_NAME``, which the official code prints while it trains.

    Heads of other resolutions are scored as well: ``stride8_pck_NAME`` ...
    """
    scores: dict[str, float] = {}
    coarser = _coarser_heads(net, spec) if validations else {}
    for v in validations:
        heads = (*coarser, -1)
        flip = v.score is not None
        found = predict_heads(
            net, v.crops, spec, skeleton, flip=flip, method="quarter", heads=heads
        )
        begins = (*(f"stride{stride}_" for stride in coarser.values()), "")
        scores[f"accuracy_{v.name}"] = round(100 * found[-1][2], 2)
        for begin, (xy, score, _) in zip(begins, found, strict=True):
            scores |= {
                f"{begin}{k}": round(x, 2) for k, x in _score(v, xy, score, skeleton).items()
            }
    return scores


def _score(
    v: Validation,
    xy: npt.NDArray[np.float32],
    score: npt.NDArray[np.float32],
    skeleton: Skeleton,
) -> dict[str, float]:
    """The scores of one set from joints (N, K, 2) in crop pixels and their scores (N, K)."""
    scores = {f"pck_{v.name}": score_pck(xy, v.crops, skeleton, v.joints)}
    if v.score is None:
        return scores
    in_image = np.stack([(at + c.offset) / c.zoom for at, c in zip(xy, v.crops, strict=True)])
    more = v.score(in_image, score)
    return scores | {f"{name}_{v.name}": value for name, value in more.items()}
