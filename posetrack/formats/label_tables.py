"""Between ``LabelTable`` (flat, double precision, as the file is) and ``Sequence`` (what the
pipeline exchanges).
"""

from __future__ import annotations

__all__ = [
    "first",
    "flags",
    "identities",
    "numbers",
    "stem",
    "to_sequence",
    "to_table",
    "video_of",
    "write_json",
]

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError
from posetrack.files import write_beside
from posetrack.formats.table import JOINTS, NO_ID, NO_SCORE, LabelTable
from posetrack.skeletons import POSETRACK_15, joint_map, make_skeleton
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks

_FILE_SKELETON = make_skeleton("posetrack17", JOINTS)
_NUMBERS = (float, int, bool)
_FLOAT32 = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))
_FROM_FILE = joint_map(_FILE_SKELETON, POSETRACK_15)


def to_sequence(table: LabelTable) -> Sequence:
    """The table as a sequence of the skeleton ``POSETRACK_15``; boxes the file lacks are drawn
    around the joints.

    Where people have no identity all of a frame are numbered from 0 and ``meta["identities"]`` is
    False. Raises FormatError where an identity repeats in a frame.
    """
    anonymous = bool((table.track_id == NO_ID).any())
    meta = {"source": table.source, **({"identities": False} if anonymous else {})}
    frames = tuple(_frames(table, anonymous))
    return Sequence(table.name, table.size_wh, None, POSETRACK_15, frames, meta)


def _frames(table: LabelTable, anonymous: bool) -> Iterator[FrameLabels]:
    starts = np.searchsorted(table.frame, np.arange(table.frame_count + 1))
    score = np.clip(np.where(table.score == NO_SCORE, np.nan, table.score), *_FLOAT32).astype(
        np.float32
    )
    with np.errstate(over="ignore"):  # what no picture is wide enough for becomes infinite
        arrays = (table.xy, _boxes(table), table.pose_score, table.head_xyxy)
        xy, boxes, pose_score, heads = (a.astype(np.float32) for a in arrays)
    for f in range(table.frame_count):
        rows = slice(starts[f], starts[f + 1])
        poses = Poses(
            xy[rows][:, _FROM_FILE],
            score[rows][:, _FROM_FILE],
            Boxes(boxes[rows], pose_score[rows]),
            POSETRACK_15,
        )
        ids = np.arange(len(poses)) if anonymous else table.track_id[rows]
        if len(np.unique(ids)) != len(ids):
            raise FormatError(
                f"{table.source}: {table.where_frame(f)}: track_id: an identity repeats in the "
                f"frame."
            )
        head = heads[rows]
        yield FrameLabels(
            index=int(table.index[f]),
            time_s=float(table.time_s[f]),
            tracks=Tracks(ids, poses),
            image=table.images[f] or None,
            labeled=bool(table.labeled[f] != 0),
            head_xyxy=None if np.isnan(head).all() else head,
            ignore_regions=table.regions[f],
        )


def _boxes(table: LabelTable) -> npt.NDArray[np.float64]:
    """Person boxes (P, 4): the file's, else tight around the joints, else (a person without joints)
    zero.
    """
    low = np.where(np.isnan(table.xy), np.inf, table.xy).min(axis=1)
    high = np.where(np.isnan(table.xy), -np.inf, table.xy).max(axis=1)
    tight = np.concatenate([low, high], axis=1)
    tight[~np.isfinite(tight).all(axis=1)] = 0
    return np.where(np.isnan(table.box_xyxy), tight, table.box_xyxy)


