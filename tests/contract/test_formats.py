"""Every format of the table keeps its promise: what is written is read back, and bad files are one
sentence.

A format added to FORMATS is tested here without further ado; what it cannot hold is said in LOSES.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import FormatError, InputError, OutputError, UsageError
from posetrack.formats import FORMATS, detect_format, format_of_name, get_format
from posetrack.skeletons import POSETRACK_15, joint_map, make_skeleton
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks

# What a format has no place for; everything else must come back.
LOSES = {
    "coco": {"empty frames", "score of absent joints"},
    "csv": set(),
    "mot": {"empty frames", "times", "skeleton"},
    "native": set(),
    "openpose": {"boxes", "pose score", "times", "skeleton", "score of absent joints"},
    "parquet": set(),
    "posetrack17": {"boxes", "score of absent joints"},
    "posetrack18": {"score of absent joints"},
}
# Formats in which a file without a line is a video without people.
EMPTY_IS_NOBODY = {"mot"}
# Largest difference of a coordinate or score: formats that write x and width lose a rounding of
# float32.
TOLERANCE = {
    "coco": 1e-3,
    "csv": 0,
    "mot": 1e-3,
    "native": 0,
    "openpose": 0,
    "parquet": 0,
    "posetrack17": 1e-3,
    "posetrack18": 1e-3,
}


def _frame(index: int, ids: list[int], rng: np.random.Generator) -> FrameLabels:
    n = len(ids)
    xy = rng.uniform(1, 900, (n, 15, 2)).astype(np.float32)
    score = rng.uniform(0.05, 1, (n, 15)).astype(np.float32)
    for person in range(n):
        xy[person, rng.integers(0, 15)] = np.nan
    corner = rng.uniform(0, 400, (n, 2)).astype(np.float32)
    boxes = np.concatenate(
        [corner, corner + rng.uniform(10, 500, (n, 2)).astype(np.float32)], axis=1
    )
    poses = Poses(xy, score, Boxes(boxes, rng.uniform(0.1, 1, n).astype(np.float32)), POSETRACK_15)
    return FrameLabels(index, index / 25, Tracks(np.array(ids, np.int64), poses))


@pytest.fixture(name="sequence")
def _sequence_fixture() -> Sequence:
    """Five frames: people who come, go and swap places in the list; one frame without anybody;
    absent joints.
    """
    rng = np.random.default_rng(3)
    people = [[0, 4], [4, 0, 17], [], [17], [17, 0]]
    frames = tuple(_frame(i, ids, rng) for i, ids in enumerate(people))
    return Sequence("walk", (960, 540), 25.0, POSETRACK_15, frames)


def _kept(frames: Iterator[FrameLabels], name: str) -> list[FrameLabels]:
    frames_left = list(frames)
    return (
        [f for f in frames_left if len(f.tracks)] if "empty frames" in LOSES[name] else frames_left
    )


def test_every_format_says_what_it_loses() -> None:
    assert LOSES.keys() == FORMATS.keys() == TOLERANCE.keys()


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_round_trip(tmp_path: Path, sequence: Sequence, name: str) -> None:
    path = tmp_path / f"walk.{FORMATS[name].suffix}"
    FORMATS[name].write(path, sequence)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    [back] = FORMATS[name].read(path)
    loses = LOSES[name]
    assert back.name == "walk"
    assert back.skeleton == POSETRACK_15 or "skeleton" in loses
    expected, found = _kept(iter(sequence.frames), name), list(back.frames)
    assert [f.index for f in found] == [f.index for f in expected]
    assert "times" in loses or [f.time_s for f in found] == pytest.approx(
        [f.time_s for f in expected]
    )
    for a, b in zip(expected, found, strict=True):
        assert a.tracks.id.tolist() == b.tracks.id.tolist()
        _check_poses(*_shared_joints(a.tracks.poses, b.tracks.poses), loses, TOLERANCE[name])


def _shared_joints(a: Poses, b: Poses) -> tuple[Poses, Poses]:
    """The joints that both skeletons have, in the order of the first."""
    index = joint_map(b.skeleton, a.skeleton)
    both = make_skeleton(
        "both", [j for j, i in zip(a.skeleton.joints, index, strict=True) if i >= 0]
    )
    parts = ((a, [k for k, i in enumerate(index) if i >= 0]), (b, [i for i in index if i >= 0]))
    first, second = (Poses(p.xy[:, kept], p.score[:, kept], p.boxes, both) for p, kept in parts)
    return first, second


def _check_poses(a: Poses, b: Poses, loses: set[str], tolerance: float) -> None:
    close = {"rtol": 0, "atol": tolerance}
    np.testing.assert_allclose(b.xy, a.xy, **close)  # NaN where NaN
    score = np.where(a.present, a.score, np.nan) if "score of absent joints" in loses else a.score
    np.testing.assert_allclose(np.where(a.present, b.score, score), score, **close)
    if "pose score" not in loses:
        np.testing.assert_allclose(b.boxes.score, a.boxes.score, **close)
    if "boxes" not in loses:
        np.testing.assert_allclose(b.boxes.xyxy, a.boxes.xyxy, **close)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_frames_can_be_read_twice(tmp_path: Path, sequence: Sequence, name: str) -> None:
    path = tmp_path / "walk"
    FORMATS[name].write(path, sequence)
    [back] = FORMATS[name].read(path)
    assert [f.index for f in back.frames] == [f.index for f in back.frames]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_video_without_people(tmp_path: Path, sequence: Sequence, name: str) -> None:
    path = tmp_path / f"walk.{FORMATS[name].suffix}"
    nobody = tuple(FrameLabels(i, i / 25, Tracks.empty(POSETRACK_15)) for i in range(3))
    FORMATS[name].write(path, replace(sequence, frames=nobody))
    found = [f for back in FORMATS[name].read(path) for f in back.frames]
    assert sum(len(f.tracks) for f in found) == 0
    assert len(found) == (0 if "empty frames" in LOSES[name] else 3)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_the_format_is_found_by_name_and_content(
    tmp_path: Path, sequence: Sequence, name: str
) -> None:
    named, plain = tmp_path / f"walk.{FORMATS[name].suffix}", tmp_path / "plain"
    for path in (named, plain):
        FORMATS[name].write(path, sequence)
        assert detect_format(path).name == name
    assert format_of_name(named) is FORMATS[name]
    assert format_of_name(plain) is None


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_failure_on_the_way_leaves_the_old_file(
    tmp_path: Path, sequence: Sequence, name: str
) -> None:
    def broken() -> Iterator[FrameLabels]:
        yield from list(sequence.frames)[:2]
        raise KeyboardInterrupt

    path = tmp_path / "walk"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        FORMATS[name].write(path, replace(sequence, frames=broken()))
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["walk"]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_unwritable_place(tmp_path: Path, sequence: Sequence, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Cannot write"):
        FORMATS[name].write(tmp_path / "file" / "walk", sequence)


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b'{"people": 3}', b"a,b,c\n1,2,3\n"]
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / f"bad.{FORMATS[name].suffix}"
    path.write_bytes(content)
    if name in EMPTY_IS_NOBODY and not content:
        assert FORMATS[name].read(path)[0].frames == ()
        return
    with pytest.raises(FormatError) as caught:
        [list(s.frames) for s in FORMATS[name].read(path)]
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_missing_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="There is no file"):
        FORMATS[name].read(tmp_path / "gone")


def test_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'coco'"):
        get_format("cocoa")
    (tmp_path / "x.json").write_text('{"a": 1}')
    with pytest.raises(FormatError, match="is of no known format"):
        detect_format(tmp_path / "x.json")
