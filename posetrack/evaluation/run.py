"""A whole PoseTrack scoring run: read the files, score them, sweep thresholds, write the
results.
"""

from __future__ import annotations

__all__ = ["REPORT_FILE", "SWEEP_PLOT", "ScoredFiles", "score_files", "write_results"]

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posetrack.evaluation.files import FilePair, file_hash, pair_files
from posetrack.evaluation.posetrack import METRICS, PoseTrackReport, score_posetrack
from posetrack.evaluation.report import report_json, write_official_files
from posetrack.evaluation.sweep import Sweep, plot_sweep, sweep_joint_thresholds
from posetrack.evaluation.tables import plain_json, provenance
from posetrack.files import write_beside
from posetrack.formats.table import LabelTable
from posetrack.metrics.protocols import POSEVAL, Protocol

REPORT_FILE = "posetrack_eval.json"  # everything, beside the files of the official tool
SWEEP_PLOT = "joint_threshold_sweep.png"


@dataclass(frozen=True, slots=True)
class ScoredFiles:
    """What a run found: the report, the files it came from, and prediction files that have no
    ground truth.
    """

    report: PoseTrackReport
    files: tuple[FilePair, ...]
    unmatched: tuple[Path, ...]
    sweep: Sweep | None

    def to_json(self, settings: dict[str, Any] | None = None) -> dict[str, Any]:
        """Everything at full precision, with versions, settings and the hash of every file."""
        files = [
            {
                "sequence": pair.name,
                "truth": str(pair.truth),
                "truth_sha256": file_hash(pair.truth),
                "prediction": str(pair.prediction),
                "prediction_sha256": file_hash(pair.prediction),
            }
            for pair in self.files
        ]
        made = provenance({"protocol": self.report.protocol.name, **(settings or {})})
        sweep = (
            {"sweep": plain_json(self.sweep) | {"best": plain_json(self.sweep.best)}}
            if self.sweep
            else {}
        )
        return {**report_json(self.report), **sweep, **made, "files": files}


def score_files(
    truth: Path,
    prediction: Path,
    protocol: Protocol = POSEVAL,
    *,
    metrics: Collection[str] = METRICS,
    skip_bad: bool = False,
    sweep: bool = False,
    source: str = "",
    progress: Callable[[int, int | None], None] | None = None,
) -> ScoredFiles:
    """Score prediction files against ground-truth files. Raises PosetrackError naming file, frame
    and field.

    ``source`` says where the predictions' boxes came from, where that is known; it is printed with
    the tables.
    """
    pairs, unmatched = pair_files(truth, prediction)
    kept: dict[str, tuple[LabelTable, LabelTable]] = {}
    done = 0

    def reader(pair: FilePair) -> Callable[[], tuple[LabelTable, LabelTable]]:
        def read() -> tuple[LabelTable, LabelTable]:
            tables = pair.read()
            if sweep:
                kept[pair.name] = tables
            return tables

        return read

    def count(_: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, len(pairs))

    named = [(pair.name, reader(pair)) for pair in pairs]
    report = score_posetrack(named, protocol, metrics=metrics, skip_bad=skip_bad, progress=count)
    scored = [kept[s.name] for s in report.sequences] if sweep else []
    result = sweep_joint_thresholds(scored, protocol) if sweep else None
    return ScoredFiles(replace(report, source=source), tuple(pairs), tuple(unmatched), result)


def write_results(
    scored: ScoredFiles, folder: Path, settings: dict[str, Any] | None = None
) -> list[Path]:
    """poseval's result files, everything in ``REPORT_FILE``, and the sweep's picture. Raises
    OutputError.
    """
    written = write_official_files(scored.report, folder)
    with write_beside(folder / REPORT_FILE) as part:
        part.write_text(json.dumps(scored.to_json(settings), indent=1), encoding="utf-8")
    written.append(folder / REPORT_FILE)
    if scored.sweep:
        plot_sweep(scored.sweep, folder / SWEEP_PLOT)
        written.append(folder / SWEEP_PLOT)
    return written
