"""PCK@0.2 of the torso from given boxes, for any pose checkpoint, on COCO-style labels.

    python benchmarks/pose_pck.py --weights weights/bundled/pose_lite.safetensors \
        coco_val=coco/person_keypoints_val2017.json "lspet_last500=lspet/person_keypoints.json[-500:]"

A joint is right within 0.2 x the distance from the left shoulder to the right hip (the other diagonal where one of
them is not labelled; people with neither are left out). The joints that count are those of the checkpoint's skeleton
among the 13 that COCO and PoseTrack share: nose, shoulders, elbows, wrists, hips, knees and ankles; LSPET has the
12 limb joints of them. Boxes are the labels', padded by 1.25. All labelled joints count, hidden ones too.
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
from posetrack.datasets.crops import CropStore
from posetrack.skeletons import COCO_17, canonical_joint
from posetrack.training_validation import pck_hits, predict, score_pck

# Larger than any image: the picture is not shrunk before the network's own crop, as in the pipeline.
FULL_SIZE_PX = 1e6
DECODE = "quarter"  # the pipeline's default
THRESHOLDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=SOURCE")
    parser.add_argument("--weights", required=True, type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "pose_pck.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    spec = checkpoints.read_spec(args.weights)
    net = nets.build(spec.net, **spec.net_args)
    net.load_state_dict(checkpoints.read_state(args.weights))
    net.to(memory_format=torch.channels_last)
    rows = [row for given in args.sets for row in measure(net, spec, *given.split("=", 1))]
    machine = f"{platform.machine()}, {args.threads} threads, torch {torch.__version__}"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({"weights": args.weights.name, "machine": machine, "rows": rows}, indent=1) + "\n")
    json.dump(rows, sys.stdout, indent=1)


def measure(net: torch.nn.Module, spec: checkpoints.ModelSpec, name: str, source: str) -> list[dict[str, object]]:
    """One row without and one with the flip test."""
    people = read(source).mapped(spec.skeleton).people
    crops = CropStore(people, FULL_SIZE_PX, lambda text: print(text, file=sys.stderr))
    shared = {canonical_joint(j) for j in COCO_17.joints}
    joints = [i for i, j in enumerate(spec.skeleton.joints) if canonical_joint(j) in shared]
    rows = []
    for flip in (False, True):
        started = time.perf_counter()
        xy, score = predict(net, crops, spec.input, spec.skeleton, flip=flip, method=DECODE)
        seconds = time.perf_counter() - started
        rows.append(
            {
                "set": name,
                "people": len(crops),
                "flip_test": flip,
                "pck": round(score_pck(xy, crops, spec.skeleton, joints), 2),
                "pck_by_joint": {
                    spec.skeleton.joints[i]: round(score_pck(xy, crops, spec.skeleton, [i]), 1)
                    for i in joints
                    if any(p.flag[i] for p in people)
                },
                "by_score": by_score(pck_hits(xy, crops, spec.skeleton)[:, joints], score[:, joints]),
                "crops_per_s": round(len(crops) / seconds, 1),
            }
        )
    return rows


def by_score(hits: np.ndarray, score: np.ndarray) -> list[dict[str, float]]:
    """What a threshold on the scores does: labelled joints kept, and how many of those are right, in percent."""
    rows, labelled = [], np.isfinite(hits)
    for threshold in THRESHOLDS:
        kept = labelled & (score >= threshold)
        right = 100 * float(hits[kept].mean()) if kept.any() else float("nan")
        rows.append(
            {"min_score": threshold, "kept": round(100 * kept.sum() / labelled.sum(), 1), "pck": round(right, 1)}
        )
    return rows


if __name__ == "__main__":
    main()
