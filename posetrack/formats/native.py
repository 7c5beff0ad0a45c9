"""The native format: JSON Lines. A header, a line a frame written as soon as the frame is done, and
a closing line.

    {"posetrack": 1, "name": .., "size_wh": [w, h], "fps": .., "skeleton": {..}, "settings": {..},
    ..} {"frame": 0, "time_s": 0.0, "people": [{"id": 3, "box": [x1, y1, x2, y2], "score": s,
    "keypoints": [..]}]} {"end": {"frames": 1}}

* ``posetrack`` is the version of the schema. Every header key that is not named above is the
  sequence's ``meta``.
* ``keypoints`` are ``[x, y, score]`` in the order of the skeleton's joints, in pixels of the
  upright video; null for an absent one, ``[null, null, score]`` where only its place was dropped.
  Numbers are float32 in their shortest exact spelling, so reading gives back the very same arrays
  and a resumed run the very same identities.
* Ground truth adds ``"image"``, ``"labeled": false`` and ``"ignore_regions"`` to a frame,
  ``"head_box"`` to a person.
* Refined tracks add ``"marks"`` to a person: a number a joint that says what was done to it (1
  smoothed, 2 filled, 4 an outlier, 8 sides exchanged; sums of them; 0 as it was). Older versions
  skip it.
* Unknown keys of a frame or a person are skipped, so that later minor additions stay readable.

A run that was killed leaves a file without the closing line and perhaps with a last line cut short.
Reading takes all whole lines and ignores that rest; ``is_complete`` says which of the two a file
is.
"""

from __future__ import annotations

__all__ = [
    "SCHEMA",
    "encode_end",
    "encode_frame",
    "encode_header",
    "is_complete",
    "is_json",
    "parse_frame",
    "parse_header",
    "read",
    "write",
]

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from posetrack.errors import FormatError, InputError
from posetrack.files import write_beside
from posetrack.skeletons import SKELETONS
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Skeleton, Tracks, as_float32

SCHEMA = 1
_HEADER_KEYS = ("posetrack", "name", "size_wh", "fps", "skeleton")
_TAIL_BYTES = 4096  # the closing line is far shorter
_NUMPY = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE


def read(path: str | Path) -> list[Sequence]:
    """The one video of a file; its frames are read from disk each time they are iterated.

    A cut last line, as an interrupted run leaves it, is ignored. Raises InputError, FormatError.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file.")
    try:
        with path.open("rb") as file:
            head = file.readline()
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    sequence = parse_header(head, str(path))
    frames = _LazyFrames(path, sequence.skeleton)
    return [
        Sequence(
            sequence.name, sequence.size_wh, sequence.fps, sequence.skeleton, frames, sequence.meta
        )
    ]


def write(path: str | Path, sequence: Sequence) -> None:
    """Write a whole sequence, beside its target first, then renamed. Raises OutputError."""
    with write_beside(path) as part, part.open("wb") as file:
        file.write(encode_header(sequence))
        count = 0
        for count, labels in enumerate(sequence.frames, start=1):  # noqa: B007 - the count is wanted afterwards
            file.write(encode_frame(labels))
        file.write(encode_end(count))


def is_complete(path: str | Path) -> bool:
    """Whether the file was closed by its writer (an interrupted run does not get that far). Raises
    InputError.
    """
    try:
        with Path(path).open("rb") as file:
            file.seek(-min(_TAIL_BYTES, os.path.getsize(path)), os.SEEK_END)
            lines = file.read().splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    return bool(lines) and lines[-1].startswith(b'{"end"')


@dataclass(frozen=True, slots=True)
class _LazyFrames:
    """The frames of a file, read anew by each iteration; memory holds one frame."""

    path: Path
    skeleton: Skeleton

    def __iter__(self) -> Iterator[FrameLabels]:
        with self.path.open("rb") as file:
            file.readline()
            for number, line in enumerate(file, start=2):
                where = f"{self.path}, line {number}"
                if not line.endswith(b"\n") and not is_json(line):
                    return  # the line an interrupted run was writing
                if line.strip() and not line.startswith(b'{"end"'):
                    yield parse_frame(line, self.skeleton, where)


def is_json(line: bytes) -> bool:
    """Whether a line is whole."""
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


# --- header
# --------------------------------------------------------------------------------------------------


def encode_header(sequence: Sequence) -> bytes:
    """The first line. Raises ValueError where ``meta`` uses a name of the schema's own."""
    clash = sorted(set(sequence.meta) & set(_HEADER_KEYS))
    if clash:
        raise ValueError(f"Sequence.meta: the names {clash} belong to the header itself")
    s = sequence.skeleton
    skeleton = {
        "name": s.name,
        "joints": s.joints,
        "limbs": s.limbs,
        "flip_pairs": s.flip_pairs,
        "oks_sigmas": s.oks_sigmas,
    }
    values = (SCHEMA, sequence.name, sequence.size_wh, sequence.fps, skeleton)
    return orjson.dumps(
        {**dict(zip(_HEADER_KEYS, values, strict=True)), **sequence.meta}, option=_NUMPY
    )


def encode_end(frames: int) -> bytes:
    """The closing line of a file with that many frames."""
    return orjson.dumps({"end": {"frames": frames}}, option=_NUMPY)


