"""Scores of boxes with identities (MOTChallenge): files in, a table for each sequence and all."""

from __future__ import annotations

__all__ = ["SIMILARITIES", "MotReport", "MotScores", "mot_json", "mot_tables", "score_mot"]

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posetrack.errors import unknown_name
from posetrack.evaluation.files import file_hash, pair_files
from posetrack.evaluation.mot_scenes import iou_scene, oks_scene
from posetrack.evaluation.tables import Table, plain_json, provenance
from posetrack.metrics.mot import (
    MOTCHALLENGE,
    BoxScene,
    Clear,
    Hota,
    Rules,
    clear,
    hota,
    identity_true_positives,
)

Progress = Callable[[int, int | None], None]
SIMILARITIES: dict[str, Callable[[Path, Path], BoxScene]] = {"iou": iou_scene, "oks": oks_scene}
SIMILARITY_WORDS = {"iou": "overlap of boxes", "oks": "OKS of poses"}


@dataclass(frozen=True, slots=True)
class MotScores:
    """What was counted in one sequence, or in several together (``+``)."""

    clear: Clear
    hota: Hota
    identity_true_positives: int

    def __add__(self, other: MotScores) -> MotScores:
        return MotScores(
            self.clear + other.clear,
            self.hota + other.hota,
            self.identity_true_positives + other.identity_true_positives,
        )

    def values(self) -> dict[str, float]:
        """Every figure by its usual name: percentages, then counts."""
        c, parts = self.clear, self.hota.values()
        truths, found = c.objects, c.true_positives
        predictions = found + c.false_positives
        same = self.identity_true_positives
        percent = {
            **{name: parts[name] for name in ("HOTA", "DetA", "AssA", "LocA")},
            "MOTA": c.mota,
            "MOTP": c.motp,
            "IDF1": _share(2 * same, truths + predictions),
            "IDP": _share(same, predictions),
            "IDR": _share(same, truths),
            "Rcll": _share(found, truths),
            "Prcn": _share(found, predictions),
        }
        counts = {
            "FP": c.false_positives,
            "FN": c.misses,
            "IDs": c.switches,
            "Frag": c.fragmentations,
            "MT": c.mostly_tracked,
            "PT": c.trajectories - c.mostly_tracked - c.mostly_lost,
            "ML": c.mostly_lost,
            "GT": c.trajectories,
            "Boxes": truths,
        }
        return {**{name: 100 * value for name, value in percent.items()}, **counts}


@dataclass(frozen=True, slots=True)
class MotReport:
    """The scores of every sequence by name, of all together, and by which rules they were taken."""

    sequences: dict[str, MotScores]
    total: MotScores
    rules: Rules
    similarity: str
    files: tuple[tuple[Path, Path], ...]
    unmatched: tuple[Path, ...]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


# --- scoring --------------------------------------------------------------------------------------


def score_mot(
    truth: Path,
    prediction: Path,
    rules: Rules = MOTCHALLENGE,
    *,
    similarity: str = "iou",
    progress: Progress | None = None,
) -> MotReport:
    """Score files or folders of them, paired by name: MOTChallenge text (also its own tree,
    ``SEQ/gt/gt.txt``), or any format of posetrack.

    ``similarity`` is "iou" (of the boxes) or "oks" (of the poses, on the skeleton of the ground
    truth). Raises InputError and FormatError, naming file and line.
    """
    if similarity not in SIMILARITIES:
        raise unknown_name("similarity", similarity, SIMILARITIES)
    pairs, unmatched = _pair(truth, prediction)
    sequences = {}
    for done, (name, true_file, file) in enumerate(pairs, 1):
        scene = SIMILARITIES[similarity](true_file, file)
        sequences[name] = MotScores(
            clear(scene, rules), hota(scene), identity_true_positives(scene)
        )
        if progress:
            progress(done, len(pairs))
    first, *others = sequences.values()
    total = first
    for scores in others:
        total += scores
    files = tuple((true_file, file) for _, true_file, file in pairs)
    return MotReport(sequences, total, rules, similarity, files, tuple(unmatched))


def _pair(truth: Path, prediction: Path) -> tuple[list[tuple[str, Path, Path]], list[Path]]:
    """Name, ground truth and prediction of every sequence, and predictions without ground truth."""
    challenge = {path.parents[1].name: path for path in sorted(truth.glob("*/gt/gt.txt"))}
    if not challenge:
        pairs, unmatched = pair_files(truth, prediction)
        return [(pair.name, pair.truth, pair.prediction) for pair in pairs], unmatched
    files = {name: prediction / f"{name}.txt" for name in challenge}
    left = [path for path in sorted(prediction.glob("*.txt")) if path.stem not in challenge]
    return [(name, path, files[name]) for name, path in challenge.items()], left


# --- reporting ------------------------------------------------------------------------------------


def mot_tables(report: MotReport) -> list[Table]:
    """One table: a row a sequence, and all together."""
    rows = (
        {**report.sequences, "all": report.total} if len(report.sequences) > 1 else report.sequences
    )
    columns = tuple(report.total.values())
    words = SIMILARITY_WORDS[report.similarity]
    return [
        Table(
            f"Tracking, percent and counts (rules of {report.rules.name}; {words})",
            ("sequence", *columns),
            tuple((name, *scores.values().values()) for name, scores in rows.items()),
        )
    ]


def mot_json(report: MotReport) -> dict[str, Any]:
    """Everything at full precision, with versions, settings and the hash of every file."""
    files = [
        {
            "truth": str(truth),
            "truth_sha256": file_hash(truth),
            "prediction": str(file),
            "prediction_sha256": file_hash(file),
        }
        for truth, file in report.files
    ]
    settings = {"protocol": report.rules.name, "similarity": report.similarity}
    return {
        "sequences": plain_json({n: s.values() for n, s in report.sequences.items()}),
        "total": plain_json(report.total.values()),
        **provenance(settings),
        "files": files,
    }
