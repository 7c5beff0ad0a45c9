"""What a frame costs with each preset: processor time of the detector, and of the pose network per
person.

    python benchmarks/presets_cost.py [--runs 3]

Weights that must be downloaded are replaced by random numbers: they cost the same, but say nothing
of quality, so this is about time alone. The detectors see a 640x360 picture, the pose networks
batches of eight people; flip test and precision are the preset's. Writes
benchmarks/results/presets.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision

from posetrack import nets
from posetrack.detect.detectors import Detector, TorchvisionDetector
from posetrack.drawn.clip import draw_sequence
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import SKELETONS
from posetrack.structures import Boxes, Image, InputSpec
from posetrack.weights import PRESETS, entries, load_detector, load_pose

RESULTS = Path(__file__).parent / "results" / "presets.json"
SIZE_WH = (640, 360)
PEOPLE = 8


def processor_s(work: Callable[[], object], runs: int) -> float:
    """Seconds of the processor, the median of some runs after one to warm up."""
    work()
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def detector(name: str) -> Detector:
    """The detector of a preset, with random weights where they are not bundled."""
    if name == "bundled":
        return load_detector(name, "cpu", runtime="auto")
    net = torchvision.models.get_model(name, weights=None, weights_backbone=None)
    return TorchvisionDetector(name, net.state_dict())


def detector_ms(name: str, images: list[Image], runs: int) -> float:
    """Processor milliseconds of an image."""
    found = detector(name)
    return 1000 * processor_s(lambda: found.detect(images), runs) / len(images)


def pose_ms(preset: str, image: Image, runs: int) -> float:
    """Processor milliseconds of a person."""
    entry, how, int8 = entries()[PRESETS[preset].weights], PRESETS[preset], None
    if entry.bundled:
        net, spec = load_pose(entry.name)
        given, skeleton, int8 = spec.input, spec.skeleton, spec.notes.get("int8")
    else:
        skeleton = SKELETONS[entry.skeleton]
        net, given = nets.build(entry.net, joints=len(skeleton)).eval(), InputSpec(entry.input)
    estimator = PoseEstimator(
        net,
        given,
        skeleton,
        device="cpu",
        flip_test=how.flip,
        decode=how.decode,
        runtime="auto",
        int8=int8,
    )
    height, width = image.shape[:2]
    box = np.array([0.3 * width, 0.1 * height, 0.5 * width, 0.9 * height], np.float32)
    boxes = Boxes(np.tile(box, (PEOPLE, 1)), np.ones(PEOPLE, np.float32))
    return 1000 * processor_s(lambda: estimator.estimate([image], [boxes]), runs) / PEOPLE


def main() -> None:
    """Measure all presets and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    drawn = draw_sequence(1, frames=4, size_wh=SIZE_WH, people=3)
    images = [np.asarray(image) for image in drawn.images]
    rows: dict[str, Any] = {}
    for name, preset in PRESETS.items():
        rows[name] = {
            "detector": preset.detector,
            "weights": preset.weights,
            "detector_ms": round(detector_ms(preset.detector, images, args.runs), 1),
            "pose_ms_per_person": round(pose_ms(name, images[0], args.runs), 1),
        }
        print(name, rows[name], flush=True)
    machine = f"{platform.machine()}, 1 thread, processor time, float32, torch {torch.__version__}"
    RESULTS.write_text(
        json.dumps({"machine": machine, "frame_wh": list(SIZE_WH), "presets": rows}, indent=1)
        + "\n"
    )


if __name__ == "__main__":
    main()
