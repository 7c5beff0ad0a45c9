"""What must hold for any people: a perfect copy scores 100, order is nothing, removing an error
never costs points.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.evaluation.posetrack import SequenceScores, score_posetrack
from posetrack.formats.table import JOINTS, LabelTable
from posetrack.metrics.protocols import CORRECTED, POSEVAL, Protocol

HEAD = 20.0  # pixels, both sides of the made head boxes
FAR = 400.0  # pixels between people: beyond anybody's reach
EXAMPLES = settings(max_examples=12, deadline=None, derandomize=True)
SEEDS = st.integers(0, 10**6)


def made(seed: int, people: int = 3, frames: int = 6, spread: float = FAR) -> LabelTable:
    """A sequence in which everybody has every joint in every frame, in an order that changes."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(0, 80, (15, 2))
    frame = np.repeat(np.arange(frames), people)
    identity = np.concatenate([rng.permutation(people) for _ in range(frames)])
    place = np.stack([identity * spread + 50, frame * 3.0 + 50], axis=1)
    xy = body + place[:, None] + rng.normal(0, 1, (len(frame), 15, 2))
    head = np.tile([0, 0, HEAD, HEAD], (len(frame), 1))
    return LabelTable(
        name="made",
        source="made",
        images=("",) * frames,
        labeled=np.ones(frames, np.int8),
        regions=((),) * frames,
        index=np.arange(frames),
        time_s=np.full(frames, np.nan),
        frame=frame,
        track_id=identity,
        xy=xy,
        score=rng.uniform(0.1, 1, (len(frame), 15)),
        pose_score=np.ones(len(frame)),
        box_xyxy=np.full((len(frame), 4), np.nan),
        head_xyxy=head,
        has_points=np.ones(len(frame), np.bool_),
    )


def spoiled(truth: LabelTable, seed: int) -> LabelTable:
    """A prediction with noise, missing people and joints, and switched identities."""
    rng = np.random.default_rng(seed)
    pred = replace(
        truth,
        xy=truth.xy + rng.normal(0, 4, truth.xy.shape),
        score=rng.uniform(0, 1, truth.score.shape),
    )
    pred = replace(
        pred, track_id=np.where(pred.frame > rng.integers(1, 5), pred.track_id + 10, pred.track_id)
    )
    pred = pred.without_joints(rng.random(pred.score.shape) < 0.2)
    return pred.people(rng.random(len(pred)) > 0.2)


def shuffled(table: LabelTable, rng: np.random.Generator) -> LabelTable:
    return table.people(np.lexsort((rng.random(len(table)), table.frame)))


def score(*pairs: tuple[LabelTable, LabelTable], protocol: Protocol = POSEVAL) -> SequenceScores:
    named = [(f"{i}", partial(lambda pair: pair, pair)) for i, pair in enumerate(pairs)]
    return score_posetrack(named, protocol).total


def figures(scores: SequenceScores) -> dict[str, float]:
    assert scores.ap is not None
    assert scores.mot is not None
    assert scores.idf1 is not None
    assert scores.hota is not None
    keys = ("mota", "motp", "motp_matched", "precision", "recall")
    mot = {f"mot.{k}": float(getattr(scores.mot, k)[-1]) for k in keys}
    hota = {k: float(scores.hota.mean(k)[-1] * 100) for k in ("HOTA", "DetA", "AssA", "LocA")}
    return {"ap": float(scores.ap.ap[-1]), **mot, "idf1": float(scores.idf1[-1]), **hota}


@pytest.mark.parametrize("protocol", [POSEVAL, CORRECTED], ids=lambda p: p.name)
@EXAMPLES
@given(seed=SEEDS)
def test_a_perfect_copy_scores_100(protocol: Protocol, seed: int) -> None:
    truth = made(seed)
    copy = shuffled(truth, np.random.default_rng(seed))
    found = figures(score((truth, copy), protocol=protocol))
    assert found == pytest.approx(dict.fromkeys(found, 100))


def test_a_perfect_copy_of_joints_never_annotated() -> None:
    """poseval gives a joint without any data AP 0 and takes it into the mean; corrected leaves it
    out.
    """
    truth = made(0)
    truth = truth.without_joints(np.tile(np.arange(len(JOINTS)) == 4, (len(truth), 1)))
    assert figures(score((truth, truth)))["ap"] == pytest.approx(100 * 14 / 15)
    assert figures(score((truth, truth), protocol=CORRECTED))["ap"] == pytest.approx(100)


