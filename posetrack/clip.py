"""The tracks of a whole clip as arrays and tables: ``posetrack.read`` and ``posetrack.write``."""

from __future__ import annotations

__all__ = ["Clip", "read", "write"]

import html
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, OutputError, UsageError, WrongTypeError
from posetrack.formats import FORMATS, format_of_name
from posetrack.formats.folder import read_one
from posetrack.structures import FloatArray, IntArray, Sequence, Skeleton, Tracks
from posetrack.svg import path as draw_path
from posetrack.svg import svg
from posetrack.tabular import joint_columns, need
from posetrack.track_table import TrackTable, table_of

if TYPE_CHECKING:
    import pandas
    import xarray

PATHS_SHOWN = 32  # people whose ways a picture shows, those who stay longest


class Clip:
    """The people of one clip. A row is a person in a frame, rows are sorted by frame; ``dense``
    gives the same with an axis for people.

    ``frames`` (T,) are the frames' indices, ``times`` (T,) their seconds (NaN: unknown), ``ids``
    (P,) all identities, rising. ``frame`` (N,) and ``id`` (N,) say of whom and when the rows of
    ``keypoints`` (N, K, 3) float32 are: x, y in pixels and the score; absent joints have NaN for x
    and y. ``boxes`` (N, 5) float32 are x1, y1, x2, y2 and the score. ``sequence`` is what the other
    functions take. Iterating gives the ``Tracks`` of each frame.
    """

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.table: TrackTable = table_of(sequence.frames, sequence.skeleton)

    def __repr__(self) -> str:
        size = "{}x{}".format(*self.size_wh) if self.size_wh else "size unknown"
        people = f"{len(self.ids)} identities, {len(self.table)} poses of {self.skeleton.name}"
        return f"Clip({self.name!r}: {len(self)} frames, {people}, {size})"

    def __len__(self) -> int:
        return len(self.table.frames)

    def __iter__(self) -> Iterator[Tracks]:
        return (labels.tracks for labels in self.sequence.frames)

    @property
    def name(self) -> str:
        """The clip's name."""
        return self.sequence.name

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height in pixels; None where the file does not say."""
        return self.sequence.size_wh

    @property
    def fps(self) -> float | None:
        """Frames a second; None where the file does not say."""
        return self.sequence.fps

    @property
    def skeleton(self) -> Skeleton:
        """Names and order of the K joints."""
        return self.sequence.skeleton

    @property
    def frames(self) -> IntArray:
        """Indices of all frames, (T,), also those without people."""
        return self.table.frames

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """Seconds of all frames, (T,)."""
        return self.table.time_s

    @cached_property
    def ids(self) -> IntArray:
        """All identities, (P,), rising."""
        return np.unique(self.table.id)

    @property
    def frame(self) -> IntArray:
        """Frame index of each row, (N,)."""
        return self.table.frame

    @property
    def id(self) -> IntArray:
        """Identity of each row, (N,)."""
        return self.table.id

    @cached_property
    def keypoints(self) -> FloatArray:
        """x, y and score of each row's joints, (N, K, 3)."""
        p = self.table.poses
        return np.concatenate([p.xy, p.score[..., None]], axis=2)

    @cached_property
    def boxes(self) -> FloatArray:
        """x1, y1, x2, y2 and score of each row, (N, 5)."""
        b = self.table.poses.boxes
        return np.concatenate([b.xyxy, b.score[:, None]], axis=1)

    def dense(self) -> FloatArray:
        """Keypoints (T, P, K, 3) in the order of ``frames`` and ``ids``; NaN where a person is not
        there.
        """
        whole = np.full((len(self), len(self.ids), len(self.skeleton), 3), np.nan, np.float32)
        whole[np.searchsorted(self.frames, self.frame), np.searchsorted(self.ids, self.id)] = (
            self.keypoints
        )
        return whole

    def to_pandas(self) -> pandas.DataFrame:
        """A row a joint, as in CSV and Parquet files: frame, time_s, id, joint, x, y, score,
        box_x1, box_y1, box_x2, box_y2, box_score. Frames without people have no row.

        Raises UsageError where pandas is missing.
        """
        p, count = self.table.poses, len(self.skeleton)
        rows = joint_columns(self.id, self.skeleton.joints, p.xy, p.score, self.boxes)
        when = {
            "frame": np.repeat(self.frame, count),
            "time_s": np.repeat(self.table.times(), count),
        }
        table: pandas.DataFrame = need("pandas", "pandas").DataFrame({**when, **rows})
        return table

    def to_xarray(self) -> xarray.Dataset:
        """The layout of the package movement: ``position`` (time, space, keypoints, individuals)
        and ``confidence`` (time, keypoints, individuals), float32; individuals are ``id_1`` and so
        on. ``time`` is in seconds where every frame has one, else the frames' indices.

        Raises UsageError where xarray is missing.
        """
        timed = bool(np.isfinite(self.times).all())
        dense = self.dense().transpose(0, 3, 2, 1)  # time, x y score, joints, people
        dataset: xarray.Dataset = need("xarray", "xarray").Dataset(
            {
                "position": (("time", "space", "keypoints", "individuals"), dense[:, :2]),
                "confidence": (("time", "keypoints", "individuals"), dense[:, 2]),
            },
            coords={
                "time": self.times if timed else self.frames,
                "space": ["x", "y"],
                "keypoints": list(self.skeleton.joints),
                "individuals": [f"id_{identity}" for identity in self.ids],
            },
            attrs={
                "ds_type": "poses",
                "source_software": "posetrack",
                "fps": self.fps,
                "time_unit": "seconds" if timed else "frames",
            },
        )
        return dataset

    def _repr_html_(self) -> str:
        """For a notebook: a few facts, and the ways of the people."""
        rate = f", {self.fps:g} fps" if self.fps else ""
        size = "{}x{}".format(*self.size_wh) if self.size_wh else "size unknown"
        return (
            f"<p><b>{html.escape(self.name)}</b>: {len(self)} frames of {size}{rate}; "
            f"{len(self.ids)} identities, {len(self.table)} poses "
            f"({html.escape(self.skeleton.name)})</p>{self.ways()}"
        )

    def ways(self) -> str:
        """An SVG of the ways that the middles of the people's boxes take."""
        middles = (self.boxes[:, :2] + self.boxes[:, 2:4]) / 2
        bounds = self._bounds()
        width = max(bounds[2] - bounds[0], bounds[3] - bounds[1]) / 120
        people, counts = np.unique(self.id, return_counts=True)
        longest = people[np.argsort(-counts, kind="stable")][:PATHS_SHOWN]
        ways = [draw_path(int(i), middles[self.table.of(int(i))], width) for i in longest]
        return svg(ways, bounds)

    def _bounds(self) -> tuple[float, float, float, float]:
        """The picture, or where there are people; x1, y1, x2, y2 pixels."""
        if self.size_wh:
            return -0.5, -0.5, self.size_wh[0] - 0.5, self.size_wh[1] - 0.5
        corners = self.boxes[np.isfinite(self.boxes[:, :4]).all(axis=1), :4]
        if not len(corners):
            return 0.0, 0.0, 1.0, 1.0
        low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def read(path: str | Path) -> Clip:
    """The tracks of a file of any format that posetrack knows, or of a folder of one video, such as
    ``track`` leaves.

    Raises InputError, FormatError.
    """
    if not isinstance(path, str | Path):
        raise WrongTypeError(f"read takes the path of a file or folder, not {path!r}.")
    sequence = read_one(path)
    try:
        return Clip(sequence)
    except ValueError as error:  # of the table: told without its name
        raise FormatError(f"{path}: the frames' numbers do not rise.") from error


def write(path: str | Path, clip: Clip | Sequence, *, force: bool = False) -> None:
    """Write tracks in the format that the name ends in, such as ``clip.jsonl`` or ``clip.csv``.

    Raises UsageError for a name of no format, OutputError for a file that exists (unless
    ``force``) or cannot be written.
    """
    if not isinstance(clip, Clip | Sequence):
        raise WrongTypeError(f"write takes a Clip or a Sequence, not {type(clip).__qualname__}.")
    kind = format_of_name(path)
    if kind is None:
        ends = ", ".join(f".{f.suffix}" for f in FORMATS.values())
        raise UsageError(f"{path} ends in none of {ends}.")
    if Path(path).exists() and not force:
        raise OutputError(f"{path} exists already; force=True replaces it.")
    kind.write(path, clip.sequence if isinstance(clip, Clip) else clip)
