"""What every tracker of the table promises, whatever people do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from posetrack.skeletons import COCO_17, POSETRACK_15
from posetrack.structures import Boxes, Flow, Frame, Poses, Skeleton, Tracks
from posetrack.trackers import TRACKERS, build_tracker
from posetrack.trackers.base import MemoryTracker

SIZE = (320, 240)
FRAMES = 25

pytestmark = pytest.mark.parametrize("name", sorted(TRACKERS))


def _crowd(seed: int, skeleton: Skeleton = POSETRACK_15) -> Iterator[tuple[Frame, Poses, Flow]]:
    """People who wander, vanish, come back and stand in each other's way, with absent joints and
    weak scores.
    """
    rng = np.random.default_rng(seed)
    place = rng.uniform(20, 200, (5, 2))
    shape = rng.uniform(0, 50, (5, len(skeleton), 2))
    for index in range(FRAMES):
        place += rng.normal(0, 4, place.shape)
        here = rng.permutation(np.flatnonzero(rng.uniform(size=5) < 0.7))
        xy = place[here, None] + shape[here] + rng.normal(0, 1, (len(here), len(skeleton), 2))
        score = rng.uniform(0, 1, xy.shape[:2])
        xy[rng.uniform(size=score.shape) < 0.1] = np.nan
        corners = np.concatenate([place[here], place[here] + 50], axis=1)
        boxes = Boxes(corners, rng.uniform(0.1, 0.9, len(here)))
        flow = Flow(rng.normal(0, 2, (15, 20, 2)), SIZE)
        image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        yield Frame(index, index / 25, image), Poses(xy, score, boxes, skeleton), flow


def _run(
    tracker: MemoryTracker, seed: int, skeleton: Skeleton = POSETRACK_15
) -> list[tuple[Boxes, Tracks]]:
    return [
        (tracker.propose(frame, flow), tracker.update(frame, poses, flow))
        for frame, poses, flow in _crowd(seed, skeleton)
    ]


@pytest.mark.parametrize("seed", [0, 1])
def test_identities_are_positive_rising_and_unique_and_poses_come_from_the_input(
    name: str, seed: int
) -> None:
    tracker = build_tracker(name, POSETRACK_15)
    for (frame, poses, flow), (_, tracks) in zip(_crowd(seed), _run(tracker, seed), strict=True):
        assert (np.diff(tracks.id, prepend=0) > 0).all()
        for pose in tracks.poses.xy:
            assert any(np.array_equal(pose, given, equal_nan=True) for given in poses.xy)
        assert flow.image_wh == frame.size_wh


def test_the_same_input_gives_the_same_identities(name: str) -> None:
    first, second = (_run(build_tracker(name, POSETRACK_15), 3) for _ in range(2))
    assert [t.id.tolist() for _, t in first] == [t.id.tolist() for _, t in second]
    assert sum(len(t) for _, t in first) > 0


def test_a_restored_tracker_goes_on_as_if_nothing_had_happened(name: str) -> None:
    whole = _run(build_tracker(name, POSETRACK_15), 4)
    before = build_tracker(name, POSETRACK_15)
    for cut, (frame, poses, flow) in enumerate(_crowd(4)):
        if cut == 12:
            before, state = build_tracker(name, POSETRACK_15), before.state()
            before.restore(
                {key: np.array(value.tolist(), value.dtype) for key, value in state.items()}
            )
        proposed = before.propose(frame, flow)
        tracks = before.update(frame, poses, flow)
        np.testing.assert_array_equal(proposed.xyxy, whole[cut][0].xyxy)
        np.testing.assert_array_equal(tracks.id, whole[cut][1].id)


def test_proposals_are_finite_boxes_with_scores(name: str) -> None:
    for boxes, _ in _run(build_tracker(name, POSETRACK_15), 5):
        assert np.isfinite(boxes.xyxy).all()
        assert ((boxes.score >= 0) & (boxes.score <= 1)).all()


def test_update_works_without_propose_and_on_empty_frames(name: str) -> None:
    tracker = build_tracker(name, POSETRACK_15)
    for frame, poses, flow in _crowd(6):
        given = poses if frame.index % 3 else Poses.empty(POSETRACK_15)
        assert len(tracker.update(frame, given, flow)) <= len(given)


def test_any_skeleton(name: str) -> None:
    assert any(len(t) for _, t in _run(build_tracker(name, COCO_17), 7, COCO_17))


def test_two_trackers_share_nothing(name: str) -> None:
    a, b = build_tracker(name, POSETRACK_15), build_tracker(name, POSETRACK_15)
    _run(a, 8)
    assert [t.id.tolist() for _, t in _run(b, 8)] == [
        t.id.tolist() for _, t in _run(build_tracker(name, POSETRACK_15), 8)
    ]
