"""Parquet: the table of ``long_table`` in typed, compressed columns; needs pyarrow (the extra
``parquet``).
"""

from __future__ import annotations

__all__ = ["read", "write"]

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from posetrack.errors import FormatError, UsageError
from posetrack.files import read_bytes, write_beside
from posetrack.formats.long_table import COLUMNS, Row, frame_rows, to_frames
from posetrack.structures import Sequence

FRAMES_PER_GROUP = 2000  # written at once: a few megabytes
_ROWS_PER_READ = 65536
MIN_ROWS = 1_000_000  # that any file may have, however well it is packed


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow: pip install 'posetrack[parquet]', or choose csv."
        ) from error
    return pyarrow


def _schema(pa: Any) -> Any:
    kinds = [pa.int64(), pa.float64(), pa.int64(), pa.string(), *[pa.float32()] * 8]
    return pa.schema(list(zip(COLUMNS, kinds, strict=True)))


def write(path: str | Path, sequence: Sequence) -> None:
    """Write a sequence in groups of frames, beside its target first, then renamed. Raises
    OutputError, UsageError.
    """
    pa = _pyarrow()
    schema = _schema(pa)
    with write_beside(path) as part, pa.parquet.ParquetWriter(str(part), schema) as writer:
        frames = iter(sequence.frames)
        while group := list(islice(frames, FRAMES_PER_GROUP)):
            rows = [row for labels in group for row in frame_rows(labels, sequence.skeleton)]
            columns = zip(zip(*rows, strict=True), schema.types, strict=True)
            arrays = [pa.array(column, kind) for column, kind in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def read(path: str | Path) -> list[Sequence]:
    """The one video of a file. Raises InputError, FormatError, UsageError."""
    pa = _pyarrow()
    data = read_bytes(path)
    try:
        file = pa.parquet.ParquetFile(io.BytesIO(data))
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"{path} is not a Parquet file, or it is cut off.") from error
    missing = sorted(set(COLUMNS) - set(file.schema_arrow.names))
    if missing:
        raise FormatError(f"{path}: the columns {', '.join(missing)} are missing.")
    rows = file.metadata.num_rows
    if rows > max(MIN_ROWS, len(data)):
        raise FormatError(
            f"{path} says that it holds {rows} rows in {len(data)} bytes; tables of tracks have a "
            f"byte a row at least, so it is not read."
        )
    try:
        skeleton, frames = to_frames(_rows(file, str(path)))
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"{path} is damaged: {_first_line(error)}.") from error
    return [Sequence(Path(path).name.removesuffix(".parquet"), None, None, skeleton, frames)]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _rows(file: Any, path: str) -> Iterator[tuple[str, Row]]:
    number = 0
    for batch in file.iter_batches(_ROWS_PER_READ, columns=COLUMNS):
        for row in zip(
            *(column.to_pylist() for column in batch.select(COLUMNS).columns), strict=True
        ):
            yield f"{path}, row {number}", list(row)
            number += 1
