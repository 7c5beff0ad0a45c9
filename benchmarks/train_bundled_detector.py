"""Make weights/bundled/detector_lite.safetensors: train the bundled person detector, or export a
run as it stands.

    python benchmarks/train_bundled_detector.py --singles lspet/person_keypoints.json
    --single-images lspet/*.tar \\
        --boxed coco128/person_boxes_train2017.json --boxed-images coco128/train2017-00.tar \\
        --partial coco/person_keypoints_train2017.json --partial-images coco/train2017-00.tar \\
        --run detector_run.pt --minutes 88 --out weights/bundled/detector_lite.safetensors

``--singles``: images of one labelled person each, in joints; the last ``--hold-back`` of them are
left out. ``--boxed``: images in which everybody is boxed. ``--partial``: images in which some are.
A run that was broken off goes on where it was; ``--export-only`` writes the averaged weights of an
unfinished one. ``--refine FIRST_RUN`` starts from the averaged weights of another run, at half the
learning rate and with large pictures from the beginning.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor

from posetrack import checkpoints
from posetrack.checkpoints import ModelSpec, save
from posetrack.detect.bundled import letterbox
from posetrack.inference.quantisation import calibrate
from posetrack.nets.person_detector import PersonDetector
from posetrack.samples.boxes import JOINTS, BoxImage, merge_sources, read_box_images, taught
from posetrack.samples.mosaics import REAL, MosaicSampler
from posetrack.structures import InputSpec
from posetrack.training.detector import DetectorRun, Settings, train_detector

NET_ARGS = {"channels": [16, 32, 64, 128, 192], "blocks": [1, 1, 2, 1], "width": 64, "depth": 1}
INPUT = InputSpec((384, 384))  # the long side of what the detector is shown
CALIBRATION_PICTURES = 160
# With thousands of real scenes, from weights that know people already.
TAUGHT: dict[str, Any] = {
    "lr": 1.5e-3,
    "natural_from": 1.0,
    "mix": REAL,
    "sizes": ((0.0, (320, 384)), (0.3, (384, 448, 512)), (0.8, (448, 512, 576))),
}
REFINE: dict[str, Any] = {
    "lr": 1e-3,
    "natural_from": 0.5,
    "sizes": ((0.0, (192, 256)), (0.4, (256, 320)), (0.8, (320, 352))),
}


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
        "--run", type=Path, required=True, help="state of the run; goes on from it where it exists"
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
    net = PersonDetector(**NET_ARGS).eval()
    net.load_state_dict({k: v.float() for k, v in state.items()})
    mean, std = (255 * torch.tensor(v) for v in (INPUT.mean, INPUT.std))
    pictures = (
        ((torch.from_numpy(letterbox(item.image, max(INPUT.size_wh))[0])[None] - mean) / std)
        for item in scenes[:: max(1, len(scenes) // CALIBRATION_PICTURES)]
    )
    found = calibrate(net, (picture.permute(0, 3, 1, 2) for picture in pictures))
    return {place: [float(f"{v:.4g}") for v in pair] for place, pair in found.items()}


def export(run: DetectorRun, out: Path, scenes: list[BoxImage]) -> None:
    """Write the averaged weights without the joint head, in half precision: they are read back as
    float32.
    """
    state = {k: v for k, v in run.average.items() if not k.startswith("joints.")}
    state = {k: v.half() if v.is_floating_point() and v.ndim > 1 else v for k, v in state.items()}
    notes = {
        "steps": run.steps,
        "pictures": run.pictures,
        "minutes": round(run.seconds / 60, 1),
        "data": "LSPET without its last 1000 images, 2,092 of COCO; NanoDet's boxes beside",
        "int8": ranges(state, scenes),
        "licence": "weights: Apache-2.0; see MODEL_CARD.md for the terms of the images",
    }
    save(out, state, ModelSpec("person_detector", NET_ARGS, "detect", INPUT, JOINTS, notes))


def main() -> None:
    """Train, or go on, then export."""
    args = arguments()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    torch.manual_seed(args.seed)
    net, settings = (
        PersonDetector(**NET_ARGS, joints=len(JOINTS)),
        Settings(minutes=args.minutes, seed=args.seed),
    )
    if args.refine:
        net.load_state_dict(torch.load(args.refine, weights_only=True)["average"])
        settings = replace(settings, **REFINE)
    if args.start:  # the file has no joint head: that one starts anew
        state = {k: v.float() for k, v in checkpoints.read_state(args.start).items()}
        net.load_state_dict(state, strict=False)
    if args.teacher:
        settings = replace(settings, **TAUGHT, half=args.bfloat16)
    run = DetectorRun(net, settings)
    singles, scenes = read_data(args)
    if args.export_only:
        run.load(args.run)
    else:
        sampler = MosaicSampler(singles, scenes, seed=args.seed)
        train_detector(run, sampler, args.run, log=lambda line: print(line, flush=True))
    if args.out:
        export(run, args.out, scenes)


if __name__ == "__main__":
    main()
