"""COCO-style labels as tools write them: sides, limbs, ids, boxes, names and trees."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack import datasets
from posetrack.datasets.images import ImageStore, plain_name
from posetrack.errors import FormatError, InputError
from posetrack.skeletons import make_skeleton

JOINTS = ["left_hip", "right_hip", "nose"]
POINTS = [10, 10, 2, 30, 12, 2, 20, 40, 2]


def _labels(path: Path, name: str = "a.png", **changes) -> Path:
    """One person; ``changes`` of the annotation, or of the category by ``category``."""
    category = {"id": 1, "name": "person", "keypoints": JOINTS, **changes.pop("category", {})}
    person = {"image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 40], "keypoints": POINTS}
    image = {"id": 1, "file_name": name, "width": 64, "height": 48}
    data = {"images": [image], "annotations": [{**person, **changes}], "categories": [category]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def _picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((48, 64, 3), value, np.uint8))


@pytest.mark.parametrize(
    ("left", "right"),
    [("L_Hip", "R_Hip"), ("LHip", "RHip"), ("LeftHip", "RightHip"), ("hipLeft", "hipRight"),
     ("knee_l", "knee_r"), ("ankle.L", "ankle.R"), ("lhip", "rhip"), ("Left Hip", "Right Hip"),
     ("left-hip", "right-hip"), ("hip links", "hip rechts"), ("lefthip", "righthip"),
     ("LEFT_HIP", "RIGHT_HIP"), ("l_wing", "r_wing"), ("thumb1_L", "thumb1_R")],
)  # fmt: skip
def test_pairs_are_found_by_the_names_in_use(left: str, right: str) -> None:
    assert make_skeleton("x", ["nose", left, right]).flip_pairs == ((1, 2),)


def test_names_without_sides_have_no_pairs() -> None:
    assert make_skeleton("x", ["light", "right_hip", "ear", "rear", "lip"]).flip_pairs == ()


@pytest.mark.parametrize(
    "tree",
    [("annotations/l.json", "val2017/a.png"), ("annotations/l.json", "images/val2017/a.png"),
     ("train.json", "train/a.png"), ("annotations/l.json", "images/cam/day 1/a.png"),
     ("annotations/person/v2/l.json", "images/a.png"), ("labels/2017/l.json", "val2017/a.png")],
)  # fmt: skip
def test_images_are_found_in_the_trees_in_use(tmp_path: Path, tree: tuple[str, str]) -> None:
    _picture(tmp_path / tree[1])
    people = datasets.read(_labels(tmp_path / tree[0]))
    assert people.people[0].store.read(people.people[0].image).shape == (48, 64, 3)


@pytest.mark.parametrize(
    "name", ["images\\a.png", "C:\\media\\a.png", "..\\..\\media\\upload\\a.png", "/data/x/a.png"]
)
def test_names_of_other_systems_are_found(tmp_path: Path, name: str) -> None:
    _picture(tmp_path / "images/a.png")
    assert ImageStore(tmp_path).read(name).shape == (48, 64, 3)
    assert ".." not in plain_name(name)


def test_of_two_folders_the_one_the_labels_are_named_after(tmp_path: Path) -> None:
    _picture(tmp_path / "train/a.png", 10)
    _picture(tmp_path / "val/a.png", 200)
    people = datasets.read(_labels(tmp_path / "val.json"))
    assert people.people[0].store.read("a.png").min() == 200
    with pytest.raises(InputError, match="could be"):
        ImageStore(tmp_path).read("a.png")


@pytest.mark.parametrize("place", ["a.png", "val2017/a.png", "images/cam/val2017/a.png"])
def test_images_in_a_folder_of_their_own(tmp_path: Path, place: str) -> None:
    _picture(tmp_path / "labels/val2017/a.png", 10)  # beside the labels, but not what is asked for
    _picture(tmp_path / "disk" / place, 200)
    _picture(tmp_path / "disk/other/b.png", 10)
    source = _labels(tmp_path / "labels/l.json", "val2017/a.png")
    person = datasets.read(source, images=tmp_path / "disk").people[0]
    assert person.store.read(person.image).min() == 200


def test_an_image_folder_is_taken_at_its_word(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    (tmp_path / "labels").mkdir()  # a name that makes us look beside it, unless it is given
    source = _labels(tmp_path / "l.json")
    person = datasets.read(source, images=tmp_path / "labels").people[0]
    with pytest.raises(InputError, match=f"not below the given image folder {tmp_path / 'labels'}"):
        person.store.read(person.image)
    with pytest.raises(InputError, match=f"no image folder {tmp_path / 'gone'}.*--images"):
        datasets.read(source, images=tmp_path / "gone")


@pytest.mark.parametrize("limbs", [[[1, 3]], [[0, 2]], [["left_hip", "nose"]]])
def test_limbs_from_one_from_zero_and_by_name(tmp_path: Path, limbs: list) -> None:
    people = datasets.read(_labels(tmp_path / "l.json", category={"skeleton": limbs}))
    assert people.skeleton.limbs == ((0, 2),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"image_id": "x"}, "names image 'x', which is not among images"),
     ({"image_id": {}}, "image_id: a number or text is needed"),
     ({"keypoints": POINTS[:6]}, "6 values, but 3 joints need 9"),
     ({"keypoints": [*POINTS[:6], float("nan"), 1, 2]}, "not a finite number"),
     ({"keypoints": [p / 100 if i % 3 < 2 else p for i, p in enumerate(POINTS)]}, "between 0 and"),
     ({"bbox": [1, 2]}, r"bbox: not \[x, y, width, height\]"),
     ({"category": {"skeleton": 7}}, "cannot be used"),
     ({"category": {"keypoints": [1, 2, 3]}}, "not a list of names")],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path, changes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        datasets.read(_labels(tmp_path / "l.json", **changes))


@pytest.mark.parametrize("box", [None, [0, 0, 0, 0]])
def test_empty_boxes_become_those_of_the_joints(tmp_path: Path, box: list | None) -> None:
    person = datasets.read(_labels(tmp_path / "l.json", bbox=box)).people[0]
    assert person.xyxy[0] <= 10
    assert person.xyxy[2] >= 30


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = _labels(tmp_path / "l.json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(datasets.read(path)) == 1


def test_people_of_another_skeleton_are_left_out_with_their_number(tmp_path: Path, caplog) -> None:
    path = _labels(tmp_path / "l.json")
    data = json.loads(path.read_text())
    data["categories"].append({"id": 2, "name": "hand", "keypoints": ["a", "b"]})
    data["annotations"].append({"image_id": 1, "category_id": 2, "keypoints": [1, 1, 2, 3, 3, 2]})
    path.write_text(json.dumps(data))
    assert len(datasets.read(path)) == 1
    assert "1 annotations of other categories than person are left out" in caplog.text


def test_without_pairs_nobody_is_mirrored_and_it_is_said(tmp_path: Path, caplog) -> None:
    datasets.read(_labels(tmp_path / "l.json", category={"keypoints": ["a", "b", "c"]}))
    assert "people are not mirrored" in caplog.text


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.datasets.images.MAX_IMAGE_BYTES", 1 << 16)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1 << 20))
    with pytest.raises(InputError, match="are not read"):
        ImageStore(tmp_path).read("a.png")


def test_a_drive_letter_is_no_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _labels(tmp_path / "c:/data/labels.json")
    assert len(datasets.read("c:/data/labels.json")) == 1
