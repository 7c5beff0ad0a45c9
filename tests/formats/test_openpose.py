"""OpenPose's folder: joints by name, joints it has and we lack, old folders, files of its own
making.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import FormatError, OutputError
from posetrack.formats import detect_format, openpose
from posetrack.formats.convert import convert
from posetrack.skeletons import BODY_25, POSETRACK_15
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks


def _sequence(count: int = 2) -> Sequence:
    xy = np.arange(30, dtype=np.float32).reshape(1, 15, 2) + 1
    xy[0, POSETRACK_15.joints.index("left_knee")] = np.nan
    poses = Poses(xy, np.linspace(0.1, 0.8, 15)[None], Boxes([[1, 2, 30, 40]], [0.9]), POSETRACK_15)
    frames = tuple(FrameLabels(i, i / 25, Tracks([4], poses)) for i in range(5, 5 + count))
    return Sequence("walk", (64, 48), 25.0, POSETRACK_15, frames)


def _joint(numbers: list[float], name: str) -> list[float]:
    at = 3 * BODY_25.joints.index(name)
    return [round(v, 4) for v in numbers[at : at + 3]]


def test_the_layout_is_openposes(tmp_path: Path) -> None:
    openpose.write(tmp_path / "walk.openpose", _sequence())
    names = sorted(p.name for p in (tmp_path / "walk.openpose").iterdir())
    assert names == ["walk_000000000005_keypoints.json", "walk_000000000006_keypoints.json"]
    data = json.loads((tmp_path / "walk.openpose" / names[0]).read_text())
    (person,) = data["people"]
    assert (data["version"], person["person_id"], person["face_keypoints_2d"]) == (1.3, [4], [])
    numbers = person["pose_keypoints_2d"]
    assert len(numbers) == 75
    assert _joint(numbers, "nose") == [1, 2, 0.1]
    assert _joint(numbers, "neck") == [3, 4, 0.15]  # PoseTrack's head_bottom
    assert _joint(numbers, "left_knee") == _joint(numbers, "left_heel") == [0, 0, 0]
    assert _joint(numbers, "pelvis") == [20, 21, 0.55]  # between hips at 19, 20 and 21, 22


def test_only_its_own_folder_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "walk.openpose"
    openpose.write(target, _sequence(3))
    openpose.write(target, _sequence(1))
    assert len(list(target.iterdir())) == 1
    (target / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="Cannot write"):
        openpose.write(target, _sequence(1))
    assert (target / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["walk.openpose"]


def test_openposes_model_of_coco_is_read(tmp_path: Path) -> None:
    """18 joints: the neck is the second, the pelvis is missing, and so are the feet."""
    numbers = [n for k in range(18) for n in (10 + k, 20 + k, 0.5)]
    people = [{"person_id": [-1], "pose_keypoints_2d": numbers}]
    folder = tmp_path / "c"
    folder.mkdir()
    for i in range(2):
        file = folder / f"c_{i:012d}_keypoints.json"
        file.write_text(json.dumps({"version": 1.3, "people": people}))
    (sequence,) = openpose.read(folder)
    assert [frame.index for frame in sequence.frames] == [0, 1]
    poses = next(iter(sequence.frames)).tracks.poses
    found = dict(zip(BODY_25.joints, poses.xy[0].tolist(), strict=True))
    assert (found["nose"], found["neck"]) == ([10, 20], [11, 21])
    assert (found["right_hip"], found["left_ankle"]) == ([18, 28], [23, 33])
    assert (found["right_eye"], found["left_ear"]) == ([24, 34], [27, 37])
    absent = {name for name, xy in found.items() if np.isnan(xy).any()}
    assert absent == {"pelvis", *(n for n in BODY_25.joints if "toe" in n or "heel" in n)}
    assert convert(folder, tmp_path / "out.csv") == [tmp_path / "out.csv"]


def test_files_of_openpose_without_identities(tmp_path: Path) -> None:
    person = {"person_id": [-1], "pose_keypoints_2d": [1.0, 2.0, 0.5] + [0.0] * 72}
    for index in (10, 9):
        path = tmp_path / f"cam_{index}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": [person, person]}))
    assert detect_format(tmp_path).name == "openpose"
    (sequence,) = openpose.read(tmp_path)
    assert (sequence.name, sequence.meta) == ("cam", {"identities": False})
    assert [(f.index, f.tracks.id.tolist()) for f in sequence.frames] == [(9, [0, 1]), (10, [0, 1])]
    assert convert(tmp_path, tmp_path / "cam.csv") == [tmp_path / "cam.csv"]


@pytest.mark.parametrize("people", [[{}], [{"pose_keypoints_2d": [1, 2, 3]}], 4, [3]])
def test_a_broken_frame_is_named(tmp_path: Path, people: object) -> None:
    (tmp_path / "a_1_keypoints.json").write_text(json.dumps({"people": people}))
    with pytest.raises(FormatError, match=r"a_1_keypoints\.json does not hold people"):
        openpose.read(tmp_path)
