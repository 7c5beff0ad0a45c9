"""PCK@0.2 of the torso from given boxes, for any pose checkpoint, on COCO-style labels.

    python benchmarks/pose_pck.py --weights weights/bundled/pose_lite.safetensors \
        coco_val=coco/person_keypoints_val2017.json
        "lspet_last500=lspet/person_keypoints.json[-500:]"

A joint is right within 0.2 x the distance from the left shoulder to the right hip (the other
diagonal where one of them is not labelled; people with neither are left out). The joints that count
are those of the checkpoint's skeleton among the 13 that COCO and PoseTrack share: nose, shoulders,
elbows, wrists, hips, knees and ankles; LSPET has the 12 limb joints of them. Boxes are the labels',
padded by 1.25. All labelled joints count, hidden ones too.

``--calibrate NAME ...`` also fits, over those sets together and as the preset runs, the logistic
curve that makes a joint's score the chance that it is right, and says for every tenth of scores how
many are, before and after.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

from posetrack import checkpoints, nets
from posetrack.datasets import read
from posetrack.inference.devices import PRECISIONS
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
    parser.add_argument(
        "--precision", default="auto", choices=PRECISIONS, help="auto: as posetrack track runs it"
    )
    parser.add_argument(
        "--calibrate",
        nargs="+",
        default=[],
        metavar="NAME",
        help="sets to fit a curve of scores on",
    )
    parser.add_argument(
        "--note", action="store_true", help="write that curve into the notes of the weights"
    )
    parser.add_argument("--tests", nargs="+", choices=TESTS, default=list(TESTS))
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "pose_pck.json"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    spec = checkpoints.read_spec(args.weights)
    net = nets.build(spec.net, **spec.net_args)
    net.load_state_dict(checkpoints.read_state(args.weights))
    rows, judged = [], {}
    for given in args.sets:
        name, source = given.split("=", 1)
        found, judged[name] = measure(net, spec, name, source, args.tests, args.precision)
        rows += found
    table = {"weights": args.weights.name, "machine": "", "rows": rows}
    if args.calibrate:
        table["calibration"] = calibration(judged, args.calibrate)
        if args.note:
            note(args.weights, table["calibration"])
    table["machine"] = f"{platform.machine()}, {args.threads} threads, torch {torch.__version__}"
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(table, indent=1) + "\n")
    json.dump(rows, sys.stdout, indent=1)


def measure(
    net: torch.nn.Module,
    spec: checkpoints.ModelSpec,
    name: str,
    source: str,
    tests: list[str],
    precision: str,
) -> tuple[list[dict[str, object]], tuple[np.ndarray, np.ndarray]]:
    """One row for each choice of tests; whether joints are right (0, 1, NaN) and their scores as
    the preset runs.
    """
    people = read(source).mapped(spec.skeleton).people
    crops = CropStore(people, FULL_SIZE_PX, lambda text: print(text, file=sys.stderr))
    shared = {canonical_joint(j) for j in COCO_17.joints}
    joints = [i for i, j in enumerate(spec.skeleton.joints) if canonical_joint(j) in shared]
    rows = []
    judged = np.empty(0), np.empty(0)
    decode = spec.notes.get("decode", "quarter")  # as the pipeline does it
    for chosen in tests:
        on = {f"{test}_test": test in TESTS[chosen] for test in ("flip", "upright")}
        estimator = PoseEstimator(
            net,
            spec.input,
            spec.skeleton,
            device="cpu",
            precision=precision,
            decode=decode,
            runtime="auto",
            int8=spec.notes.get("int8"),
            **on,
        )
        started = time.perf_counter()
        xy, score = find(estimator, crops)
        seconds = time.perf_counter() - started
        preset = on == {
            f"{test}_test": getattr(PRESETS["lite"], test) for test in ("flip", "upright")
        }
        hits = pck_hits(xy, crops, spec.skeleton)[:, joints]
        if preset:
            judged = hits, score[:, joints]
        rows.append(
            {
                "set": name,
                "people": len(crops),
                **on,
                "decode": decode,
                "runtime": estimator.runtime,
                "precision": estimator.precision,
                "as_in_preset_lite": preset,
                "pck": round(score_pck(xy, crops, spec.skeleton, joints), 2),
                "pck_by_joint": {
                    spec.skeleton.joints[i]: round(score_pck(xy, crops, spec.skeleton, [i]), 1)
                    for i in joints
                    if any(p.flag[i] for p in people)
                },
                "by_score": by_score(hits, score[:, joints]),
                "crops_per_s": round(len(crops) / seconds, 1),
            }
        )
    return rows, judged


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


def calibration(
    judged: dict[str, tuple[np.ndarray, np.ndarray]], names: list[str]
) -> dict[str, object]:
    """The curve 1 / (1 + exp(-(a + b score))) over the sets ``names``, and what it makes of every
    set.
    """
    hits, score = (np.concatenate([judged[name][i].ravel() for name in names]) for i in (0, 1))
    labelled = np.isfinite(hits)

    def loss(curve: np.ndarray) -> float:
        logit = curve[0] + curve[1] * score[labelled]
        return float(np.mean(np.logaddexp(0, logit) - hits[labelled] * logit))

    a, b = minimize(loss, np.array([-1.0, 5.0])).x
    return {
        "fitted_on": names,
        "a": round(float(a), 3),
        "b": round(float(b), 3),
        "sets": {name: reliability(*of, a, b) for name, of in judged.items()},
    }


def note(weights: Path, curve: dict[str, Any]) -> None:
    """Write the curve into the checkpoint: ``posetrack track`` then writes scores by it."""
    spec, state = checkpoints.read_spec(weights), checkpoints.read_state(weights)
    notes = {**spec.notes, "calibration": {key: curve[key] for key in ("a", "b", "fitted_on")}}
    checkpoints.save(weights, state, replace(spec, notes=notes))


def reliability(hits: np.ndarray, score: np.ndarray, a: float, b: float) -> dict[str, object]:
    """For tenths of scores how many joints are right, in percent, and the mean gap of the two,
    before and after.
    """
    labelled = np.isfinite(hits)
    result: dict[str, object] = {}
    for name, value in {
        "before": score[labelled],
        "after": 1 / (1 + np.exp(-a - b * score[labelled])),
    }.items():
        tenth = np.clip((10 * value).astype(int), 0, 9)
        groups = [(t, tenth == t) for t in np.unique(tenth).tolist()]
        right = hits[labelled]
        result[name] = {
            "gap": round(
                100 * sum(m.mean() * abs(right[m].mean() - value[m].mean()) for _, m in groups), 1
            ),
            "tenths": [
                {"from": t / 10, "joints": int(m.sum()), "right": round(100 * right[m].mean(), 1)}
                for t, m in groups
            ],
        }
    return result


if __name__ == "__main__":
    main()
