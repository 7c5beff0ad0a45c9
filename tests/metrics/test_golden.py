"""The numbers of the official PoseTrack tools, to nine digits and as printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.evaluation.posetrack import PoseTrackReport, SequenceScores
from posetrack.evaluation.run import score_files
from posetrack.formats.table import JOINTS
from posetrack.metrics.poseval_tables import ap_table, mot_table, part_means

GOLDEN = Path(__file__).parents[1] / "golden" / "posetrack_eval"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
HOTA_EXPECTED = json.loads((GOLDEN / "hota_expected.json").read_text())
NAMES = sorted(EXPECTED["sequences"])
RELATIVE = 1e-9
COUNTS = {
    "misses": "num_misses",
    "switches": "num_switches",
    "false_positives": "num_false_positives",
    "objects": "num_objects",
    "detections": "num_detections",
    "distance": "sumD_match_switch",
    "distance_events": "sumD_all_events",
}


@pytest.fixture(scope="module")
def report() -> PoseTrackReport:
    return score_files(GOLDEN / "gt", GOLDEN / "pred").report


def same(actual: Any, expected: list[float | None]) -> None:
    wanted = np.array([np.nan if v is None else v for v in expected], float)
    np.testing.assert_allclose(np.asarray(actual, float), wanted, rtol=RELATIVE, atol=1e-12)


def check_poseval(scores: SequenceScores, expected: dict[str, Any]) -> None:
    assert scores.frames == expected["n_frames_evaluated"]
    assert scores.ap is not None
    assert scores.mot is not None
    assert scores.counts is not None
    for field in ("ap", "precision", "recall"):
        same(getattr(scores.ap, field), expected["AP"][field])
    for field, key in (("truth", "n_gt"), ("predicted", "n_pred"), ("correct", "n_true_positive")):
        same(getattr(scores.ap, field), expected["AP_counts"][key])
    for field, key in (("mota", "mota"), ("motp", "motp"), ("precision", "pre"), ("recall", "rec")):
        same(getattr(scores.mot, field), expected["MOT"][key])
    same(scores.mot.motp_matched, expected["MOT"]["motp_matched_pairs_only"])
    for field, key in COUNTS.items():
        same(getattr(scores.counts, field), expected["counts"][key])
    assert ap_table(scores.ap) == "".join(expected["printed_AP_table"])
    assert mot_table(scores.mot) == "".join(expected["printed_MOT_table"])


@pytest.mark.parametrize("name", NAMES)
def test_poseval_of_each_sequence(report: PoseTrackReport, name: str) -> None:
    scores = next(s for s in report.sequences if s.name == name)
    check_poseval(scores, EXPECTED["sequences"][name])


def test_poseval_of_all(report: PoseTrackReport) -> None:
    check_poseval(report.total, EXPECTED["all"])


def test_joint_order_is_the_official_one() -> None:
    assert [*JOINTS, "total"] == [
        {"head_bottom": "neck"}.get(j, j) for j in EXPECTED["joint_order"]
    ]


def check_hota(scores: SequenceScores, expected: dict[str, Any], pose_ap: dict[str, Any]) -> None:
    mine = [{"neck": "head_bottom"}.get(j, j) for j in (*JOINTS, "total")]
    order = [mine.index(j) for j in HOTA_EXPECTED["joint_order"]]
    assert scores.hota is not None
    assert scores.kit_ap is not None
    for field, values in scores.hota.values.items():
        same(values.mean(axis=0)[order], expected[field])
        same(values[9][order], expected["at_alpha_0.5"][field])
    for key in ("tp", "fn", "fp"):
        same(
            getattr(scores.hota, key)[:, -1],
            expected["counts_total_per_alpha"][f"HOTA_{key.upper()}"],
        )
    for field, key in (("ap", "map"), ("precision", "precision"), ("recall", "recall")):
        parts = part_means(getattr(scores.kit_ap, field))
        same([parts[p] for p in pose_ap[key]], list(pose_ap[key].values()))


@pytest.mark.parametrize("name", NAMES)
def test_hota_of_each_sequence(report: PoseTrackReport, name: str) -> None:
    scores = next(s for s in report.sequences if s.name == name)
    check_hota(
        scores, HOTA_EXPECTED["sequences"][name], HOTA_EXPECTED["pose_AP"]["sequences"][name]
    )


def test_hota_of_all(report: PoseTrackReport) -> None:
    check_hota(report.total, HOTA_EXPECTED["combined"], HOTA_EXPECTED["pose_AP"]["combined"])
    assert report.total.hota is not None
    for field, percent in HOTA_EXPECTED["combined_summary_percent"].items():
        assert report.total.hota.mean(field)[-1] * 100 == pytest.approx(percent, rel=RELATIVE)


def test_hota_from_the_2018_layout() -> None:
    scored = score_files(
        GOLDEN / "hota_2018" / "gt", GOLDEN / "hota_2018" / "pred", metrics=["hota"]
    )
    name = "000006_mpii_test"
    check_hota(
        scored.report.sequences[0],
        HOTA_EXPECTED["sequences"][name],
        HOTA_EXPECTED["pose_AP"]["sequences"][name],
    )


def test_layouts_may_be_mixed(report: PoseTrackReport) -> None:
    """2018 ground truth against a 2017 prediction of the same people: the same figures."""
    name = "000006_mpii_test.json.gz"
    mixed = score_files(GOLDEN / "hota_2018" / "gt" / name, GOLDEN / "pred" / name).report.total
    pure = next(s for s in report.sequences if s.name == "000006_mpii_test")
    for a, b in ((mixed.ap, pure.ap), (mixed.mot, pure.mot)):
        for field in ("precision", "recall"):
            same(getattr(a, field), getattr(b, field).tolist())