def parse_header(line: bytes, where: str) -> Sequence:
    """The sequence a first line describes, without frames. Raises FormatError naming ``where``."""
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise FormatError(
            f"{where} is not a posetrack file: its first line is no JSON header."
        ) from error
    if not isinstance(data, dict) or not isinstance(data.get("posetrack"), int):
        raise FormatError(
            f"{where} is not a posetrack file: its first line has no 'posetrack' version."
        )
    if data["posetrack"] > SCHEMA:
        raise FormatError(
            f"{where} has schema {data['posetrack']}, newer than {SCHEMA}: update posetrack."
        )
    try:
        size = data["size_wh"] and (int(data["size_wh"][0]), int(data["size_wh"][1]))
        fps = None if data["fps"] is None else float(data["fps"])
        meta = {k: v for k, v in data.items() if k not in _HEADER_KEYS}
        return Sequence(
            str(data["name"]), size or None, fps, _parse_skeleton(data["skeleton"]), (), meta
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise FormatError(
            f"{where}: the header is broken ({type(error).__name__}: {error})."
        ) from error


def _parse_skeleton(s: dict[str, Any]) -> Skeleton:
    pairs = [tuple((int(a), int(b)) for a, b in s[key]) for key in ("limbs", "flip_pairs")]
    skeleton = Skeleton(
        s["name"], tuple(s["joints"]), pairs[0], pairs[1], tuple(map(float, s["oks_sigmas"]))
    )
    known = SKELETONS.get(skeleton.name)
    return known if known == skeleton else skeleton


# --- frames
# --------------------------------------------------------------------------------------------------


def encode_frame(labels: FrameLabels) -> bytes:
    """The line of one frame."""
    poses = labels.tracks.poses
    data: dict[str, Any] = {"frame": labels.index, "time_s": labels.time_s}
    if labels.image is not None:
        data["image"] = labels.image
    if not labels.labeled:
        data["labeled"] = False
    if labels.ignore_regions:
        data["ignore_regions"] = [np.ascontiguousarray(region) for region in labels.ignore_regions]
    keypoints = np.concatenate([poses.xy, poses.score[..., None]], axis=2)
    absent = np.isnan(keypoints).all(axis=2)
    people = []
    for n in range(len(poses)):
        person = {
            "id": labels.tracks.id[n],
            "box": poses.boxes.xyxy[n],
            "score": poses.boxes.score[n],
            "keypoints": [
                None if absent[n, k] else keypoints[n, k] for k in range(keypoints.shape[1])
            ],
        }
        if labels.head_xyxy is not None:
            person["head_box"] = np.asarray(labels.head_xyxy[n], np.float32)
        if labels.marks is not None and labels.marks[n].any():
            person["marks"] = labels.marks[n].tolist()
        people.append(person)
    return orjson.dumps({**data, "people": people}, option=_NUMPY)


def parse_frame(line: bytes, skeleton: Skeleton, where: str) -> FrameLabels:
    """The labels of one line. Raises FormatError naming ``where``."""
    try:
        data = orjson.loads(line)
        people = data["people"]
        tracks = Tracks(
            np.array([p["id"] for p in people], np.int64), _parse_poses(people, skeleton)
        )
        heads = None
        if any("head_box" in p for p in people):
            heads = _rows([p.get("head_box") for p in people], 4)
        regions = tuple(np.array(r, np.float64) for r in data.get("ignore_regions", ()))
        return FrameLabels(
            int(data["frame"]),
            _number(data["time_s"]),
            tracks,
            data.get("image"),
            data.get("labeled", True),
            heads,
            regions,
            _parse_marks(people, len(skeleton)),
        )
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
    ) as error:  # orjson's own error is a ValueError
        detail = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"{where} is not a frame of a posetrack file: {detail}.") from error


def _parse_poses(people: list[dict[str, Any]], skeleton: Skeleton) -> Poses:
    keypoints = np.full((len(people), len(skeleton), 3), np.nan, np.float32)
    for n, person in enumerate(people):
        if len(person["keypoints"]) != len(skeleton):
            raise ValueError(
                f"a person has {len(person['keypoints'])} keypoints, the skeleton {len(skeleton)}"
            )
        keypoints[n] = _rows(person["keypoints"], 3)
    scores = as_float32([_number(p["score"]) for p in people])
    boxes = Boxes(_rows([p["box"] for p in people], 4), scores)
    return Poses(keypoints[..., :2], keypoints[..., 2], boxes, skeleton)


def _parse_marks(people: list[dict[str, Any]], joints: int) -> npt.NDArray[np.uint8] | None:
    """Marks (N, K), None where there are none. Raises ValueError."""
    if not any("marks" in p for p in people):
        return None
    rows = [p.get("marks", [0] * joints) for p in people]
    marks = np.array(rows, np.uint8)
    if marks.shape != (len(people), joints):
        raise ValueError(f"a person's marks are not {joints} numbers")
    return marks


def _rows(rows: list[list[float | None] | None], width: int) -> npt.NDArray[np.float32]:
    """Rows of numbers as (N, width) float32; null, for a number or a whole row, is NaN. Raises
    ValueError.
    """
    nothing: list[float | None] = [None] * width
    full = [nothing if row is None else row for row in rows]
    if any(len(row) != width for row in full):
        raise ValueError(f"a list of {width} numbers has another length")
    return as_float32([[_number(value) for value in row] for row in full]).reshape(len(rows), width)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
