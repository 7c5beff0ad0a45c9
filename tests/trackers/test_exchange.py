"""Identities that changed hands behind somebody's back: noticed by colours, and left alone without
evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from posetrack.flow import still
from posetrack.options import REVIVE
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Frame, Poses
from posetrack.trackers import TrackerSettings, build_tracker
from posetrack.trackers.appearance import COLOUR_BINS
from posetrack.trackers.exchange import ENOUGH_FRAMES, SURE_FRAMES, Meetings, renamed

RED, BLUE, GREEN = (np.eye(COLOUR_BINS, dtype=np.float32)[i] for i in (3, 40, 90))
KNOWN = {1: RED, 2: BLUE, 3: GREEN}
WIDTH, HEIGHT = 400, 200


def see(
    meetings: Meetings, ids: Sequence[int], looks: Sequence[np.ndarray], together: bool = False
) -> dict[int, int]:
    cover = np.full((len(ids), len(ids)), together)
    np.fill_diagonal(cover, False)
    return meetings.exchanges(np.array(ids, np.int64), np.array(looks, np.float32), cover, KNOWN)


def test_two_who_swapped_are_swapped_back_once() -> None:
    meetings = Meetings()
    assert see(meetings, [1, 2], [RED, BLUE], together=True) == {}
    for _ in range(ENOUGH_FRAMES - 1):
        assert see(meetings, [1, 2], [BLUE, RED]) == {}
    assert see(meetings, [1, 2], [BLUE, RED]) == {1: 2, 2: 1}
    for _ in range(SURE_FRAMES):
        assert see(meetings, [2, 1], [BLUE, RED]) == {}
    assert not meetings.suspects()


def test_one_who_took_the_name_of_another_now_hidden() -> None:
    meetings = Meetings()
    see(meetings, [1, 2], [RED, BLUE], together=True)
    changes = [see(meetings, [1], [BLUE]) for _ in range(ENOUGH_FRAMES)]
    assert changes[-1] == {1: 2, 2: 1}


def test_nothing_changes_without_a_meeting_or_without_evidence() -> None:
    meetings = Meetings()
    assert all(
        see(meetings, [1, 2], [BLUE, RED]) == {} for _ in range(SURE_FRAMES)
    )  # they never met
    see(meetings, [1, 2], [RED, BLUE], together=True)
    half = (RED + BLUE) / 2
    assert all(see(meetings, [1, 2], [half, half]) == {} for _ in range(SURE_FRAMES))
    see(meetings, [1, 2], [RED, BLUE], together=True)
    assert all(
        see(meetings, [1, 2], [BLUE, BLUE]) == {} for _ in range(SURE_FRAMES)
    )  # two cannot be the same one
    assert all(
        see(Meetings(), [1, 9], [BLUE, RED], together=True) == {} for _ in range(3)
    )  # 9 has no looks yet


def test_who_is_sure_stays_so_until_the_next_meeting() -> None:
    meetings = Meetings()
    see(meetings, [1, 2], [RED, BLUE], together=True)
    for _ in range(SURE_FRAMES):
        see(meetings, [1, 2], [RED, BLUE])
    assert all(see(meetings, [1, 2], [BLUE, RED]) == {} for _ in range(SURE_FRAMES))


def test_the_same_of_a_chain_of_meetings() -> None:
    meetings = Meetings()
    see(meetings, [1, 2], [RED, BLUE], together=True)
    see(meetings, [2, 3], [BLUE, GREEN], together=True)
    changes = [see(meetings, [1, 2, 3], [GREEN, BLUE, RED]) for _ in range(ENOUGH_FRAMES)]
    assert changes[-1] == {1: 3, 3: 1}


def test_state_goes_on_as_if_never_interrupted() -> None:
    one, two = Meetings(), Meetings()
    see(one, [1, 2], [RED, BLUE], together=True)
    see(one, [1, 2], [BLUE, RED])
    two.restore(one.state())
    for _ in range(ENOUGH_FRAMES):
        assert see(one, [1, 2], [BLUE, RED]) == see(two, [1, 2], [BLUE, RED])
    assert {k: v.tolist() for k, v in one.state().items()} == {
        k: v.tolist() for k, v in two.state().items()
    }


def test_renamed() -> None:
    assert renamed(np.array([4, 1, 2]), {1: 2, 2: 1}).tolist() == [4, 2, 1]


def person(x: float) -> np.ndarray:
    """Joints (15, 2) of somebody upright at ``x``."""
    rng = np.random.default_rng(0)
    return np.array([x, 30]) + rng.random((15, 2)) * (40, 140)


def picture(people: dict[float, int]) -> np.ndarray:
    """A grey picture with people in one colour each, by place; who comes later stands in front."""
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for x, channel in people.items():
        image[:, max(0, round(x) - 5) : round(x) + 45] = np.eye(3, dtype=np.uint8)[channel] * 220
    return image


def poses(*at: float) -> Poses:
    xy = np.array([person(x) for x in at])
    boxes = np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1)
    return Poses(xy, np.full(xy.shape[:2], 0.9), Boxes(boxes, np.full(len(at), 0.8)), POSETRACK_15)


@pytest.mark.parametrize(("revive", "right"), [(REVIVE, True), (0, False)])
def test_a_tracker_that_lost_who_is_who_in_a_crossing_finds_out(revive: int, right: bool) -> None:
    tracker = build_tracker("oks", POSETRACK_15, TrackerSettings(revive=revive))

    index = 0

    def step(red: float, blue: float, given: Poses) -> list[int]:
        nonlocal index
        frame = Frame(index, index / 25, picture({red: 0, blue: 2}))
        index += 1
        return tracker.update(frame, given, still((WIDTH, HEIGHT))).id.tolist()

    for _ in range(6):
        assert step(50, 250, poses(50, 250)) == [1, 2]
    for red in range(50, 235, 8):  # red comes up to blue
        assert step(red, 250, poses(red, 250)) == [1, 2]
    # Blue steps in front of red: one body to see, where red was last.
    found = [step(234 - n, 234 - n, poses(234 - n)) for n in range(ENOUGH_FRAMES + 2)]
    assert found[0] == [1]
    assert (found[-1] == [2]) == right