@EXAMPLES
@given(seed=SEEDS)
def test_the_order_of_people_and_of_files_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [
        (truth, spoiled(truth, seed + k))
        for k, truth in enumerate(made(seed + k, spread=30) for k in range(3))
    ]
    mixed = [(shuffled(t, rng), shuffled(p, rng)) for t, p in reversed(pairs)]
    assert figures(score(*mixed)) == pytest.approx(figures(score(*pairs)), rel=1e-9)


@pytest.mark.parametrize("protocol", [POSEVAL, CORRECTED], ids=lambda p: p.name)
@EXAMPLES
@given(seed=SEEDS)
def test_scores_rise_or_stay_when_an_error_is_removed(protocol: Protocol, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = made(seed)
    pred = replace(truth, score=rng.uniform(0, 1, truth.score.shape))
    victim = int(rng.integers(len(pred)))
    wrong_place = pred.xy.copy()
    wrong_place[victim] += [0, 3000]
    joint_gone = np.zeros(pred.score.shape, np.bool_)
    joint_gone[victim, rng.integers(15)] = True
    other_id = pred.track_id.copy()
    other_id[victim] = 77
    worse = {
        "person missing": pred.people(np.arange(len(pred)) != victim),
        "person at a wrong place": replace(pred, xy=wrong_place),
        "joint missing": pred.without_joints(joint_gone),
        "identity changed": replace(pred, track_id=other_id),
        "poor place": replace(pred, xy=pred.xy + rng.normal(0, 3, pred.xy.shape)),
    }
    best = figures(score((truth, pred), protocol=protocol))
    for error, prediction in worse.items():
        with_error = figures(score((truth, prediction), protocol=protocol))
        for key in ("ap", "mot.mota", "idf1", "HOTA", "mot.recall"):
            assert with_error[key] <= best[key] + 1e-9, (error, key)


def test_a_false_person_costs_and_removing_it_restores() -> None:
    truth = made(3)
    ghost = replace(
        truth.people(truth.frame == 1), track_id=np.array([50, 51, 52]), xy=truth.xy[:3] + 5000
    )
    rows = np.argsort(np.append(truth.frame, ghost.frame), kind="stable")
    both = {
        name: np.concatenate([getattr(truth, name), getattr(ghost, name)])[rows]
        for name in (
            "frame",
            "track_id",
            "xy",
            "score",
            "pose_score",
            "box_xyxy",
            "head_xyxy",
            "has_points",
        )
    }
    haunted = figures(score((truth, replace(truth, **both)), protocol=CORRECTED))
    assert haunted["mot.mota"] == pytest.approx(100 * (1 - 3 / 18))
    assert haunted["mot.precision"] == pytest.approx(100 * 18 / 21)
    assert haunted["ap"] <= 100


def test_what_the_protocols_do_with_the_last_frame_and_with_empty_ones() -> None:
    truth = made(1)
    nobody_in_the_last = truth.people(truth.frame < 5)
    assert figures(score((truth, nobody_in_the_last)))["mot.mota"] == pytest.approx(100)
    assert figures(score((truth, nobody_in_the_last), protocol=CORRECTED))[
        "mot.mota"
    ] == pytest.approx(100 * 5 / 6)
    nobody_in_one = truth.people(truth.frame != 2)
    # poseval: 4 frames of 3 people, and 1 dummy object with 1 miss and 1 false positive
    assert figures(score((truth, nobody_in_one)))["mot.mota"] == pytest.approx(100 * (1 - 2 / 13))
    assert figures(score((truth, nobody_in_one), protocol=CORRECTED))["mot.mota"] == pytest.approx(
        100 * 15 / 18
    )


def test_labelled_frames_without_people() -> None:
    """poseval drops them with their predictions; corrected counts the false positives of labelled
    ones.
    """
    truth = made(2)
    empty = truth.people(truth.frame != 3)
    assert figures(score((empty, truth)))["mot.precision"] == 100
    assert figures(score((empty, truth), protocol=CORRECTED))["mot.precision"] == pytest.approx(
        100 * 15 / 18
    )
    unlabelled = replace(empty, labeled=np.array([1, 1, 1, 0, 1, 1], np.int8))
    assert figures(score((unlabelled, truth), protocol=CORRECTED))["mot.precision"] == 100
