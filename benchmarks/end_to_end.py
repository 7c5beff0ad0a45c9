"""Frames a second of the whole command, rendering included, and what another busy program does to
it.

    python benchmarks/end_to_end.py clips/*.mp4 [--rounds 3] [--end-busy 0.5]

Runs ``posetrack track CLIP`` as a user would, on an otherwise idle machine, once a clip in every
round; the run of median speed is given, with the slowest and the fastest. Then, on the last clip's
first moments and beside a program that keeps one core busy: threads that spin briefly (what the
command sets) against threads that spin for long (``OMP_WAIT_POLICY=ACTIVE``, much as GNU OpenMP's
default).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "end_to_end.json"


def track(clip: Path, *more: str, **environment: str) -> dict[str, Any]:
    """The command's own summary, and the seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["posetrack", "track", str(clip), "-o", folder, "--quiet", "--json", *more]
        begin = time.perf_counter()
        done = subprocess.run(
            words, env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
        summary = json.loads(done.stdout)[0]
    seconds = time.perf_counter() - begin
    rate = round(summary["frames"] / summary["seconds"], 1)
    return {"frames": summary["frames"], "frames_per_s": rate, "process_s": round(seconds, 1)}


def typical(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run of median speed, and the range of speeds."""
    ordered = sorted(runs, key=lambda run: run["frames_per_s"])
    extremes = {"slowest": ordered[0]["frames_per_s"], "fastest": ordered[-1]["frames_per_s"]}
    return {**ordered[len(ordered) // 2], **extremes}


def main() -> None:
    """Idle, then busy."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--end-busy", default="0.5", metavar="SECONDS")
    args = parser.parse_args()
    rounds = [{clip.name: track(clip) for clip in args.clips} for _ in range(args.rounds)]
    idle = {clip.name: typical([one[clip.name] for one in rounds]) for clip in args.clips}
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        short = ("--end", args.end_busy)
        busy = {
            "brief": track(args.clips[-1], *short),
            "long": track(args.clips[-1], *short, OMP_WAIT_POLICY="ACTIVE"),
        }
        other.kill()
    result = {
        "cores": os.cpu_count(),
        "idle": idle,
        "beside_a_busy_program": {"clip": args.clips[-1].name, **busy},
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
