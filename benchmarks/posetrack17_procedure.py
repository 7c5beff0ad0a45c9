"""The procedure of PoseTrack 2017 on drawn sequences: fine-tune by the recipe ``posetrack17``,
track, score; mAP before dropping weak joints and MOTA after it, before and after the fine-tune.

    python benchmarks/posetrack17_procedure.py OUT --init pose_lite [--size 288x384] [--results
    benchmarks/results/posetrack17_procedure.json]

The three steps are ``posetrack train``, and twice ``posetrack eval posetrack --model
--sweep-joint-threshold``, as library calls. Sequences of training and test differ in seed, so in
people, clothes, motion, camera and background. Only the pose network changes. mAP and MOTA are of
one prediction file: mAP of all joints, MOTA at the threshold that is best for it.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch

from posetrack import ModelRun, evaluate_posetrack, train
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset

SIZE_WH, PEOPLE = (480, 270), 3
TRAIN_SEED, TEST_SEED = 1000, 2000
TRAIN_FPS, TEST_FPS = 5.0, 25.0  # few frames a second for training: neighbours teach the same


def tell(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def draw(out: Path, split: str, seed: int, sequences: int, frames: int, fps: float) -> Path:
    """Draw a split; returns the folder of its label files."""
    drawn = (
        draw_sequence(seed + i, frames=frames, size_wh=SIZE_WH, people=PEOPLE, fps=fps)
        for i in range(sequences)
    )
    return write_posetrack_dataset(out, drawn, "2017", split)[0].parent


def score(weights: str, truth: Path, data: Path, out: Path) -> dict[str, dict[str, float]]:
    """mAP before and MOTA after dropping on the test sequences, from the detector's boxes and from
    the labelled ones.
    """
    found = {}
    for boxes in ("detector", "truth"):
        run = ModelRun(weights, images=data, boxes=boxes, force=True, options={"device": "cpu"})
        scores = evaluate_posetrack(truth, out / boxes, run, metrics=("ap", "mot"), sweep=True)
        sweep = scores.scored.sweep
        assert sweep is not None
        found[boxes] = {
            "map_before_dropping": round(sweep.points[0].map, 2),
            "mota_after_dropping": round(sweep.best.mota, 2),
            "map_after_dropping": round(sweep.best.map, 2),
            "threshold": sweep.best.threshold or 0.0,
            "mota_before_dropping": round(sweep.points[0].mota, 2),
        }
        tell(f"{weights}, boxes from {boxes}: {found[boxes]}")
    return found


def main() -> None:
    """Draw, score, train, score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--init", required=True, help="a name of posetrack weights, or a file")
    parser.add_argument("--size", help="input of the network, WxH [the recipe's own]")
    parser.add_argument(
        "--sequences", type=int, nargs=2, default=(16, 4), help="for training, for the test"
    )
    parser.add_argument("--frames", type=int, nargs=2, default=(10, 50))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    labels = draw(args.out, "train", TRAIN_SEED, args.sequences[0], args.frames[0], TRAIN_FPS)
    truth = draw(args.out, "val", TEST_SEED, args.sequences[1], args.frames[1], TEST_FPS)
    before = score(args.init, truth, args.out, args.out / "before")
    changes: dict[str, Any] = {"epochs": args.epochs, "batch_size": args.batch_size}
    if args.size:
        changes["size_wh"] = [int(side) for side in args.size.split("x")]
    began = time.monotonic()
    train(
        [labels],
        args.out / "run",
        recipe="posetrack17",
        changes=changes,
        init=args.init,
        device="cpu",
        threads=args.threads,
        report=tell,
        warn=tell,
    )
    seconds = round(time.monotonic() - began)
    tuned = args.out / "run" / "last.safetensors"
    after = score(str(tuned), truth, args.out, args.out / "after")
    result = {
        "recipe": json.loads((args.out / "run" / "recipe.json").read_text()),
        "init": args.init,
        "sequences": list(args.sequences),
        "frames": list(args.frames),
        "machine": f"{platform.processor() or platform.machine()}, {args.threads} thread",
        "seconds": seconds,
        "before": before,
        "after": after,
    }
    if args.results:
        args.results.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
