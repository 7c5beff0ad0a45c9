"""Running a pose network over a dataset: boxes of every image in, poses out, all people of several
images together.
"""

from __future__ import annotations

__all__ = [
    "OKS_NMS",
    "PYRAMID",
    "coco_rows",
    "detection_boxes",
    "estimate_pyramid",
    "mpii_boxes",
    "predict_coco",
    "predict_mpii",
    "truth_boxes",
]

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack import geometry
from posetrack.errors import FormatError, InputError
from posetrack.evaluation.mpii import MpiiTruth
from posetrack.files import read_json
from posetrack.formats.mpii_labels import crop_boxes
from posetrack.oks import oks_nms, rescore
from posetrack.pose.crops import Crops
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import COCO_17, MPII_16, joint_map, make_skeleton
from posetrack.structures import Boxes, Image, InputSpec, Poses, Skeleton

# Six factors on the crop: those of PyraNet's evalPyra.lua (Yang et al., ICCV 2017), whose test the
# HRNet paper follows on MPII. The heatmaps are averaged, in the frame of the crop at 1.
PYRAMID = (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
OKS_NMS = 0.9  # official OKS_THRE
PERSON = 1  # COCO's category

Json = dict[str, Any]
ReadImage = Callable[[str], Image]
Progress = Callable[[int, int | None], None]


def estimate_pyramid(
    estimator: PoseEstimator,
    images: Sequence[Image],
    boxes: Sequence[Boxes],
    factors: Sequence[float] = (1.0,),
) -> list[Poses]:
    """Poses from the mean heatmaps of crops grown by each of ``factors``; with (1.0,) what
    ``estimator`` gives.
    """
    if tuple(factors) == (1.0,):
        return estimator.estimate(images, boxes)
    everyone = Boxes.concat(list(boxes))
    owner = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
    xy = np.full((len(everyone), len(estimator.skeleton), 2), np.nan, np.float32)
    score = np.zeros(xy.shape[:2], np.float32)
    for start in range(0, len(everyone), estimator.batch_size):
        part = slice(start, start + estimator.batch_size)
        pictures = [images[i] for i in owner[part]]
        xy[part], score[part] = _estimate_batch(estimator, pictures, everyone.xyxy[part], factors)
    total = rescore(score, everyone.score).astype(np.float32)
    poses = Poses(xy, score, Boxes(everyone.xyxy, total), estimator.skeleton)
    return [poses[owner == i] for i in range(len(boxes))]


def _estimate_batch(
    estimator: PoseEstimator,
    images: Sequence[Image],
    xyxy: npt.NDArray[np.float32],
    factors: Sequence[float],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    people = Crops.of_boxes(images, xyxy, estimator.spec)
    total: Any = 0
    for factor in factors:
        crops = people.grown(factor).pictures(estimator.spec.size_wh)
        total = total + _at_scale_one(estimator.heatmaps(crops), factor)
    maps = (total / len(factors)).astype(np.float32)
    return people.decoded(maps, estimator.decode)


def _at_scale_one(maps: npt.NDArray[np.float32], factor: float) -> npt.NDArray[np.float32]:
    """Maps (N, K, h, w) of a crop ``factor`` times as large, cut to the crop itself: bilinear about
    (w/2, h/2).
    """
    import cv2

    if factor == 1:
        return maps
    n, k, h, w = maps.shape
    zoom = 1 / factor
    into = np.array([[zoom, 0, w / 2 * (1 - zoom)], [0, zoom, h / 2 * (1 - zoom)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    flat = maps.reshape(n * k, h, w)
    return np.stack([cv2.warpAffine(m, into, (w, h), flags=flags) for m in flat]).reshape(
        maps.shape
    )


def truth_boxes(truth: Json) -> dict[Any, Boxes]:
    """Ground-truth boxes by image id, cleaned as the official COCO loader does, score 1; people
    with joints only.
    """
    sizes = {image["id"]: (image.get("width"), image.get("height")) for image in truth["images"]}
    rows: dict[Any, list[list[float]]] = {}
    for n, person in enumerate(truth["annotations"]):
        if person.get("iscrowd") or not person["num_keypoints"]:
            continue
        if "bbox" not in person:
            raise FormatError(
                f"Annotation {n} of the ground truth has no bbox; give a detection file with "
                f"--boxes."
            )
        rows.setdefault(person["image_id"], []).append(person["bbox"])
    return {
        image: _clean(np.array(boxes, np.float64), sizes.get(image))
        for image, boxes in rows.items()
    }


def _clean(xywh: npt.NDArray[np.float64], size: Any) -> Boxes:
    if size is None or None in size:
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).astype(np.float32)
    else:
        xyxy = geometry.clean_coco_boxes(xywh, size)
    return Boxes(xyxy, np.ones(len(xyxy), np.float32))


def detection_boxes(path: Path, min_score: float = 0.0) -> dict[Any, Boxes]:
    """Boxes by image id from a detection file in the COCO results layout. Raises InputError,
    FormatError.
    """
    rows = read_json(path)
    if not isinstance(rows, list):
        raise FormatError(f"{path}: detections in the COCO results layout are a list of boxes.")
    found: dict[Any, list[list[float]]] = {}
    for n, row in enumerate(rows):
        try:
            if row.get("category_id", PERSON) == PERSON and row["score"] >= min_score:
                x, y, w, h = row["bbox"]
                found.setdefault(row["image_id"], []).append([x, y, x + w, y + h, row["score"]])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            words = f"{path}: detection {n}: image_id, bbox or score is missing or wrong ({error})."
            raise FormatError(words) from error
    arrays = {image: np.array(boxes, np.float32) for image, boxes in found.items()}
    return {image: Boxes(a[:, :4], a[:, 4]) for image, a in arrays.items()}


def predict_coco(
    truth: Json,
    read_image: ReadImage,
    estimator: PoseEstimator,
    boxes_of: Mapping[Any, Boxes] | Callable[[Sequence[Image]], list[Boxes]],
    *,
    factors: Sequence[float] = (1.0,),
    max_oks: float = OKS_NMS,
    progress: Progress | None = None,
) -> list[Json]:
    """Rows of the COCO results layout: poses rescored and freed of doubles as the official
    evaluator does.

    ``boxes_of`` are boxes by image id, or a detector. Joints are mapped to the dataset's by name;
    those the network does not know are 0, 0, 0. Raises InputError for an image that cannot be read.
    """
    target = _dataset_skeleton(truth)
    order = np.asarray(joint_map(estimator.skeleton, target))
    rows: list[Json] = []
    pictures = truth["images"]
    for done, chunk in _chunks(pictures, estimator.batch_size):
        images = [read_image(str(image.get("file_name", image["id"]))) for image in chunk]
        if isinstance(boxes_of, Mapping):
            boxes = [boxes_of.get(image["id"], Boxes.empty()) for image in chunk]
        else:
            boxes = boxes_of(images)
        for image, poses in zip(
            chunk, estimate_pyramid(estimator, images, boxes, factors), strict=True
        ):
            rows += coco_rows(image["id"], poses, order, estimator.spec, max_oks)
        if progress:
            progress(done, len(pictures))
    if not rows:
        raise InputError("Nobody was found in any image, so there is nothing to score.")
    return rows


def coco_rows(
    image_id: Any,
    poses: Poses,
    order: npt.NDArray[Any],
    spec: InputSpec,
    max_oks: float = OKS_NMS,
) -> list[Json]:
    """Rows of the COCO results layout for the poses of one image, without doubles: of two more
    alike than ``max_oks`` the worse one goes. ``order`` (K,) are joints of the poses in the
    dataset's order, -1 for one they do not have; ``spec`` is what the network was fed.
    """
    if not len(poses):
        return []
    _, scale = geometry.box_to_center_scale(poses.boxes.xyxy, spec.size_wh, spec.padding)
    area = np.prod(
        scale * geometry.PIXEL_STD, axis=1
    )  # of the padded box, as the official evaluator takes it
    kept = oks_nms(poses.xy, poses.boxes.score, area, poses.skeleton.oks_sigmas, max_oks)
    values = np.concatenate([np.nan_to_num(poses.xy), poses.score[..., None]], axis=2)[:, order]
    values[:, order < 0] = 0
    return [
        {
            "image_id": image_id,
            "category_id": PERSON,
            "keypoints": [float(v) for v in values[p].ravel()],
            "score": float(poses.boxes.score[p]),
        }
        for p in kept
    ]


def _dataset_skeleton(truth: Json) -> Skeleton:
    names = next((c["keypoints"] for c in truth["categories"] if c.get("keypoints")), None)
    return make_skeleton("dataset", names) if names else COCO_17


def mpii_boxes(truth: MpiiTruth) -> Boxes:
    """The boxes by which the official loader crops MPII people, counted from 0. Raises InputError
    without them.
    """
    if np.isnan(truth.center_scale).any() or not all(truth.image):
        raise InputError(
            "Running a network needs image names, centers and scales: give MPII's own .mat or "
            "the JSON."
        )
    xyxy = crop_boxes(truth.center_scale)
    return Boxes(xyxy, np.ones(len(xyxy), np.float32))


def predict_mpii(
    truth: MpiiTruth,
    read_image: ReadImage,
    estimator: PoseEstimator,
    *,
    factors: Sequence[float] = (1.0,),
    progress: Progress | None = None,
) -> npt.NDArray[np.float64]:
    """Joints (N, 16, 2) of the annotated people, counted from 0; joints the network does not know
    stand at 0, 0.
    """
    boxes = mpii_boxes(truth)
    order = np.asarray(joint_map(estimator.skeleton, MPII_16))
    xy = np.zeros((len(truth), len(MPII_16), 2))
    for done, chunk in _chunks(range(len(truth)), estimator.batch_size):
        images = [read_image(truth.image[n]) for n in chunk]
        poses = estimate_pyramid(estimator, images, [boxes[[n]] for n in chunk], factors)
        xy[list(chunk)] = np.stack([np.nan_to_num(p.xy[0])[order] for p in poses])
        if progress:
            progress(done, len(truth))
    xy[:, order < 0] = 0
    return xy


def _chunks(items: Sequence[Any], size: int) -> Iterator[tuple[int, list[Any]]]:
    """Parts of at most ``size`` items, with how many are then done."""
    rest, done = iter(items), 0
    while chunk := list(islice(rest, size)):
        done += len(chunk)
        yield done, chunk
