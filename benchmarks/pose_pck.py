"""PCK@0.2 of the torso from given boxes, for any pose checkpoint, on COCO-style labels.

    python benchmarks/pose_pck.py --weights weights/bundled/pose_lite.safetensors \
        coco_val=coco/person_keypoints_val2017.json
        "lspet_last500=lspet/person_keypoints.json[-500:]"

A joint is right within 0.2 x the distance from the left shoulder to the right hip (the other
diagonal where one of them is not labelled; people with neither are left out). The joints that count
are those of the checkpoint's skeleton among the 13 that COCO and PoseTrack share: nose, shoulders,
elbows, wrists, hips, knees and ankles; LSPET has the 12 limb joints of them. Boxes are the labels',
padded by 1.25. All labelled joints count, hidden ones too.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

from posetrack import checkpoints, nets
from posetrack.datasets import read
from posetrack.pose.estimator import PoseEstimator
from posetrack.samples.crops import CropStore
from posetrack.skeletons import COCO_17, canonical_joint
from posetrack.structures import Boxes
from posetrack.training.validation import pck_hits, score_pck
from posetrack.weights import PRESETS

# Larger than any image: the picture is not shrunk before the network's own crop, as in the
# pipeline.
FULL_SIZE_PX = 1e6
THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
TESTS = {
    "none": (),
    "upright": ("upright",),
    "flip": ("flip",),
    "flip+upright": ("flip", "upright"),
}
BATCH = 64  # people given at once, as from a window of frames


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="NAME=SOURCE")
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tests", nargs="+", choices=TESTS, default=list(TESTS))
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "pose_pck.json"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    spec = checkpoints.read_spec(args.weights)
    net = nets.build(spec.net, **spec.net_args)
    net.load_state_dict(checkpoints.read_state(args.weights))
    rows = [
        row for given in args.sets for row in measure(net, spec, *given.split("=", 1), args.tests)
    ]
    machine = f"{platform.machine()}, {args.threads} threads, torch {torch.__version__}"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(
        json.dumps({"weights": args.weights.name, "machine": machine, "rows": rows}, indent=1)
        + "\n"
    )
    json.dump(rows, sys.stdout, indent=1)


def measure(
    net: torch.nn.Module, spec: checkpoints.ModelSpec, name: str, source: str, tests: list[str]
) -> list[dict[str, object]]:
    """One row for each choice of tests."""
    people = read(source).mapped(spec.skeleton).people
    crops = CropStore(people, FULL_SIZE_PX, lambda text: print(text, file=sys.stderr))
    shared = {canonical_joint(j) for j in COCO_17.joints}
    joints = [i for i, j in enumerate(spec.skeleton.joints) if canonical_joint(j) in shared]
    rows = []
    decode = spec.notes.get("decode", "quarter")  # as the pipeline does it
    for chosen in tests:
        on = {f"{test}_test": test in TESTS[chosen] for test in ("flip", "upright")}
        estimator = PoseEstimator(
            net,
            spec.input,
            spec.skeleton,
            device="cpu",
            precision="float32",
            decode=decode,
            runtime="auto",
            **on,
        )
        started = time.perf_counter()
        xy, score = find(estimator, crops)
        seconds = time.perf_counter() - started
        rows.append(
            {
                "set": name,
                "people": len(crops),
                **on,
                "decode": decode,
                "runtime": estimator.runtime,
                "as_in_preset_lite": on
                == {f"{test}_test": getattr(PRESETS["lite"], test) for test in ("flip", "upright")},
                "pck": round(score_pck(xy, crops, spec.skeleton, joints), 2),
                "pck_by_joint": {
                    spec.skeleton.joints[i]: round(score_pck(xy, crops, spec.skeleton, [i]), 1)
                    for i in joints
                    if any(p.flag[i] for p in people)
                },
                "by_score": by_score(
                    pck_hits(xy, crops, spec.skeleton)[:, joints], score[:, joints]
                ),
                "crops_per_s": round(len(crops) / seconds, 1),
            }
        )
    return rows


def find(estimator: PoseEstimator, crops: CropStore) -> tuple[np.ndarray, np.ndarray]:
    """Joints (N, K, 2) in the pixels of the crops and scores (N, K)."""
    poses = []
    for start in range(0, len(crops), BATCH):
        some = [crops[i] for i in range(start, min(start + BATCH, len(crops)))]
        boxes = [Boxes(c.xyxy[None], np.ones(1, np.float32)) for c in some]
        poses += estimator.estimate([c.image for c in some], boxes)
    return np.concatenate([p.xy for p in poses]), np.concatenate([p.score for p in poses])


def by_score(hits: np.ndarray, score: np.ndarray) -> list[dict[str, float]]:
    """What a threshold on the scores does: labelled joints kept, and how many of those are right,
    in percent.
    """
    rows, labelled = [], np.isfinite(hits)
    for threshold in THRESHOLDS:
        kept = labelled & (score >= threshold)
        right = 100 * float(hits[kept].mean()) if kept.any() else float("nan")
        rows.append(
            {
                "min_score": threshold,
                "kept": round(100 * kept.sum() / labelled.sum(), 1),
                "pck": round(right, 1),
            }
        )
    return rows


if __name__ == "__main__":
    main()
