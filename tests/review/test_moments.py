"""Suspicious moments: planted faults are found at their very frame, walking people raise none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from posetrack.editing.edits import Delete, Edit, Flip, Split, Swap, apply_edits
from posetrack.review.moments import Moment, find_moments
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, FrameLabels, Poses, Tracks
from posetrack.track_table import TrackTable, table_of

FRAMES, FPS, SIZE_WH = 80, 25.0, (640, 360)
HEIGHT = 120.0
BODY = np.random.default_rng(4).uniform(0, 1, (17, 2)) * [40, HEIGHT]


def _people(index: int, fps: float) -> dict[int, np.ndarray]:
    """Three who walk: 1 and 2 towards each other and past, 3 on the spot. At 25 frames a second
    two pixels a frame.
    """
    way = 50 * index / fps
    sway = 3 * np.sin(2 * np.pi * 1.8 * index / fps + np.arange(17))[:, None] * [1, 0.3]
    starts = {1: (180 + way, 100), 2: (340 - way, 130), 3: (450, 110)}
    return {i: BODY + start + sway for i, start in starts.items()}


def _table(count: int = FRAMES, fps: float = FPS) -> TrackTable:
    frames = []
    for index in range(count):
        people = _people(index, fps)
        xy = np.array(list(people.values()))
        boxes = Boxes(np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1), np.full(3, 0.9))
        poses = Poses(xy, np.full((3, 17), 0.9), boxes, COCO_17)
        frames.append(FrameLabels(index, index / fps, Tracks(list(people), poses)))
    return table_of(frames, COCO_17)


def _found(table: TrackTable, fps: float = FPS) -> list[Moment]:
    return find_moments(table, SIZE_WH, fps)


@pytest.mark.parametrize("fps", [5.0, 12.5, 25.0, 100.0])
def test_people_who_walk_only_cross(fps: float) -> None:
    count = round(FRAMES * fps / FPS)
    [crossing] = _found(_table(count, fps), fps)
    assert (crossing.kind, crossing.ids) == ("crossing", (1, 2))
    assert crossing.text == "1 and 2 cross"
    assert crossing.frame / fps == pytest.approx(1.6, abs=0.3)


@pytest.mark.parametrize(
    ("edit", "kind", "frame", "ids"),
    [
        (Swap(1, 2, start=20), "switch", 20, (1, 2)),
        (Swap(2, 3, start=41), "switch", 41, (2, 3)),
        (Split(1, start=33, new=9), "appears", 33, (9, 1)),
        (Split(1, start=33, new=9), "vanishes", 32, (1,)),
        (Flip(3, start=50), "sides", 50, (3,)),
        (Delete(3, start=30, end=39), "gap", 29, (3,)),
    ],
)
def test_what_is_planted_is_found_where_it_is(
    edit: Edit, kind: str, frame: int, ids: tuple[int, ...]
) -> None:
    found = _found(apply_edits(_table(), [edit]))
    assert [(m.frame, m.ids) for m in found if m.kind == kind] == [(frame, ids)]
    others = {m.kind for m in found} - {"crossing"}
    assert others <= {kind, "appears", "vanishes"}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda xy: xy + np.array([40.0, 0]), "jump"),
        (lambda xy: 0.6 * (xy - xy[:1]) + xy[:1], "size"),
    ],
)
def test_a_leap_and_a_change_of_size(change: Callable[[np.ndarray], np.ndarray], kind: str) -> None:
    table = _table()
    rows = table.of(3)[45:]
    xy = table.poses.xy.copy()
    xy[rows] = [change(x) for x in xy[rows]]
    boxes = Boxes(np.concatenate([xy.min(axis=1), xy.max(axis=1)], 1), table.poses.boxes.score)
    poses = Poses(xy, table.poses.score, boxes, COCO_17)
    found = [m for m in _found(replace(table, poses=poses)) if m.kind == kind]
    assert [(m.frame, m.ids) for m in found] == [(45, (3,))]


def test_nobody_and_one_frame() -> None:
    assert _found(_table(1)) == [] or {m.kind for m in _found(_table(1))} <= {"crossing"}
    empty = table_of([FrameLabels(0, 0.0, Tracks.empty(COCO_17))], COCO_17)
    assert _found(empty) == []


def test_boxes_without_joints_and_absent_joints() -> None:
    table = _table()
    gone = replace(table.poses, xy=np.full_like(table.poses.xy, np.nan))
    assert {m.kind for m in _found(replace(table, poses=gone))} == {"crossing"}
