"""Make weights/bundled/detector_lite.safetensors: train the bundled person detector, or export a
run as it stands. The training is ``posetrack.training``'s own, as for any detector; what is here is
the data and the recipe.

    python benchmarks/train_bundled_detector.py --singles lspet/person_keypoints.json
    --single-images lspet/*.tar \\
        --boxed coco128/person_boxes_train2017.json --boxed-images coco128/train2017-00.tar \\
        --partial coco/person_keypoints_train2017.json --partial-images coco/train2017-00.tar \\
        --run detector_run --minutes 88 --out weights/bundled/detector_lite.safetensors

``--singles``: images of one labelled person each, in joints; the last ``--hold-back`` of them are
left out. ``--boxed``: images in which everybody is boxed. ``--partial``: images in which some are.
``--minutes`` are turned into steps by timing some of each size first, once for a run: so a run ends
at its planned low learning rate. A run that was broken off goes on where it was; ``--export-only``
writes the averaged weights of an unfinished one. ``--refine FIRST_RUN`` starts from the averaged
weights of another run, at half the learning rate and with large pictures from the beginning.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from posetrack import checkpoints
from posetrack.detect.bundled import letterbox
from posetrack.inference.quantisation import calibrate
from posetrack.nets.person_detector import PersonDetector
from posetrack.samples.boxes import JOINTS, BoxImage, merge_sources, read_box_images, taught
from posetrack.structures import InputSpec
from posetrack.training.detector import DetectorTask
from posetrack.training.fabric import make_engine
from posetrack.training.loop import Watcher, learn, start
from posetrack.training.recipes import RECIPES, Recipe, Stage
from posetrack.training.run import Run, load_state
from posetrack.training.setup import recipe_on_disk, remember_recipe
from posetrack.training.start import load_same

SHOWN_WH = (576, 576)  # the long side of what the detector is shown, at most
FIRST_SIDE = 448  # and where people are small in it, the other
CALIBRATION_PICTURES = 160
BATCH = 16
WARMUP = 200  # steps
EPOCH = 50  # steps between two lines and two checkpoints


@dataclass(frozen=True)
class Part:
    """A part of a run, its share of the time, and what its pictures are like."""

    share: float
    sides: tuple[int, ...]
    mix: str = "mixed"


FIRST = (Part(0.35, (160, 192)), Part(0.45, (224, 256)), Part(0.2, (288, 320), "natural"))
# With thousands of real scenes, from weights that know people already.
TAUGHT = (
    Part(0.3, (320, 384), "real"),
    Part(0.5, (384, 448, 512), "real"),
    Part(0.2, (448, 512, 576), "real"),
)
REFINE = (
    Part(0.4, (192, 256)),
    Part(0.1, (256, 320)),
    Part(0.3, (256, 320), "natural"),
    Part(0.2, (320, 352), "natural"),
)
RECIPE = replace(RECIPES["detector"], lr=2e-3)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("singles", "boxed", "partial"):
        parser.add_argument(f"--{name}", type=Path, help="COCO-style label file")
        parser.add_argument(
            f"--{name.removesuffix('s')}-images", type=Path, nargs="+", help="folders or tar files"
        )
    parser.add_argument("--hold-back", type=int, default=1000)
    parser.add_argument(
        "--more", type=Path, nargs="+", default=[], help="further label files like --partial"
    )
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of the run; goes on with it where it exists"
    )
    parser.add_argument("--minutes", type=float, default=88.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--teacher", type=Path, nargs="+", help="boxes of another detector, JSON")
    parser.add_argument("--start", type=Path, help="checkpoint to start from")
    parser.add_argument("--bfloat16", action="store_true", help="compute in half precision")
    parser.add_argument("--refine", type=Path, metavar="FIRST_RUN")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--export-only", action="store_true")
    return parser.parse_args()


def read_data(args: argparse.Namespace) -> tuple[list[BoxImage], list[BoxImage]]:
    """Images of single people, and whole scenes."""
    singles = read_box_images(args.singles, args.single_images, complete=False, around_joints=True)
    singles.sort(key=lambda item: item.key)
    singles = singles[: len(singles) - args.hold_back]
    boxed = read_box_images(args.boxed, args.boxed_images, complete=True)
    partial = [
        item
        for labels in (args.partial, *args.more)
        for item in read_box_images(labels, args.partial_images, complete=False)
    ]
    scenes = merge_sources(boxed, partial)
    if not args.teacher:
        return singles, scenes
    rows = {
        Path(name).stem: found
        for path in args.teacher
        for name, found in json.loads(path.read_bytes()).items()
    }
    return taught(singles, rows, joints_only=True), taught(scenes, rows)


def ranges(state: dict[str, Tensor], scenes: list[BoxImage]) -> dict[str, list[float]]:
    """What every activation reaches on whole scenes as the detector is shown them, for INT8."""
    net = PersonDetector(**RECIPE.net_args).eval()
    net.load_state_dict({k: v.float() for k, v in state.items()})
    spec = InputSpec(SHOWN_WH)
    mean, std = (255 * torch.tensor(v) for v in (spec.mean, spec.std))
    pictures = (
        ((torch.from_numpy(letterbox(item.image, FIRST_SIDE)[0])[None] - mean) / std)
        for item in scenes[:: max(1, len(scenes) // CALIBRATION_PICTURES)]
    )
    found = calibrate(net, (picture.permute(0, 3, 1, 2) for picture in pictures))
    return {place: [float(f"{v:.4g}") for v in pair] for place, pair in found.items()}


def plan(args: argparse.Namespace) -> tuple[Recipe, tuple[Part, ...]]:
    """Learning rate and parts of the run; their stages are not known yet."""
    recipe = replace(RECIPE, seed=args.seed, notes={"minutes": args.minutes})
    if args.teacher:
        return replace(recipe, lr=1.5e-3), TAUGHT
    return (replace(recipe, lr=1e-3), REFINE) if args.refine else (recipe, FIRST)


def stages(recipe: Recipe, parts: tuple[Part, ...], task: CountedTask, minutes: float) -> Recipe:
    """The recipe with as many steps of every part as fit into its share of the time."""
    made = [Stage(1, SHOWN_WH, BATCH, sides=part.sides, mix=part.mix) for part in parts]
    steps = [
        60 * minutes * part.share / seconds_a_step(recipe, stage, task)
        for part, stage in zip(parts, made, strict=True)
    ]
    counts = [max(1, round(count / EPOCH)) for count in steps]
    timed = tuple(replace(s, epochs=n) for s, n in zip(made, counts, strict=True))
    return replace(recipe, stages=timed, warmup=min(0.5, WARMUP / (EPOCH * sum(counts))))


def seconds_a_step(recipe: Recipe, stage: Stage, task: CountedTask) -> float:
    """Median time of some steps of a fresh network."""

    class Clock(Watcher):
        def __init__(self) -> None:
            self.times = [time.monotonic()]

        def step(self, run: Run, loss: float, samples_per_s: float) -> None:
            self.times.append(time.monotonic())

    clock, few = Clock(), replace(task, steps=12)
    with tempfile.TemporaryDirectory() as folder:
        learn(replace(recipe, stages=(stage,)), few, Path(folder), watchers=[clock])
    return float(np.median(np.diff(clock.times)[2:]))


@dataclass(frozen=True, slots=True)
class CountedTask(DetectorTask):
    """Epochs of so many steps, however many images there are."""

    steps: int = EPOCH

    @property
    def outputs(self) -> dict[str, int]:
        return {"joints": len(JOINTS)}

    def __len__(self) -> int:
        return self.steps * BATCH


class Lines(Watcher):
    """A line an epoch."""

    def epoch(self, run: Run, row: Any) -> None:
        print(
            f"{run.step} of {run.total_steps} steps, {run.step * BATCH} pictures: "
            f"loss {row['loss']:.4f}, {row['samples_per_s']:.1f} pictures/s",
            flush=True,
        )


def initial(args: argparse.Namespace) -> Any:
    """What puts other weights into the fresh network. A checkpoint has no joint head: that one
    starts anew.
    """

    def initialise(net: nn.Module) -> None:
        if args.refine:
            state = torch.load(args.refine / "state.pt", weights_only=True)["averaged"]
            print(load_same(net, RECIPE.net, state).describe())
        if args.start:
            state = {k: v.float() for k, v in checkpoints.read_state(args.start).items()}
            print(load_same(net, RECIPE.net, state).describe())

    return initialise


def export(run: Run, out: Path, scenes: list[BoxImage]) -> None:
    """Write the averaged weights without the joint head, in half precision: they are read back as
    float32.
    """
    state = run.task.exported(run.averaged.state_dict())
    state = {k: v.half() if v.is_floating_point() and v.ndim > 1 else v for k, v in state.items()}
    notes = {
        "steps": run.step,
        "pictures": run.step * BATCH,
        "minutes": run.recipe.notes["minutes"],
        "data": "LSPET without its last 1000 images, 2,092 of COCO; NanoDet's boxes beside",
        "first_side": FIRST_SIDE,
        "int8": ranges(state, scenes),
        "licence": "weights: Apache-2.0; see MODEL_CARD.md for the terms of the images",
    }
    checkpoints.save(out, state, run.task.spec(run.recipe, run.recipe.stages[-1], notes))


def recipe_of(args: argparse.Namespace, task: CountedTask) -> Recipe:
    """That of the run on disk, or a new one."""
    recipe, parts = plan(args)
    there = recipe_on_disk(args.run)
    if there is None:
        return stages(recipe, parts, task, args.minutes)
    known = [
        Stage(s["epochs"], SHOWN_WH, BATCH, sides=tuple(s["sides"]), mix=s["mix"])
        for s in there["stages"]
    ]
    return replace(recipe, stages=tuple(known), warmup=there["warmup"], notes=there["notes"])


def main() -> None:
    """Train, or go on, then export."""
    args = arguments()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    singles, scenes = read_data(args)
    task = CountedTask(singles, scenes)
    recipe = recipe_of(args, task)
    if args.export_only:
        run = start(recipe, task, torch.device("cpu"))
        load_state(run, args.run / "state.pt")
    else:
        remember_recipe(args.run, recipe, len(task), resume=True)
        precision = "bfloat16" if args.bfloat16 else "float32"
        run = learn(
            recipe,
            task,
            args.run,
            resume=True,
            initialise=initial(args),
            watchers=[Lines()],
            engine=make_engine("cpu", precision),
        )
    if args.out:
        export(run, args.out, scenes)


if __name__ == "__main__":
    main()
