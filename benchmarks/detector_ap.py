"""AP50 and speed of the bundled person detector, by PyTorch and by OpenVINO, beside OpenCV's HOG
people detector.

    python benchmarks/detector_ap.py --labels person_keypoints_val2017.json --images val2017.tar \\
        --weights weights/bundled/detector_lite.safetensors --out benchmarks/results/detector.json

Label files of keypoints leave people without keypoints out: a box on such a person counts as false
here, for every detector alike, so the figures are lower bounds. People under 40 pixels of height,
and unmatched boxes as small, do not count. Speed is of whole calls (640x360 image in, boxes out,
suppression included): median of 30 after 5 to warm up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from machine import processor_name

from posetrack.checkpoints import read_spec, read_state
from posetrack.detect.bundled import BundledDetector
from posetrack.detect.detectors import Detector, HogDetector
from posetrack.geometry import iou_matrix
from posetrack.nets import build
from posetrack.samples.boxes import BoxImage, read_box_images
from posetrack.structures import Boxes

MIN_HEIGHT = 40  # pixels
MATCH_IOU = 0.5
SPEED_WH = (640, 360)


def match(truth: np.ndarray, found: Boxes, min_height: float) -> list[tuple[float, bool]]:
    """(score, right) of the boxes of one image that count, matched greedily, best first, as COCO's
    evaluation does.
    """
    tall = (truth[:, 3] - truth[:, 1]) >= min_height
    overlap = iou_matrix(found.xyxy, truth)
    free = np.ones(len(truth), bool)
    counted = []
    for i in np.argsort(-found.score, kind="stable"):
        fits = np.flatnonzero(free & (overlap[i] >= MATCH_IOU))
        if len(fits):  # people that count go before those that do not
            best = max(fits, key=lambda j: (tall[j], overlap[i, j]))
            free[best] = False
            if tall[best]:
                counted.append((float(found.score[i]), True))
        elif found.wh[i, 1] >= min_height:
            counted.append((float(found.score[i]), False))
    return counted


def average_precision(counted: Sequence[tuple[float, bool]], people: int) -> dict[str, float]:
    """AP (COCO's 101 recall points, in percent) and the best F1 with its threshold."""
    order = sorted(counted, key=lambda c: -c[0])
    right = np.cumsum([c[1] for c in order]) if order else np.zeros(1)
    precision, recall = right / np.arange(1, len(right) + 1), right / people
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    ap = float(np.mean([envelope[i] if i < len(envelope) else 0.0 for i in at]))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax())
    score = order[best][0] if order else 0.0
    return {
        "AP50": 100 * ap,
        "recall": 100 * float(recall[-1]),
        "best_F1": 100 * float(f1[best]),
        "at_score": score,
    }


def evaluate(detector: Detector, items: Sequence[BoxImage], min_height: float) -> dict[str, float]:
    """AP50 of ``detector`` on labelled images."""
    counted, people = [], 0
    for item in items:
        people += int(((item.boxes[:, 3] - item.boxes[:, 1]) >= min_height).sum())
        counted += match(item.boxes, detector.detect([item.image])[0], min_height)
    return {**average_precision(counted, people), "people": people, "images": len(items)}


def milliseconds(call: Callable[[], Any], repeats: int = 30, warm_up: int = 5) -> dict[str, float]:
    """Median and spread of ``call``, and the processor time it took (of all threads: busy
    or not).
    """
    times, busy = [], []
    for i in range(warm_up + repeats):
        start, start_busy = time.perf_counter(), time.process_time()
        call()
        if i >= warm_up:
            times.append(1000 * (time.perf_counter() - start))
            busy.append(1000 * (time.process_time() - start_busy))
    median = statistics.median(times)
    spread = {
        "fastest_ms": min(times),
        "slowest_ms": max(times),
        "processor_ms": statistics.median(busy),
    }
    return {"ms": median, **spread, "frames_per_s": 1000 / median}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    threads, load = torch.get_num_threads(), os.getloadavg()[0]
    return {"processor": processor_name(), "threads": threads, "load": load}


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", required=True, type=Path)
    parser.add_argument(
        "--images", required=True, type=Path, nargs="+", help="folders or tar files"
    )
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument(
        "--long-side", type=int, nargs="*", default=[], help="other input sizes to measure as well"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip-hog", action="store_true")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    items = read_box_images(args.labels, args.images, complete=False)
    spec, state = read_spec(args.weights), read_state(args.weights)
    detectors: dict[str, Detector] = {}
    for side in (None, *args.long_side):
        net = build(spec.net, **spec.net_args)
        net.load_state_dict(state)
        kinds = {"PyTorch": ("torch", None), "OpenVINO": ("openvino", None)}
        kinds["OpenVINO, INT8"] = ("openvino", spec.notes.get("int8"))
        for words, (runtime, int8) in kinds.items():
            name = "bundled" if side is None else f"bundled at {side}"
            detectors[f"{name}, {words}"] = BundledDetector(
                net, spec, device="cpu", long_side=side, runtime=runtime, int8=int8
            )
    if not args.skip_hog:
        detectors["opencv hog"] = HogDetector()
    rows = {}
    picture = cv2.resize(items[0].image, SPEED_WH)
    for name, detector in detectors.items():
        speed = milliseconds(lambda detector=detector: detector.detect([picture]))  # type: ignore[misc]
        rows[name] = {**evaluate(detector, items, MIN_HEIGHT), "speed_640x360": speed}
        print(name, json.dumps(rows[name]), flush=True)
    if args.out:
        result = {
            "what": __doc__.splitlines()[0],
            "min_height_px": MIN_HEIGHT,
            "iou": MATCH_IOU,
            "machine": machine(),
            "detectors": rows,
        }
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
