"""Every reader on files that nobody meant to write: no exception but ours, and nothing is written
outside the folder or half under a final name.
"""

from __future__ import annotations

import gzip
import json
import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posetrack import datasets
from posetrack.errors import InputError, OutputError, PosetrackError
from posetrack.evaluation.coco import read_coco_truth, score_coco
from posetrack.files import file_name, read_bytes, write_beside
from posetrack.formats import FORMATS, detect_format
from posetrack.formats.boxes import read_boxes
from posetrack.formats.convert import convert
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks

BOUNDED = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,  # the same files in every run
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ODD = [
    None,
    -1,
    0,
    1e308,
    -1e308,
    float("nan"),
    10**30,
    "",
    "x\0y",
    "../../up",
    "/abs",
    [],
    {},
    True,
]
KEYS = [
    "images", "annotations", "categories", "annolist", "id", "image_id", "file_name", "keypoints",
    "bbox", "score", "track_id", "category_id", "width", "height", "people", "skeleton",
    "pose_keypoints_2d", "person_id", "frame", "posetrack", "name", "size_wh", "fps",
]  # fmt: skip
VALUES = st.recursive(
    st.sampled_from(ODD) | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=25,
)


def _sequence(name: str = "clip") -> Sequence:
    rng = np.random.default_rng(0)
    frames = []
    for index in range(2):
        boxes = Boxes(np.array([[1, 2, 30, 40.0]] * 2, np.float32), np.ones(2, np.float32))
        xy, score = rng.uniform(1, 30, (2, 15, 2)), rng.uniform(0.1, 1, (2, 15))
        poses = Poses(xy.astype(np.float32), score.astype(np.float32), boxes, POSETRACK_15)
        frames.append(FrameLabels(index, index / 25, Tracks(np.array([1, 2]), poses)))
    return Sequence(name, (64, 48), 25.0, POSETRACK_15, tuple(frames))


def _read_all(path: Path, read) -> None:
    """Only our own errors come out, also of frames that are read late."""
    with suppress(PosetrackError):
        for sequence in read(path) or ():
            for _ in getattr(sequence, "frames", ()):
                pass


READERS = {
    **{name: found.read for name, found in FORMATS.items() if not found.folder},
    "detect": lambda path: detect_format(path).read(path),
    "boxes": lambda path: list(read_boxes(path)),
    "coco dataset": lambda path: [datasets.DATASETS["coco"](path)],
    "dataset": lambda path: [datasets.read(path)],
    "coco truth": lambda path: [read_coco_truth(path)],
}


@pytest.mark.parametrize("reader", READERS)
@given(value=VALUES)
@BOUNDED
def test_any_json(reader: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value) + "\n")
    _read_all(path, READERS[reader])


@pytest.mark.parametrize("reader", READERS)
@given(data=st.binary(max_size=200))
@BOUNDED
def test_any_bytes(reader: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    _read_all(path, READERS[reader])


@pytest.mark.parametrize("name", [n for n, found in FORMATS.items() if not found.folder])
@given(seed=st.integers(0, 10**6))
@BOUNDED
def test_a_file_with_a_few_changes(name: str, seed: int, tmp_path: Path) -> None:
    path = tmp_path / f"a.{FORMATS[name].suffix}"
    if not path.with_suffix(".orig").exists():
        FORMATS[name].write(path, _sequence())
        path.with_suffix(".orig").write_bytes(path.read_bytes())
    data, draw = bytearray(path.with_suffix(".orig").read_bytes()), random.Random(seed)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data))
        kind = draw.randrange(4)
        if kind == 0:
            data[at] = draw.randrange(256)
        elif kind == 1:
            del data[at : at + draw.randint(1, 30)]
        elif kind == 2:
            data[at:at] = draw.choice([b"NaN", b"1e999", b"[", b"}", b"null", b"\0", b'"', b"-9"])
        else:
            del data[max(1, at) :]
    path.write_bytes(data)
    _read_all(path, FORMATS[name].read)


@pytest.mark.parametrize("depth", [10_000, 200_000])
@pytest.mark.parametrize("reader", READERS)
def test_deep_nesting(reader: str, depth: int, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"images":' + "[" * depth + "NaN" + "]" * depth + "}")
    _read_all(path, READERS[reader])


@given(value=VALUES)
@BOUNDED
def test_any_results_of_coco(value: object) -> None:
    truth = {
        "images": [{"id": 1}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "keypoints": [1, 1, 2], "num_keypoints": 1,
             "area": 9, "bbox": [0, 0, 3, 3], "iscrowd": 0, "id": 1}
        ],
        "categories": [{"id": 1}],
    }  # fmt: skip
    with suppress(PosetrackError):
        score_coco(truth, value)


