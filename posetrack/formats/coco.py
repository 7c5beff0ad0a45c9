"""COCO keypoint results: a JSON list with one object a person, as pycocotools' ``loadRes`` takes
it.

    {"image_id": 7, "category_id": 1, "keypoints": [x, y, score, ...], "score": s, "bbox": [x, y, w,
    h],
     "track_id": 3, "time_s": 0.28, "file_name": "walk/7.jpg"}

``image_id`` is the frame's index. ``track_id``, ``time_s`` and (of a folder of pictures)
``file_name`` are additions that COCO's tools skip over. An absent joint is ``0, 0, 0``. Frames
without people leave no trace in this format, nor do video size, frame rate and settings.

Reading also takes COCO *annotations* (``{"images": .., "annotations": .., "categories": ..}``):
each image is a frame, in file order, named by its ``file_name``; the third number of a keypoint is
then a visibility, not a score.
"""

from __future__ import annotations

__all__ = ["PERSON_CATEGORY", "read", "write"]

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from posetrack.errors import FormatError
from posetrack.files import read_json, write_beside
from posetrack.formats.coco_labels import CocoLabels, CocoPerson, parse_coco_labels
from posetrack.skeletons import SKELETONS, canonical_joint, make_skeleton
from posetrack.structures import (
    MAX_INDEX,
    Boxes,
    FrameLabels,
    Poses,
    Sequence,
    Skeleton,
    Tracks,
    as_float32,
)

PERSON_CATEGORY = 1  # id of "person" in COCO
_SUFFIXES = (".gz", ".json", ".coco")
_BY_LENGTH = {len(s): s for s in SKELETONS.values()}  # 14, 15, 16, 17 and 25 joints: all different

Row = dict[str, Any]


def write(path: str | Path, sequence: Sequence) -> None:
    """Write a sequence person by person, beside its target first, then renamed. Raises
    OutputError.
    """
    with write_beside(path) as part, part.open("wb") as file:
        separator = b"[\n"
        for labels in sequence.frames:
            for row in _people(labels):
                file.write(separator + orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY))
                separator = b",\n"
        file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _people(labels: FrameLabels) -> Iterator[Row]:
    poses = labels.tracks.poses
    keypoints = np.concatenate([poses.xy, poses.score[..., None]], axis=2)
    keypoints[~poses.present] = 0
    sides = np.concatenate(
        [poses.boxes.xyxy[:, :2], poses.boxes.xyxy[:, 2:] - poses.boxes.xyxy[:, :2]], axis=1
    )
    named = {} if labels.image is None else {"file_name": labels.image}
    for n in range(len(poses)):
        yield {
            "image_id": labels.index,
            "category_id": PERSON_CATEGORY,
            "keypoints": np.ascontiguousarray(keypoints[n].ravel()),
            "score": poses.boxes.score[n],
            "bbox": np.ascontiguousarray(sides[n]),
            "track_id": labels.tracks.id[n],
            "time_s": labels.time_s,
            **named,
        }


def read(path: str | Path) -> list[Sequence]:
    """The one video of a results file, or the images of an annotation file. Raises InputError,
    FormatError.

    Without ``track_id`` the people of a frame are numbered from 0 in file order and
    ``meta["identities"]`` is False.
    """
    data = read_json(path)
    name = _stem(path)
    if isinstance(data, list):
        return [_read_results(data, name, str(path))]
    if (
        isinstance(data, dict)
        and isinstance(data.get("images"), list)
        and isinstance(data.get("annotations"), list)
    ):
        return [_read_annotations(parse_coco_labels(data, path), name)]
    raise FormatError(
        f"{path} is neither a list of COCO results nor COCO annotations with images and "
        f"annotations."
    )


def _stem(path: str | Path) -> str:
    name = Path(path).name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _read_results(rows: list[Row], name: str, path: str) -> Sequence:
    skeleton = _find_skeleton(rows, None, path)
    by_frame: dict[int, list[tuple[int, Row]]] = {}
    for number, row in enumerate(rows):
        index = row.get("image_id") if isinstance(row, dict) else None
        if not isinstance(index, int) or not 0 <= index <= MAX_INDEX:
            raise FormatError(
                f"{path}, entry {number}: image_id must be a whole number, the frame's index."
            )
        by_frame.setdefault(index, []).append((number, row))
    frames = tuple(
        FrameLabels(
            index,
            _number(people[0][1].get("time_s")),
            _parse_people(people, skeleton, path),
            people[0][1].get("file_name"),
        )
        for index, people in sorted(by_frame.items())
    )
    return Sequence(name, None, None, skeleton, frames, _meta(rows))


