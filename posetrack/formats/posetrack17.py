"""PoseTrack 2017 JSON: one video a file, ``annolist`` -> frames -> ``annorect`` -> people -> points
by joint id.

    {"annolist": [{"image": [{"name": "images/val/000001_mpii/000000.jpg"}], "imgnum": [1],
    "is_labeled": [1],
      "annorect": [{"x1": [..], "y1": [..], "x2": [..], "y2": [..], "track_id": [0], "score": [0.9],
                    "annopoints": [{"point": [{"id": [13], "x": [..], "y": [..], "score":
                    [..]}]}]}],
      "ignore_regions": [{"point": [{"x": [..], "y": [..]}]}]}]}

Every scalar is a list of one. The box is the *head* box and only ground truth has it. An addition
of ours that the official tools skip over: ``time_s`` of a frame.
"""

from __future__ import annotations

__all__ = ["parse", "read", "write"]

from dataclasses import replace
from itertools import chain
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
    video_of,
    write_json,
)
from posetrack.formats.posetrack_faults import explain17
from posetrack.formats.table import JOINTS, NO_ID, NO_SCORE, LabelTable, Polygon
from posetrack.structures import Sequence

_BOX_KEYS = ("x1", "y1", "x2", "y2")
_FAULTS = (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError)

Json = dict[str, Any]


def read(path: str | Path) -> list[Sequence]:
    """The one video of a file, in the skeleton ``POSETRACK_15``. Raises InputError, FormatError."""
    return [to_sequence(parse(read_json(path, allow_nan=True), path, video_name=True))]


def parse(
    data: Any, path: str | Path, *, heads: bool = True, video_name: bool = False
) -> LabelTable:
    """The content of a file as a table; ``heads=False`` leaves out head boxes (predictions need
    none).

    The name is the file's, or with ``video_name`` the folder of the images. Raises FormatError
    naming file, frame and field.
    """
    try:
        table = _parse(data, str(path), heads)
    except _FAULTS as error:
        explain17(data, str(path))
        raise FormatError(
            f"{path} breaks the PoseTrack 2017 layout ({type(error).__name__}: {error})."
        ) from error
    name = video_of(table.images) if video_name else ""
    return replace(table, name=name) if name else table


def _parse(data: Any, path: str, heads: bool) -> LabelTable:
    frames: list[Json] = data["annolist"]
    rects: list[list[Json]] = [f["annorect"] for f in frames]
    if not isinstance(frames, list) or any(not isinstance(r, list) for r in rects):
        raise TypeError("annolist or annorect is not a list")
    people = list(chain.from_iterable(rects))
    lists = _point_lists(people)
    xy, score = _joints(lists)
    head = np.full((len(people), 4), np.nan)
    if heads:
        for column, key in enumerate(_BOX_KEYS):
            head[:, column] = numbers(_singles(people, key, np.nan))
    return LabelTable(
        name=stem(path),
        source=path,
        images=tuple(_image_name(f) for f in frames),
        labeled=flags([f.get("is_labeled") for f in frames]),
        regions=tuple(tuple(map(_polygon, f.get("ignore_regions") or ())) for f in frames),
        index=_frame_numbers(frames),
        time_s=_loose(frames, "time_s", np.nan),
        frame=np.repeat(np.arange(len(frames)), [len(r) for r in rects]),
        track_id=identities(_singles(people, "track_id", NO_ID)),
        xy=xy,
        score=score,
        pose_score=_loose(people, "score", np.nan),
        box_xyxy=np.full((len(people), 4), np.nan),
        head_xyxy=head,
        has_points=np.array([points is not None for points in lists], np.bool_),
    )


def _singles(rows: list[Json], key: str, missing: float) -> list[Any]:
    """``row[key][0]`` of every row, ``missing`` where it is not there or empty."""
    try:
        return [row[key][0] for row in rows]  # the common case, twice as fast
    except (KeyError, IndexError, TypeError):
        return [row[key][0] if row.get(key) else missing for row in rows]


def _loose(rows: list[Json], key: str, missing: float) -> npt.NDArray[np.float64]:
    """A number of every row that is not worth an error: ``missing`` where the field is anything
    else.
    """
    return numbers([first(row.get(key), missing) for row in rows])


