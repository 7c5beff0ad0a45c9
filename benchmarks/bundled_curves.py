"""The curves of the bundled pose network over all its runs: ``python
benchmarks/bundled_curves.py``.

Reads benchmarks/results/pose_lite_training.jsonl (the ``metrics.jsonl`` of every run, one after the
other) and writes benchmarks/results/pose_lite_training.png. The loss jumps where a stage weighs its
parts differently.
"""

from __future__ import annotations

import json
from pathlib import Path

from posetrack.training.curves import draw_curves

LINES = Path(__file__).parent / "results" / "pose_lite_training.jsonl"


def main() -> None:
    """Count epochs through and draw."""
    rows = [json.loads(line) for line in LINES.read_text().splitlines()]
    draw_curves(
        [{**row, "epoch": number} for number, row in enumerate(rows, 1)], LINES.with_suffix(".png")
    )


if __name__ == "__main__":
    main()
