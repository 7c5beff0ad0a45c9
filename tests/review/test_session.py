"""The state of a review: what a replay gives, after any way through edits, undo and redo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posetrack.editing.log import EditLog, read_log
from posetrack.editing.replay import mend
from posetrack.errors import FormatError, InputError, OutputError
from posetrack.formats import native
from posetrack.review.people import lanes_of
from posetrack.review.session import KEPT, Session
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks
from posetrack.track_table import table_of

FRAMES = 20
THERE = {1: [(0, 19)], 2: [(0, 7), (10, 19)], 5: [(12, 15)]}  # identity: runs


def _labels(index: int) -> FrameLabels:
    ids = [i for i, runs in THERE.items() if any(a <= index <= b for a, b in runs)]
    n = len(ids)
    rng = np.random.default_rng(index)
    xy = rng.uniform(0, 90, (n, 17, 2))
    boxes = Boxes([[10.0 * i, 5, 10.0 * i + 8, 50] for i in ids], [0.1 * i for i in ids])
    return FrameLabels(
        index, index / 25, Tracks(ids, Poses(xy, np.full((n, 17), 0.9), boxes, COCO_17))
    )


SEQUENCE = Sequence("clip", (96, 64), 25.0, COCO_17, tuple(_labels(i) for i in range(FRAMES)))


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    native.write(tmp_path / "clip.jsonl", SEQUENCE)
    return tmp_path


def _open(folder: Path) -> Session:
    return Session(folder / "clip.jsonl", folder / "clip.edits.jsonl")


def _is_a_replay(session: Session) -> None:
    """The table is that of a replay of the log on the disk."""
    done = read_log(session.log_path)[1].done
    frames = tuple(mend(native.read(session.tracks)[0], done).frames)
    expected = table_of(frames, COCO_17)
    table = session.state.table
    np.testing.assert_array_equal(table.id, expected.id)
    np.testing.assert_array_equal(table.frame, expected.frame)
    np.testing.assert_array_equal(table.poses.xy, expected.poses.xy)


def _do(session: Session, **edit: object) -> None:
    session.edit(edit, session.state.version)


def test_what_is_shown_is_the_replay_of_the_log(folder: Path) -> None:
    session = _open(folder)
    _do(session, op="swap", a=1, b=2, start=5)
    _do(session, op="move", id=1, frame=3, joint="nose", xy=[4.5, 6])
    _is_a_replay(session)
    session.undo(session.state.version)
    session.undo(session.state.version)
    _is_a_replay(session)
    session.redo(session.state.version)
    _is_a_replay(session)
    _do(session, op="delete", id=5)
    assert session.state.history.undone == ()
    _is_a_replay(session)
    _is_a_replay(_open(folder))  # as after a crash
    assert _open(folder).state.history == session.state.history


def test_undo_has_no_end(folder: Path) -> None:
    session, count = _open(folder), 3 * KEPT
    for n in range(count):
        _do(session, op="move", id=1, frame=n % FRAMES, joint="nose", xy=[n, n])
    before = session.base.poses.xy
    for _ in range(count):
        session.undo(session.state.version)
    np.testing.assert_array_equal(session.state.table.poses.xy, before)
    with pytest.raises(InputError, match="nothing to undo"):
        session.undo(session.state.version)
    for _ in range(count):
        session.redo(session.state.version)
    _is_a_replay(session)


def test_tracks_are_never_touched_and_a_refused_edit_leaves_no_line(folder: Path) -> None:
    tracks = (folder / "clip.jsonl").read_bytes()
    session = _open(folder)
    for edit, sentence in (
        ({"op": "melt"}, "'melt' is no edit"),
        ({"op": "swap", "a": 1, "b": 9}, "There is no person 9 in the tracks"),
        ({"op": "split", "id": 1, "start": 3, "new": 2}, "has a 2 already"),
        ({"op": "move", "id": 1, "frame": 0, "joint": "tail", "xy": [1, 2]}, "no joint 'tail'"),
        ("nonsense", "'nonsense' is no edit"),
    ):
        with pytest.raises(FormatError, match=sentence):
            session.edit(edit, 0)
    assert not (folder / "clip.edits.jsonl").exists()
    _do(session, op="delete", id=1)
    with pytest.raises(FormatError, match="no person 1"):
        _do(session, op="flip", id=1)
    assert len((folder / "clip.edits.jsonl").read_text().splitlines()) == 2
    assert (folder / "clip.jsonl").read_bytes() == tracks


def test_an_old_page_cannot_edit_what_it_does_not_show(folder: Path) -> None:
    session = _open(folder)
    _do(session, op="delete", id=5)
    with pytest.raises(OutputError, match="in another window"):
        session.edit({"op": "delete", "id": 1}, 0)


def test_what_another_program_wrote_is_there_after_loading_again(folder: Path) -> None:
    session = _open(folder)
    _do(session, op="delete", id=5)
    other = EditLog(session.log_path, session.tracks)
    other.undo()
    with pytest.raises(OutputError, match="changed by another program"):
        _do(session, op="delete", id=1)
    version = session.state.version
    assert session.reload().version > version
    _do(session, op="delete", id=1)
    _is_a_replay(session)


def test_edits_of_other_tracks_are_refused(folder: Path) -> None:
    _do(_open(folder), op="delete", id=5)
    head, *rest = (folder / "clip.edits.jsonl").read_text().splitlines()
    changed = {**json.loads(head), "sha256": "0" * 64}
    (folder / "clip.edits.jsonl").write_text("\n".join([json.dumps(changed), *rest]) + "\n")
    with pytest.raises(InputError, match="made for other tracks"):
        _open(folder)


def test_a_new_identity_is_one_that_nobody_ever_had(folder: Path) -> None:
    session = _open(folder)
    assert session.next_identity() == 6
    _do(session, op="split", id=1, start=4, new=6)
    assert session.next_identity() == 7
    session.undo(session.state.version)
    assert session.next_identity() == 7  # redo would bring it back


def test_names(folder: Path) -> None:
    session = _open(folder)
    _do(session, op="name", id=2, name="Ada")
    _do(session, op="merge", into=5, other=2)
    assert session.state.names == {5: "Ada"}


# --- lanes
# --------------------------------------------------------------------------------------------------


def test_lanes_say_when_people_are_there() -> None:
    lanes = {lane.identity: lane for lane in lanes_of(table_of(SEQUENCE.frames, COCO_17), FRAMES)}
    assert {i: [tuple(r) for r in lane.runs.tolist()] for i, lane in lanes.items()} == THERE
    assert lanes[5].score == pytest.approx(0.5)
    assert lanes[5].frames == 4
    columns = np.flatnonzero(lanes[2].columns)
    assert columns.tolist() == [*range(8), *range(10, 20)]
    assert set(lanes[5].columns[12:16].tolist()) == {1 + round(254 * 0.5)}
    assert 12 <= lanes[5].best <= 15
    assert lanes[5].box.tolist() == [50, 5, 58, 50]


def test_frames_that_the_tracks_lack_are_no_gaps() -> None:
    """Labels of every third frame."""
    table = table_of(SEQUENCE.frames[::3], COCO_17)
    [first, *_] = lanes_of(table, FRAMES)
    assert first.runs.tolist() == [[0, 18]]


def test_long_clips_share_columns() -> None:
    frames = [
        FrameLabels(i, i / 25, _labels(0).tracks if i < 5000 else Tracks.empty(COCO_17))
        for i in range(10_000)
    ]
    lanes = lanes_of(table_of(frames, COCO_17), 10_000)
    assert len(lanes) == 2
    assert len(lanes[0].columns) == 2048
    assert np.flatnonzero(lanes[0].columns).tolist() == list(range(1024))
