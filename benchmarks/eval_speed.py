"""How long the PoseTrack evaluator takes: writes benchmarks/results/eval_speed.json.

    OMP_NUM_THREADS=1 python benchmarks/eval_speed.py FOLDER [--runs 7]

FOLDER holds ``gt`` and ``pred`` with the sequences (a workload of 50 sequences x 100 frames x 6
people in our table). One process, one thread; every run reads all files and scores them anew after
one run to warm up. Processor seconds of the process are given (a busy machine stretches the wall
clock, not these), as median, lowest and highest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from machine import processor_name

from posetrack.evaluation.files import pair_files
from posetrack.evaluation.posetrack import METRICS, PoseTrackReport, score_posetrack
from posetrack.evaluation.tables import provenance
from posetrack.formats.table import LabelTable

RESULTS = Path(__file__).parent / "results" / "eval_speed.json"
# The official tool on the same workload, one thread of another machine: a given figure, not
# measured here.
OFFICIAL_S = {"reading": 6.5, "AP": 14.7, "tracking": 27.6, "total": 48.8}


STEPS: dict[str, tuple[str, ...]] = {
    "reading": (),
    "AP and tracking (what the official tool does)": ("ap", "mot"),
    "AP, tracking, IDF1 and HOTA (our default)": METRICS,
}


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Processor seconds, wall seconds and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def score(tables: list[tuple[LabelTable, LabelTable]], metrics: tuple[str, ...]) -> PoseTrackReport:
    return score_posetrack([(pair[0].name, given(pair)) for pair in tables], metrics=metrics)


def read(folder: Path) -> list[tuple[LabelTable, LabelTable]]:
    return [pair.read() for pair in pair_files(folder / "gt", folder / "pred")[0]]


def given(pair: tuple[LabelTable, LabelTable]) -> Callable[[], tuple[LabelTable, LabelTable]]:
    return lambda: pair


def spread(seconds: list[float]) -> dict[str, float]:
    values = {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds)}
    return {key: round(value, 3) for key, value in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    cpu: dict[str, list[float]] = {}
    wall: dict[str, list[float]] = {}
    tables: list[tuple[LabelTable, LabelTable]] = []
    for run in range(args.runs + 1):
        for name, metrics in STEPS.items():
            cpu_s, wall_s, result = timed(
                partial(score, tables, metrics) if metrics else partial(read, args.folder)
            )
            tables = tables if metrics else result
            if run:  # the first one warms up
                cpu.setdefault(name, []).append(cpu_s)
                wall.setdefault(name, []).append(wall_s)
    report = score(tables, METRICS)
    assert report.total.ap is not None
    assert report.total.mot is not None
    content = {
        "workload": {
            "sequences": len(tables),
            "frames": report.total.frames,
            "true_people": sum(len(gt) for gt, _ in tables),
            "predicted_people": sum(len(pred) for _, pred in tables),
        },
        "scores": {"AP": report.total.ap.ap[-1], "MOTA": report.total.mot.mota[-1]},
        "runs": args.runs,
        "processor_seconds": {name: spread(values) for name, values in cpu.items()},
        "wall_seconds": {name: spread(values) for name, values in wall.items()},
        "load_average_while_measuring": os.getloadavg()[1],
        "official_tool_processor_seconds": OFFICIAL_S,
        "official_tool_note": "a given figure, measured elsewhere on one core of a shared 2-core "
        "virtual machine",
        "processor": processor_name(),
        **provenance({"threads": 1}, ("numpy", "scipy", "orjson")),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
