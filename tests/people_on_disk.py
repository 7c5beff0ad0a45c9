"""Drawn people as a COCO-style dataset on disk, for the tests of datasets and training."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import cv2
import numpy as np

from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Skeleton

SIZE_WH = (90, 120)


def write_people(
    folder: Path, count: int, skeleton: Skeleton = POSETRACK_15, seed: int = 0
) -> Path:
    """``count`` images with one person of coloured joints each, and the labels; returns the JSON
    file.
    """
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for i in range(count):
        image, xy = draw_person(rng, len(skeleton))
        name = f"im{i:03d}.png"
        cv2.imwrite(str(folder / name), image[:, :, ::-1])
        images.append({"id": i, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]})
        low, high = xy.min(axis=0), xy.max(axis=0)
        keypoints = (
            np.concatenate([xy, np.full((len(xy), 1), 2.0)], axis=1).ravel().round(2).tolist()
        )
        box = [*low.tolist(), *(high - low).tolist()]
        annotations.append(
            {"id": i, "image_id": i, "category_id": 1, "bbox": box, "keypoints": keypoints}
        )
    categories = [{"id": 1, "name": "person", "keypoints": list(skeleton.joints)}]
    path = folder / "person_keypoints.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return path


def draw_person(rng: np.random.Generator, joints: int) -> tuple[np.ndarray, np.ndarray]:
    """An image with one disc a joint, each joint in its own colour, and where they are."""
    width, height = SIZE_WH
    image = rng.integers(0, 40, (height, width, 3), dtype=np.uint8)
    columns = np.linspace(15, width - 15, 3)
    grid = np.array(
        [[x, y] for y in np.linspace(15, height - 15, (joints + 2) // 3) for x in columns]
    )[:joints]
    xy = grid + rng.uniform(-6, 6, grid.shape)
    for k, (x, y) in enumerate(xy):
        hue = np.array([[[180 * k // joints, 255, 255]]], np.uint8)
        colour = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].tolist()
        cv2.circle(image, (round(float(x)), round(float(y))), 4, colour, -1)
    return image, xy


def pack_tar(folder: Path) -> None:
    """Move the images of a folder into a tar shard."""
    with tarfile.open(folder / "images-00.tar", "w") as shard:
        for image in sorted(folder.glob("*.png")):
            shard.add(image, image.name)
            image.unlink()
