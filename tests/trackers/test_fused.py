"""What `fused` does beyond the others: it believes detections, not things."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.flow import still
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Flow, Frame, Poses, Tracks
from posetrack.trackers import DETECTED, REPEATED, Tracker, TrackerSettings, build_tracker
from posetrack.trackers.kalman import BoxMotion

SIZE = (640, 480)
SURE, WEAK = 0.8, 0.35


def _frame(index: int) -> Frame:
    return Frame(index, index / 25, np.full((SIZE[1], SIZE[0], 3), 128, np.uint8))


def _person(x: float, score: float = SURE, joints: float = 0.8, y: float = 100) -> Poses:
    """Somebody 60 px wide and 180 px tall."""
    spread = np.random.default_rng(3).uniform(0.1, 0.9, (15, 2)) * [60, 180]
    xy = (spread + np.array([x, y])).astype(np.float32)[None]
    box = Boxes([[x, y, x + 60, y + 180]], [score * joints])
    return Poses(xy, np.full((1, 15), joints, np.float32), box, POSETRACK_15)


def _step(tracker: Tracker, index: int, *people: Poses) -> Tracks:
    frame, flow = _frame(index), still(SIZE)
    tracker.propose(frame, flow)
    return tracker.update(frame, Poses.concat(list(people), POSETRACK_15), flow)


def test_somebody_new_must_be_confirmed() -> None:
    tracker = build_tracker("fused", POSETRACK_15)
    assert _step(tracker, 0, _person(100)).id.tolist() == [1]  # who is there at the start is shown
    shown = [_step(tracker, i, _person(100), _person(400)).id.tolist() for i in (1, 2, 3)]
    assert shown == [[1], [1], [1, 2]]


def test_one_false_box_is_nobody() -> None:
    tracker = build_tracker("fused", POSETRACK_15)
    _step(tracker, 0, _person(100))
    _step(tracker, 1, _person(100), _person(400))
    later = [_step(tracker, i, _person(100)).id.tolist() for i in (2, 3)]
    assert later == [[1], [1]]
    assert _step(tracker, 4, _person(100), _person(400)).id.tolist() == [1]


def test_a_weak_box_is_somebody_known_but_nobody_new() -> None:
    tracker = build_tracker("fused", POSETRACK_15)
    _step(tracker, 0, _person(100))
    weak = _person(103, WEAK, joints=0.25)
    assert _step(tracker, 1, weak).id.tolist() == [1]
    for i in range(2, 8):
        seen = _step(tracker, i, weak, _person(400, WEAK, joints=0.25))
        assert seen.id.tolist() == [1]


def test_the_box_is_the_detections_own() -> None:
    tracker = build_tracker("fused", POSETRACK_15)
    for i in range(6):
        person = _person(100 + 7 * i)
        tracks = _step(tracker, i, person)
        np.testing.assert_array_equal(tracks.poses.boxes.xyxy, person.boxes.xyxy)


def test_two_who_cross_keep_their_numbers() -> None:
    """While one is hidden, motion says where they are; flow would follow whoever is in front."""
    tracker = build_tracker("fused", POSETRACK_15)
    for i in range(40):
        left, right = _person(100 + 8 * i), _person(412 - 8 * i)
        hidden = abs((100 + 8 * i) - (412 - 8 * i)) < 40
        tracks = _step(tracker, i, left) if hidden else _step(tracker, i, left, right)
    assert tracks.id.tolist() == [1, 2]
    assert tracks.poses.boxes.xyxy[:, 0].tolist() == [100 + 8 * 39, 412 - 8 * 39]


@pytest.mark.parametrize("speed", [0.0, 6.0])
def test_motion_is_learnt_and_kept(speed: float) -> None:
    boxes = (
        np.array([[0, 0, 50, 150]], np.float32) + [[speed, 0, speed, 0]] * np.arange(12)[:, None]
    )
    motion = BoxMotion.start(boxes[:1].astype(np.float32))
    for box in boxes[1:]:
        motion = motion.predicted().updated(np.array([0]), box[None].astype(np.float32))
    for _ in range(5):
        motion = motion.predicted()
    np.testing.assert_allclose(motion.xyxy[0], boxes[-1] + [5 * speed, 0] * 2, atol=1 + speed)


def test_motion_is_against_the_background() -> None:
    """A camera that jerks while somebody is hidden: they are where the background went."""
    tracker = build_tracker("fused", POSETRACK_15, TrackerSettings(revive=0))
    for i in range(10):
        _step(tracker, i, _person(100))
    jerk = Flow(np.full((60, 80, 2), [10, 0], np.float32), SIZE)  # working pixels: 80 of the image
    tracker.propose(_frame(10), jerk)
    tracker.update(_frame(10), Poses.empty(POSETRACK_15), jerk)
    assert _step(tracker, 11, _person(180)).id.tolist() == [1]


def test_odd_colours_alone_do_not_end_a_track() -> None:
    """Somebody alone steps behind a pole: the place says who they are."""
    tracker = build_tracker("fused", POSETRACK_15)
    for i in range(8):
        _step(tracker, i, _person(100))
    red = Frame(8, 8 / 25, np.full((SIZE[1], SIZE[0], 3), [255, 0, 0], np.uint8))
    tracker.propose(red, still(SIZE))
    assert tracker.update(red, _person(119), still(SIZE)).id.tolist() == [1]


def test_who_repeats_a_better_pose_is_somebody_known_but_nobody_new() -> None:
    """Of two who embrace the network may draw one twice; their boxes are two all the same."""
    tracker = build_tracker("fused", POSETRACK_15)
    _step(tracker, 0, _person(100), _person(150))
    flow = still(SIZE)
    people = Poses.concat([_person(100), _person(150), _person(400)], POSETRACK_15)
    for index in range(1, 6):
        frame = _frame(index)
        tracker.propose(frame, flow)
        origin = np.array([DETECTED, REPEATED, REPEATED])
        assert tracker.update(frame, people, flow, origin).id.tolist() == [1, 2]
