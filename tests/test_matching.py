"""Matching: best pairs first, ties without chance, joints nobody believes in do not count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from posetrack import matching
from posetrack.matching import (
    greedy_match,
    merge_boxes,
    optimal_match,
    pose_similarity,
    swallowed,
    without_duplicates,
)
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Poses

SHAPE = np.random.default_rng(0).uniform(0, 1, (15, 2))  # joints inside a unit box


def _poses(
    corners: list[tuple[float, float]], score: float | list[float] = 0.9, side: float = 100
) -> Poses:
    """One body shape at several places."""
    low = np.array(corners, float).reshape(-1, 2)
    boxes = Boxes(np.concatenate([low, low + side], axis=1), np.broadcast_to(score, len(low)))
    joint_score = np.broadcast_to(np.reshape(score, (-1, 1)), (len(low), 15))
    return Poses(low[:, None] + SHAPE * side, joint_score, boxes, POSETRACK_15)


def test_the_best_pairs_go_first_even_if_the_sum_suffers() -> None:
    similarity = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert greedy_match(similarity, 0.05) == [(0, 0), (1, 1)]
    assert greedy_match(similarity, 0.2) == [(0, 0)]


def test_equal_similarities_are_settled_by_position() -> None:
    assert greedy_match(np.full((2, 3), 0.5), 0.5) == [(0, 0), (1, 1)]


def test_nothing_to_match() -> None:
    assert greedy_match(np.zeros((0, 3)), 0.0) == []
    assert greedy_match(np.zeros((2, 0)), 0.0) == []


@given(
    hnp.arrays(
        np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(0, 1)
    )
)
def test_rows_and_columns_are_used_once_and_no_pair_is_left_over(similarity: np.ndarray) -> None:
    pairs = greedy_match(similarity, 0.5)
    rows, columns = [r for r, _ in pairs], [c for _, c in pairs]
    assert len(set(rows)) == len(rows)
    assert len(set(columns)) == len(columns)
    left = np.delete(np.delete(similarity, rows, axis=0), columns, axis=1)
    assert not (left >= 0.5).any()
    values = [similarity[p] for p in pairs]
    assert values == sorted(values, reverse=True)


def test_a_detection_goes_before_a_better_proposal_and_proposals_leave_each_other_alone() -> None:
    detected = Boxes([[0, 0, 10, 10]], [0.3])
    proposed = Boxes([[1, 0, 10, 10], [50, 0, 60, 10], [51, 0, 60, 10]], [0.9, 0.5, 0.4])
    keep, _, carried, _ = merge_boxes(detected, proposed, 0.5)
    assert keep.tolist() == [0]
    np.testing.assert_array_equal(carried.xyxy, proposed.xyxy[1:])
    np.testing.assert_array_equal(carried.score, proposed.score[1:])


def test_a_box_around_two_remembered_people_goes_and_confirms_both() -> None:
    embrace = [0, 0, 30, 50]
    two = [[0, 0, 19, 50], [40, 0, 60, 50], [12, 2, 30, 50]]
    keep, _, carried, both = merge_boxes(Boxes([embrace], [0.5]), Boxes(two, [0.3, 0.3, 0.8]), 0.6)
    assert len(keep) == 0
    assert both.tolist() == [True, False, True]
    np.testing.assert_array_equal(carried.xyxy, two)
    np.testing.assert_allclose(carried.score, [0.5, 0.3, 0.8])


@pytest.mark.parametrize(
    "others",
    [
        [[0, 0, 19, 50]],  # one person who spread their arms
        [[1, 1, 30, 50], [3, 20, 12, 50], [15, 20, 27, 50]],  # somebody before two children
        [[0, 0, 19, 50], [25, 0, 60, 50]],  # one inside, one beside
    ],
)
def test_a_box_around_one_person_stays(others: list[list[float]]) -> None:
    keep, _, _, both = merge_boxes(
        Boxes([[0, 0, 30, 50]], [0.5]), Boxes(others, [0.9] * len(others)), 0.6
    )
    assert keep.tolist() == [0]
    assert not both.any()


def test_no_boxes_of_either_kind() -> None:
    box = Boxes([[0, 0, 10, 10]], [0.5])
    for detected, proposed in (
        (box, Boxes.empty()),
        (Boxes.empty(), box),
        (Boxes.empty(), Boxes.empty()),
    ):
        keep, _, carried, _ = merge_boxes(detected, proposed, 0.5)
        assert (len(keep), len(carried)) == (len(detected), len(proposed))


def test_similarity_falls_with_distance_and_is_1_on_the_spot() -> None:
    similarity = pose_similarity(_poses([(0, 0)]), _poses([(0, 0), (5, 0), (60, 0)]), 0.2)[0]
    assert similarity[0] == 1
    assert similarity[0] > similarity[1] > 0.5 > similarity[2]


def test_unreliable_joints_do_not_count_and_too_few_say_nothing() -> None:
    a, b = _poses([(0, 0)]), _poses([(0, 0)])
    wild = b.xy.copy()
    wild[0, 4:] += 500  # all but four joints are noise, and the network knows
    score = b.score.copy()
    score[0, 4:] = 0.1
    b = Poses(wild, score, b.boxes, b.skeleton)
    assert pose_similarity(a, b, 0.2)[0, 0] == 1
    score[0, 2:] = 0.1
    assert pose_similarity(a, Poses(wild, score, b.boxes, b.skeleton), 0.2)[0, 0] == 0


def test_of_two_poses_on_one_body_the_better_stays() -> None:
    poses = _poses([(0, 0), (300, 0), (2, 0)], [0.6, 0.5, 0.9])
    assert without_duplicates(poses, 0.7, 0.2).tolist() == [1, 2]
    assert without_duplicates(poses, 1.0, 0.2).tolist() == [0, 1, 2]
    assert without_duplicates(poses[[]], 0.7, 0.2).tolist() == []


def test_two_poses_on_one_body_both_stay_where_two_people_are_known_to_be() -> None:
    poses = _poses([(0, 0), (2, 0), (3, 0)], [0.6, 0.5, 0.9])
    assert without_duplicates(poses, 0.7, 0.2, np.array([True, True, False])).tolist() == [2]
    assert without_duplicates(poses, 0.7, 0.2, np.array([True, False, True])).tolist() == [0, 2]


def test_the_gain_says_how_clearly_two_people_explain_a_box() -> None:
    box, people = (
        np.array([0, 0, 30, 50], np.float32),
        np.array([[0, 0, 19, 50], [12, 2, 30, 50]], np.float32),
    )
    assert swallowed(box, people, 0.6).tolist() == [0, 1]
    assert swallowed(box, people, 0.6, gain=0.3).tolist() == [0, 1]
    assert swallowed(box, people, 0.6, gain=0.4).tolist() == []  # one alone: 0.63
    assert swallowed(box, people, 0.1).tolist() == []  # too close to each other


def test_an_optimal_match_is_the_same_with_and_without_something_to_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    worths = [
        rng.uniform(-0.5, 1, (n, m)) * (rng.uniform(size=(n, m)) < share)
        for n in range(5)
        for m in range(5)
        for share in (0.2, 0.5, 1)
    ]
    shortcut = [optimal_match(worth, 0.1) for worth in worths]
    assert sum(map(len, shortcut)) > 50
    monkeypatch.setattr(matching, "_nothing_to_choose", lambda _: False)
    assert [optimal_match(worth, 0.1) for worth in worths] == shortcut
