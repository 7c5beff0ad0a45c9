"""MOTChallenge text: a line a box, ``frame, id, left, top, width, height, confidence, ...``, frames
from 1. Boxes with identities only: joints have no place in it.

Ground truth has the class and the visibility behind the confidence (MOT16 and later), a confidence
of 0 marks boxes that do not count; results have -1, -1, -1 there.
"""

from __future__ import annotations

__all__ = ["MotTable", "read", "read_mot", "write"]

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError
from posetrack.files import read_bytes, write_beside
from posetrack.skeletons import BOXES_ONLY
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks

LEAST_COLUMNS = 6  # frame, id, left, top, width, height
CONFIDENCE, CLASS = 6, 7  # columns, from 0
NO_CLASS = -1
MAX_NUMBER = 1e12  # of coordinates; no picture is as large
MAX_WHOLE = 2**53  # the largest whole number that a double holds exactly


@dataclass(frozen=True, slots=True)
class MotTable:
    """The N lines of a file, sorted by frame, in double precision.

    ``frame`` (N,) counts from 0, ``id`` (N,), ``xyxy`` (N, 4) pixels, ``confidence`` (N,; 1 where
    the file has none), ``label`` (N,) the class, ``NO_CLASS`` where the file has none.
    """

    frame: npt.NDArray[np.int64]
    id: npt.NDArray[np.int64]
    xyxy: npt.NDArray[np.float64]
    confidence: npt.NDArray[np.float64]
    label: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frame)


def read_mot(path: str | Path) -> MotTable:
    """Read a file. Raises InputError, or FormatError naming the line."""
    rows = _numbers(read_bytes(path), str(path))
    _check(rows, str(path))
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    xywh, wide = rows[:, 2:6], rows.shape[1]
    return MotTable(
        frame=rows[:, 0].astype(np.int64) - 1,
        id=rows[:, 1].astype(np.int64),
        xyxy=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1),
        confidence=rows[:, CONFIDENCE] if wide > CONFIDENCE else np.ones(len(rows)),
        label=rows[:, CLASS].astype(np.int64) if wide > CLASS else np.full(len(rows), NO_CLASS),
    )


def _numbers(data: bytes, path: str) -> npt.NDArray[np.float64]:
    """The lines as numbers, (N, columns); commas or blanks between them."""
    try:
        text = data.decode("utf-8-sig").replace(",", " ")
        rows = np.loadtxt(io.StringIO(text), np.float64, ndmin=2) if text.strip() else None
    except ValueError as error:
        raise FormatError(
            f"{path} is no MOTChallenge file: {error}; a line is frame, id, left, top, width, "
            "height, confidence and more numbers."
        ) from error
    return np.zeros((0, LEAST_COLUMNS)) if rows is None else rows


def _check(rows: npt.NDArray[np.float64], path: str) -> None:
    """Raise FormatError for what cannot be a box with an identity."""
    if rows.shape[1] < LEAST_COLUMNS:
        raise FormatError(
            f"{path}: {rows.shape[1]} columns; a line of MOTChallenge has at least frame, id, "
            "left, top, width and height."
        )
    whole = rows[:, :2]
    with np.errstate(invalid="ignore"):
        odd = (whole != np.floor(whole)) | (np.abs(whole) > MAX_WHOLE)
        faults = {
            "frame and id must be whole numbers": odd.any(axis=1),
            "frames count from 1": rows[:, 0] < 1,
            "a box or its confidence is not a finite number": ~(
                np.abs(rows[:, 2:8]) < MAX_NUMBER  # NaN is not below it
            ).all(axis=1),
            "a box has a negative size": (rows[:, 4:6] < 0).any(axis=1),
        }
    for what, wrong in faults.items():
        if wrong.any():
            raise FormatError(f"{path}, line {int(np.argmax(wrong)) + 1}: {what}.")


def read(path: str | Path) -> list[Sequence]:
    """The one video of a file, people without joints; only frames with boxes are known.

    Raises InputError, or FormatError naming the line.
    """
    table = read_mot(path)
    frames = tuple(_labels(table, int(index), str(path)) for index in np.unique(table.frame))
    name = Path(path).name.removesuffix(".gz").removesuffix(".txt").removesuffix(".mot")
    return [Sequence(name, None, None, BOXES_ONLY, frames)]


def _labels(table: MotTable, index: int, path: str) -> FrameLabels:
    here = slice(*np.searchsorted(table.frame, (index, index + 1)))
    boxes = Boxes(table.xyxy[here].astype(np.float32), table.confidence[here].astype(np.float32))
    poses = Poses(
        np.zeros((len(boxes), 0, 2), np.float32),
        np.zeros((len(boxes), 0), np.float32),
        boxes,
        BOXES_ONLY,
    )
    try:
        return FrameLabels(index, float("nan"), Tracks(table.id[here], poses))
    except ValueError as error:
        raise FormatError(f"{path}: an identity stands twice in frame {index + 1}.") from error


def write(path: str | Path, sequence: Sequence) -> None:
    """Write a line a person, beside its target first, then renamed. Raises OutputError."""
    with write_beside(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for labels in sequence.frames:
            boxes = labels.tracks.poses.boxes
            corner, side = boxes.xyxy[:, :2].astype(np.float64), boxes.wh.astype(np.float64)
            rows = zip(labels.tracks.id, corner, side, boxes.score, strict=True)
            for identity, (left, top), (width, height), score in rows:
                numbers = (left, top, width, height, score)
                line = ",".join(f"{number:.9g}" for number in numbers)
                file.write(f"{labels.index + 1},{identity},{line},-1,-1,-1\n")
