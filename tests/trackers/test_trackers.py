"""Trackers: who keeps an identity, who gets a new one, who fades."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.errors import UsageError
from posetrack.flow import still
from posetrack.matching import pose_similarity
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Flow, Frame, Poses
from posetrack.trackers import DETECTED, TrackerSettings, build_tracker
from posetrack.trackers.crowds import steadied

SIZE = (640, 480)
SHAPE = np.stack(np.meshgrid([0.1, 0.5, 0.9], [0.1, 0.3, 0.5, 0.7, 0.9]), axis=-1).reshape(15, 2)


def _frame(index: int) -> Frame:
    return Frame(index, index / 25, np.zeros((SIZE[1], SIZE[0], 3), np.uint8))


def _poses(
    *corners: tuple[float, float], joint: float = 0.8, box: float = 0.9, side: float = 60
) -> Poses:
    low = np.array(corners, np.float32).reshape(-1, 2)
    boxes = Boxes(np.concatenate([low, low + side], axis=1), np.full(len(low), box * joint))
    return Poses(low[:, None] + SHAPE * side, np.full((len(low), 15), joint), boxes, POSETRACK_15)


def _shift(x: float, y: float = 0.0) -> Flow:
    return Flow(np.full((1, 1, 2), (x / SIZE[0], y / SIZE[1])), SIZE)


def _step(tracker, index: int, poses: Poses, flow: Flow | None = None) -> list[int]:
    tracker.propose(_frame(index), flow or still(SIZE))
    return tracker.update(_frame(index), poses, flow or still(SIZE)).id.tolist()


def test_identities_follow_people_and_new_people_get_new_ones() -> None:
    tracker = build_tracker("flow", POSETRACK_15)
    assert _step(tracker, 0, _poses((100, 100), (300, 100))) == [1, 2]
    tracks = tracker.update(_frame(1), _poses((302, 100), (500, 100), (101, 100)), still(SIZE))
    assert tracks.id.tolist() == [1, 2, 3]
    np.testing.assert_allclose(tracks.poses.boxes.xyxy[:, 0], [101, 302, 500])


def test_flow_carries_identities_where_similarity_alone_loses_them() -> None:
    for name, expected in (("flow", [1]), ("oks", [2])):
        tracker = build_tracker(name, POSETRACK_15)
        _step(tracker, 0, _poses((100, 100)))
        assert _step(tracker, 1, _poses((180, 100)), _shift(80)) == expected


def test_two_people_that_move_fast_past_each_other() -> None:
    """Each field pixel moves its own way: the left person right, the right one left."""
    field = np.zeros((1, 2, 2), np.float32)
    field[0, 0, 0], field[0, 1, 0] = 200 / 320, -200 / 320  # working pixels are 320 wide
    tracker = build_tracker("flow", POSETRACK_15)
    _step(tracker, 0, _poses((50, 100), (530, 100)))
    tracks = tracker.update(_frame(1), _poses((330, 100), (250, 100)), Flow(field, SIZE))
    moved = dict(zip(tracks.id.tolist(), tracks.poses.boxes.xyxy[:, 0].tolist(), strict=True))
    assert moved == {1: 250.0, 2: 330.0}


def test_a_lost_person_is_found_again_within_the_memory_and_not_after() -> None:
    for away, expected in ((4, [1]), (5, [2])):
        tracker = build_tracker("flow", POSETRACK_15, TrackerSettings(memory=5, revive=0))
        _step(tracker, 0, _poses((100, 100)))
        for index in range(1, 1 + away):
            assert _step(tracker, index, Poses.empty(POSETRACK_15)) == []
        assert _step(tracker, 1 + away, _poses((103, 100))) == expected


def test_an_identity_is_never_given_twice() -> None:
    tracker = build_tracker("oks", POSETRACK_15, TrackerSettings(memory=1, revive=0))
    ids = [
        i
        for index in range(0, 20, 2)
        for i in _step(tracker, index, _poses((40.0 * (index % 3), 9 * index)))
    ]
    assert len(set(ids)) == len(ids)


def test_a_weak_pose_continues_somebody_but_does_not_become_somebody() -> None:
    tracker = build_tracker("flow", POSETRACK_15, TrackerSettings(min_new_score=0.5))
    assert _step(tracker, 0, _poses((100, 100), box=0.3)) == []
    assert _step(tracker, 1, _poses((100, 100), box=0.9)) == [1]
    assert _step(tracker, 2, _poses((100, 100), box=0.3)) == [1]


def test_proposals_surround_the_moved_joints_and_fade() -> None:
    tracker = build_tracker("flow", POSETRACK_15, TrackerSettings(proposal_decay=0.9))
    assert len(tracker.propose(_frame(0), still(SIZE))) == 0
    tracker.update(_frame(0), _poses((100, 100), side=100, box=0.8), still(SIZE))
    boxes = tracker.propose(_frame(1), _shift(20, 10))
    np.testing.assert_allclose(
        boxes.xyxy, [[124, 114, 216, 206]], atol=1e-3
    )  # joints span 80 px; 15 % more
    np.testing.assert_allclose(boxes.score, [0.8 * 0.9], rtol=1e-6)
    found = _poses((120, 110), side=100, box=float(boxes.score[0]))
    tracker.update(
        _frame(1),
        Poses(found.xy, found.score, Boxes(boxes.xyxy, found.boxes.score), POSETRACK_15),
        _shift(0),
    )
    np.testing.assert_allclose(
        tracker.propose(_frame(2), still(SIZE)).score, [0.8 * 0.81], rtol=1e-6
    )


def test_nothing_is_proposed_outside_the_picture() -> None:
    tracker = build_tracker("flow", POSETRACK_15)
    _step(tracker, 0, _poses((100, 100)))
    assert len(tracker.propose(_frame(1), _shift(-300))) == 0


@pytest.mark.parametrize("limit", [{"memory": 3}, {"proposal_frames": 3}])
def test_the_lost_are_proposed_for_a_while_where_flow_carried_them(limit: dict[str, int]) -> None:
    tracker = build_tracker("flow", POSETRACK_15, TrackerSettings(proposal_decay=0.9, **limit))
    _step(tracker, 0, _poses((100, 100), (300, 100), box=0.8, side=100))
    for index in range(1, 4):
        boxes = tracker.propose(_frame(index), _shift(10))
        np.testing.assert_allclose(
            boxes.xyxy[:, 0], [104 + 10 * index, 304 + 10 * index], atol=1e-3
        )
        np.testing.assert_allclose(boxes.score, 0.8 * 0.9**index, rtol=1e-6)
        tracker.update(_frame(index), Poses.empty(POSETRACK_15), _shift(10))
    assert len(tracker.propose(_frame(4), _shift(10))) == 0


def test_what_a_proposal_found_elsewhere_is_nobody_new() -> None:
    tracker = build_tracker("flow", POSETRACK_15)
    _step(tracker, 0, _poses((100, 100)))
    boxes = tracker.propose(_frame(1), still(SIZE))
    far = _poses((400, 300))
    jumped = Poses(far.xy, far.score, Boxes(boxes.xyxy, far.boxes.score), POSETRACK_15)
    assert len(tracker.update(_frame(1), jumped, still(SIZE), np.array([0]))) == 0


def test_a_detection_beside_a_proposal_that_drifted_is_the_same_person() -> None:
    tracker = build_tracker("flow", POSETRACK_15)
    _step(tracker, 0, _poses((100, 100)))
    boxes = tracker.propose(_frame(1), _shift(10))
    found, drifted = _poses((105, 100)), _poses((110, 100))
    drifted = Poses(drifted.xy, drifted.score, Boxes(boxes.xyxy, drifted.boxes.score), POSETRACK_15)
    for better in (0, 1):
        state = tracker.state()
        score = np.stack([found.score[0] - 0.1 * better, drifted.score[0] - 0.1 * (1 - better)])
        both = Poses.concat([found, drifted], POSETRACK_15)
        people = Poses(both.xy, score, both.boxes, POSETRACK_15)
        tracks = tracker.update(_frame(1), people, _shift(10), np.array([DETECTED, 0]))
        assert tracks.id.tolist() == [1]
        np.testing.assert_array_equal(tracks.poses.xy, (found, drifted)[better].xy)
        tracker.restore(state)


def test_fresh_memories_go_before_old_ones() -> None:
    """Two people stood at one spot, one of them a while ago: who stands there now is the one seen
    last.
    """
    tracker = build_tracker("oks", POSETRACK_15)
    poses = _poses((100, 100), (106, 100))
    tracker.restore(
        {
            **tracker.state(),
            "next_id": np.array([3]),
            "frame_index": np.array([6]),
            "id": np.array([1, 2]),
            "age": np.array([6, 0]),
            "box_score": np.array([0.9, 0.9]),
            "carried": np.array([False, False]),
            "xy": poses.xy,
            "score": poses.score,
            "pose_score": poses.boxes.score,
            "xyxy": poses.boxes.xyxy,
        }
    )
    assert _step(tracker, 7, _poses((102, 100))) == [2]


def test_the_iou_tracker_looks_at_boxes_only() -> None:
    tracker = build_tracker("iou", POSETRACK_15)
    _step(tracker, 0, _poses((100, 100), (400, 100)))
    absent = _poses((405, 100), (95, 100))
    absent = Poses(np.full_like(absent.xy, np.nan), absent.score, absent.boxes, POSETRACK_15)
    tracks = tracker.update(_frame(1), absent, still(SIZE))
    np.testing.assert_allclose(tracks.poses.boxes.xyxy[:, 0], [95, 405])


def test_the_memory_does_not_grow() -> None:
    tracker = build_tracker("flow", POSETRACK_15, TrackerSettings(memory=3))
    for index in range(12):
        _step(tracker, index, _poses((100, 100), (300, 100)))
        assert len(tracker.state()["id"]) <= 2 * 4
    assert set(tracker.state()["age"].tolist()) == {0, 1, 2, 3}


def test_an_unknown_tracker_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        UsageError,
        match=r"'floww'; did you mean 'flow'\? Known: byte, flow, fused, iou, oks, paper",
    ):
        build_tracker("floww", POSETRACK_15)


def test_the_similarity_is_that_of_the_matching_module() -> None:
    a, b = _poses((0, 0)), _poses((3, 0), (9, 0))
    tracker = build_tracker("flow", POSETRACK_15)
    np.testing.assert_array_equal(tracker._similarity(a, b), pose_similarity(a, b, 0.2))


def test_people_close_together_whom_nobody_detects_keep_the_boxes_they_had() -> None:
    tracker = build_tracker("flow", POSETRACK_15)
    poses = _poses((100, 100), (300, 100))
    _step(tracker, 0, poses)
    close = Boxes([[100, 100, 160, 160], [140, 100, 200, 160]], poses.boxes.score)
    astray = np.stack(
        [poses.xy[0], poses.xy[0] + (20, 0)]
    )  # the second one's joints lie on the first
    embrace = Boxes([[100, 100, 200, 160]], [0.9])
    cases = [
        ([True, True], None, True),
        ([True, False], None, False),
        ([False, False], Boxes.empty(), False),
        ([False, False], embrace, True),
        ([False, False], close, False),
    ]
    for index, (carried, detected, kept) in enumerate(cases, start=1):
        tracker.restore(
            {**tracker.state(), "xy": astray, "xyxy": close.xyxy, "carried": np.array(carried)}
        )
        boxes = tracker.propose(_frame(index), still(SIZE), detected).xyxy
        assert np.allclose(boxes, close.xyxy, atol=1e-3) == kept, (carried, detected)


def test_one_wrong_box_changes_what_is_remembered_a_little() -> None:
    small, large = np.array([[0, 0, 10, 20]], np.float32), np.array([[0, 0, 20, 40]], np.float32)
    who = np.array([7])
    np.testing.assert_allclose(steadied(large, who, {7: small[0]}), [[0, 0, 15, 30]])
    np.testing.assert_allclose(steadied(large, who, {8: small[0]}), large)
    assert steadied(small[:0], who[:0], {}).shape == (0, 4)


def test_a_box_moves_with_most_of_what_is_in_it() -> None:
    field = np.zeros((48, 64, 2), np.float32)
    field[13:15, 12:15] = (
        0.1 * np.array(SIZE)[:, None, None].T / 10
    )  # something waves in the middle
    tracker = build_tracker("flow", POSETRACK_15)
    _step(tracker, 0, _poses((100, 100)))
    tracker.propose(_frame(1), Flow(field, SIZE))
    np.testing.assert_allclose(tracker.state()["xyxy"], [[100, 100, 160, 160]], atol=1e-3)


def test_nobody_begins_on_the_body_of_somebody_in_the_same_frame() -> None:
    tracker = build_tracker("flow", POSETRACK_15)
    _step(tracker, 0, _poses((100, 100)))
    worse, better = _poses((101, 100), joint=0.5), _poses((108, 100), joint=0.8)
    both = Poses.concat([worse, better], POSETRACK_15)
    tracker.propose(_frame(1), still(SIZE))
    tracks = tracker.update(_frame(1), both, still(SIZE))
    assert tracks.id.tolist() == [
        1
    ]  # the more certain of two detections on one body, though less like the last pose
    np.testing.assert_array_equal(tracks.poses.xy, better.xy)
    assert _step(tracker, 2, Poses.concat([better, _poses((160, 100))], POSETRACK_15)) == [1, 2]


def test_byte_confirms_takes_weak_boxes_in_the_second_round_and_follows_motion() -> None:
    tracker = build_tracker("byte", POSETRACK_15)

    def shown(index: int, *people: tuple[float, float]) -> list[int]:
        """Identities after boxes at x with a score."""
        x, score = np.array(people, np.float32).reshape(-1, 2).T
        corners = np.stack([x, x * 0 + 50, x + 60, x * 0 + 200], axis=1)
        xy = np.repeat(corners[:, None, :2], 15, axis=1)
        poses = Poses(xy, np.ones(xy.shape[:2]), Boxes(corners, score), POSETRACK_15)
        return tracker.update(_frame(index), poses, still(SIZE)).id.tolist()

    assert shown(0, (20, 0.9)) == [1]
    assert shown(1, (24, 0.4), (200, 0.4)) == [1]  # weak: somebody known, nobody new
    assert shown(2, (28, 0.9), (200, 0.9)) == [1]
    assert shown(3, (32, 0.9), (200, 0.9)) == [1, 2]
    for index in range(4, 16):
        assert shown(index, (28 + 4 * (index - 2), 0.9)) == [1]
    assert shown(20, (28 + 4 * 18, 0.9)) == [1]  # four frames unseen, 20 pixels on
