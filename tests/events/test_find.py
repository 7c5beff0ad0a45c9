"""Events of drawn clips: every planted fault at its frame, nothing suspicious on a clean clip."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faulty_clip import drawn_clip, faulty_frames, write_clip

from posetrack.cli import main
from posetrack.drawn.clip import draw_sequence
from posetrack.editing.edits import Delete, Edit, Flip, Split, Swap, apply_edits
from posetrack.errors import FormatError, InputError, OutputError
from posetrack.events.against_truth import against_truth
from posetrack.events.event import KINDS, Event
from posetrack.events.find import find_events, read_events
from posetrack.events.flags import flag_rows
from posetrack.events.table import COLUMNS, write_csv
from posetrack.structures import FrameLabels, Sequence
from posetrack.track_table import frames_of, table_of


@pytest.fixture(scope="module", name="walk")
def _walk() -> Sequence:
    """Two people who walk in lanes of their own, exact."""
    clip = draw_sequence(
        *(13,), frames=75, size_wh=(320, 180), people=2, camera="still", motions=("walk",)
    )
    return replace(clip.labels, frames=tuple(clip.labels.frames))


def _edited(sequence: Sequence, *edits: Edit) -> Sequence:
    frames = tuple(sequence.frames)
    table = apply_edits(table_of(frames, sequence.skeleton), edits)
    frames = tuple(frames_of(table, tuple(replace(f, head_xyxy=None) for f in frames)))
    return replace(sequence, frames=frames)


def _told(events: list[Event], kind: str) -> list[tuple[int, tuple[int, ...]]]:
    return [(e.frame, e.ids) for e in events if e.kind == kind]


def test_a_clean_clip_has_births_and_deaths_only(walk: Sequence) -> None:
    assert {e.kind for e in find_events(walk, walk)} <= {"birth", "death", "crossing"}
    assert _told(find_events(walk), "birth") == [(0, (0,)), (0, (1,))]
    assert _told(find_events(walk), "death") == [(74, (0,)), (74, (1,))]


@pytest.mark.parametrize(
    ("edit", "kind", "frame", "ids"),
    [
        (Swap(0, 1, start=20), "switch", 20, (0, 1)),
        (Split(1, start=33, new=9), "appears", 33, (9, 1)),
        (Split(1, start=33, new=9), "vanishes", 32, (1,)),
        (Flip(1, start=50), "sides", 50, (1,)),
        (Delete(0, start=30, end=39), "gap", 29, (0,)),
    ],
)
def test_planted_faults_are_found_at_their_frame(
    walk: Sequence, edit: Edit, kind: str, frame: int, ids: tuple[int, ...]
) -> None:
    events = find_events(_edited(walk, edit))
    assert _told(events, kind) == [(frame, ids)]
    usual = {"birth", "death", "crossing", "appears", "vanishes"}
    assert {e.kind for e in events} <= {kind, *usual}


@pytest.mark.parametrize(("first", "last"), [(20, 20), (28, 33), (63, 69)])
@pytest.mark.parametrize("part", ["legs", "arms"])
def test_exchanged_legs_and_arms_of_a_stretch(
    walk: Sequence, part: str, first: int, last: int
) -> None:
    words = {"legs": ("knee", "ankle"), "arms": ("elbow", "wrist")}[part]
    joints = walk.skeleton.joints
    left, right = ([joints.index(f"{s}_{w}") for w in words] for s in ("left", "right"))
    swapped = list(range(len(joints)))
    for a, b in zip(left, right, strict=True):
        swapped[a], swapped[b] = b, a
    frames = [
        _with_xy(f, f.tracks.poses.xy[:, swapped]) if first <= f.index <= last else f
        for f in walk.frames
    ]
    found = [e for e in find_events(replace(walk, frames=tuple(frames))) if e.kind == "sides"]
    assert {e.ids for e in found} == {(0,), (1,)}
    for e in found:
        assert e.text == f"left and right of {e.ids[0]}'s {part} are exchanged"
        # limbs that lie over each other at the begin or end have no sides there to exchange
        assert first <= e.first <= e.last <= last
        assert first == last or e.last - e.first >= (last - first) // 2


def _with_xy(labels: FrameLabels, xy: np.ndarray) -> FrameLabels:
    tracks = labels.tracks
    return replace(labels, tracks=replace(tracks, poses=replace(tracks.poses, xy=xy)))


# --- against truth
# --------------------------------------------------------------------------------------------------


def test_switches_and_transfers_by_person_and_frame() -> None:
    truth = replace(drawn_clip().labels, frames=tuple(drawn_clip().labels.frames))
    events = against_truth(replace(truth, frames=faulty_frames()), truth)
    switches = [(e.frame, e.truth, e.ids) for e in events if e.kind == "id switch"]
    assert switches == [
        (21, (0,), (7, 0)),
        (30, (2,), (1, 2)),
        (30, (1,), (2, 1)),
        (44, (3,), (8, 3)),
    ]
    transfers = [(e.frame, e.ids, e.truth) for e in events if e.kind == "id transfer"]
    assert transfers == [(30, (1,), (2, 1)), (30, (2,), (1, 2))]
    assert len(events) == 6


def test_misses_and_false_tracks(walk: Sequence) -> None:
    gone = _edited(walk, Delete(0, start=30, end=39))
    [miss] = against_truth(gone, walk)
    assert (miss.kind, miss.frame, miss.last, miss.truth) == ("miss", 30, 39, (0,))
    [false] = against_truth(walk, gone)
    assert (false.kind, false.frame, false.last, false.ids) == ("false track", 30, 39, (0,))
    assert false.text == "0 is where nobody is in 10 frames"


def test_frames_nobody_labelled_and_ignored_regions_say_nothing(walk: Sequence) -> None:
    gone = _edited(walk, Delete(0, start=30, end=39))
    everywhere = (np.array([[-500.0, -500], [900, -500], [900, 900], [-500, 900]]),)
    for change in ({"labeled": False}, {"ignore_regions": everywhere}):
        frames = tuple(replace(f, **change) if 30 <= f.index < 40 else f for f in gone.frames)
        assert against_truth(walk, replace(gone, frames=frames)) == []


def test_boxes_alone_and_truth_of_another_video(walk: Sequence) -> None:
    bare = tuple(_with_xy(f, np.full_like(f.tracks.poses.xy, np.nan)) for f in walk.frames)
    assert against_truth(walk, replace(walk, frames=bare)) == []
    other = tuple(replace(f, index=f.index + 500) for f in walk.frames)
    with pytest.raises(InputError, match="no frame in common"):
        against_truth(walk, replace(walk, frames=other))


# --- order, times, flags, files
# --------------------------------------------------------------------------------------------------


def test_suspicious_alone_the_worst_first(walk: Sequence) -> None:
    events = find_events(_edited(walk, Swap(0, 1, start=20), Delete(0, 50, 59)), suspicious=True)
    assert all(e.suspicious for e in events)
    assert [e.severity for e in events] == sorted((e.severity for e in events), reverse=True)
    assert events[0].kind == "switch"
    assert events[0].time_s == pytest.approx(20 / walk.fps)


def test_without_times_and_rate_events_have_no_time(walk: Sequence) -> None:
    frames = tuple(replace(f, time_s=float("nan")) for f in walk.frames)
    assert {e.time_s for e in find_events(replace(walk, frames=frames, fps=None))} == {None}
    timed = find_events(replace(walk, frames=frames, fps=25.0))
    assert timed[-1].time_s == pytest.approx(74 / 25)


def test_nobody_and_frames_out_of_order(walk: Sequence) -> None:
    assert find_events(replace(walk, frames=())) == []
    with pytest.raises(FormatError, match="not in order"):
        find_events(replace(walk, frames=tuple(walk.frames)[::-1]))


def test_flags(walk: Sequence) -> None:
    faulty = _edited(walk, Swap(0, 1, start=20))
    table = table_of(faulty.frames, faulty.skeleton)
    poses, row = table.poses, int(table.of(1)[40])
    score = np.full_like(poses.score, 0.9)
    score[row] = 0.2
    table = replace(table, poses=replace(poses, score=score))
    flags = flag_rows(table, [e for e in find_events(faulty) if e.kind != "crossing"])
    odd = {
        (int(f), int(i)): (q, why)
        for f, i, q, why in zip(table.frame, table.id, flags.quality, flags.reason, strict=True)
        if q != "ok"
    }
    assert odd == {
        (20, 0): ("suspicious", "switch"),
        (20, 1): ("suspicious", "switch"),
        (40, 1): ("weak", "low scores"),
        # behind the other, as the truth of this clip says
        (39, 0): ("weak", "few joints"),
        (40, 0): ("weak", "few joints"),
    }


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path)
    tracks, truth, table = (tmp_path / n for n in ("clip.jsonl", "truth.jsonl", "c.events.csv"))
    _run("events", str(tracks), "--truth", str(truth), "--csv", str(table), "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed == [e.to_dict() for e in read_events(tracks, truth)]
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["kind"], int(r["frame"])) for r in rows] == [
        (e["kind"], e["frame"]) for e in printed
    ]
    assert tuple(rows[0]) == COLUMNS == tuple(printed[0])
    with pytest.raises(OutputError, match="--force"):
        write_csv(table, [])
    _run("events", str(tracks), "--suspicious")
    first = capsys.readouterr().out.splitlines()[1]
    assert "1 and 2 change places" in first


def _run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == 0


def test_every_kind_is_defined_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"**{kind}**" not in page] == []


def test_a_leap_there_and_back_and_a_change_of_size(walk: Sequence) -> None:
    def changed(change: Callable[[np.ndarray], np.ndarray]) -> list[Event]:
        frames = [_moved(f, change) if f.index >= 45 else f for f in walk.frames]
        return find_events(replace(walk, frames=tuple(frames)))

    assert _told(changed(lambda xy: xy + np.array([60.0, 0])), "jump") == [(45, (0,)), (45, (1,))]
    smaller = changed(lambda xy: 0.55 * (xy - xy[:, :1]) + xy[:, :1])
    assert _told(smaller, "size") == [(45, (0,)), (45, (1,))]


def _moved(labels: FrameLabels, change: Callable[[np.ndarray], np.ndarray]) -> FrameLabels:
    poses = labels.tracks.poses
    xyxy = change(poses.boxes.xyxy.reshape(-1, 2, 2)).reshape(-1, 4)
    moved = replace(poses, xy=change(poses.xy), boxes=replace(poses.boxes, xyxy=xyxy))
    return replace(labels, tracks=replace(labels.tracks, poses=moved))
