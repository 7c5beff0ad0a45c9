"""The default of ``posetrack track`` against variants of it, on real clips without ground truth.

    python benchmarks/track_clips.py clips/*.mp4 [--end 10] [--threads 2] [--rounds 1] [--only
    default no_flow]

Without ground truth an identity switch cannot be counted, but its traces can:

* ``switches``: a person of one frame and a person of the next who overlap (IoU >= 0.5, mutually
  best) but differ in identity;
* ``tracks``: identities given; ``short_tracks``: those seen in fewer than 10 frames;
* ``gaps``: how often an identity is missing between two frames that have it;
* ``people``: poses over all frames; a variant that finds fewer people has fewer chances to switch.

The variants of one clip run right after each other on the same machine. Time is processor time (all
threads of the process, insensitive to other load) and wall time; decoding is included, rendering is
not. The results go to ``benchmarks/results/track_clips.json``, where clips that are not named keep
the figures they had.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from machine import processor_name

from posetrack import PoseTracker, Tracks
from posetrack.geometry import iou_matrix
from posetrack.options import TrackOptions

RESULTS = Path(__file__).parent / "results" / "track_clips.json"
SAME_PERSON_IOU = 0.5
SHORT_TRACK_FRAMES = 10

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "no_flow": {"flow": "none"},
    "flow_medium": {"flow": "dis_medium"},
    "detect_every_5": {"detect_every": 5},
    "oks_tracker": {"tracker": "oks"},
    "iou_tracker": {"tracker": "iou"},
}


def switches(before: Tracks, after: Tracks) -> int:
    """People who kept their place between two frames but not their identity."""
    overlap = iou_matrix(before.poses.boxes.xyxy, after.poses.boxes.xyxy)
    if not overlap.size:
        return 0
    partner = overlap.argmax(axis=1)
    mutual = overlap.argmax(axis=0)[partner] == np.arange(len(before))
    kept = mutual & (overlap.max(axis=1) >= SAME_PERSON_IOU)
    return int((before.id[kept] != after.id[partner[kept]]).sum())


def describe(frames: list[Tracks]) -> dict[str, int | float]:
    """The traces of mistakes in the tracks of a whole clip."""
    seen: dict[int, list[int]] = {}
    for index, tracks in enumerate(frames):
        for identity in tracks.id.tolist():
            seen.setdefault(identity, []).append(index)
    lengths = Counter({identity: len(at) for identity, at in seen.items()})
    return {
        "frames": len(frames),
        "people": sum(lengths.values()),
        "tracks": len(lengths),
        "short_tracks": sum(n < SHORT_TRACK_FRAMES for n in lengths.values()),
        "median_track_frames": statistics.median(lengths.values()) if lengths else 0,
        "gaps": sum(int((np.diff(at) > 1).sum()) for at in seen.values()),
        "switches": sum(switches(a, b) for a, b in pairwise(frames)),
    }


def run(clip: Path, options: dict[str, Any]) -> dict[str, Any]:
    """One clip with one set of options: the traces, and seconds after the networks are loaded and
    warm.
    """
    tracker = PoseTracker(**options)
    next(iter(tracker.track(clip)))
    begin, begin_cpu = time.perf_counter(), time.process_time()
    frames = list(tracker.track(clip))
    wall, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    return {**describe(frames), "cpu_s": round(cpu, 2), "wall_s": round(wall, 2)}


def run_rounds(clip: Path, variants: dict[str, dict[str, Any]], rounds: int) -> dict[str, Any]:
    """All variants of a clip, in turn; of several rounds the median times."""
    results = [
        {name: run(clip, options) for name, options in variants.items()} for _ in range(rounds)
    ]
    merged = results[0]
    for name, result in merged.items():
        for key in ("cpu_s", "wall_s"):
            result[key] = statistics.median(r[name][key] for r in results)
    return merged


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--end", type=float, help="stop each clip at this second")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=sorted(VARIANTS), default=list(VARIANTS))
    args = parser.parse_args()
    shared = {"threads": args.threads, "end": args.end}
    variants = {name: {**VARIANTS[name], **shared} for name in args.only}
    old = json.loads(RESULTS.read_text())["clips"] if RESULTS.exists() else {}
    for clip in args.clips:
        load = os.getloadavg()[0]
        results = run_rounds(clip, variants, args.rounds)
        old[clip.name] = {"end_s": args.end, "load_before": round(load, 1), "variants": results}
        for name, result in results.items():
            print(clip.name, name, *(f"{key}={value}" for key, value in result.items()), flush=True)
        settings = TrackOptions().shaping()
        machine = {"processor": processor_name(), "cores": os.cpu_count(), "threads": args.threads}
        text = json.dumps(
            {"machine": machine, "settings": settings, "variants": VARIANTS, "clips": old}, indent=1
        )
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
