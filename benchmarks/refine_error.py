"""What each way of refining does to error and jitter, on drawn clips with exact ground truth.

    python benchmarks/refine_error.py [--frames 90] [--clips 4]

Clips of three people who walk, run, dance or wave are drawn, tracked with the bundled networks, and
refined in several ways. Errors are distances to the true joints in per cent of the person's size
(the longer side of the true box), over joints that are there in both; jitter is the mean
acceleration, persons' sizes / s^2, beside that of the truth over the same joints; found is the
share of the true joints that have a place. Filled joints are among them: they are the hard ones, so
the mean over more joints may be higher. Writes benchmarks/results/refine_error.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack import PoseTracker
from posetrack.drawn.clip import draw_sequence
from posetrack.refining.refine import SMOOTHINGS, RefineOptions, refine
from posetrack.structures import FrameLabels, Sequence

RESULTS = Path(__file__).parent / "results" / "refine_error.json"
FPS, SIZE_WH, PEOPLE = 25.0, (640, 360), 3
CLIPS = (  # seed, plot, camera, motions
    (11, "lanes", "still", ("walk",)),
    (12, "crossing", "pan", ("walk", "run")),
    (13, "crossing", "still", ("walk",)),
    (14, "lanes", "shake", ("dance", "wave")),
)
MAX_DISTANCE = 0.3  # of a person's size, on average, between people who are the same

WAYS: dict[str, RefineOptions | None] = {
    "as tracked": None,
    "sides alone": RefineOptions(0, outliers=False, smooth="none"),
    "outliers alone": RefineOptions(0, sides=False, smooth="none"),
    "gaps alone": RefineOptions(outliers=False, sides=False, smooth="none"),
    **{f"all, {name}": RefineOptions(smooth=name) for name in SMOOTHINGS},
}


def clip(settings: tuple[Any, ...], frames: int, tracker: PoseTracker) -> tuple[Sequence, Sequence]:
    """A drawn clip tracked, and its truth."""
    seed, plot, camera, motions = settings
    drawn = draw_sequence(
        seed,
        frames=frames,
        size_wh=SIZE_WH,
        people=PEOPLE,
        fps=FPS,
        plot=plot,
        camera=camera,
        motions=motions,
    )
    found = [FrameLabels(f.index, f.time_s, tracks) for f, tracks in tracker.follow(drawn.frames)]
    skeleton = drawn.labels.skeleton
    tracked = Sequence(drawn.name, SIZE_WH, FPS, skeleton, tuple(found))
    truth = Sequence(drawn.name, SIZE_WH, FPS, skeleton, tuple(drawn.labels.frames))
    return tracked, truth


Pair = tuple[np.ndarray, np.ndarray]


def pairs(tracked: Iterable[FrameLabels], truth: Iterable[FrameLabels]) -> dict[Any, Pair]:
    """Places of people who are the same, found and true, in persons' sizes, by (true identity,
    identity, frame).
    """
    found: dict[Any, Pair] = {}
    for mine, true in zip(tracked, truth, strict=True):
        a, b = mine.tracks.poses, true.tracks.poses
        if not len(a) or not len(b):
            continue
        size = np.maximum(b.boxes.wh.max(axis=1), 1)
        away = np.linalg.norm(a.xy[:, None] - b.xy[None], axis=-1) / size[:, None]
        known = np.isfinite(away)
        mean = np.where(known, away, 0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)
        mean[~known.any(axis=2)] = np.inf
        for i, j in zip(*linear_sum_assignment(np.minimum(mean, 1e3)), strict=True):
            if mean[i, j] <= MAX_DISTANCE:
                key = int(true.tracks.id[j]), int(mine.tracks.id[i]), mine.index
                found[key] = a.xy[i] / size[j], b.xy[j] / size[j]
    return found


def scores(tracked: Iterable[FrameLabels], truth: tuple[FrameLabels, ...]) -> dict[str, float]:
    """Error, its 95th percentile, jitter, the truth's, and the share of joints found."""
    same = pairs(tracked, truth)
    away = np.concatenate([np.linalg.norm(a - b, axis=1) for a, b in same.values()])
    away = away[np.isfinite(away)]
    jitter: list[np.ndarray] = []
    for who, me, t in same:
        three = [same.get((who, me, t + d)) for d in (-1, 0, 1)]
        if all(three):
            bent = [
                np.linalg.norm(x[0] - 2 * x[1] + x[2], axis=1) * FPS**2
                for x in zip(*three, strict=True)
            ]
            known = np.isfinite(bent[0]) & np.isfinite(bent[1])
            jitter.append(np.stack(bent)[:, known])
    mine, true = np.concatenate(jitter, axis=1).mean(axis=1)
    there = sum(int(f.tracks.poses.present.sum()) for f in truth)
    return {
        "error": 100 * float(away.mean()),
        "error_95": 100 * float(np.percentile(away, 95)),
        "jitter": float(mine),
        "jitter_of_truth": float(true),
        "found": 100 * len(away) / there,
    }


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--clips", type=int, default=len(CLIPS))
    arguments = parser.parse_args()
    tracker = PoseTracker(threads=1)
    clips = [clip(c, arguments.frames, tracker) for c in CLIPS[: arguments.clips]]
    table, seconds = {}, {}
    for way, options in WAYS.items():
        start = time.process_time()
        done = [refine(mine, options).sequence if options else mine for mine, _ in clips]
        seconds[way] = time.process_time() - start
        rows = [
            scores(mine.frames, tuple(true.frames))
            for mine, (_, true) in zip(done, clips, strict=True)
        ]
        table[way] = {key: round(float(np.mean([r[key] for r in rows])), 2) for key in rows[0]}
        print(f"{way:20}", *(f"{key} {value:6.2f}" for key, value in table[way].items()))
    result = {
        "clips": [(*c[:3], " ".join(c[3])) for c in CLIPS[: arguments.clips]],
        "frames": arguments.frames,
        "size_wh": SIZE_WH,
        "people": PEOPLE,
        "tracker": "lite",
        "machine": platform.processor() or platform.machine(),
        "means_over_clips": table,
        "processor_seconds": {way: round(s, 2) for way, s in seconds.items()},
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
