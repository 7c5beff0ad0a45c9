"""CLEAR MOT, IDF1 and HOTA of boxes: equal to TrackEval 1.3 and py-motmetrics 1.4, by hand where
the two differ.

``golden/mot`` holds three drawn sequences (people who cross, vanish, change identity; one with
MOTChallenge's classes and boxes that do not count) and what the two tools say of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.evaluation.mot import MotReport, score_mot
from posetrack.metrics.mot import (
    MOTCHALLENGE,
    PY_MOTMETRICS,
    RULES,
    BoxTracks,
    Rules,
    box_iou,
    box_scene,
    clear,
    hota,
    identity_true_positives,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "mot"
GOLD = json.loads((GOLDEN / "gold.json").read_text())
PLAIN, CLASSES = ("street", "square"), ("classes",)


def _scores(tmp_path: Path, names: tuple[str, ...], rules: Rules) -> dict[str, dict[str, float]]:
    """Our figures of some sequences and, for several, of all."""
    for name in names:
        (tmp_path / "gt" / name).mkdir(parents=True)
        (tmp_path / "gt" / name / "gt").symlink_to(GOLDEN / "gt" / name / "gt")
        (tmp_path / "pred").mkdir(exist_ok=True)
        (tmp_path / "pred" / f"{name}.txt").symlink_to(GOLDEN / "pred" / f"{name}.txt")
    report: MotReport = score_mot(tmp_path / "gt", tmp_path / "pred", rules)
    return {**{n: s.values() for n, s in report.sequences.items()}, "all": report.total.values()}


def _compare(ours: dict[str, dict[str, float]], theirs: dict[str, dict[str, float]]) -> None:
    for name, wanted in theirs.items():
        shared = ours[name].keys() & wanted.keys()
        assert len(shared) >= 16
        for figure in shared:
            assert ours[name][figure] == pytest.approx(wanted[figure], abs=1e-9), (name, figure)


@pytest.mark.parametrize(("names", "group"), [(PLAIN, "plain"), (CLASSES, "classes")])
def test_equal_to_trackeval(tmp_path: Path, names: tuple[str, ...], group: str) -> None:
    _compare(_scores(tmp_path, names, MOTCHALLENGE), GOLD["trackeval"][group])


def test_equal_to_motmetrics(tmp_path: Path) -> None:
    _compare(_scores(tmp_path, PLAIN, PY_MOTMETRICS), GOLD["motmetrics"])


def test_the_tools_differ_in_these_sequences() -> None:
    """Else the two tests above could not tell the rules apart."""
    a, b = GOLD["trackeval"]["plain"]["all"], GOLD["motmetrics"]["all"]
    assert a["MT"] != b["MT"]
    assert a["Frag"] != b["Frag"]


# --- by hand --------------------------------------------------------------------------------------


def _tracks(rows: list[tuple[int, int, float]]) -> BoxTracks:
    """Boxes of 10 x 10 pixels: (frame, identity, x)."""
    frame, identity, x = (np.array(column) for column in zip(*rows, strict=True))
    xyxy = np.stack([x, 0 * x, x + 10, 0 * x + 10], axis=1).astype(np.float64)
    return BoxTracks(frame.astype(np.int64), identity.astype(np.int64), xyxy)


def test_who_is_remembered_over_a_gap() -> None:
    """A better box of somebody else: TrackEval forgot and switches, py-motmetrics stays."""
    truth = _tracks([(0, 1, 0), (1, 1, 0), (2, 1, 0)])
    predicted = _tracks([(0, 7, 0), (1, 5, 100), (2, 7, 2), (2, 8, 0)])
    scene = box_scene(truth, predicted, 3)
    assert clear(scene, MOTCHALLENGE).switches == 1
    assert clear(scene, PY_MOTMETRICS).switches == 0


def test_last_frames_pair_goes_before_a_better_one() -> None:
    truth, predicted = _tracks([(0, 1, 0), (1, 1, 0)]), _tracks([(0, 7, 0), (1, 7, 3), (1, 8, 0)])
    for rules in RULES.values():
        counts = clear(box_scene(truth, predicted, 2), rules)
        assert (counts.switches, counts.false_positives, counts.misses) == (0, 1, 0)


def test_a_perfect_track() -> None:
    truth = _tracks([(f, p, 30 * p + f) for f in range(4) for p in range(3)])
    scene = box_scene(truth, truth, 4)
    assert clear(scene).mota == 1
    assert clear(scene).motp == 1
    assert identity_true_positives(scene) == 12
    assert set(hota(scene).values().values()) == {1.0}


@pytest.mark.parametrize("rules", RULES.values(), ids=str)
def test_one_side_is_empty(rules: Rules) -> None:
    some, none = _tracks([(0, 1, 0), (2, 1, 5)]), _tracks([(0, 1, 0)])[np.zeros(1, np.bool_)]
    missed = clear(box_scene(some, none, 3), rules)
    assert (missed.misses, missed.mostly_lost, missed.mota) == (2, 1, 0)
    found = clear(box_scene(none, some, 3), rules)
    assert found.false_positives == 2
    assert np.isnan(found.mota)
    for scene in (box_scene(some, none, 3), box_scene(none, some, 3), box_scene(none, none, 1)):
        assert identity_true_positives(scene) == 0
        assert hota(scene).values()["HOTA"] == 0


def test_overlap_of_boxes() -> None:
    a = np.array([[0, 0, 10, 10], [0, 0, 0, 10]], np.float64)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float64)
    np.testing.assert_allclose(box_iou(a, b), [[1, 1 / 3, 0], [0, 0, 0]])


def test_numbers_of_identities_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    rows: list[Any] = [(f, p, 12 * p + rng.normal(0, 3)) for f in range(20) for p in range(4)]
    truth = _tracks([(f, p, 12 * p) for f in range(20) for p in range(4)])
    plain, renamed = _tracks(rows), _tracks([(f, 1000 - 7 * p, x) for f, p, x in rows])
    a, b = (box_scene(truth, side, 20) for side in (plain, renamed))
    assert clear(a) == clear(b)
    assert hota(a).values() == hota(b).values()
