"""PoseTrack 2018 and 2021 JSON: COCO-like ``images``, ``annotations``, ``categories``.

A keypoint is ``x, y, v``; it is absent only if all three are 0, so that ``v = 0`` with a place is a
keypoint like any other, as the official tool reads it. Predictions add ``scores`` (one a joint),
ground truth ``bbox_head`` (x, y, w, h) and ``ignore_regions_x`` / ``_y``. The two ears are read
over. Additions of ours that the official tools skip: ``frame_index`` and ``time_s`` of an image.
"""

from __future__ import annotations

__all__ = ["CATEGORY", "parse", "read", "write"]

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError
from posetrack.files import read_json
from posetrack.formats.label_tables import (
    first,
    flags,
    identities,
    numbers,
    stem,
    to_sequence,
    to_table,
    write_json,
)
from posetrack.formats.posetrack_faults import explain18
from posetrack.formats.table import JOINTS, NO_ID, NO_SCORE, LabelTable, Polygon
from posetrack.skeletons import canonical_joint
from posetrack.structures import Sequence

Json = dict[str, Any]

# The category every PoseTrack 2018 file carries, keypoints in the order of its arrays.
CATEGORY: Json = {
    "supercategory": "person",
    "id": 1,
    "name": "person",
    "keypoints": (
        "nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow "
        "right_elbow left_wrist "
        "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
    ).split(),
    "skeleton": [],
}
_FAULTS = (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError)
_COLUMN = {canonical_joint(name): i for i, name in enumerate(JOINTS)}


def read(path: str | Path) -> list[Sequence]:
    """The videos of a file, in the skeleton ``POSETRACK_15``, named by the folders of their images.

    Raises InputError, FormatError.
    """
    return [
        to_sequence(table) for table in _guarded(read_json(path, allow_nan=True), str(path), True)
    ]


def parse(data: Any, path: str | Path, *, heads: bool = True) -> LabelTable:
    """The first video of a file (the official tool sees no other) as a table with the file's name.

    ``heads=False`` leaves out head boxes. Raises FormatError naming file, frame and field.
    """
    from dataclasses import replace

    tables = _guarded(data, str(path), heads)
    if not tables:
        raise FormatError(f"{path}: images: the list is empty.")
    return replace(tables[0], name=stem(path))


def _guarded(data: Any, path: str, heads: bool) -> list[LabelTable]:
    try:
        return _parse(data, path, heads)
    except _FAULTS as error:
        explain18(data, path)
        raise FormatError(
            f"{path} breaks the PoseTrack 2018 layout ({type(error).__name__}: {error})."
        ) from error


def _parse(data: Any, path: str, heads: bool) -> list[LabelTable]:
    images: list[Json] = data["images"]
    people: list[Json] = data["annotations"]
    names: list[str] = data["categories"][0]["keypoints"]
    if not isinstance(images, list) or not isinstance(people, list):
        raise TypeError("images or annotations is not a list")
    videos = [_video(image) for image in images]
    video_of_image = {image["id"]: video for image, video in zip(images, videos, strict=True)}
    if len(video_of_image) != len(images):
        raise ValueError("an image id repeats")
    video_of_person = [video_of_image[p["image_id"]] for p in people]
    return [
        _one(
            [image for image, other in zip(images, videos, strict=True) if other == video],
            [
                person
                for person, other in zip(people, video_of_person, strict=True)
                if other == video
            ],
            names,
            path,
            heads,
        )
        for video in dict.fromkeys(videos)
    ]


def _video(image: Json) -> str:
    """What tells videos apart: the folder name up to its first ``_``."""
    folder = Path(image["file_name"]).parent.name
    return folder.split("_")[0] if folder else str(image.get("vid_id", ""))


def _one(
    images: list[Json], people: list[Json], names: list[str], path: str, heads: bool
) -> LabelTable:
    frame_of = {image["id"]: f for f, image in enumerate(images)}
    frame = np.array([frame_of[p["image_id"]] for p in people], np.int64)
    order = np.argsort(frame, kind="stable")
    people = [people[i] for i in order]
    xy, score = _joints(people, names)
    folder = Path(images[0]["file_name"]).parent.name
    return LabelTable(
        name=folder or stem(path),
        source=path,
        images=tuple(image["file_name"] for image in images),
        labeled=flags([image.get("is_labeled") for image in images]),
        regions=tuple(_polygons(image) for image in images),
        index=_frame_numbers(images),
        time_s=numbers([first(image.get("time_s"), np.nan) for image in images]),
        frame=frame[order],
        track_id=identities(
            [NO_ID if p.get("track_id") is None else p["track_id"] for p in people]
        ),
        xy=xy,
        score=score,
        pose_score=numbers([first(p.get("score"), np.nan) for p in people]),
        box_xyxy=_corners(people, "bbox"),
        head_xyxy=_corners(people, "bbox_head") if heads else np.full((len(people), 4), np.nan),
        has_points=np.ones(len(people), np.bool_),
        size_wh=_size(images[0]),
    )


