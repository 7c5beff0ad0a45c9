"""The native format: exact numbers, foreign extras, interrupted files, resuming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posetrack.errors import FormatError, InputError, OutputError
from posetrack.formats import native
from posetrack.formats.native_writer import NativeWriter, state_path
from posetrack.skeletons import COCO_17, POSETRACK_15, make_skeleton
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Skeleton, Tracks

HAND = make_skeleton("hand", ["wrist", "thumb", "index"], [(0, 1), (0, 2)])


def _labels(
    index: int, people: int = 2, skeleton: Skeleton = POSETRACK_15, **extras: Any
) -> FrameLabels:
    rng = np.random.default_rng(index)
    k = len(skeleton)
    poses = Poses(
        rng.uniform(0, 900, (people, k, 2)).astype(np.float32),
        rng.uniform(0, 1, (people, k)).astype(np.float32),
        Boxes(
            rng.uniform(0, 900, (people, 4)).astype(np.float32),
            rng.uniform(0, 1, people).astype(np.float32),
        ),
        skeleton,
    )
    return FrameLabels(index, index / 30, Tracks(np.arange(people), poses), **extras)


def _header(frames: Any = (), skeleton: Skeleton = POSETRACK_15, **meta: Any) -> Sequence:
    return Sequence("walk", (960, 540), 29.97, skeleton, frames, meta)


def _indices(path: Path) -> list[int]:
    return [f.index for f in native.read(path)[0].frames]


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(
        np.float32, (2, 3, 3), elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))
    ),
    hnp.arrays(np.float32, (2, 5), elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan"))),
)
def test_every_float32_comes_back_exactly(keypoints: Any, boxes: Any) -> None:
    poses = Poses(keypoints[..., :2], keypoints[..., 2], Boxes(boxes[:, :4], boxes[:, 4]), HAND)
    line = native.encode_frame(FrameLabels(3, 0.1, Tracks(np.array([5, 2**40]), poses)))
    back = native.parse_frame(line, HAND, "test")
    assert (back.index, back.time_s, back.tracks.id.tolist()) == (3, 0.1, [5, 2**40])
    assert np.array_equal(back.tracks.poses.xy, poses.xy, equal_nan=True)
    assert np.array_equal(back.tracks.poses.score, poses.score, equal_nan=True)
    assert np.array_equal(back.tracks.poses.boxes.xyxy, poses.boxes.xyxy, equal_nan=True)
    assert np.array_equal(back.tracks.poses.boxes.score, poses.boxes.score, equal_nan=True)


@pytest.mark.parametrize("skeleton", [COCO_17, HAND])
def test_the_header_comes_back(tmp_path: Path, skeleton: Skeleton) -> None:
    settings_ = {"min_oks": 0.3, "flow": "dis", "source": ["a", 1, None]}
    native.write(
        tmp_path / "a.jsonl",
        _header((_labels(0, skeleton=skeleton),), skeleton, settings=settings_),
    )
    [back] = native.read(tmp_path / "a.jsonl")
    assert (back.name, back.size_wh, back.fps, back.skeleton) == (
        "walk",
        (960, 540),
        29.97,
        skeleton,
    )
    assert back.meta == {"settings": settings_}


def test_the_schema_on_disk(tmp_path: Path) -> None:
    """Other programs rely on these names."""
    native.write(tmp_path / "a.jsonl", _header((_labels(0, 1, HAND),), HAND))
    header, frame, end = (
        json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()
    )
    assert list(header) == ["posetrack", "name", "size_wh", "fps", "skeleton"]
    assert header["posetrack"] == 1
    assert list(header["skeleton"]) == ["name", "joints", "limbs", "flip_pairs", "oks_sigmas"]
    assert list(frame) == ["frame", "time_s", "people"]
    assert list(frame["people"][0]) == ["id", "box", "score", "keypoints"]
    assert [len(k) for k in frame["people"][0]["keypoints"]] == [3, 3, 3]
    assert end == {"end": {"frames": 1}}


def test_ground_truth_extras_come_back(tmp_path: Path) -> None:
    heads = np.array([[1, 2, 3, 4], [np.nan] * 4], np.float32)
    region = np.array([[0.5, 1], [10, 1], [10, 20]])
    frame = _labels(
        0,
        image="img/000000.jpg",
        labeled=False,
        head_xyxy=heads,
        ignore_regions=(region, 2 * region),
    )
    native.write(tmp_path / "a.jsonl", _header((frame, _labels(1))))
    first, second = native.read(tmp_path / "a.jsonl")[0].frames
    assert (first.image, first.labeled) == ("img/000000.jpg", False)
    assert np.array_equal(first.head_xyxy, heads, equal_nan=True)  # type: ignore[arg-type]
    assert [r.tolist() for r in first.ignore_regions] == [region.tolist(), (2 * region).tolist()]
    assert (second.image, second.labeled, second.head_xyxy, second.ignore_regions) == (
        None,
        True,
        None,
        (),
    )


def test_unknown_keys_are_skipped(tmp_path: Path) -> None:
    line = json.loads(native.encode_frame(_labels(0)))
    line["weather"] = "fine"
    line["people"][0]["name"] = "Ada"
    assert len(native.parse_frame(json.dumps(line).encode(), POSETRACK_15, "test").tracks) == 2


def test_meta_must_not_hide_the_header() -> None:
    with pytest.raises(ValueError, match="fps"):
        native.encode_header(_header(fps=3))


# --- files cut short
# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 10, 200])
def test_a_cut_last_line_is_ignored(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        native.encode_header(_header())
        + b"".join(native.encode_frame(_labels(i)) for i in range(4))
    )
    path.write_bytes(path.read_bytes()[:-cut])
    assert _indices(path) == (
        [0, 1, 2, 3] if cut == 1 else [0, 1, 2]
    )  # without its line end a line can still be whole
    assert not native.is_complete(path)


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        native.encode_header(_header()) + b'{"frame": 0, "peo\n' + native.encode_frame(_labels(1))
    )
    with pytest.raises(FormatError, match=r"a\.jsonl, line 2"):
        _indices(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"people": [{"id": 1}]}, "'keypoints' is missing"),
        (
            {"people": [{"id": 1, "box": [1, 2, 3, 4], "score": 1, "keypoints": [None]}]},
            "has 1 keypoints",
        ),
        (
            {"people": [{"id": 1, "box": [1, 2, 3], "score": 1, "keypoints": [None] * 15}]},
            "list of 4 numbers",
        ),
        ({"people": 3}, "not a frame"),
    ],
)
def test_a_broken_frame_says_what(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        native.encode_header(_header())
        + json.dumps({"frame": 0, "time_s": 0, **change}).encode()
        + b"\n"
    )
    with pytest.raises(FormatError, match=message):
        _indices(path)


def test_a_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(native.encode_header(_header()).replace(b'"posetrack":1', b'"posetrack":2'))
    with pytest.raises(FormatError, match="newer than 1: update posetrack"):
        native.read(path)


# --- streaming and resuming
# ------------------------------------------------------------------------------------------


def test_each_frame_is_on_disk_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "out" / "a.jsonl"
    with NativeWriter(path, _header()) as writer:
        for i in range(3):
            writer.write(_labels(i), {"next_id": i})
            assert _indices(path) == list(range(i + 1))
        assert state_path(path).exists()
        assert not native.is_complete(path)
    assert native.is_complete(path)
    assert [p.name for p in path.parent.iterdir()] == ["a.jsonl"]
    whole = tmp_path / "whole.jsonl"
    native.write(whole, _header([_labels(i) for i in range(3)]))
    assert whole.read_bytes() == path.read_bytes()


def _interrupt(path: Path, frames: int, *, states: bool = True) -> None:
    """Write some frames and break off."""
    writer = NativeWriter(path, _header())
    for i in range(frames):
        memory = {"poses": np.full((1, 2), np.float32(0.1) * i), "next_id": i}
        writer.write(_labels(i), memory if states else None)
    writer.release()


@pytest.mark.parametrize("tail", [b"", b'{"frame": 3, "time', native.encode_frame(_labels(3))])
def test_resume_goes_on_from_the_memory(tmp_path: Path, tail: bytes) -> None:
    """Whatever was written after the memory is dropped: the frame it belongs to is the last."""
    path = tmp_path / "a.jsonl"
    _interrupt(path, 3)
    with path.open("ab") as file:
        file.write(tail)
    with NativeWriter.resume(path) as writer:
        assert (writer.frame_count, writer.last_index) == (3, 2)
        assert writer.sequence.name == "walk"
        assert writer.state["next_id"] == 2
        assert np.array_equal(
            np.array(writer.state["poses"], np.float32), np.full((1, 2), np.float32(0.1) * 2)
        )
        writer.write(_labels(3), {"next_id": 3})
    whole = tmp_path / "whole.jsonl"
    native.write(whole, _header([_labels(i) for i in range(4)]))
    assert path.read_bytes() == whole.read_bytes()


def test_resume_without_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    _interrupt(path, 3, states=False)
    path.write_bytes(path.read_bytes()[:-20])
    with NativeWriter.resume(path) as writer:
        assert (writer.frame_count, writer.last_index, writer.state) == (2, 1, None)
    assert _indices(path) == [0, 1]


def test_resume_before_the_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    _interrupt(path, 0)
    with NativeWriter.resume(path) as writer:
        assert (writer.frame_count, writer.last_index) == (0, -1)


def test_resume_from_nothing_or_from_a_broken_memory(tmp_path: Path, caplog) -> None:
    path = tmp_path / "a.jsonl"
    with pytest.raises(InputError, match="start without --resume"):
        NativeWriter.resume(path)
    _interrupt(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))  # a power cut took frames that the memory has seen
    writer = NativeWriter.resume(path)  # no memory fits: all again, and a warning says so
    writer.release()
    assert (writer.frame_count, writer.state) == (0, None)
    assert "goes on behind frame 0" in caplog.text
    state_path(path).write_bytes(b"{")
    NativeWriter.resume(path).release()


def test_an_error_leaves_the_file_resumable(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with pytest.raises(KeyboardInterrupt):
        _write_and_interrupt(path)
    assert _indices(path) == [0]
    assert not native.is_complete(path)
    writer = NativeWriter.resume(path)
    writer.release()
    assert writer.last_index == 0


def _write_and_interrupt(path: Path) -> None:
    with NativeWriter(path, _header()) as writer:
        writer.write(_labels(0), {})
        raise KeyboardInterrupt


def test_a_killed_process_loses_no_finished_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    script = textwrap.dedent(
        """
        import sys
        import numpy as np
        from posetrack.formats.native_writer import NativeWriter
        from posetrack.skeletons import POSETRACK_15
        from posetrack.structures import FrameLabels, Sequence, Tracks
        writer = NativeWriter(sys.argv[1], Sequence("walk", None, None, POSETRACK_15, ()))
        for i in range(10**9):
            writer.write(FrameLabels(i, i / 30, Tracks.empty(POSETRACK_15)), {"frame": i})
            if i >= 50:
                print(i, flush=True)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        finished = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    assert _indices(path)[: finished + 1] == list(range(finished + 1))
    writer = NativeWriter.resume(path)
    writer.release()
    assert writer.state == {"frame": writer.last_index}
    assert writer.last_index >= finished


def test_an_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Cannot write"):
        NativeWriter(tmp_path / "file" / "a.jsonl", _header())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk() -> None:
    with pytest.raises(OutputError, match="No space left on device"):
        NativeWriter("/dev/full", _header())
