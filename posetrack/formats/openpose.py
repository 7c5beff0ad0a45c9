"""OpenPose's ``--write_json``: a folder with a JSON file a frame, which Pose2Sim and other
biomechanics tools read.

    <name>_000000000007_keypoints.json:  {"version": 1.3, "people": [{"person_id": [3],
        "pose_keypoints_2d": [x, y, score, ... 25 times], "face_keypoints_2d": [], ...}]}

The 25 joints are those of OpenPose's BODY_25; the number in a name is the frame's index,
``person_id`` the identity (-1 where a file has none, as OpenPose itself writes). An absent joint is
``0, 0, 0``. A middle of the hips, or a neck, that the skeleton lacks is put between both hips or
shoulders, as OpenPose's own training labels have it. There is no place for boxes, times, the top of
the head, video size and frame rate.
"""

from __future__ import annotations

__all__ = ["FRAME_FILES", "read", "write"]

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from posetrack.errors import FormatError, InputError
from posetrack.files import file_name, part_path, read_json, write_beside
from posetrack.skeletons import BODY_25, COCO_17, joint_map, make_skeleton
from posetrack.structures import MAX_INDEX, Boxes, FrameLabels, Poses, Sequence, Tracks, as_float32

VERSION = 1.3  # of OpenPose's layout: the first with person_id
FRAME_FILES = "*_keypoints.json"
NO_PERSON_ID = -1
_NUMBERED = re.compile(r"(?P<name>.*?)_?(?P<index>\d+)_keypoints\.json")
_BETWEEN = {"neck": ("left_shoulder", "right_shoulder"), "pelvis": ("left_hip", "right_hip")}
_COCO_18 = (
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist "
    "right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear "
    "left_ear"
).split()
_FEET = {
    "halpe": "left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel",
    "openpose": "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel",
}
_HALPE_26 = [*COCO_17.joints, "head_top", "neck", "pelvis", *_FEET["halpe"].split()]
# OpenPose's BODY_135 begins with COCO's joints, upper neck, head top and the feet
_BODY_135 = [*COCO_17.joints, "neck", "head_top", *_FEET["openpose"].split()]
_MODELS: dict[int, list[str]] = {
    17: list(COCO_17.joints),
    18: _COCO_18,
    25: list(BODY_25.joints),
    26: _HALPE_26,
    135: _BODY_135,
    136: _HALPE_26,
}
_EMPTY: dict[str, list[float]] = {
    key: []
    for key in (
        "face_keypoints_2d",
        "hand_left_keypoints_2d",
        "hand_right_keypoints_2d",
        "pose_keypoints_3d",
        "face_keypoints_3d",
        "hand_left_keypoints_3d",
        "hand_right_keypoints_3d",
    )
}


def write(path: str | Path, sequence: Sequence) -> None:
    """Write a folder, beside its target first, then renamed; frame files of an old one go. Raises
    OutputError.
    """
    path = Path(path)
    _clear_part(part_path(path))
    with write_beside(path) as part:
        part.mkdir()
        for labels in sequence.frames:
            name = f"{file_name(sequence.name)}_{labels.index:012d}_keypoints.json"
            people = _people(labels.tracks)
            data = orjson.dumps(
                {"version": VERSION, "people": people}, option=orjson.OPT_SERIALIZE_NUMPY
            )
            (part / name).write_bytes(data)
        _clear(path)


def _clear_part(part: Path) -> None:
    """What a killed run left goes; a folder with anything else in it stays (it is refused)."""
    with suppress(OSError):
        if all(file.match(FRAME_FILES) and file.is_file() for file in part.iterdir()):
            _clear(part)


def _clear(path: Path) -> None:
    """Make way: remove a file, or a folder with nothing but frames. Raises OSError where there is
    more in it.
    """
    if path.is_dir():
        for file in path.glob(FRAME_FILES):
            file.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _people(tracks: Tracks) -> list[dict[str, Any]]:
    keypoints = _to_body25(tracks.poses)
    return [
        {
            "person_id": [identity],
            "pose_keypoints_2d": np.ascontiguousarray(person.ravel()),
            **_EMPTY,
        }
        for identity, person in zip(tracks.id.tolist(), keypoints, strict=True)
    ]


