"""Boxes alone on a clip with true boxes (PETS2009 S2.L1): recall at IoU 0.5 and false boxes a
frame, at several thresholds.

    python benchmarks/detector_pets.py CLIP gt.txt --found nanodet=boxes_nanodet.json

``gt.txt`` is in MOTChallenge's layout, from the first to the last frame of CLIP; ``--found`` adds
boxes of other detectors (COCO results, ``image_id`` is the frame from 0), named as given.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import processor_name

from posetrack.formats.boxes import read_boxes
from posetrack.formats.mot import MotTable, read_mot
from posetrack.geometry import iou_matrix
from posetrack.matching import greedy_match
from posetrack.structures import Boxes
from posetrack.video.open import open_source
from posetrack.weights import load_detector

RESULTS = Path(__file__).parent / "results" / "detector_pets.json"
THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
MATCH_IOU = 0.5


def main() -> None:
    """Detect, count, write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--detector", default="bundled", help="a name or a file")
    parser.add_argument("--found", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    truth = read_mot(args.truth)
    detector = load_detector(args.detector, runtime="auto", min_score=min(THRESHOLDS))
    with open_source(str(args.clip)) as video:
        frames = [detector.detect([frame.image])[0] for frame in video]
    detectors = {args.detector: counted(frames, truth)}
    for name, _, file in (text.partition("=") for text in args.found):
        boxes = read_boxes(file)
        there = [boxes.get(index, Boxes.empty()) for index in range(len(frames))]
        detectors[name] = counted(there, truth)
    made = {"clip": args.clip.name, "frames": len(frames), "processor": processor_name()}
    args.out.write_text(json.dumps({**made, "detectors": detectors}, indent=1) + "\n", "utf-8")
    print(json.dumps(detectors, indent=1))


def counted(frames: Sequence[Boxes], truth: MotTable) -> dict[str, Any]:
    """Recall in percent and false boxes a frame by threshold."""
    table = {}
    for least in THRESHOLDS:
        right = total = people = 0
        for index, boxes in enumerate(frames):
            kept = boxes[np.flatnonzero(boxes.score >= least)]
            true = truth.xyxy[truth.frame == index].astype(np.float32)
            right += len(greedy_match(iou_matrix(kept.xyxy, true), MATCH_IOU))
            total, people = total + len(kept), people + len(true)
        false = (total - right) / len(frames)
        table[str(least)] = {
            "recall": round(100 * right / people, 1),
            "false_a_frame": round(false, 2),
        }
    return table


if __name__ == "__main__":
    main()
