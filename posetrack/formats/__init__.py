"""File formats for tracks and labels: one module a format, each with ``read(path)`` and
``write(path, sequence)``.

Add yours: a module with these two functions and one line in ``FORMATS``. ``read`` gives a list,
because some formats hold several videos in a file; ``write`` writes one video, beside its target
first, then renamed. The table is a promise checked by ``tests/contract/test_formats.py``: what is
written is read back.
"""

from __future__ import annotations

__all__ = ["FORMATS", "Format", "detect_format", "format_of_name", "get_format"]

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posetrack.errors import FormatError, InputError, unknown_name
from posetrack.structures import Sequence


@dataclass(frozen=True, slots=True)
class Format:
    """One file format.

    ``suffix`` is what follows ``<stem>.`` in names that posetrack makes ("posetrack18.json").
    ``read(path)`` gives the videos of a file, ``write(path, sequence)`` writes one, atomically;
    both import their module on the first call. ``folder`` is True where a video is not a file but a
    folder of them, ``boxes_only`` where people may have a box and no joints at all.
    """

    name: str
    suffix: str
    description: str
    read: Callable[[str | Path], list[Sequence]]
    write: Callable[[str | Path, Sequence], None]
    folder: bool = False
    boxes_only: bool = False


def _format(
    name: str,
    suffix: str,
    module: str,
    description: str,
    *,
    folder: bool = False,
    boxes_only: bool = False,
) -> Format:
    def load(function: str) -> Callable[..., object]:
        loaded: Callable[..., object] = getattr(
            importlib.import_module(f"{__name__}.{module}"), function
        )
        return loaded

    def read(path: str | Path) -> list[Sequence]:
        sequences = load("read")(path)
        assert isinstance(sequences, list)
        return sequences

    def write(path: str | Path, sequence: Sequence) -> None:
        load("write")(path, sequence)

    return Format(name, suffix, description, read, write, folder, boxes_only)


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        _format(
            "native",
            "jsonl",
            "native",
            "JSON Lines of posetrack: a header, then a line a frame; nothing is lost",
            boxes_only=True,
        ),
        _format(
            "posetrack17",
            "posetrack17.json",
            "posetrack17",
            "PoseTrack 2017 JSON (annolist), read by poseval",
        ),
        _format(
            "posetrack18",
            "posetrack18.json",
            "posetrack18",
            "PoseTrack 2018 JSON (images, annotations)",
        ),
        _format(
            "coco",
            "coco.json",
            "coco",
            "COCO keypoint results: a list of people with image_id and track_id",
            boxes_only=True,
        ),
        _format(
            "csv",
            "csv",
            "csv",
            "a row a joint: frame, time, id, joint, x, y, score and the person's box",
        ),
        _format(
            "parquet", "parquet", "parquet", "the table of csv in typed columns; needs pyarrow"
        ),
        _format(
            "mot",
            "mot.txt",
            "mot",
            "MOTChallenge text: boxes with identities, no joints",
            boxes_only=True,
        ),
        _format(
            "openpose",
            "openpose",
            "openpose",
            "OpenPose's folder of JSON, a file a frame (BODY_25)",
            folder=True,
        ),
    )
}

# frame, id, left, top, width, height: the beginning of a file of MOTChallenge
_MOT_LINE = re.compile(rb"\d+(\.0*)?\s*,\s*-?\d+(\.0*)?(\s*,\s*-?[\d.eE+-]+){4}")
_HEAD_BYTES = 65536  # enough of a JSON file to see its outermost keys without reading it all


def get_format(name: str) -> Format:
    """The format called ``name``. Raises UsageError listing the known ones."""
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
    return FORMATS[name]


def detect_format(path: str | Path) -> Format:
    """Guess the format of an existing file, or of a folder by its first file.

    The name decides where it ends in a format's suffix, the content otherwise. Raises FormatError
    or InputError.
    """
    path = Path(path)
    if path.is_dir():
        if format_of_name(path) is FORMATS["openpose"] or next(path.glob("*_keypoints.json"), None):
            return FORMATS["openpose"]
        files = sorted(
            p for p in path.iterdir() if format_of_name(p) or p.suffix in {".json", ".gz"}
        )
        if not files:
            raise InputError(
                f"The folder {path} holds no file of a known format; give the format by its name."
            )
        return detect_format(files[0])
    named = format_of_name(path)
    if named:
        return named
    return _by_content(path)


def format_of_name(path: str | Path) -> Format | None:
    """The format whose suffix the file name ends in (``.gz`` aside), None where there is none."""
    name = Path(path).name.lower().removesuffix(".gz")
    return next((f for f in FORMATS.values() if name.endswith("." + f.suffix)), None)


def _by_content(path: Path) -> Format:
    from posetrack.files import read_bytes, read_json

    head = read_bytes(path).lstrip()[:_HEAD_BYTES]
    if head.startswith(b"["):
        return FORMATS["coco"]
    if head.startswith(b'{"posetrack"'):
        return FORMATS["native"]
    if head.startswith(b"frame,"):
        return FORMATS["csv"]
    if head.startswith(b"PAR1"):
        return FORMATS["parquet"]
    if _MOT_LINE.match(head):
        return FORMATS["mot"]
    data = read_json(path)
    if isinstance(data, dict) and "annolist" in data:
        return FORMATS["posetrack17"]
    if isinstance(data, dict) and {"images", "annotations"} <= data.keys():
        return FORMATS["posetrack18"] if _is_posetrack18(data) else FORMATS["coco"]
    raise FormatError(
        f"{path} is of no known format; give one of {', '.join(sorted(FORMATS))} by its name."
    )


def _is_posetrack18(data: dict[str, object]) -> bool:
    """PoseTrack 2018 and COCO share their outer shape; video ids and identities tell them apart."""
    images, people = data["images"], data["annotations"]
    keys: set[str] = set()
    for rows in (images, people):
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            keys |= rows[0].keys()
    return bool(keys & {"vid_id", "frame_id", "is_labeled", "track_id", "bbox_head"})