@given(name=st.text(max_size=20) | st.sampled_from(["../x", "/abs/x", "..", "", "a\\..\\b", "C:x"]))
@BOUNDED
def test_names_inside_files_are_never_paths(name: str, tmp_path: Path) -> None:
    plain = file_name(name)
    assert (tmp_path / plain).parent == tmp_path
    assert plain not in ("", ".", "..")
    assert not set(plain) & set('/\\:\0*?"<>|')


@pytest.mark.parametrize("target", ["csv", "openpose", "native", "posetrack18"])
@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped_abs", "..\\escaped", "a/../../b"])
def test_convert_stays_in_its_folder(name: str, target: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    FORMATS["native"].write(tmp_path / "in/a.jsonl", _sequence(name))
    before = set(tmp_path.rglob("*"))
    convert(tmp_path / "in", tmp_path / "out", target_format=target)
    made = set(tmp_path.rglob("*")) - before
    assert made
    assert all(p == tmp_path / "out" or tmp_path / "out" in p.parents for p in made)
    assert not list(Path("/tmp").glob("escaped_abs*"))


@pytest.mark.parametrize("name", FORMATS)
def test_what_breaks_off_has_no_final_name(name: str, tmp_path: Path) -> None:
    def frames():
        yield _sequence().frames[0]
        raise OSError(28, "No space left on device")

    path = tmp_path / f"a.{FORMATS[name].suffix}"
    s = _sequence()

    class Broken:
        def __iter__(self):
            return frames()

    with pytest.raises((OutputError, OSError), match="No space left"):
        FORMATS[name].write(path, Sequence(s.name, s.size_wh, s.fps, s.skeleton, Broken()))
    assert list(tmp_path.iterdir()) == []


def test_a_packed_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.files.MIN_UNPACKED", 1 << 16)
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(b" " * (8 << 20)))
    with pytest.raises(InputError, match="unpacks to more than"):
        read_bytes(path)
    path.write_bytes(gzip.compress(json.dumps(list(range(30000))).encode()))
    assert read_bytes(path).startswith(b"[0")


def test_a_table_with_more_rows_than_bytes_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("posetrack.formats.parquet.MIN_ROWS", 10)
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    from posetrack.formats.long_table import COLUMNS

    table = pa.table({name: pa.array([1] * 100_000) for name in COLUMNS})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="100000 rows in"):
        FORMATS["parquet"].read(tmp_path / "a.parquet")


def test_a_folder_in_the_place_of_a_part_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.csv.part/deep").mkdir(parents=True)
    with pytest.raises(OutputError, match="stands in the way"), write_beside(tmp_path / "a.csv"):
        pass
    assert (tmp_path / "a.csv.part/deep").is_dir()


@pytest.mark.parametrize(("joints", "hip"), [(17, 11), (18, 11), (25, 12), (135, 11)])
def test_openpose_models_are_read(joints: int, hip: int, tmp_path: Path) -> None:
    values = [v for k in range(joints) for v in (k + 1.0, k + 2.0, 0.5)]
    data = {"people": [{"pose_keypoints_2d": values}]}
    (tmp_path / "a_0_keypoints.json").write_text(json.dumps(data))
    poses = next(iter(FORMATS["openpose"].read(tmp_path)[0].frames)).tracks.poses
    left_hip = poses.skeleton.joints.index("left_hip")
    assert poses.xy[0, left_hip].tolist() == [hip + 1, hip + 2]
    data["people"][0]["pose_keypoints_2d"] = values[:15]
    (tmp_path / "a_0_keypoints.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="5 joints"):
        FORMATS["openpose"].read(tmp_path)


def test_boxes_of_another_category_or_counted_from_one_are_told(tmp_path: Path, caplog) -> None:
    rows = [{"image_id": n, "bbox": [0, 0, 9, 9], "category_id": 0} for n in (1, 2)]
    (tmp_path / "b.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="all 2 boxes are of category 0; people are category 1"):
        read_boxes(tmp_path / "b.json")
    (tmp_path / "b.json").write_text(json.dumps([{**row, "category_id": 1} for row in rows]))
    read_boxes(tmp_path / "b.json")
    assert "frames are counted from 0" in caplog.text
