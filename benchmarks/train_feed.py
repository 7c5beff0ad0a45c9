"""How many training samples a second one core makes: one affine warp, augmentation and targets of every person.

    python benchmarks/train_feed.py DATA... [--results benchmarks/results/train_feed.json]

DATA as for ``posetrack train``. Times are those of the processor, so that other work on the machine does not count;
the median of several batches after one to warm up. Samples are made from crops in memory and from images on disk.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from pathlib import Path

import cv2
import torch

from posetrack.datasets.crops import CropStore
from posetrack.datasets.crops_on_disk import CropFiles
from posetrack.datasets.people import unite
from posetrack.datasets.samples import Sampler
from posetrack.recipes import RECIPES
from posetrack.training_setup import DETAIL, pick_skeleton, read_sets

BATCH, BATCHES = 32, 7


def main() -> None:
    """Measure the recipes' feeds; print a row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--skeleton")
    parser.add_argument("--recipes", nargs="+", default=("bundled_pose", "coco", "posetrack17"))
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
            spec = recipe.spec(stage)
            sampler = Sampler(
                crops, skeleton, spec, stage.sigma, stage.augmentation, BATCH, recipe.seed, recipe.targets
            )
            rows.append({"recipe": name, "size_wh": stage.size_wh, "from": kept, **measure(sampler)})
            print(json.dumps(rows[-1]), flush=True)
    if args.results:
        machine = {"machine": platform.machine(), "processor": platform.processor(), "opencv": cv2.__version__}
        args.results.write_text(json.dumps({**machine, "batch": BATCH, "rows": rows}, indent=1) + "\n")


def measure(sampler: Sampler) -> dict[str, float]:
    """Samples a second of processor time: median, slowest and fastest batch."""
    sampler.batch(0, 0)
    speeds = []
    for epoch in range(1, BATCHES + 1):
        began = time.process_time()
        batch = sampler.batch(epoch, 0)
        speeds.append(len(batch.image) / (time.process_time() - began))
    return {
        "samples_per_s": round(statistics.median(speeds), 1),
        "slowest": round(min(speeds), 1),
        "fastest": round(max(speeds), 1),
    }


if __name__ == "__main__":
    main()