def _to_body25(poses: Poses) -> npt.NDArray[np.float32]:
    """x, y, score (N, 25, 3); zeros where a joint is absent."""
    source = joint_map(poses.skeleton, BODY_25)
    given = np.concatenate([poses.xy, np.nan_to_num(poses.score)[..., None]], axis=2)
    given = np.concatenate(
        [given, np.full((len(poses), 1, 3), np.nan, np.float32)], axis=1
    )  # for index -1
    keypoints = given[:, source]
    column = {name: i for i, name in enumerate(BODY_25.joints)}
    for name, (left, right) in _BETWEEN.items():
        if source[column[name]] < 0:
            both = keypoints[:, [column[left], column[right]]]
            keypoints[:, column[name], :2] = both[..., :2].mean(axis=1)  # NaN where one is absent
            keypoints[:, column[name], 2] = both[..., 2].min(axis=1)
    keypoints[np.isnan(keypoints).any(axis=2)] = 0
    return keypoints


def read(path: str | Path) -> list[Sequence]:
    """The one video of a folder. Raises InputError, or FormatError naming the file.

    Without identities the people of a frame are numbered from 0 and ``meta["identities"]`` is
    False.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check the path.")
    found = [
        (match, file)
        for file in path.glob(FRAME_FILES)
        if (match := _NUMBERED.fullmatch(file.name))
    ]
    if not path.is_dir() or (not found and any(path.iterdir())):
        raise FormatError(f"{path} is not a folder of OpenPose's files, one {FRAME_FILES} a frame.")
    numbered = sorted((int(match["index"]), file) for match, file in found)
    if numbered and numbered[-1][0] > MAX_INDEX:
        raise FormatError(f"{numbered[-1][1]}: the number in its name is no number of a frame.")
    people = {file: _read_people(file) for _, file in numbered}
    anonymous = any(p["person_id"][0] == NO_PERSON_ID for frame in people.values() for p in frame)
    frames = tuple(
        FrameLabels(index, float("nan"), _tracks(people[file], file, anonymous))
        for index, file in numbered
    )
    name = found[0][0]["name"] if found else ""
    meta = {"identities": False} if anonymous else {}
    return [
        Sequence(name or path.name.removesuffix(".openpose"), None, None, BODY_25, frames, meta)
    ]


def _read_people(file: Path) -> list[dict[str, Any]]:
    data = read_json(file)
    try:
        return [
            {
                "person_id": [int(v) for v in person.get("person_id") or [NO_PERSON_ID]],
                "keypoints": _as_body25(person["pose_keypoints_2d"]),
            }
            for person in data["people"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        known = ", ".join(map(str, _MODELS))
        raise FormatError(
            f"{file} does not hold people with pose_keypoints_2d of {known} joints ({error})."
        ) from error


def _as_body25(values: Any) -> npt.NDArray[np.float32]:
    """The joints (25, 3) of any of OpenPose's models: BODY_25, COCO's 18, BODY_25B and 135 joints
    begin with known ones. Raises ValueError.
    """
    given = as_float32(values)
    count, rest = divmod(given.size, 3)
    order = _MODELS.get(count)
    if rest or order is None:
        raise ValueError(f"{count} joints")
    if not np.isfinite(given).all():
        raise ValueError("a number is not finite")
    source = make_skeleton("given", order)
    keypoints = np.zeros((len(BODY_25), 3), np.float32)
    for target, place in enumerate(joint_map(source, BODY_25)):
        if place >= 0:
            keypoints[target] = given.reshape(-1, 3)[place]
    return keypoints


def _tracks(people: list[dict[str, Any]], file: Path, anonymous: bool) -> Tracks:
    keypoints = np.array([p["keypoints"] for p in people], np.float32).reshape(
        len(people), len(BODY_25), 3
    )
    keypoints[(keypoints == 0).all(axis=2)] = np.nan
    ids = [n if anonymous else p["person_id"][0] for n, p in enumerate(people)]
    if len(set(ids)) != len(ids):
        raise FormatError(f"{file}: a person_id repeats.")
    boxes = np.zeros((len(people), 5), np.float32)
    for n, person in enumerate(keypoints):
        there = person[~np.isnan(person[:, 0])]
        if len(there):
            boxes[n] = (*there[:, :2].min(axis=0), *there[:, :2].max(axis=0), there[:, 2].mean())
    poses = Poses(keypoints[..., :2], keypoints[..., 2], Boxes(boxes[:, :4], boxes[:, 4]), BODY_25)
    return Tracks(np.array(ids, np.int64), poses)
