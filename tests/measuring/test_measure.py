"""Measuring: exact on figures drawn from known angles, signs, sides, scales, tables."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack.cli import main
from posetrack.drawn.clip import draw_sequence
from posetrack.errors import UsageError
from posetrack.formats import native
from posetrack.measuring.angles import JOINT_ANGLES, SEGMENT_ANGLES, turn, with_sides
from posetrack.measuring.measure import MeasureOptions, measure, measure_file
from posetrack.measuring.scale import (
    Scale,
    chain_height_px,
    floor_homography,
    on_floor,
    parse_floor,
    parse_heights,
)
from posetrack.skeletons import BODY_25, COCO_17, POSETRACK_15
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Skeleton, Tracks

# flexion, degrees, of a figure; the left leg and arm have half of it
FLEXION = {"ankle": 12.0, "knee": 40.0, "hip": 25.0, "shoulder": 50.0, "elbow": 70.0, "neck": 15.0}


def _down(degrees: float) -> np.ndarray:
    """The unit vector that far forward from straight down, for somebody who looks right."""
    a = np.radians(degrees)
    return np.array([np.sin(a), np.cos(a)])


def _figure(
    lean: float = 8.0, looks: int = 1, f: dict[str, float] = FLEXION
) -> dict[str, np.ndarray]:
    """Joints by name of a figure seen from the side: its trunk leans forward by ``lean``."""
    j = {"pelvis": np.zeros(2)}
    j["neck"] = -100 * _down(-lean)
    j["nose"] = j["neck"] - 30 * _down(-lean - f["neck"]) + 12 * _down(90 - lean - f["neck"])
    for side, share in (("right", 1.0), ("left", 0.5)):
        hip, shoulder = j["pelvis"], j["neck"]
        thigh = -lean + share * f["hip"]
        shank = thigh - share * f["knee"]
        j[f"{side}_hip"], j[f"{side}_shoulder"] = hip, shoulder
        j[f"{side}_knee"] = hip + 80 * _down(thigh)
        j[f"{side}_ankle"] = j[f"{side}_knee"] + 75 * _down(shank)
        foot = 20 * _down(shank + 90 + share * f["ankle"])
        j[f"{side}_heel"], j[f"{side}_big_toe"] = (j[f"{side}_ankle"] + d * foot for d in (-0.3, 1))
        j[f"{side}_small_toe"] = j[f"{side}_big_toe"]
        arm = -lean + share * f["shoulder"]
        j[f"{side}_elbow"] = shoulder + 55 * _down(arm)
        j[f"{side}_wrist"] = j[f"{side}_elbow"] + 50 * _down(arm + share * f["elbow"])
        head = j["neck"] - 30 * _down(-lean - f["neck"])
        j[f"{side}_eye"], j[f"{side}_ear"] = head, head
    j["head_top"], j["head_bottom"] = j["left_eye"], j["neck"]
    return {name: np.array([300 + looks * x, 300 + y]) for name, (x, y) in j.items()}


def _still(skeleton: Skeleton, joints: dict[str, np.ndarray], frames: int = 5) -> Sequence:
    xy = np.array([[joints[name] for name in skeleton.joints]])
    box = Boxes([[*xy[0].min(axis=0), *xy[0].max(axis=0)]], [1])
    tracks = Tracks([7], Poses(xy, np.ones(xy.shape[:2]), box, skeleton))
    labels = tuple(FrameLabels(i, i / 25, tracks) for i in range(frames))
    return Sequence("figure", (640, 480), 25.0, skeleton, labels)


@pytest.mark.parametrize("looks", [1, -1])
def test_joint_angles_are_exact_in_both_directions(looks: int) -> None:
    m = measure(_still(BODY_25, _figure(looks=looks)))
    assert (m.columns["facing"] == looks).all()
    names = {"ankle": "ankle_dorsiflexion"} | {j: f"{j}_flexion" for j in FLEXION if j != "ankle"}
    for joint, degrees in FLEXION.items():
        if joint == "neck":
            continue
        for side, share in (("right", 1.0), ("left", 0.5)):
            column = m.columns[f"{side}_{names[joint]}_deg"]
            assert column == pytest.approx(share * degrees, abs=1e-3), (side, joint)
    neck = measure(_still(POSETRACK_15, _figure(looks=looks))).columns["neck_flexion_deg"]
    assert neck == pytest.approx(FLEXION["neck"], abs=1e-3)


@pytest.mark.parametrize("joint", ["hip", "shoulder", "ankle"])
def test_extension_is_negative(joint: str) -> None:
    m = measure(_still(BODY_25, _figure(f={**FLEXION, joint: -10.0})))
    name = "ankle_dorsiflexion" if joint == "ankle" else f"{joint}_flexion"
    assert m.columns[f"right_{name}_deg"] == pytest.approx(-10, abs=1e-3)


def test_standing_straight_is_zero() -> None:
    m = measure(_still(BODY_25, _figure(0.0, f=dict.fromkeys(FLEXION, 0.0))))
    for name, _, _ in with_sides(JOINT_ANGLES):
        if name != "neck_flexion":  # a nose is before the neck
            assert m.columns[f"{name}_deg"] == pytest.approx(0, abs=1e-3), name


@pytest.mark.parametrize(("looks", "trunk"), [(1, 82.0), (-1, 98.0)])
def test_segment_angles_are_those_of_the_picture(looks: int, trunk: float) -> None:
    m = measure(_still(BODY_25, _figure(looks=looks)))
    assert m.columns["trunk_deg"] == pytest.approx(trunk, abs=1e-3)
    thigh = 90 + looks * (FLEXION["hip"] - 8)
    assert m.columns["right_thigh_deg"] == pytest.approx(thigh, abs=1e-3)
    foot = FLEXION["ankle"] + FLEXION["hip"] - 8 - FLEXION["knee"]
    expected = foot if looks == 1 else 180 - foot
    assert np.abs(turn_between(m.columns["right_foot_deg"], expected)).max() < 1e-3
    assert len(m.columns) == 1 + 4 + 1 + 11 + 14
    assert len(with_sides(SEGMENT_ANGLES)) == 14


def turn_between(a: np.ndarray, b: float) -> np.ndarray:
    return (a - b + 180) % 360 - 180


def test_turn_is_clockwise_as_seen() -> None:
    right, down = np.array([[1.0, 0]]), np.array([[0.0, 1]])
    assert turn(right, down) == pytest.approx(90)
    assert turn(down, right) == pytest.approx(-90)


def test_without_a_direction_angles_have_no_sign() -> None:
    sequence = _still(COCO_17, _figure(looks=-1))
    m = measure(sequence, MeasureOptions(looks="none"))
    assert m.columns["right_knee_flexion_deg"] == pytest.approx(FLEXION["knee"], abs=1e-3)
    wrong = measure(sequence, MeasureOptions(looks="right"))
    assert wrong.columns["right_knee_flexion_deg"] == pytest.approx(-FLEXION["knee"], abs=1e-3)
    assert "right_ankle_dorsiflexion_deg" not in m.columns  # COCO has no toes
    with pytest.raises(UsageError, match="Known: auto"):
        MeasureOptions(looks="up")


def test_absent_joints_are_empty_not_zero() -> None:
    sequence = _still(COCO_17, _figure())
    p = sequence.frames[2].tracks.poses  # type: ignore[index]
    xy = p.xy.copy()
    xy[0, COCO_17.joints.index("left_ankle")] = np.nan
    frames = list(sequence.frames)
    frames[2] = replace(frames[2], tracks=Tracks([7], replace(p, xy=xy)))
    m = measure(replace(sequence, frames=tuple(frames)))
    assert np.flatnonzero(np.isnan(m.columns["left_knee_flexion_deg"])).tolist() == [2]
    assert np.isfinite(m.columns["right_knee_flexion_deg"]).all()


def test_a_walking_knee_bends_forward_once_a_step() -> None:
    clip = draw_sequence(
        13, frames=75, size_wh=(320, 180), people=2, camera="still", motions=("walk",)
    )
    m = measure(clip.labels)
    for identity in np.unique(m.id):
        knee = m.of(int(identity)).columns["left_knee_flexion_deg"]
        assert np.nanmin(knee) > -15
        assert 35 < np.nanmax(knee) < 90


# --- scale
# --------------------------------------------------------------------------------------------------


def _walker(speed_px_s: float = 50.0) -> Sequence:
    """The figure, moved along the picture."""
    still = _still(POSETRACK_15, _figure(), 40)
    frames = []
    for f in still.frames:
        p, shift = f.tracks.poses, np.array([speed_px_s * f.time_s, 0], np.float32)
        boxes = Boxes(p.boxes.xyxy + np.tile(shift, 2), p.boxes.score)
        frames.append(replace(f, tracks=Tracks([7], replace(p, xy=p.xy + shift, boxes=boxes))))
    return replace(still, frames=tuple(frames))


def test_speed_in_pixels_and_metres() -> None:
    assert measure(_walker()).columns["body_speed_px_s"] == pytest.approx(50, abs=0.01)
    scaled = measure(_walker(), MeasureOptions(Scale(0.01), distances=(("hips", "shoulders"),)))
    assert scaled.columns["body_speed_m_s"] == pytest.approx(0.5, abs=1e-3)
    assert scaled.columns["hips_shoulders_distance_m"] == pytest.approx(1.0, abs=1e-3)
    assert scaled.metres_per_px == {7: 0.01}


def test_a_known_height() -> None:
    upright = _still(POSETRACK_15, _figure(0.0, f=dict.fromkeys(FLEXION, 0.0)))
    xy = np.stack([f.tracks.poses.xy[0] for f in upright.frames]).astype(float)
    bent = np.stack([f.tracks.poses.xy[0] for f in _walker().frames]).astype(float)
    height = chain_height_px(POSETRACK_15, xy)
    assert height == pytest.approx((30 + 100 + 80 + 75) / 0.961, rel=1e-4)
    assert chain_height_px(POSETRACK_15, bent) == pytest.approx(height, rel=1e-4)
    m = measure(_walker(), MeasureOptions(Scale(heights_m={None: 2.0, 7: 1.8})))
    assert m.metres_per_px[7] == pytest.approx(1.8 / height, rel=1e-4)
    nothing = np.full((3, 15, 2), np.nan)
    assert chain_height_px(POSETRACK_15, nothing) is None


def test_the_floor() -> None:
    """A known projective map is found again, and speeds are those on the floor."""
    rng = np.random.default_rng(0)
    true = np.array([[0.01, 0.002, -1], [0.0005, 0.03, -2], [0.00002, 0.001, 1]])
    pixels = np.array([[100, 400], [600, 420], [500, 200], [150, 210]], float)
    found = floor_homography(pixels, on_floor(true, pixels))
    points = rng.uniform(100, 500, (20, 2))
    assert np.allclose(on_floor(found, points), on_floor(true, points), atol=1e-6)
    m = measure(_walker(), MeasureOptions(Scale(floor=np.diag([0.02, 0.05, 1.0]))))
    assert m.columns["body_speed_m_s"] == pytest.approx(1.0, abs=0.01)
    assert np.diff(m.columns["floor_x_m"]).mean() == pytest.approx(0.04, abs=1e-4)
    more = np.vstack([pixels, rng.uniform(100, 500, (3, 2))])
    assert np.allclose(floor_homography(more, on_floor(true, more)), true / true[2, 2], atol=1e-6)


def test_floors_and_heights_as_they_are_written() -> None:
    matrix = parse_floor("100,700=0,0 1100,700=5,0 900,400=5,8 300,400=0,8")
    assert on_floor(matrix, np.array([[900.0, 400]])) == pytest.approx(np.array([[5, 8.0]]))
    assert parse_heights("1.75") == {None: 1.75}
    assert parse_heights("1=1.7, 4=1.6") == {1: 1.7, 4: 1.6}
    for wrong in ("1,2=3,4", "a", "0,0=0,0 1,1=1,1 2,2=2,2 3,3=3,3"):
        with pytest.raises(UsageError):
            parse_floor(wrong)
    for wrong in ("tall", "175", "1=x"):
        with pytest.raises(UsageError):
            parse_heights(wrong)


# --- tables
# --------------------------------------------------------------------------------------------------


def test_tables(tmp_path: Path) -> None:
    native.write(tmp_path / "a.jsonl", _walker())
    path = measure_file(tmp_path / "a.jsonl")
    assert path == tmp_path / "a.measures.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (len(rows), rows[3]["frame"], rows[3]["id"]) == (40, "3", "7")
    assert float(rows[3]["right_knee_flexion_deg"]) == pytest.approx(40, abs=0.001)
    parquet = pytest.importorskip("pyarrow.parquet")
    other = measure_file(tmp_path / "a.jsonl", tmp_path / "a.parquet")
    table = parquet.read_table(str(other)).to_pydict()
    assert list(table) == list(rows[0])
    assert table["body_speed_px_s"] == pytest.approx([float(r["body_speed_px_s"]) for r in rows])


def test_nobody_and_names_that_are_wrong(tmp_path: Path) -> None:
    empty = replace(_walker(), frames=(FrameLabels(0, 0.0, Tracks.empty(POSETRACK_15)),))
    assert len(measure(empty).frame) == 0
    with pytest.raises(UsageError, match="left_wrist"):
        measure(_walker(), MeasureOptions(distances=(("left_wrst", "hips"),)))
    native.write(tmp_path / "a.jsonl", _walker())
    with pytest.raises(UsageError, match=r"\.csv, \.parquet"):
        measure_file(tmp_path / "a.jsonl", tmp_path / "a.xlsx")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--known", "0,0,100,0,2", "--distance", "left_wrist:right_wrist"], 0),
        (["--height", "1.8", "--facing", "right"], 0),
        (["--floor", "0,0=0,0 640,0=6,0 640,480=6,5 0,480=0,5"], 0),
        (["--height", "1.8", "--scale", "0.01"], 2),
        (["--known", "0,0,0,0,2"], 2),
        (["--distance", "left_wrist"], 2),
    ],
)
def test_the_command(
    options: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    native.write(tmp_path / "a.jsonl", _walker())
    with pytest.raises(SystemExit) as end:
        main(["measure", str(tmp_path / "a.jsonl"), *options])
    assert end.value.code == code
    said = capsys.readouterr()
    assert said.out == (f"{tmp_path / 'a.measures.csv'}\n" if code == 0 else "")
    assert "Traceback" not in said.err