def _joints(
    people: list[Json], names: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    count = len(names)
    given = numbers([p["keypoints"] for p in people]).reshape(len(people), count, 3)
    if not np.isfinite(given).all():
        raise ValueError("a coordinate is not a finite number")
    missing = [NO_SCORE] * count
    value = numbers([p.get("scores") or missing for p in people]).reshape(len(people), count)
    target = {
        i: _COLUMN[joint] for i, joint in enumerate(map(canonical_joint, names)) if joint in _COLUMN
    }
    source, column = list(target), list(target.values())
    absent = (given == 0).all(axis=2)
    xy = np.full((len(people), len(JOINTS), 2), np.nan)
    score = np.full((len(people), len(JOINTS)), NO_SCORE)
    xy[:, column] = np.where(absent[..., None], np.nan, given[..., :2])[:, source]
    score[:, column] = np.where(absent, NO_SCORE, value)[:, source]
    return xy, score


def _corners(people: list[Json], key: str) -> npt.NDArray[np.float64]:
    """``x, y, w, h`` of every person as corners, NaN where missing."""
    boxes = numbers([p.get(key) or [np.nan] * 4 for p in people]).reshape(len(people), 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _polygons(image: Json) -> tuple[Polygon, ...]:
    columns = zip(
        image.get("ignore_regions_x") or (), image.get("ignore_regions_y") or (), strict=True
    )
    return tuple(
        np.array(list(zip(x, y, strict=True)), np.float64).reshape(-1, 2) for x, y in columns
    )


def _frame_numbers(images: list[Json]) -> npt.NDArray[np.int64]:
    given = [image.get("frame_index") for image in images]
    return (
        np.array(given, np.int64)
        if all(isinstance(g, int) for g in given)
        else np.arange(len(images))
    )


def _size(image: Json) -> tuple[int, int] | None:
    w, h = image.get("width"), image.get("height")
    return (w, h) if isinstance(w, int) and isinstance(h, int) else None


def write(path: str | Path, sequence: Sequence) -> None:
    """Write one video, beside its target first, then renamed. Raises OutputError."""
    table = to_table(sequence)
    digits = "".join(c for c in table.name.split("_")[0] if c.isdigit())[-6:] or "0"
    base = (
        10**10 + int(digits) * 10**4
    )  # PoseTrack's own numbering: 1, six digits of video, four of frame
    images = [_image_json(table, f, base, digits.zfill(6)) for f in range(table.frame_count)]
    starts = np.searchsorted(table.frame, table.frame)  # first person of each person's frame
    people = [_person_json(table, p, base, p - int(starts[p])) for p in range(len(table))]
    write_json(path, {"images": images, "annotations": people, "categories": [CATEGORY]})


def _image_json(table: LabelTable, f: int, base: int, video: str) -> Json:
    index = int(table.index[f])
    image: Json = {
        "file_name": table.images[f] or f"images/{table.name}/{index:06d}.jpg",
        "id": base + index,
        "frame_id": base + index,
        "vid_id": video,
        "nframes": table.frame_count,
        "is_labeled": bool(table.labeled[f] != 0),
        "ignore_regions_x": [r[:, 0].tolist() for r in table.regions[f]],
        "ignore_regions_y": [r[:, 1].tolist() for r in table.regions[f]],
        "frame_index": index,
    }
    if np.isfinite(table.time_s[f]):
        image["time_s"] = float(table.time_s[f])
    if table.size_wh:
        image["width"], image["height"] = (int(v) for v in table.size_wh)
    return image


def _person_json(table: LabelTable, p: int, base: int, number: int) -> Json:
    image_id = base + int(table.index[table.frame[p]])
    columns = [_COLUMN.get(canonical_joint(name), -1) for name in CATEGORY["keypoints"]]
    there = [c >= 0 and bool(table.present[p, c]) for c in columns]
    keypoints = [
        [*table.xy[p, c].tolist(), 1] if t else [0, 0, 0]
        for c, t in zip(columns, there, strict=True)
    ]
    scored = table.score[p] != NO_SCORE
    person: Json = {
        "image_id": image_id,
        "id": image_id * 100 + number,
        "category_id": CATEGORY["id"],
        "keypoints": [v for triple in keypoints for v in triple],
        "bbox": _sides(table.box_xyxy[p]),
    }
    if table.track_id[p] != NO_ID:
        person["track_id"] = int(table.track_id[p])
    if scored.any():
        known = [t and bool(scored[c]) for c, t in zip(columns, there, strict=True)]
        person["scores"] = [
            float(table.score[p, c]) if k else 0.0 for c, k in zip(columns, known, strict=True)
        ]
    if np.isfinite(table.pose_score[p]):
        person["score"] = float(table.pose_score[p])
    if np.isfinite(table.head_xyxy[p]).all():
        person["bbox_head"] = _sides(table.head_xyxy[p])
    return person


def _sides(corners: npt.NDArray[np.float64]) -> list[float]:
    x1, y1, x2, y2 = corners.tolist()
    return [x1, y1, x2 - x1, y2 - y1]
