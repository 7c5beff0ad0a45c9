"""MPII's and PoseTrack's own layouts are read as people with the boxes the papers use, and COCO's
with any joints.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from people_on_disk import write_people
from scipy.io import savemat

from posetrack.datasets import kind_of, read
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.errors import FormatError, InputError
from posetrack.evaluation.mpii import read_mpii_truth
from posetrack.evaluation.predict import mpii_boxes
from posetrack.formats.mpii_labels import crop_boxes
from posetrack.geometry import box_to_center_scale
from posetrack.samples.crops import CropStore
from posetrack.skeletons import MPII_16, POSETRACK_15

# --- MPII
# --------------------------------------------------------------------------------------------------

CENTER, SCALE = (60.0, 70.0), 0.5


def _joints() -> np.ndarray:
    return np.stack([np.arange(16) * 3 + 20, np.arange(16) * 5 + 10], axis=1).astype(float)


def _image(folder: Path) -> None:
    (folder / "images").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "images" / "1.jpg"), np.full((150, 120, 3), 90, np.uint8))


def _mpii_json(folder: Path, **changes: Any) -> Path:
    _image(folder)
    seen = [1] * 15 + [0]
    person = {
        "image": "1.jpg",
        "center": CENTER,
        "scale": SCALE,
        "joints": _joints().tolist(),
        "joints_vis": seen,
    }
    path = folder / "train.json"
    path.write_text(json.dumps([{**person, **changes}, {**person, "joints_vis": [0] * 16}]))
    return path


def _mpii_mat(folder: Path) -> Path:
    _image(folder)
    points = [
        {"id": i, "x": x, "y": y, **({} if i in (8, 9) else {"is_visible": "1" if i % 2 else "0"})}
        for i, (x, y) in enumerate(_joints()[:15].tolist())
    ]
    place = {"x": CENTER[0], "y": CENTER[1]}
    labelled = {"scale": SCALE, "objpos": place, "annopoints": {"point": np.array(points, object)}}
    head_only = {"scale": SCALE, "objpos": place, "annopoints": np.zeros((0, 0))}
    image = {"image": {"name": "1.jpg"}, "annorect": np.array([labelled, head_only], object)}
    test = {"image": {"name": "2.jpg"}, "annorect": np.zeros((0, 0))}
    path = folder / "mpii_human_pose_v1_u12_1.mat"
    savemat(
        path,
        {"RELEASE": {"annolist": np.array([image, test], object), "img_train": np.array([1, 0])}},
    )
    return path


@pytest.mark.parametrize("write", [_mpii_json, _mpii_mat])
def test_mpii_people(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path)
    assert kind_of(path) == "mpii"
    people = read(path)
    assert people.skeleton == MPII_16
    (person,) = people.people
    assert person.image == "1.jpg"
    np.testing.assert_allclose(
        person.xy[:15], _joints()[:15] - 1
    )  # pixels count from 1 in the file
    assert np.isnan(person.xy[15]).all()
    assert person.flag[15] == 0
    assert CropStore(people.people, 200)[0].image.shape[2] == 3
    if write is _mpii_mat:
        assert person.flag[:4].tolist() == [1, 2, 1, 2]
        assert person.flag[[8, 9]].tolist() == [2, 2]


@pytest.mark.parametrize("center", [CENTER, (-1.0, 70.0)])
def test_mpii_boxes_are_the_official_crops(center: tuple[float, float]) -> None:
    found_center, found_scale = box_to_center_scale(
        crop_boxes(np.array([[*center, SCALE]])), (256, 256)
    )
    lower, larger = (0, 1) if center[0] == -1 else (15 * SCALE, 1.25)
    np.testing.assert_allclose(found_scale, [[SCALE * larger] * 2], rtol=1e-6)
    np.testing.assert_allclose(found_center, [[center[0] - 1, center[1] + lower - 1]], rtol=1e-5)


@pytest.mark.parametrize("center", [CENTER, (-1.0, 70.0)])
def test_training_and_scoring_crop_the_same_mpii_person(
    tmp_path: Path, center: tuple[float, float]
) -> None:
    path = _mpii_json(tmp_path, center=center)
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([{**row, "headbox": [1, 2, 3, 4]} for row in rows]))
    learnt, scored = read(path).people[0], mpii_boxes(read_mpii_truth(path))
    np.testing.assert_array_equal(learnt.xyxy, scored.xyxy[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"joints": [[1, 2]]}, "reshape"),
        ({"scale": "big"}, "could not convert"),
        ({"image": None, "center": {}}, "float"),
    ],
)
def test_broken_mpii_files_are_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(
        FormatError, match=rf"train\.json is not laid out as MPII's labels are .*{words}"
    ):
        read(_mpii_json(tmp_path, **changes))


def test_mat_files_of_something_else_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"x": 1})
    with pytest.raises(FormatError, match=r"a\.mat is not laid out"):
        read(path)
    path.write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(FormatError, match=r"a\.mat is not "):
        read(path)
    (tmp_path / "b.mat").touch()
    with pytest.raises(InputError, match=r"must hold one \.mat"):
        read(tmp_path)


# --- LSP
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extended", [False, True])
def test_lsp_people(tmp_path: Path, extended: bool) -> None:
    joints = np.random.default_rng(0).uniform(10, 90, (2, 14, 3))
    joints[..., 2] = 1
    joints[0, 3, 2] = 0
    savemat(
        tmp_path / "joints.mat",
        {"joints": joints.transpose(1, 2, 0) if extended else joints.transpose(2, 1, 0)},
    )
    assert {kind_of(tmp_path), kind_of(tmp_path / "joints.mat")} == {"lsp"}
    people = read(tmp_path)
    assert people.images == (
        ("im00001.jpg", "im00002.jpg") if extended else ("im0001.jpg", "im0002.jpg")
    )
    assert people.people[0].flag.sum() == 2 * (13 if extended else 14)
    np.testing.assert_allclose(people.people[1].xy, joints[1, :, :2], rtol=1e-6)


def test_an_array_of_another_shape_is_named(tmp_path: Path) -> None:
    savemat(tmp_path / "joints.mat", {"joints": np.zeros((3, 16, 2))})
    with pytest.raises(FormatError, match=r"joints has the shape \(3, 16, 2\)"):
        read(tmp_path)


# --- PoseTrack
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn() -> Any:
    return [draw_sequence(seed, frames=2, size_wh=(160, 96), people=2) for seed in (1, 2)]


@pytest.mark.parametrize("layout", ["2017", "2018"])
def test_posetrack_people(tmp_path: Path, drawn: Any, layout: str) -> None:
    files = write_posetrack_dataset(tmp_path, drawn, layout)
    folder = files[0].parent
    assert {kind_of(folder), kind_of(files[0])} == {"posetrack"}
    people = read(folder)
    assert people.skeleton == POSETRACK_15
    assert len(people.images) == 4
    assert people.people[0].image == "images/train/000001_drawn/000000.jpg"
    truth = next(iter(drawn[0].labels.frames)).tracks.poses
    person = people.people[0]
    np.testing.assert_allclose(person.xy, truth.xy[0], atol=0.01)
    low, high = np.nanmin(person.xy, axis=0), np.nanmax(person.xy, axis=0)
    np.testing.assert_allclose(
        person.xyxy, [*low - 0.075 * (high - low), *high + 0.075 * (high - low)], rtol=1e-4
    )
    assert CropStore(people.people, 100).skipped == 0
    assert len({id(p.store) for p in people.people}) == 1
    assert len(read(f"{files[0]}[:1]")) == len(truth)


def test_posetrack_folders_without_labels_or_with_others(tmp_path: Path, drawn: Any) -> None:
    with pytest.raises(InputError, match="no PoseTrack label file"):
        read(f"posetrack:{tmp_path}")
    files = write_posetrack_dataset(tmp_path, drawn[:1], "2017")
    (files[0].parent / "zzz.json").write_text('{"frames": []}')
    with pytest.raises(FormatError, match=r"zzz\.json"):
        read(files[0].parent)


# --- COCO with one's own joints
# --------------------------------------------------------------------------------------


def test_joints_of_ones_own_and_people_without_boxes(tmp_path: Path) -> None:
    path = write_people(tmp_path, 2)
    data = json.loads(path.read_text())
    data["categories"][0]["keypoints"] = [
        f"{side}_{part}" for part in "abcdefg" for side in ("left", "right")
    ] + ["tip"]
    for annotation in data["annotations"]:
        del annotation["bbox"]
    path.write_text(json.dumps(data))
    people = read(path)
    assert people.skeleton.flip_pairs == tuple((2 * i, 2 * i + 1) for i in range(7))
    low, high = people.people[0].xy.min(axis=0), people.people[0].xy.max(axis=0)
    assert (people.people[0].xyxy[:2] < low).all()
    assert (people.people[0].xyxy[2:] > high).all()


def test_an_image_without_size_is_named(tmp_path: Path) -> None:
    path = write_people(tmp_path, 2)
    data = json.loads(path.read_text())
    del data["images"][1]["width"]
    path.write_text(json.dumps(data))
    with pytest.raises(FormatError, match="image 1 breaks"):
        read(path)
