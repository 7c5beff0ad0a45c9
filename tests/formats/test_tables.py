"""CSV, COCO and boxes from files: what other programs write, and what they read."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from posetrack.errors import FormatError, InputError, UsageError
from posetrack.formats import FORMATS, detect_format
from posetrack.formats.boxes import read_boxes
from posetrack.formats.long_table import COLUMNS
from posetrack.skeletons import COCO_17, LSP_14
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Skeleton, Tracks


def _sequence(skeleton: Skeleton = COCO_17) -> Sequence:
    """Two frames: two people, then one whose first joint is absent."""
    k = len(skeleton)
    xy = np.arange(4 * k, dtype=np.float32).reshape(2, k, 2) + 0.5
    poses = Poses(
        xy, np.full((2, k), 0.25), Boxes([[10, 20, 30, 60], [1, 2, 3, 4]], [0.5, 0.75]), skeleton
    )
    later = xy[:1].copy()
    later[0, 0] = np.nan
    alone = Poses(later, np.full((1, k), 0.5), Boxes([[0, 0, 5, 5]], [1]), skeleton)
    frames = (FrameLabels(0, 0.0, Tracks([7, 3], poses)), FrameLabels(1, 0.04, Tracks([3], alone)))
    return Sequence("walk", (64, 48), 25.0, skeleton, frames)


# --- CSV
# --------------------------------------------------------------------------------------------------


def test_csv_is_a_row_a_joint(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    FORMATS["csv"].write(path, _sequence())
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 17
    assert rows[0] == {
        "frame": "0",
        "time_s": "0.0",
        "id": "7",
        "joint": "nose",
        "x": "0.5",
        "y": "1.5",
        "score": "0.25",
        "box_x1": "10.0",
        "box_y1": "20.0",
        "box_x2": "30.0",
        "box_y2": "60.0",
        "box_score": "0.5",
    }
    assert (rows[34]["joint"], rows[34]["x"], rows[34]["y"], rows[34]["score"]) == (
        "nose",
        "",
        "",
        "0.5",
    )


def test_csv_keeps_known_and_own_skeletons(tmp_path: Path) -> None:
    for skeleton in (COCO_17, LSP_14):
        FORMATS["csv"].write(tmp_path / "a.csv", _sequence(skeleton))
        assert FORMATS["csv"].read(tmp_path / "a.csv")[0].skeleton == skeleton
    text = (tmp_path / "a.csv").read_text().replace("neck", "collar")
    (tmp_path / "a.csv").write_text(text)
    assert "collar" in FORMATS["csv"].read(tmp_path / "a.csv")[0].skeleton.joints


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0,0.0,7,nose,0.5", "0,0.0,7,nose,left", "line 2: could not convert"),
        ("0,0.0,7,nose,0.5,", "0,0.0,7,nose,", "line 2: 11 columns instead of 12"),
        ("0,0.0,7,nose", "one,0.0,7,nose", "line 2: invalid literal"),
        ("frame,time_s", "frame,seconds", "the first line must be"),
    ],
)
def test_a_bad_csv_line_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "a.csv"
    FORMATS["csv"].write(path, _sequence())
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(FormatError, match=rf"a\.csv.*{message}"):
        FORMATS["csv"].read(path)


def test_a_joint_under_two_names_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    FORMATS["csv"].write(path, _sequence())
    text = path.read_text()
    path.write_text(text.replace("0,0.0,3,left_knee", "0,0.0,3,left_kneee"))
    with pytest.raises(
        FormatError, match=r"a\.csv, line 32: the joint 'left_kneee' is 'left_knee'"
    ):
        FORMATS["csv"].read(path)


def test_a_joint_misspelt_in_all_rows_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.csv"
    FORMATS["csv"].write(path, _sequence())
    path.write_text(path.read_text().replace("left_knee", "left_kneee"))
    assert len(FORMATS["csv"].read(path)[0].skeleton) == 17
    assert f"{path}: the joint 'left_kneee' is none of coco17, is it left_knee?" in caplog.text


@pytest.mark.parametrize("names", ["l_knee r_knee knee1 knee2", "hipLeft hipRight toe_1 toe_2"])
def test_sides_and_numbers_are_no_misspellings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, names: str
) -> None:
    """Also where nobody has both joints of a pair."""
    path = tmp_path / "a.csv"
    rows = [f"{i},0,1,{joint},1,2,1,0,0,9,9,1" for i, joint in enumerate(names.split())]
    path.write_text("\n".join([",".join(COLUMNS), *rows]))
    assert FORMATS["csv"].read(path)[0].skeleton.joints == tuple(names.split())
    assert not caplog.text


# --- Parquet
# --------------------------------------------------------------------------------------------------


def test_parquet_is_the_same_table_with_types(tmp_path: Path) -> None:
    import pyarrow.parquet

    for name in ("csv", "parquet"):
        FORMATS[name].write(tmp_path / f"walk.{name}", _sequence())
    table = pyarrow.parquet.read_table(tmp_path / "walk.parquet")
    kinds = dict(zip(table.schema.names, map(str, table.schema.types), strict=True))
    assert (kinds["frame"], kinds["id"], kinds["joint"], kinds["x"]) == (
        "int64",
        "int64",
        "string",
        "float",
    )
    with (tmp_path / "walk.csv").open(newline="") as file:
        rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
    spelled = [
        {k: None if v is None else str(v) for k, v in row.items()} for row in table.to_pylist()
    ]
    assert spelled == rows


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'posetrack\[parquet\]'"):
        FORMATS["parquet"].write(tmp_path / "walk.parquet", _sequence())
    assert not list(tmp_path.iterdir())


def test_parquet_with_other_columns(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"frame": [1]}), tmp_path / "a.parquet")
    with pytest.raises(FormatError, match=r"a\.parquet: the columns box_score, .* are missing"):
        FORMATS["parquet"].read(tmp_path / "a.parquet")


# --- COCO
# --------------------------------------------------------------------------------------------------


def test_pycocotools_takes_the_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "walk.coco.json"
    FORMATS["coco"].write(path, _sequence())
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 0}, {"id": 1}],
        "annotations": [],
        "info": {},
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}],
    }
    truth.createIndex()
    loaded = truth.loadRes(str(path))
    results = loaded.loadAnns(loaded.getAnnIds())
    capsys.readouterr()
    assert [r["image_id"] for r in results] == [0, 0, 1]
    assert [r["track_id"] for r in results] == [7, 3, 3]
    rows = json.loads(path.read_text())
    assert rows[0]["bbox"] == [10, 20, 20, 40]
    assert rows[0]["keypoints"][:3] == [0.5, 1.5, 0.25]
    assert rows[2]["keypoints"][:3] == [0, 0, 0]


def test_coco_results_without_identities(tmp_path: Path) -> None:
    rows = [
        {"image_id": i, "category_id": 1, "keypoints": [5.0, 6.0, 0.5] * 17, "score": 0.9}
        for i in (4, 2, 4)
    ]
    (tmp_path / "dets.json").write_text(json.dumps(rows))
    [sequence] = detect_format(tmp_path / "dets.json").read(tmp_path / "dets.json")
    assert sequence.meta == {"identities": False}
    frames = list(sequence.frames)
    assert [(f.index, f.tracks.id.tolist()) for f in frames] == [(2, [0]), (4, [0, 1])]
    assert frames[0].tracks.poses.boxes.xyxy.tolist() == [[5, 6, 5, 6]]


def _annotations() -> dict[str, Any]:
    keypoints = [0, 0, 0, *[20, 30, 2] * 16]
    return {
        "images": [{"id": 900, "file_name": "b.jpg"}, {"id": 17, "file_name": "a.jpg"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 17,
                "category_id": 1,
                "keypoints": keypoints,
                "bbox": [1, 2, 30, 40],
            }
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}],
    }


def test_coco_annotations_are_frames_in_file_order(tmp_path: Path) -> None:
    (tmp_path / "person_keypoints.json").write_text(json.dumps(_annotations()))
    found = detect_format(tmp_path / "person_keypoints.json")
    assert found.name == "coco"
    first, second = found.read(tmp_path / "person_keypoints.json")[0].frames
    assert (first.image, len(first.tracks), second.image, len(second.tracks)) == (
        "b.jpg",
        0,
        "a.jpg",
        1,
    )
    assert second.tracks.poses.present[0].tolist() == [False] + [True] * 16
    assert second.tracks.poses.boxes.xyxy.tolist() == [[1, 2, 31, 42]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"image_id": "a", "keypoints": []}], "entry 0: image_id must be a whole number"),
        ([{"image_id": 1, "keypoints": [1, 2, 3]}], "keypoints of .3. numbers"),
        (
            [{"image_id": 1, "keypoints": [1, 2, 3] * 17, "bbox": [1, 2]}],
            "entry 0: not enough values",
        ),
        ([{"image_id": 1, "keypoints": [1, 2, "x"] * 17}], "entry 0: could not convert"),
        (
            [{"image_id": 1, "track_id": 2}, {"image_id": 1, "track_id": 2}],
            "entry 1: .*an identity repeats",
        ),
    ],
)
def test_bad_coco_results_name_the_entry(tmp_path: Path, rows: list[Any], message: str) -> None:
    (tmp_path / "a.coco.json").write_text(json.dumps(rows))
    with pytest.raises(FormatError, match=rf"a\.coco\.json.*{message}"):
        FORMATS["coco"].read(tmp_path / "a.coco.json")


# --- boxes
# --------------------------------------------------------------------------------------------------


def test_boxes_from_plain_detections(tmp_path: Path) -> None:
    rows = [
        {"image_id": 3, "category_id": 1, "bbox": [10, 20, 30, 40], "score": 0.5},
        {"image_id": 0, "bbox": [1, 2, 3, 4]},
        {"image_id": 3, "category_id": 18, "bbox": [0, 0, 9, 9], "score": 0.9},  # a dog
    ]
    (tmp_path / "dets.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    boxes = read_boxes(tmp_path / "dets.json.gz")
    assert list(boxes) == [0, 3]
    assert (boxes[3].xyxy.tolist(), boxes[3].score.tolist()) == ([[10, 20, 40, 60]], [0.5])
    assert (boxes[0].xyxy.tolist(), boxes[0].score.tolist()) == ([[1, 2, 4, 6]], [1.0])


@pytest.mark.parametrize("name", ["native", "posetrack18", "coco", "csv"])
def test_boxes_from_tracks(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"walk.{FORMATS[name].suffix}"
    FORMATS[name].write(path, _sequence())
    boxes = read_boxes(path)
    assert {i: b.xyxy.tolist() for i, b in boxes.items()} == {
        0: [[10, 20, 30, 60], [1, 2, 3, 4]],
        1: [[0, 0, 5, 5]],
    }


@pytest.mark.parametrize(
    "row", [{}, {"image_id": 1}, {"image_id": 1, "bbox": [1, 2]}, 7, {"image_id": "x", "bbox": 3}]
)
def test_bad_boxes_name_the_entry(tmp_path: Path, row: Any) -> None:
    (tmp_path / "dets.json").write_text(json.dumps([{"image_id": 0, "bbox": [1, 2, 3, 4]}, row]))
    with pytest.raises(FormatError, match="entry 1: a box needs image_id"):
        read_boxes(tmp_path / "dets.json")


def test_boxes_from_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_boxes(tmp_path / "gone.json")
