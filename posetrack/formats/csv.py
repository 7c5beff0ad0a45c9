"""CSV, one row a joint ("long" or tidy): what pandas, R and a spreadsheet want.

Columns: ``frame, time_s, id, joint, x, y, score, box_x1, box_y1, box_x2, box_y2, box_score``; pixels and seconds. An
absent joint has its row with empty ``x`` and ``y``; a frame without people is one row with an empty ``id``, so that
every frame of the video is in the file. Not kept: video size, frame rate, settings, image names, ground-truth extras.
"""

from __future__ import annotations

__all__ = ["COLUMNS", "read", "write"]

import csv
import io
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from posetrack.errors import FormatError
from posetrack.files import read_bytes, write_beside
from posetrack.skeletons import SKELETONS, make_skeleton
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Skeleton, Tracks

COLUMNS = "frame time_s id joint x y score box_x1 box_y1 box_x2 box_y2 box_score".split()
_NUMBERS = 8  # x, y, score, four box sides and the box score, from column 4 on

Row = list[str]


def write(path: str | Path, sequence: Sequence) -> None:
    """Write a sequence frame by frame, beside its target first, then renamed. Raises OutputError."""
    with write_beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for labels in sequence.frames:
            writer.writerows(_frame_rows(labels, sequence.skeleton))


def _frame_rows(labels: FrameLabels, skeleton: Skeleton) -> Iterator[Row]:
    poses = labels.tracks.poses
    when = [str(labels.index), _text(labels.time_s)]
    if len(poses) == 0:
        yield [*when, *[""] * (len(COLUMNS) - 2)]
    for n, identity in enumerate(labels.tracks.id):
        box = [_text(v) for v in (*poses.boxes.xyxy[n], poses.boxes.score[n])]
        for k, joint in enumerate(skeleton.joints):
            point = [_text(v) for v in (*poses.xy[n, k], poses.score[n, k])]
            yield [*when, str(identity), joint, *point, *box]


def _text(value: float | np.floating) -> str:
    """The shortest spelling that reads back as the same number; empty for NaN."""
    return "" if np.isnan(value) else str(value)


def read(path: str | Path) -> list[Sequence]:
    """The one video of a file. Raises InputError, or FormatError naming the line."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not a text file in UTF-8.") from error
    rows = csv.reader(io.StringIO(text))
    header = next(rows, [])
    if header != COLUMNS:
        raise FormatError(f"{path}: the first line must be {','.join(COLUMNS)}.")
    numbered: list[tuple[int, Row]] = []
    for row in rows:
        if row and len(row) != len(COLUMNS):
            raise FormatError(f"{path}, line {rows.line_num}: {len(row)} columns instead of {len(COLUMNS)}.")
        if row:
            numbered.append((rows.line_num, row))
    skeleton = _find_skeleton(row[3] for _, row in numbered)
    groups = groupby(numbered, key=lambda item: item[1][0])
    frames = tuple(_parse_frame(list(group), skeleton, str(path)) for _, group in groups)
    return [Sequence(_stem(path), None, None, skeleton, frames)]


def _stem(path: str | Path) -> str:
    name = Path(path).name.removesuffix(".gz")
    return name.removesuffix(".csv")


def _find_skeleton(joints: Iterator[str]) -> Skeleton:
    """A known skeleton with these joints in this order, or one made from the names."""
    names = tuple(dict.fromkeys(name for name in joints if name))
    known = next((s for s in SKELETONS.values() if s.joints == names), None)
    if known is None and not names:
        return SKELETONS["posetrack15"]  # nobody in the whole file
    return known or make_skeleton("custom", names)


def _parse_frame(rows: list[tuple[int, Row]], skeleton: Skeleton, path: str) -> FrameLabels:
    line = rows[0][0]
    try:
        index, time_s = int(rows[0][1][0]), _number(rows[0][1][1])
        people: dict[int, list[Row]] = {}
        for line, row in rows:  # noqa: B007 - the line is wanted in the error
            if row[2]:
                people.setdefault(int(row[2]), []).append(row)
        line = rows[0][0]
        return FrameLabels(index, time_s, _parse_people(people, skeleton))
    except ValueError as error:
        raise FormatError(f"{path}, line {line}: {error}.") from error


def _parse_people(people: dict[int, list[Row]], skeleton: Skeleton) -> Tracks:
    place = {joint: k for k, joint in enumerate(skeleton.joints)}
    keypoints = np.full((len(people), len(skeleton), 3), np.nan, np.float32)
    boxes = np.full((len(people), 5), np.nan, np.float32)
    for n, rows in enumerate(people.values()):
        for row in rows:
            numbers = [_number(v) for v in row[-_NUMBERS:]]
            keypoints[n, place[row[3]]] = numbers[:3]
            boxes[n] = numbers[3:]
    poses = Poses(keypoints[..., :2], keypoints[..., 2], Boxes(boxes[:, :4], boxes[:, 4]), skeleton)
    return Tracks(np.array(list(people), np.int64), poses)


def _number(text: str) -> float:
    return float(text) if text else float("nan")
