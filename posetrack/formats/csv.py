"""CSV: the table of ``long_table`` as text; every float32 in its shortest exact spelling, empty
where there is none.
"""

from __future__ import annotations

__all__ = ["read", "write"]

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posetrack.errors import FormatError
from posetrack.files import read_bytes, write_beside
from posetrack.formats.long_table import COLUMNS, Row, frame_rows, to_frames
from posetrack.structures import Sequence


def write(path: str | Path, sequence: Sequence) -> None:
    """Write a sequence frame by frame, beside its target first, then renamed. Raises
    OutputError.
    """
    with write_beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for labels in sequence.frames:
            writer.writerows(frame_rows(labels, sequence.skeleton))


def read(path: str | Path) -> list[Sequence]:
    """The one video of a file. Raises InputError, or FormatError naming the line."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not a text file in UTF-8.") from error
    skeleton, frames = to_frames(_rows(text, str(path)))
    return [
        Sequence(
            Path(path).name.removesuffix(".gz").removesuffix(".csv"), None, None, skeleton, frames
        )
    ]


def _rows(text: str, path: str) -> Iterator[tuple[str, Row]]:
    rows = csv.reader(io.StringIO(text))
    try:
        yield from _checked(rows, path)
    except csv.Error as error:
        raise FormatError(f"{path}, line {rows.line_num}: {error}.") from error


def _checked(rows: Any, path: str) -> Iterator[tuple[str, Row]]:
    if next(rows, []) != COLUMNS:
        raise FormatError(f"{path}: the first line must be {','.join(COLUMNS)}.")
    for row in rows:
        if row and len(row) != len(COLUMNS):
            raise FormatError(
                f"{path}, line {rows.line_num}: {len(row)} columns instead of {len(COLUMNS)}."
            )
        if row:
            yield f"{path}, line {rows.line_num}", [value or None for value in row]
