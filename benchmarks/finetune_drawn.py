"""Fine-tune on drawn sequences in the layout of PoseTrack 2017, the recipe ``posetrack17``: mAP and
MOTA before, after.

    python benchmarks/finetune_drawn.py OUT --init CHECKPOINT [--results
    benchmarks/results/finetune_drawn.json]

Sequences of training and test differ in seed, so in people, clothes, motion, camera and background.
The test sequences are tracked as ``posetrack track`` does it (bundled detector, flow, OKS
matching); only the pose network changes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from posetrack import OutputOptions, PoseTracker, checkpoints
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.evaluation.report import report_json
from posetrack.evaluation.run import score_files
from posetrack.formats.table import JOINTS
from posetrack.metrics.protocols import POSEVAL
from posetrack.training.loop import learn_poses
from posetrack.training.override import changed, to_json
from posetrack.training.recipes import RECIPES
from posetrack.training.setup import follow, load_data, pick_skeleton, read_sets
from posetrack.training.start import load_weights

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


def score(weights: Path, data: Path, truth: Path, out: Path) -> dict[str, Any]:
    """mAP and MOTA of the test sequences, from the bundled detector's boxes and from the labelled
    ones.
    """
    return {
        "detector": score_boxes(weights, data, truth, out / "detector", labelled=False),
        "labelled": score_boxes(weights, data, truth, out / "labelled", labelled=True),
    }


def score_boxes(
    weights: Path, data: Path, truth: Path, out: Path, labelled: bool
) -> dict[str, Any]:
    """Track the test sequences and score them with the official protocol."""
    for labels in sorted(truth.glob("*.json")):
        tracker = PoseTracker(
            weights=str(weights), device="cpu", boxes=str(labels) if labelled else None
        )
        images = data / "images" / truth.name / labels.stem
        tracker.record(
            images, OutputOptions(out, formats=("posetrack17",), video=False, force=True)
        )
    for path in out.glob("*.jsonl"):
        path.unlink()
    total = report_json(score_files(truth, out, POSEVAL, metrics=("ap", "mot")).report)["total"]
    return {
        "mAP": total["AP"]["parts"],
        "MOTA": dict(zip((*JOINTS, "Total"), total["MOT"]["mota"], strict=False)),
    }


def finetune(
    start: Path, labels: Path, held_out: Path, out: Path, changes: dict[str, Any]
) -> dict[str, Any]:
    """Train from a checkpoint, its head sorted to PoseTrack's joints; returns the recipe."""
    spec, state = checkpoints.read_spec(start), checkpoints.read_state(start)
    recipe = changed(
        follow(RECIPES["posetrack17"], spec, changes),
        {"size_wh": list(spec.input.size_wh), **changes},
    )
    sets, tests = read_sets([str(labels)]), read_sets([str(held_out)])
    skeleton = pick_skeleton("posetrack15", sets)
    data = load_data(recipe, sets, tests, skeleton, report=tell)

    def initialise(net: torch.nn.Module) -> None:
        tell(
            load_weights(
                net, (recipe.net, recipe.net_args), skeleton, state, spec.skeleton
            ).describe()
        )

    learn_poses(
        recipe,
        skeleton,
        data.crops,
        out,
        validations=data.validations,
        initialise=initialise,
        report=tell,
    )
    return {**to_json(recipe), "people": len(data.crops)}


def main() -> None:
    """Draw, score, train, score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument(
        "--sequences", type=int, nargs=2, default=(16, 4), help="for training, for the test"
    )
    parser.add_argument("--frames", type=int, nargs=2, default=(10, 50))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--sigma", type=float, default=1.2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    labels = draw(args.out, "train", TRAIN_SEED, args.sequences[0], args.frames[0], TRAIN_FPS)
    truth = draw(args.out, "val", TEST_SEED, args.sequences[1], args.frames[1], TEST_FPS)
    before = score(args.init, args.out, truth, args.out / "before")
    tell(json.dumps(before))
    began = time.monotonic()
    changes = {"epochs": args.epochs, "batch_size": args.batch_size, "sigma": args.sigma, "seed": 0}
    recipe = finetune(args.init, labels, truth, args.out / "run", changes)
    seconds = time.monotonic() - began
    after = score(args.out / "run" / "last.safetensors", args.out, truth, args.out / "after")
    result = {"recipe": recipe, "seconds": round(seconds), "before": before, "after": after}
    if args.results:
        args.results.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
