"""Whether planted exchanges of left and right are found, on drawn people who walk or run.

    python benchmarks/refine_sides.py [--clips 6] [--frames 100]

The true joints get noise (0.6 % of the person's size), then left and right of legs or arms are
exchanged over stretches of one to twelve frames, at random. Scores are over joints whose two sides
are apart by 4 % of the person's size or more (nearer than that sides mean nothing): mended is the
share of exchanged ones that are back on their side, harmed the share of all others that are not any
more. The knee's error is in degrees, against the true joints, in frames where the legs were
exchanged, as it is and with ``refine`` in whole; clean clips must stay as they are. Writes
benchmarks/results/refine_sides.json.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import processor_name

from posetrack.drawn.clip import draw_sequence
from posetrack.refining.refine import RefineOptions, refine_series
from posetrack.refining.series import Series, series_of
from posetrack.refining.sides import PARTS, mend_sides
from posetrack.structures import Skeleton
from posetrack.track_table import table_of

RESULTS = Path(__file__).parent / "results" / "refine_sides.json"
SIZE_WH, PEOPLE, FPS = (640, 360), 3, 25.0
NOISE, APART = 0.006, 0.04  # of the person's size
LENGTHS = (1, 2, 4, 8, 12)  # frames of a stretch
EVERY = 30  # frames between the begins of stretches


def pairs_of(skeleton: Skeleton, part: str) -> np.ndarray:
    """The pairs of joints (P, 2) of a part of the body."""
    words = PARTS[part]
    return np.array(
        [p for p in skeleton.flip_pairs if skeleton.joints[p[0]].split("_", 1)[1] in words]
    )


def planted(
    s: Series, skeleton: Skeleton, part: str, length: int, rng: np.random.Generator
) -> tuple[Series, np.ndarray]:
    """A noisy series with exchanges, and in which frames (T,)."""
    wrong = np.zeros(len(s.frame), bool)
    for start in range(5, len(wrong) - length - 2, EVERY):
        begin = start + int(rng.integers(0, EVERY - length - 2))
        wrong[begin : begin + length] = True
    wrong[-3:] = False
    xy = s.xy + rng.normal(0, NOISE * s.size, s.xy.shape)
    for a, b in pairs_of(skeleton, part):
        xy[np.ix_(wrong, [a, b])] = xy[np.ix_(wrong, [b, a])]
    return replace(s, xy=xy), wrong


def knee_error(s: Series, true: Series, skeleton: Skeleton, rows: np.ndarray) -> np.ndarray:
    """Absolute errors of both knees in some frames, degrees."""
    found = []
    for side in ("left", "right"):
        joints = [skeleton.joints.index(f"{side}_{name}") for name in ("hip", "knee", "ankle")]
        turn = [bend(x.xy[:, joints]) for x in (s, true)]
        away = np.abs((turn[0] - turn[1] + 180) % 360 - 180)[rows]
        found.append(away[np.isfinite(away)])
    return np.concatenate(found)


def bend(xy: np.ndarray) -> np.ndarray:
    """The angle at the middle of three joints (T, 3, 2), degrees with a sign, (T,)."""
    up, down = np.moveaxis(xy[:, 0] - xy[:, 1], -1, 0), np.moveaxis(xy[:, 2] - xy[:, 1], -1, 0)
    return np.degrees(np.arctan2(up[0] * down[1] - up[1] * down[0], (up * down).sum(axis=0)))


def score(people: list[Series], skeleton: Skeleton, part: str, length: int) -> dict[str, Any]:
    """The figures of one part and length of stretches, over all people."""
    rng = np.random.default_rng(length)
    counts = np.zeros(4, np.int64)  # exchanged, of them mended, others, of them harmed
    knees: list[list[np.ndarray]] = [[], []]
    for true in people:
        faulty, wrong = planted(true, skeleton, part, length, rng)
        mended = mend_sides(faulty, skeleton)
        pairs = pairs_of(skeleton, part)
        gap = np.linalg.norm(true.xy[:, pairs[:, 0]] - true.xy[:, pairs[:, 1]], axis=2)
        told = gap >= APART * true.size
        turned = (mended.xy[:, pairs[:, 0]] != faulty.xy[:, pairs[:, 0]]).any(axis=2)
        bad, good = told & wrong[:, None], told & ~wrong[:, None]
        counts += [bad.sum(), (bad & turned).sum(), good.sum(), (good & turned).sum()]
        if part == "legs":
            whole = refine_series(faulty, skeleton, RefineOptions())
            for held, s in zip(knees, (faulty, whole), strict=True):
                held.append(knee_error(s, true, skeleton, wrong))
    result: dict[str, Any] = {
        "exchanged": int(counts[0]),
        "mended_percent": round(100 * counts[1] / counts[0], 1),
        "harmed_percent": round(100 * counts[3] / counts[2], 2),
    }
    if part == "legs":
        before, after = (float(np.concatenate(held).mean()) for held in knees)
        result |= {"knee_error_deg": round(before, 1), "knee_error_refined_deg": round(after, 1)}
    return result


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=100)
    arguments = parser.parse_args()
    people: list[Series] = []
    for seed in range(arguments.clips):
        clip = draw_sequence(
            40 + seed,
            frames=arguments.frames,
            size_wh=SIZE_WH,
            people=PEOPLE,
            fps=FPS,
            camera="still",
            motions=("walk", "run"),
        )
        skeleton = clip.labels.skeleton
        people += series_of(table_of(clip.labels.frames, skeleton))
    clean = sum(bool((mend_sides(s, skeleton).xy != s.xy)[s.present].any()) for s in people)
    table = {
        f"{part}, {length} frames": score(people, skeleton, part, length)
        for part in ("legs", "arms")
        for length in LENGTHS
    }
    for name, row in table.items():
        print(f"{name:16}", row)
    print(f"clean people changed: {clean} of {len(people)}")
    result = {
        "clips": arguments.clips,
        "frames": arguments.frames,
        "fps": FPS,
        "people": len(people),
        "machine": processor_name(),
        "clean_people_changed": clean,
        "planted": table,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
