"""How many training samples a second one core makes: one affine warp, augmentation and targets of
every person.

    python benchmarks/train_feed.py DATA... [--classes FOLDER] [--results
    benchmarks/results/train_feed.json]

DATA as for ``posetrack train``; FOLDER holds a folder of photographs for each class, for the recipe
imagenet. Times are those of the processor, so that other work on the machine does not count; the
median of several batches after one to warm up. Samples are made from crops in memory and from
images on disk.

``fed_tflops`` is arithmetic: samples/s x 2 operations a multiply-add x 3 (forward, and twice that
backward) x the network's multiply-adds, which is the work a device may do each second before it
waits for one core.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import cv2
import torch

from posetrack import nets
from posetrack.datasets.people import unite
from posetrack.nets.cost import cost
from posetrack.samples.classes import read_classes
from posetrack.samples.crops import CropStore
from posetrack.samples.crops_on_disk import CropFiles
from posetrack.training.classes import ClassTask
from posetrack.training.pose import PoseTask
from posetrack.training.recipes import DETAIL, RECIPES, Recipe, Stage
from posetrack.training.setup import pick_skeleton, read_sets
from posetrack.training.task import Batches, Task

BATCH, BATCHES = 32, 7
OPERATIONS = 2 * 3  # of a multiply-add, forward and backward


def main() -> None:
    """Measure the recipes' feeds; print a row each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+")
    parser.add_argument("--skeleton")
    parser.add_argument("--recipes", nargs="+", default=("finetune", "coco", "posetrack17"))
    parser.add_argument("--classes", type=Path)
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    sets = read_sets(args.data)
    skeleton = pick_skeleton(args.skeleton, sets)
    people = unite(sets, skeleton).people
    rows = []
    for name in args.recipes:
        recipe, stage = RECIPES[name], RECIPES[name].stages[-1]
        side = DETAIL * max(stage.size_wh)
        for kept, crops in (("memory", CropStore(people, side)), ("disk", CropFiles(people, side))):
            rows.append(row(recipe, stage, kept, PoseTask(skeleton, crops)))
    if args.classes:
        recipe = RECIPES["imagenet"]
        rows.append(row(recipe, recipe.stages[0], "disk", ClassTask(read_classes(args.classes))))
    if args.results:
        machine = {
            "machine": platform.machine(),
            "processor": platform.processor(),
            "opencv": cv2.__version__,
        }
        args.results.write_text(
            json.dumps({**machine, "batch": BATCH, "rows": rows}, indent=1) + "\n"
        )


def row(recipe: Recipe, stage: Stage, kept: str, task: Task[Any]) -> dict[str, Any]:
    """The speed of one recipe's samples, printed too."""
    speed = measure(task.batches(recipe, dataclasses.replace(stage, batch_size=BATCH)))
    with torch.device("meta"):
        macs = cost(nets.build(recipe.net, **task.outputs, **recipe.net_args), stage.size_wh).macs
    fed = round(speed["samples_per_s"] * OPERATIONS * macs / 1e12, 2)
    made = {
        "recipe": recipe.name,
        "net": recipe.net,
        "size_wh": stage.size_wh,
        "from": kept,
        **speed,
    }
    made |= {"gmacs": round(macs / 1e9, 2), "fed_tflops": fed}
    print(json.dumps(made), flush=True)
    return made


def measure(samples: Batches[Any]) -> dict[str, float]:
    """Samples a second of processor time: median, slowest and fastest batch."""
    samples.batch(0, 0)
    speeds = []
    for epoch in range(1, BATCHES + 1):
        began = time.process_time()
        batch = samples.batch(epoch, 0)
        speeds.append(len(batch.image) / (time.process_time() - began))
    return {
        "samples_per_s": round(statistics.median(speeds), 1),
        "slowest": round(min(speeds), 1),
        "fastest": round(max(speeds), 1),
    }


if __name__ == "__main__":
    main()
