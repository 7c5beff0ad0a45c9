"""What is wrong with a PoseTrack file, in one sentence with file, frame and field.

The readers turn whole files into arrays at once; only where that fails these slow walks go through
the file again, one value at a time, and raise FormatError at the first fault.
"""

from __future__ import annotations

__all__ = ["explain17", "explain18"]

import math
from typing import Any

from posetrack.errors import FormatError

MAX_INT = 2**63  # whole numbers from here on do not fit into 64 bits


def explain17(data: Any, path: str) -> None:
    """Raise FormatError at the first fault of a 2017 file; return where none is found."""
    for f, frame in enumerate(_list(_key(data, "annolist", path), f"{path}: annolist")):
        where = f"{path}: frame {f}{_image17(frame)}"
        for n, person in enumerate(_list(_key(frame, "annorect", where), f"{where}: annorect")):
            _person17(person, f"{where}: person {n}")
        for region in _list(frame.get("ignore_regions") or [], f"{where}: ignore_regions"):
            points = _list(
                _key(region, "point", f"{where}: ignore_regions"), f"{where}: ignore_regions: point"
            )
            for point in points:
                for key in ("x", "y"):
                    _single(
                        _key(point, key, f"{where}: ignore_regions"),
                        f"{where}: ignore_regions: {key}",
                    )


def _image17(frame: Any) -> str:
    try:
        return f" ({frame['image'][0]['name']})"
    except (KeyError, IndexError, TypeError):
        return ""


def _person17(person: Any, where: str) -> None:
    _object(person, where)
    for key in ("x1", "y1", "x2", "y2"):
        if person.get(key):
            _single(person[key], f"{where}: {key}")
    if person.get("track_id"):
        _whole(_list(person["track_id"], f"{where}: track_id")[0], f"{where}: track_id")
    parts = person.get("annopoints")
    if not parts:
        return
    first = _object(_list(parts, f"{where}: annopoints")[0], f"{where}: annopoints")
    for i, point in enumerate(_list(first.get("point") or [], f"{where}: annopoints: point")):
        for key in ("id", "x", "y"):
            _single(_key(point, key, f"{where}: point {i}"), f"{where}: point {i}: {key}")
        if "score" in point:
            _single(point["score"], f"{where}: point {i}: score", finite=False)


def explain18(data: Any, path: str) -> None:
    """Raise FormatError at the first fault of a 2018 file; return where none is found."""
    if not isinstance(data, dict) or not {"annolist", "images"} & data.keys():
        raise FormatError(
            f"{path} has neither annolist (PoseTrack 2017) nor images and annotations (2018, 2021)."
        )
    categories = _list(_key(data, "categories", path), f"{path}: categories")
    if not categories:
        raise FormatError(f"{path}: categories: the list is empty; it has to name the keypoints.")
    names = _list(
        _key(categories[0], "keypoints", f"{path}: categories"), f"{path}: categories: keypoints"
    )
    for name in names:
        if not isinstance(name, str):
            raise FormatError(f"{path}: categories: keypoints: {_show(name)} is not a text.")
    frames: dict[Any, str] = {}
    for f, image in enumerate(_list(data["images"], f"{path}: images")):
        name = _key(image, "file_name", f"{path}: frame {f}: image")
        if not isinstance(name, str):
            raise FormatError(f"{path}: frame {f}: file_name: {_show(name)} is not a text.")
        where = f"{path}: frame {f} ({name})"
        identity = _key(image, "id", where)
        if isinstance(identity, (list, dict)):
            raise FormatError(f"{where}: id: {_show(identity)} is not a number.")
        if identity in frames:
            raise FormatError(f"{where}: id: {identity} is the id of an earlier image too.")
        frames[identity] = where
        _regions18(image, where)
    for n, person in enumerate(_list(_key(data, "annotations", path), f"{path}: annotations")):
        _person18(_object(person, f"{path}: annotation {n}"), n, names, frames, path)


def _regions18(image: dict[str, Any], where: str) -> None:
    xs, ys = image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or []
    if len(_list(xs, f"{where}: ignore_regions_x")) != len(_list(ys, f"{where}: ignore_regions_y")):
        raise FormatError(
            f"{where}: ignore_regions_x: {len(xs)} polygons, but ignore_regions_y has {len(ys)}."
        )
    for x, y in zip(xs, ys, strict=True):
        if len(_list(x, f"{where}: ignore_regions_x")) != len(
            _list(y, f"{where}: ignore_regions_y")
        ):
            raise FormatError(
                f"{where}: ignore_regions_x: a polygon has {len(x)} x but {len(y)} y."
            )
        for value in (*x, *y):
            _number(value, f"{where}: ignore_regions_x")


def _person18(
    person: dict[str, Any], n: int, names: list[Any], frames: dict[Any, str], path: str
) -> None:
    identity = _key(person, "image_id", f"{path}: annotation {n}")
    if isinstance(identity, (list, dict)) or identity not in frames:
        raise FormatError(
            f"{path}: annotation {n}: image_id: no image has the id {_show(identity)}."
        )
    where = f"{frames[identity]}: annotation {n}"
    keypoints = _list(_key(person, "keypoints", where), f"{where}: keypoints")
    if len(keypoints) != 3 * len(names):
        raise FormatError(
            f"{where}: keypoints: {len(keypoints)} numbers; {len(names)} joints need "
            f"{3 * len(names)}."
        )
    for value in keypoints:
        _number(value, f"{where}: keypoints")
    scores = person.get("scores") or []
    if scores and len(_list(scores, f"{where}: scores")) != len(names):
        raise FormatError(f"{where}: scores: {len(scores)} numbers for {len(names)} joints.")
    for value in scores:
        _number(value, f"{where}: scores", finite=False)
    if person.get("track_id") is not None:
        _whole(person["track_id"], f"{where}: track_id")
    for key in ("bbox", "bbox_head"):
        box = _list(person.get(key) or [], f"{where}: {key}")
        if box and len(box) != 4:
            raise FormatError(
                f"{where}: {key}: {len(box)} numbers where x, y, width, height belong."
            )
        for value in box:
            _number(value, f"{where}: {key}")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"{where}: {_show(value)} is not an object with named fields.")
    return value


def _key(value: Any, key: str, where: str) -> Any:
    if key not in _object(value, where):
        raise FormatError(f"{where}: {key}: the field is missing.")
    return value[key]


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise FormatError(f"{where}: {_show(value)} is not a list.")
    return value


def _single(value: Any, where: str, *, finite: bool = True) -> None:
    if not _list(value, where):
        raise FormatError(f"{where}: the list is empty.")
    _number(value[0], where, finite=finite)


def _number(value: Any, where: str, *, finite: bool = True) -> None:
    if not isinstance(value, (int, float)):
        raise FormatError(f"{where}: {_show(value)} is not a number.")
    if isinstance(value, int) and abs(value) >= MAX_INT:
        raise FormatError(f"{where}: {_show(value)} is too large.")
    if finite and not math.isfinite(value):
        raise FormatError(f"{where}: {value} is not a finite number.")


def _whole(value: Any, where: str) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or value % 1
    ):
        raise FormatError(f"{where}: {_show(value)} is not a whole number.")
    if abs(value) >= MAX_INT:
        raise FormatError(f"{where}: {_show(value)} is too large.")
