"""Person boxes from a file, to be used in place of a detector: COCO results or any format of the
table.
"""

from __future__ import annotations

__all__ = ["read_boxes"]

import logging
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import FormatError, InputError
from posetrack.files import read_json
from posetrack.formats import FORMATS, detect_format
from posetrack.formats.coco import PERSON_CATEGORY
from posetrack.structures import Boxes, FloatArray, as_float32

_log = logging.getLogger(__name__)


def read_boxes(path: str | Path) -> dict[int, Boxes]:
    """The boxes of each frame: {frame index: Boxes}; a frame that is not in the dict has none in
    the file.

    A COCO list needs ``image_id`` (the frame's index), ``bbox`` and, optionally, ``score`` (1 where
    missing) and ``category_id`` (only people are taken); keypoints are not needed. PoseTrack JSON
    counts its images from 0; people without a box get the box of their joints. Raises InputError,
    FormatError.
    """
    found = detect_format(path)
    if found is FORMATS["coco"]:
        data = read_json(path)
        if isinstance(data, list):
            return _from_results(data, str(path))
    sequences = found.read(path)
    if len(sequences) != 1:
        raise InputError(
            f"{path} holds {len(sequences)} videos; give a file with the boxes of one."
        )
    return {labels.index: labels.tracks.poses.boxes for labels in sequences[0].frames}


def _from_results(rows: list[Any], path: str) -> dict[int, Boxes]:
    by_frame: dict[int, list[FloatArray]] = {}
    for number, row in enumerate(rows):
        try:
            if row.get("category_id", PERSON_CATEGORY) == PERSON_CATEGORY:
                x, y, w, h = (float(v) for v in row["bbox"])
                box = as_float32((x, y, x + w, y + h, float(row.get("score", 1.0))))
                by_frame.setdefault(int(row["image_id"]), []).append(box)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise FormatError(
                f"{path}, entry {number}: a box needs image_id (the frame's index) and bbox [x, "
                f"y, width, height]."
            ) from error
    if rows and not by_frame:
        found = sorted({str(row.get("category_id")) for row in rows})
        raise InputError(
            f"{path}: all {len(rows)} boxes are of category {', '.join(found)}; people are "
            f"category {PERSON_CATEGORY}."
        )
    if by_frame and min(by_frame) == 1:
        _log.warning(
            "%s: the boxes begin with image_id 1; frames are counted from 0, so none is taken for "
            "the first frame.",
            path,
        )
    arrays = {index: np.array(boxes) for index, boxes in sorted(by_frame.items())}
    return {index: Boxes(a[:, :4], a[:, 4]) for index, a in arrays.items()}
