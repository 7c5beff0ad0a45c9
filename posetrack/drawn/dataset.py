"""Drawn clips on disk in the folder layouts of PoseTrack: images as JPEG and one label file a
sequence.

FOLDER/images/SPLIT/NAME/000000.jpg ...
FOLDER/annotations/SPLIT/NAME.json        (layout of 2017: annolist; of 2018: COCO-like)
"""

from __future__ import annotations

__all__ = ["LAYOUTS", "write_posetrack_dataset"]

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2

from posetrack.drawn.clip import DrawnSequence
from posetrack.errors import unknown_name
from posetrack.files import write_beside
from posetrack.formats import FORMATS
from posetrack.structures import FrameLabels, Image, Sequence

LAYOUTS = {"2017": "posetrack17", "2018": "posetrack18"}  # year -> file format of the labels
JPEG_QUALITY = 90  # percent


def write_posetrack_dataset(
    folder: str | Path,
    sequences: Iterable[DrawnSequence],
    layout: str = "2018",
    split: str = "train",
) -> list[Path]:
    """Write images and labels of drawn sequences; returns the label files, in order.

    ``layout`` is the year of the layout, "2017" or "2018"; image names in the labels are relative
    to ``folder``. Needs the memory of one frame. Raises UsageError for another layout, OutputError
    for a folder that cannot be written.
    """
    if layout not in LAYOUTS:
        raise unknown_name("PoseTrack layout", layout, LAYOUTS)
    return [_write_one(Path(folder), drawn, LAYOUTS[layout], split) for drawn in sequences]


def _write_one(folder: Path, drawn: DrawnSequence, file_format: str, split: str) -> Path:
    frames = tuple(_write_images(folder, drawn, f"images/{split}/{drawn.name}"))
    path = folder / "annotations" / split / f"{drawn.name}.json"
    labels = drawn.labels
    FORMATS[file_format].write(
        path,
        Sequence(labels.name, labels.size_wh, labels.fps, labels.skeleton, frames, labels.meta),
    )
    return path


def _write_images(folder: Path, drawn: DrawnSequence, place: str) -> Iterator[FrameLabels]:
    for one in drawn:
        name = f"{place}/{one.frame.index:06d}.jpg"
        _write_jpeg(folder / name, one.frame.image)
        yield replace(one.labels, image=name)


def _write_jpeg(path: Path, image: Image) -> None:
    data = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )[1]
    with write_beside(path) as part:
        part.write_bytes(data.tobytes())
