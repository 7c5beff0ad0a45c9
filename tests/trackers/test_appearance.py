"""Looks of people, and people who come back under the number they had."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.flow import still
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Frame, Image, Poses
from posetrack.trackers import TRACKERS, TrackerSettings, build_tracker
from posetrack.trackers.appearance import (
    COLOUR_BINS,
    HALVES,
    describe,
    describe_halves,
    half_likeness,
    likeness,
)
from posetrack.trackers.base import MemoryTracker

SIZE = (400, 300)
RED, BLUE, GREY = (200, 30, 30), (20, 40, 190), (120, 120, 120)
SHAPE = np.stack(np.meshgrid([0.1, 0.5, 0.9], [0.1, 0.3, 0.5, 0.7, 0.9]), axis=-1).reshape(15, 2)
SIDE = 60


def _picture(*people: tuple[int, int, tuple[int, int, int]]) -> Image:
    """People as coloured squares (left, top, colour) on grey."""
    image = np.full((SIZE[1], SIZE[0], 3), GREY, np.uint8)
    for x, y, colour in people:
        image[y : y + SIDE, x : x + SIDE] = colour
    return image


def _poses(*people: tuple[int, int, tuple[int, int, int]], joint: float = 0.8) -> Poses:
    low = np.array([p[:2] for p in people], np.float32).reshape(-1, 2)
    boxes = Boxes(np.concatenate([low, low + SIDE], axis=1), np.full(len(low), 0.9 * joint))
    return Poses(low[:, None] + SHAPE * SIDE, np.full((len(low), 15), joint), boxes, POSETRACK_15)


def _see(
    tracker: MemoryTracker, index: int, *people: tuple[int, int, tuple[int, int, int]]
) -> list[int]:
    frame = Frame(index, index / 25, _picture(*people))
    tracker.propose(frame, still(SIZE))
    return tracker.update(frame, _poses(*people), still(SIZE)).id.tolist()


def test_looks_are_shares_of_colours_and_likeness_compares_them() -> None:
    people = (20, 20, RED), (120, 20, RED), (220, 20, BLUE)
    looks = describe(_picture(*people), _poses(*people), 0.2)
    assert looks.shape == (3, COLOUR_BINS)
    np.testing.assert_allclose(looks.sum(axis=1), 1, rtol=1e-6)
    alike = likeness(looks, looks)
    np.testing.assert_allclose(np.diag(alike), 1, rtol=1e-6)
    assert alike[0, 1] == pytest.approx(1)
    assert alike[0, 2] < 0.5


def _dressed(top: tuple[int, int, int], bottom: tuple[int, int, int]) -> tuple[Image, Poses]:
    """Somebody in two colours; joints down to the hips in the upper half of a box of 100 px."""
    image = _picture()
    image[20:70, 20:80], image[70:120, 20:80] = top, bottom
    xy = np.zeros((1, 15, 2), np.float32)
    xy[0] = np.linspace((25, 25), (75, 65), 15)
    names = POSETRACK_15.joints
    legs = [n for n, name in enumerate(names) if "knee" in name or "ankle" in name]
    xy[0, legs] = np.linspace((25, 85), (75, 115), len(legs))
    box = Boxes([[20, 20, 80, 120]], [0.9])
    return image, Poses(xy, np.full((1, 15), 0.8), box, POSETRACK_15)


def test_a_red_shirt_over_blue_trousers_is_not_a_blue_one_over_red_ones() -> None:
    looks = [describe_halves(*_dressed(*colours), 0.2) for colours in ((RED, BLUE), (BLUE, RED))]
    assert looks[0].shape == (1, HALVES, COLOUR_BINS)
    assert half_likeness(looks[0], looks[0])[0, 0] == pytest.approx(1)
    assert half_likeness(*looks)[0, 0] < 0.5


def test_only_halves_seen_of_both_are_compared() -> None:
    whole = describe_halves(*_dressed(RED, BLUE), 0.2)
    bust = whole.copy()
    bust[:, 1] = 0
    assert half_likeness(whole, bust)[0, 0] == pytest.approx(1)
    assert np.isnan(half_likeness(whole, np.zeros_like(whole))[0, 0])


def test_a_little_more_light_changes_little() -> None:
    person = (20, 20, RED)
    dark = _picture(person)
    looks = [describe(image, _poses(person), 0.2) for image in (dark, dark + 12)]
    assert likeness(*looks)[0, 0] > 0.9


def test_limbs_that_are_unsure_absent_or_outside_are_not_looked_at() -> None:
    person = (20, 20, RED)
    image, poses = _picture(person), _poses(person)
    stray = poses.xy.copy()
    stray[0, 3:6], stray[0, 6:9] = np.nan, (-500, 9000)
    score = poses.score.copy()
    stray[0, 9:12], score[0, 9:12] = (350, 250), 0.1  # on grey, and the network knows
    looks = describe(image, Poses(stray, score, poses.boxes, POSETRACK_15), 0.2)
    assert likeness(looks, describe(image, poses, 0.2))[0, 0] == pytest.approx(1)
    nothing = describe(image, _poses(person, joint=0.1), 0.2)
    assert not nothing.any()
    assert describe(image, Poses.empty(POSETRACK_15), 0.2).shape == (0, COLOUR_BINS)


@pytest.mark.parametrize("name", sorted(set(TRACKERS) - {"paper", "byte"}))  # without looks
def test_somebody_hidden_comes_back_under_their_number(name: str) -> None:
    tracker = build_tracker(name, POSETRACK_15)
    assert _see(tracker, 0, (100, 100, RED), (250, 100, BLUE)) == [1, 2]
    for index in range(1, 60):
        assert _see(tracker, index, (250, 100, BLUE)) == [2]
    assert _see(tracker, 60, (250, 100, BLUE), (150, 140, RED)) == [1, 2]


@pytest.mark.parametrize(
    ("back", "why"),
    [
        ((60, (150, 140, BLUE)), "in other clothes, those of somebody present"),
        ((60, (150, 140, (30, 180, 40))), "in other clothes"),
        ((5, (330, 230, RED)), "farther off than anybody walks in that time"),
        ((200, (150, 140, RED)), "after too long"),
    ],
)
def test_not_everybody_is_somebody_missing(
    back: tuple[int, tuple[int, int, tuple[int, int, int]]], why: str
) -> None:
    tracker = build_tracker("oks", POSETRACK_15)
    _see(tracker, 0, (100, 100, RED), (250, 100, BLUE))
    until, person = back
    for index in range(1, until):
        _see(tracker, index, (250, 100, BLUE))
    assert 3 in _see(tracker, until, (250, 100, BLUE), person), why


def test_nobody_is_revived_where_that_is_switched_off() -> None:
    tracker = build_tracker("oks", POSETRACK_15, TrackerSettings(memory=2, revive=0))
    _see(tracker, 0, (100, 100, RED))
    for index in range(1, 5):
        _see(tracker, index)
    assert _see(tracker, 5, (100, 100, RED)) == [2]


def test_looks_are_learnt_from_people_whom_nobody_covers() -> None:
    tracker = build_tracker("oks", POSETRACK_15)
    _see(tracker, 0, (100, 100, RED), (250, 100, BLUE))
    before = tracker.state()["missing_look"]
    for index in range(1, 30):
        _see(
            tracker, index, (min(100 + 8 * index, 220), 100, RED), (250, 100, BLUE)
        )  # blue is drawn over red
    after = tracker.state()["missing_look"]
    assert likeness(before, after)[0, 0] > 0.99


def test_who_walked_out_of_the_picture_is_not_taken_for_the_next_one_who_comes() -> None:
    tracker = build_tracker("oks", POSETRACK_15, TrackerSettings(memory=2))
    for index, x in enumerate((300, 320, SIZE[0] - SIDE)):
        assert _see(tracker, index, (x, 100, RED)) == [1]
    for index in range(3, 8):
        _see(tracker, index)
    assert _see(tracker, 8, (320, 100, RED)) == [2]