def _read_annotations(labels: CocoLabels, name: str) -> Sequence:
    skeleton = _find_skeleton(labels.annotations, labels.categories, str(labels.path))
    by_image: dict[Any, list[CocoPerson]] = {image: [] for image in labels.images}
    for person in labels.people(len(skeleton)):
        labels.image_of(person)
        by_image[person.image].append(person)
    frames = tuple(
        FrameLabels(
            index,
            float("nan"),
            _annotated(by_image[key], skeleton, labels),
            str(image.id if image.name is None else image.name),
        )
        for index, (key, image) in enumerate(labels.images.items())
    )
    return Sequence(name, None, None, skeleton, frames, _meta(labels.annotations))


def _annotated(people: list[CocoPerson], skeleton: Skeleton, labels: CocoLabels) -> Tracks:
    """The people of one image. Raises FormatError."""
    keypoints = np.full((len(people), len(skeleton), 3), np.nan, np.float32)
    boxes = np.zeros((len(people), 5), np.float32)
    for n, person in enumerate(people):
        if person.keypoints is not None:
            keypoints[n] = person.keypoints
        keypoints[n, (keypoints[n] == 0).all(axis=1)] = np.nan
        box = _around(keypoints[n]) if person.xyxy is None else person.xyxy
        boxes[n] = (*box, person.score)
    identities = [n if p.track_id is None else p.track_id for n, p in enumerate(people)]
    try:
        return Tracks(
            np.array(identities, np.int64),
            Poses(
                keypoints[..., :2], keypoints[..., 2], Boxes(boxes[:, :4], boxes[:, 4]), skeleton
            ),
        )
    except (ValueError, TypeError) as error:
        raise labels.wrong(people[-1].number, str(error)) from error


def _meta(rows: list[Row]) -> dict[str, Any]:
    return {} if all("track_id" in row for row in rows) else {"identities": False}


def _find_skeleton(rows: list[Row], categories: Any, path: str) -> Skeleton:
    """By the category's joint names where there are some, otherwise by the number of keypoints."""
    names = next(
        (c["keypoints"] for c in categories or () if isinstance(c, dict) and c.get("keypoints")),
        None,
    )
    if names:
        plain = [canonical_joint(n) for n in names]
        known = (s for s in SKELETONS.values() if [canonical_joint(j) for j in s.joints] == plain)
        return next(known, None) or make_skeleton("custom", names)
    lists = [row.get("keypoints") for row in rows if isinstance(row, dict)]
    counts = {len(numbers) for numbers in lists if isinstance(numbers, list) and numbers}
    if len(counts) > 1 or not all(count % 3 == 0 and count // 3 in _BY_LENGTH for count in counts):
        raise FormatError(
            f"{path}: keypoints of {sorted(counts)} numbers; known are 3 each for "
            f"{sorted(_BY_LENGTH)}."
        )
    return _BY_LENGTH[counts.pop() // 3] if counts else SKELETONS["coco17"]


def _parse_people(people: list[tuple[int, Row]], skeleton: Skeleton, path: str) -> Tracks:
    keypoints = np.full((len(people), len(skeleton), 3), np.nan, np.float32)
    boxes = np.zeros((len(people), 5), np.float32)
    number = 0
    try:
        for n, (number, row) in enumerate(people):  # noqa: B007 - the number is wanted in the error
            if row.get("keypoints"):
                keypoints[n] = as_float32(row["keypoints"]).reshape(len(skeleton), 3)
            absent = (keypoints[n] == 0).all(axis=1)
            keypoints[n, absent] = np.nan
            boxes[n] = (*_box(row, keypoints[n]), _number(row.get("score", 1.0)))
        identities = np.array(
            [row.get("track_id", n) for n, (_, row) in enumerate(people)], np.int64
        )
        poses = Poses(
            keypoints[..., :2], keypoints[..., 2], Boxes(boxes[:, :4], boxes[:, 4]), skeleton
        )
        return Tracks(identities, poses)
    except (ValueError, TypeError) as error:
        raise FormatError(f"{path}, entry {number}: {error}.") from error


def _box(row: Row, keypoints: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """Corners of a person's box; the box of the joints where none is given."""
    if row.get("bbox"):
        x, y, w, h = (float(v) for v in row["bbox"])
        return x, y, x + w, y + h
    return _around(keypoints)


def _around(keypoints: npt.NDArray[np.float32]) -> tuple[float, ...]:
    """Corners of the box of joints (K, 3); NaN where there is none."""
    xy = keypoints[~np.isnan(keypoints[:, 0]), :2]
    if len(xy) == 0:
        return (float("nan"),) * 4
    return tuple(float(v) for v in (*xy.min(axis=0), *xy.max(axis=0)))


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