def to_table(sequence: Sequence) -> LabelTable:
    """A sequence as a table. Joints are mapped by name; those PoseTrack does not have are
    left out.
    """
    order = np.asarray(joint_map(sequence.skeleton, _FILE_SKELETON))
    frames = list(sequence.frames)
    counts = [len(f.tracks) for f in frames]
    poses = Poses.concat([f.tracks.poses for f in frames], sequence.skeleton)
    xy = poses.xy[:, order].astype(np.float64)
    xy[:, order < 0] = np.nan
    xy[np.isnan(xy).any(axis=2)] = np.nan
    score = poses.score[:, order].astype(np.float64)
    nobody = np.full((max(counts, default=0), 4), np.nan)
    heads = [
        nobody[:n] if f.head_xyxy is None else f.head_xyxy
        for f, n in zip(frames, counts, strict=True)
    ]
    return LabelTable(
        name=sequence.name,
        source=str(sequence.meta.get("source", sequence.name)),
        images=tuple(f.image or "" for f in frames),
        labeled=np.array([int(f.labeled) for f in frames], np.int8),
        regions=tuple(tuple(np.asarray(r, np.float64) for r in f.ignore_regions) for f in frames),
        index=np.array([f.index for f in frames], np.int64),
        time_s=np.array([f.time_s for f in frames], np.float64),
        frame=np.repeat(np.arange(len(frames)), counts),
        track_id=np.concatenate([np.zeros(0, np.int64), *(f.tracks.id for f in frames)]),
        xy=xy,
        score=np.where(np.isnan(score) | (order < 0), NO_SCORE, score),
        pose_score=poses.boxes.score.astype(np.float64),
        box_xyxy=poses.boxes.xyxy.astype(np.float64),
        head_xyxy=np.concatenate([np.zeros((0, 4)), *heads]).astype(np.float64),
        has_points=np.ones(len(poses), np.bool_),
        size_wh=sequence.size_wh,
    )


def numbers(values: list[Any]) -> npt.NDArray[np.float64]:
    """The values as doubles. Raises TypeError where one is no number, instead of reading "1.5" as
    1.5.
    """
    array = np.array(values)
    if array.dtype.kind == "O" and all(
        type(v) in _NUMBERS for v in values
    ):  # whole numbers beyond 64 bits
        array = np.array([float(v) for v in values])
    if array.size and array.dtype.kind not in "iufb":
        raise TypeError("a value is not a number")
    return array.astype(np.float64)


def identities(values: list[Any]) -> npt.NDArray[np.int64]:
    """Track ids as integers; 3.0 counts as 3. Raises TypeError where one is no whole number."""
    array = np.array(values)
    if array.size and (
        array.dtype.kind not in "iuf" or (array.dtype.kind == "f" and not _whole(array))
    ):
        raise TypeError("a track_id is not a whole number")
    if (
        array.dtype.kind == "f"
    ):  # one by one: a double cannot hold NO_ID beside small numbers exactly
        return np.array([int(v) for v in values], np.int64)
    return array.astype(np.int64)


def _whole(array: npt.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(array).all() and (array % 1 == 0).all())


def first(value: Any, missing: float) -> Any:
    """A number that a file gives as ``[number]`` or ``number``; ``missing`` where it is neither."""
    if type(value) is list and value:
        value = value[0]
    return value if type(value) in _NUMBERS else missing


def flags(values: list[Any]) -> npt.NDArray[np.int8]:
    """Label flags as a file gives them: 1, 0, and -1 for anything else."""
    known = {1: 1, 0: 0}
    return np.array([known.get(first(v, -1), -1) for v in values], np.int8)


def stem(path: str | Path) -> str:
    """The name of a file without ``.json`` and ``.gz``."""
    return Path(path).name.removesuffix(".gz").removesuffix(".json")


def video_of(images: Iterable[str]) -> str:
    """The folder in which a video's images lie, its name in PoseTrack; "" where the names have
    none.
    """
    return next((Path(name).parent.name for name in images if name), "")


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON, packed where the name ends in ``.gz``, beside its target first. Raises
    OutputError.
    """
    import gzip

    import orjson

    data = orjson.dumps(content)
    with write_beside(path) as part:
        part.write_bytes(gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data)
