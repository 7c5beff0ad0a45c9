"""Edits and their log: what each does, undo gives back what was, a replay is what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.cli import main
from posetrack.editing.edits import (
    EDITS,
    Accept,
    Delete,
    Edit,
    Flip,
    Merge,
    Move,
    Name,
    Split,
    Swap,
    apply_edits,
    names_after,
)
from posetrack.editing.encoding import decode_edit, describe_edit, encode_edit
from posetrack.editing.log import EditLog, History, default_log_path, read_log
from posetrack.editing.replay import mend
from posetrack.errors import FormatError, InputError, OutputError
from posetrack.formats import native
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks
from posetrack.track_table import TrackTable, frames_of, table_of

FRAMES, PEOPLE = 12, 4


def _labels(index: int, rng: np.random.Generator) -> FrameLabels:
    ids = np.flatnonzero(rng.random(PEOPLE) < 0.8)
    n = len(ids)
    xy = rng.uniform(0, 300, (n, 17, 2)).astype(np.float32)
    xy[rng.random((n, 17)) < 0.1] = np.nan
    score = rng.random((n, 17)).astype(np.float32)
    boxes = Boxes(rng.uniform(0, 300, (n, 4)), rng.random(n))
    tracks = Tracks(ids, Poses(xy, score, boxes, COCO_17))
    heads = np.tile(ids[:, None], (1, 4)).astype(np.float32)
    return FrameLabels(3 * index, index / 10, tracks, head_xyxy=heads)


def _sequence(seed: int = 0) -> Sequence:
    rng = np.random.default_rng(seed)
    frames = tuple(_labels(i, rng) for i in range(FRAMES))
    return Sequence("clip", (320, 240), 10.0, COCO_17, frames, {"names": {"1": "Ada"}})


SEQUENCE = _sequence()
TABLE = table_of(SEQUENCE.frames, COCO_17)

frame = st.integers(0, 3 * FRAMES)
identity = st.integers(0, PEOPLE)
pair = st.lists(identity, min_size=2, max_size=2, unique=True)
span = st.tuples(st.none() | frame, st.none() | frame).map(
    lambda ends: ends if None in ends else tuple(sorted(ends))
)
point = st.tuples(st.floats(0, 300), st.floats(0, 300))
edit = st.one_of(
    st.builds(lambda p, r: Merge(p[0], p[1], *r), pair, span),
    st.builds(lambda p, r: Swap(p[0], p[1], *r), pair, span),
    st.builds(lambda i, f, new: Split(i, f, new), identity, frame, st.integers(100, 10**9)),
    st.builds(lambda i, r: Delete(i, *r), identity, span),
    st.builds(lambda i, r: Flip(i, *r), identity, span),
    st.builds(Move, identity, frame, st.sampled_from(COCO_17.joints), st.none() | point),
    st.builds(Name, identity, st.none() | st.sampled_from(["Ada", "Grace"])),
    st.builds(Accept, st.just("jump"), frame, pair.map(tuple)),
)


def _same(a: TrackTable, b: TrackTable) -> None:
    for name in ("frames", "time_s", "frame", "id", "place"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in ("xy", "score"):
        np.testing.assert_array_equal(getattr(a.poses, name), getattr(b.poses, name))
    np.testing.assert_array_equal(a.poses.boxes.xyxy, b.poses.boxes.xyxy)


def _applicable(edits: list[Edit]) -> list[Edit]:
    """Those that the tracks take: a split may be refused."""
    kept: list[Edit] = []
    for one in edits:
        try:
            apply_edits(TABLE, [*kept, one])
        except FormatError:
            continue
        kept.append(one)
    return kept


# --- what an edit does
# --------------------------------------------------------------------------------------------------


def _ids(table: TrackTable) -> list[list[int]]:
    return [table.id[table.frame == f].tolist() for f in table.frames]


def test_a_swap_from_a_frame_on_changes_two_people_there_and_nothing_before() -> None:
    swapped = _ids(Swap(0, 2, start=15).apply(TABLE))
    names = {0: 2, 2: 0}
    for f, before, after in zip(TABLE.frames, _ids(TABLE), swapped, strict=True):
        assert after == ([names.get(i, i) for i in before] if f >= 15 else before)


def test_a_merge_keeps_the_surer_pose_where_both_are_there() -> None:
    merged = Merge(0, 1).apply(TABLE)
    assert 1 not in merged.id
    for f in TABLE.frames:
        both = TABLE[(TABLE.frame == f) & np.isin(TABLE.id, [0, 1])]
        left = merged[(merged.frame == f) & (merged.id == 0)]
        assert len(left) == min(len(both), 1)
        if len(both):
            assert left.poses.boxes.score == both.poses.boxes.score.max()


def test_a_split_gives_a_new_person_and_refuses_one_who_is_there() -> None:
    split = Split(2, 18, 9).apply(TABLE)
    assert set(split.frame[split.id == 9]) == set(TABLE.frame[(TABLE.id == 2) & (TABLE.frame > 17)])
    with pytest.raises(FormatError, match=r"frame \d+ has a 0 already"):
        Split(2, 0, 0).apply(TABLE)


def test_deleting_a_range_leaves_the_rest() -> None:
    left = Delete(1, 6, 12).apply(TABLE)
    gone = (TABLE.id == 1) & (TABLE.frame >= 6) & (TABLE.frame <= 12)
    _same(left, TABLE[~gone])


def test_exchanging_left_and_right() -> None:
    flipped = Flip(0).apply(TABLE)
    left, right = COCO_17.joints.index("left_knee"), COCO_17.joints.index("right_knee")
    rows = TABLE.of(0)
    np.testing.assert_array_equal(flipped.poses.xy[rows, left], TABLE.poses.xy[rows, right])
    np.testing.assert_array_equal(flipped.poses.score[rows, right], TABLE.poses.score[rows, left])


def test_moving_and_hiding_a_joint() -> None:
    f = int(TABLE.frame[TABLE.of(2)[0]])
    moved = Move(2, f, "nose", (12.5, 7.0)).apply(TABLE)
    [row] = np.flatnonzero((moved.id == 2) & (moved.frame == f))
    assert moved.poses.xy[row, 0].tolist() == [12.5, 7.0]
    assert moved.poses.score[row, 0] == 1
    assert not Move(2, f, "nose", None).apply(moved).poses.present[row, 0]
    with pytest.raises(FormatError, match="no joint 'tail'"):
        Move(2, f, "tail", None).apply(TABLE)


def test_names_go_with_their_people() -> None:
    assert names_after([Name(3, "Bo"), Merge(1, 3)], {1: "Ada"}) == {1: "Ada"}
    assert names_after([Merge(2, 1), Name(4, "Bo"), Swap(4, 5)], {1: "Ada"}) == {2: "Ada", 5: "Bo"}
    assert names_after([Name(1, None)], {1: "Ada"}) == {}


# --- properties
# --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(edit, max_size=8))
def test_a_stream_frame_by_frame_is_the_whole_table(edits: list[Edit]) -> None:
    kept = _applicable(edits)
    whole = apply_edits(TABLE, kept)
    streamed = list(mend(SEQUENCE, kept).frames)
    singly = [
        next(frames_of(apply_edits(table_of([f], COCO_17), kept), [f])) for f in SEQUENCE.frames
    ]
    for frames in (streamed, singly):
        again = table_of(frames, COCO_17)
        _same(replace(again, place=whole.place), whole)
    heads = np.concatenate([f.head_xyxy for f in streamed if f.head_xyxy is not None])
    np.testing.assert_array_equal(heads[:, 0], _original_ids(whole))


def _original_ids(table: TrackTable) -> list[int]:
    """Whom each row was at first: its place in its frame tells."""
    first = {(f, p): i for f, p, i in zip(TABLE.frame, TABLE.place, TABLE.id, strict=True)}
    return [first[f, p] for f, p in zip(table.frame, table.place, strict=True)]


@settings(max_examples=60, deadline=None)
@given(edit)
def test_an_edit_survives_json(one: Edit) -> None:
    data = json.loads(json.dumps(encode_edit(one)))
    assert decode_edit(data, "here") == one
    assert describe_edit(one)


def test_every_edit_is_generated_here() -> None:
    assert set(EDITS.values()) == {Merge, Split, Swap, Delete, Flip, Move, Name, Accept}


step = st.one_of(edit, st.just("undo"), st.just("redo"))


@settings(max_examples=40, deadline=None)
@given(st.lists(step, max_size=12))
def test_the_log_on_disk_is_the_state_on_the_screen(tmp_path_factory, steps) -> None:  # type: ignore[no-untyped-def]
    folder: Path = tmp_path_factory.mktemp("log")
    (folder / "clip.jsonl").write_text("tracks")
    log = EditLog(folder / "clip.edits.jsonl", folder / "clip.jsonl")
    for one in steps:
        before = log.history
        if isinstance(one, str):
            if before.done if one == "undo" else before.undone:
                getattr(log, one)()
            continue
        log.add(one)
        log.undo()
        assert log.history.done == before.done  # undo of anything gives the state before
        log.redo()
        assert log.history.done == (*before.done, one)
    if log.path.exists():
        assert read_log(log.path)[1] == log.history
        assert EditLog(log.path, log.tracks).history == log.history


@pytest.mark.parametrize("one", [Swap(0, 1, 5), Flip(2, 3, 20)])
def test_twice_is_as_before(one: Edit) -> None:
    _same(apply_edits(TABLE, [one, one]), TABLE)


# --- the file
# --------------------------------------------------------------------------------------------------


@pytest.fixture(name="log")
def _log_fixture(tmp_path: Path) -> EditLog:
    native.write(tmp_path / "clip.jsonl", SEQUENCE)
    return EditLog(default_log_path(tmp_path / "clip.jsonl"), tmp_path / "clip.jsonl")


def test_undo_and_redo_are_lines_and_nothing_is_taken_out(log: EditLog) -> None:
    log.add(Swap(0, 1))
    log.undo()
    log.redo()
    log.undo()
    log.add(Delete(3))
    ops = [json.loads(line).get("op") for line in log.path.read_text().splitlines()]
    assert ops == [None, "swap", "undo", "redo", "undo", "delete"]
    assert read_log(log.path)[1] == History((Delete(3),))
    with pytest.raises(InputError, match="nothing to redo"):
        log.redo()


def test_a_line_cut_short_by_a_crash_is_left_aside(log: EditLog) -> None:
    log.add(Swap(0, 1))
    log.add(Delete(3))
    for cut in range(1, 20):
        path = log.path.with_name("cut.edits.jsonl")
        path.write_bytes(log.path.read_bytes()[:-cut])
        again = EditLog(path, log.tracks)
        assert again.history.done == (Swap(0, 1),)
        again.add(Flip(1))
        assert read_log(path)[1].done == (Swap(0, 1), Flip(1))


def test_a_log_that_another_program_changed_is_not_written_to(log: EditLog) -> None:
    log.add(Swap(0, 1))
    EditLog(log.path, log.tracks).add(Delete(3))
    before = log.path.read_bytes()
    with pytest.raises(OutputError, match="changed by another program"):
        log.add(Flip(1))
    assert log.path.read_bytes() == before
    assert log.history.done == (Swap(0, 1),)


HEADER = '{"posetrack_edits": 1}\n'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is no log of edits"),
        ("[]\n", "line 1 is no JSON object"),
        ('{"posetrack": 1}\n', "is no log of edits"),
        ('{"posetrack_edits": 2}\n', "newer than 1: update posetrack"),
        (HEADER + "nonsense\n", "line 2 is not JSON"),
        (HEADER + '{"op": "melt"}\n', "line 2: 'melt' is no edit; known are merge"),
        (HEADER + '{"op": "undo"}\n', "line 2: There is nothing to undo"),
        (HEADER + '{"op": "swap", "a": 1}\n', "swap needs the field 'b'"),
        (HEADER + '{"op": "swap", "a": 1, "b": 1}\n', "two different people are needed"),
        (HEADER + '{"op": "delete", "id": -1}\n', "id must be a whole number of at least 0"),
        (HEADER + '{"op": "delete", "id": true}\n', "id must be a whole number"),
        (HEADER + '{"op": "delete", "id": 1, "start": 5, "end": 2}\n', "before its start 5"),
        (HEADER + '{"op": "delete", "id": 1, "ids": 2}\n', "delete has no field 'ids'"),
        (HEADER + '{"op": "name", "id": 1, "name": ""}\n', "name must be a text of at most 80"),
        (HEADER + '{"op": "split", "id": 1, "start": 5, "new": 1}\n', "must differ from 1"),
        (
            HEADER + '{"op": "move", "id": 1, "frame": 2, "joint": "nose", "xy": [1]}\n',
            "xy must be two numbers",
        ),
    ],
)
def test_a_broken_log_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "clip.edits.jsonl"
    path.write_text(content)
    with pytest.raises(FormatError) as caught:
        read_log(path)
    assert sentence in str(caught.value)
    assert str(caught.value).count("\n") == 0


# --- the command
# --------------------------------------------------------------------------------------------------


def _run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["edit", *map(str, args)])
    out = capsys.readouterr()
    return int(end.value.code or 0), out.out, out.err


def _ids_of(path: Path) -> set[int]:
    frames: Iterator[FrameLabels] = iter(native.read(path)[0].frames)
    return {i for f in frames for i in f.tracks.id.tolist()}


def test_apply_writes_mended_tracks_and_leaves_the_old(
    log: EditLog, capsys: pytest.CaptureFixture[str]
) -> None:
    log.add(Delete(0))
    log.add(Name(2, "Grace"))
    log.add(Delete(3))
    log.undo()
    before, out = log.tracks.read_bytes(), log.tracks.with_name("mended.jsonl")
    code, printed, said = _run(capsys, "apply", log.tracks, log.path, "-o", out)
    assert (code, printed, said) == (0, f"{out}\n", "2 edits applied.\n")
    assert _ids_of(out) == {1, 2, 3}
    [mended] = native.read(out)
    assert mended.meta["names"] == {"1": "Ada", "2": "Grace"}
    assert mended.meta["edits"] == {"log": "clip.edits.jsonl", "count": 2}
    assert log.tracks.read_bytes() == before
    code, _, said = _run(capsys, "apply", log.tracks, "-o", out)
    assert code == 1
    assert "add --force" in said
    assert _run(capsys, "apply", log.tracks, "-o", log.tracks, "--force")[0] == 2
    assert _run(capsys, "apply", log.tracks, "-o", out.with_suffix(".csv"))[0] == 0


def test_a_log_of_other_tracks_is_said(log: EditLog, capsys: pytest.CaptureFixture[str]) -> None:
    log.add(Delete(0))
    other = log.tracks.with_name("other.jsonl")
    native.write(other, replace(SEQUENCE, name="other"))
    code, _, said = _run(capsys, "apply", other, log.path, "-o", other.with_name("m.jsonl"))
    assert code == 0
    assert "was made for other tracks" in said


def test_show_lists_what_holds(log: EditLog, capsys: pytest.CaptureFixture[str]) -> None:
    log.add(Swap(0, 1, 5))
    log.add(Delete(3))
    log.undo()
    assert _run(capsys, "show", log.path)[1] == "   1  swap 0 and 1 from frame 5 on\n"
    shown = json.loads(_run(capsys, "show", log.path, "--json")[1])
    assert shown == [{"op": "swap", "a": 0, "b": 1, "start": 5}]
    assert "There is no file" in _run(capsys, "show", log.path.with_name("gone"))[2]