def _point_lists(people: list[Json]) -> list[list[Json] | None]:
    """The joints of every person, None where the file has no list of them."""
    try:
        return [person["annopoints"][0]["point"] for person in people]
    except (KeyError, IndexError, TypeError):
        parts = [person.get("annopoints") for person in people]
        return [part[0].get("point") if part else None for part in parts]


def _joints(
    lists: list[list[Json] | None],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Joint coordinates (P, 15, 2) and scores (P, 15) of the people's point lists."""
    counts = [len(points) if points else 0 for points in lists]
    points = list(chain.from_iterable(filter(None, lists)))
    joint = numbers([p["id"][0] for p in points])
    x, y = numbers([p["x"][0] for p in points]), numbers([p["y"][0] for p in points])
    try:
        value = numbers([p["score"][0] for p in points])
    except KeyError:  # ground truth has no scores, and predictions may lack some
        value = numbers([p["score"][0] if "score" in p else NO_SCORE for p in points])
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a coordinate is not a finite number")
    person = np.repeat(np.arange(len(lists)), counts)
    # Backwards, so that of a repeated joint the first one stays; ids beyond the 15 joints are
    # ignored, as officially.
    known = np.flatnonzero((joint >= 0) & (joint < len(JOINTS)))[::-1]
    rows, columns = person[known], joint[known].astype(np.int64)
    xy = np.full((len(lists), len(JOINTS), 2), np.nan)
    score = np.full((len(lists), len(JOINTS)), NO_SCORE)
    xy[rows, columns, 0], xy[rows, columns, 1] = x[known], y[known]
    score[rows, columns] = value[known]
    return xy, score


def _frame_numbers(frames: list[Json]) -> npt.NDArray[np.int64]:
    """Frame numbers from 0: the file's ``imgnum`` (which counts from 1) where it is there and
    rises, else positions.
    """
    given = _loose(frames, "imgnum", np.nan) - 1
    if np.isfinite(given).all() and (given >= 0).all() and (np.diff(given) > 0).all():
        return given.astype(np.int64)
    return np.arange(len(frames))


def _image_name(frame: Json) -> str:
    image = frame.get("image")
    image = image[0] if isinstance(image, list) and image else image
    return str(image.get("name", "")) if isinstance(image, dict) else ""


def _polygon(region: Json) -> Polygon:
    return np.array([[p["x"][0], p["y"][0]] for p in region["point"]], np.float64).reshape(-1, 2)


def write(path: str | Path, sequence: Sequence) -> None:
    """Write one video, beside its target first, then renamed. Raises OutputError."""
    table = to_table(sequence)
    starts = np.searchsorted(table.frame, np.arange(table.frame_count + 1))
    content = {
        "annolist": [
            _frame_json(table, f, range(starts[f], starts[f + 1])) for f in range(table.frame_count)
        ]
    }
    write_json(path, content)


def _frame_json(table: LabelTable, f: int, people: range) -> Json:
    index = int(table.index[f])
    frame: Json = {
        "image": [{"name": table.images[f] or f"images/{table.name}/{index:06d}.jpg"}],
        "imgnum": [index + 1],
        "is_labeled": [int(table.labeled[f] != 0)],
        "annorect": [_person_json(table, p) for p in people],
    }
    if table.regions[f]:
        frame["ignore_regions"] = [
            {"point": [{"x": [x], "y": [y]} for x, y in r.tolist()]} for r in table.regions[f]
        ]
    if np.isfinite(table.time_s[f]):
        frame["time_s"] = [float(table.time_s[f])]
    return frame


def _person_json(table: LabelTable, p: int) -> Json:
    head = table.head_xyxy[p]
    if np.isnan(head).any():
        head = np.zeros(4)  # predictions have no head box, but the official tools want the keys
    points = []
    for j in np.flatnonzero(table.present[p]):
        point: Json = {
            "id": [int(j)],
            "x": [float(table.xy[p, j, 0])],
            "y": [float(table.xy[p, j, 1])],
        }
        if table.score[p, j] == NO_SCORE:
            point["is_visible"] = [1]
        else:
            point["score"] = [float(table.score[p, j])]
        points.append(point)
    person: Json = {key: [value] for key, value in zip(_BOX_KEYS, head.tolist(), strict=True)}
    if np.isfinite(table.pose_score[p]):
        person["score"] = [float(table.pose_score[p])]
    if table.track_id[p] != NO_ID:
        person["track_id"] = [int(table.track_id[p])]
    return {**person, "annopoints": [{"point": points}]}
