"""The bundled detector's network beside torchvision's ssdlite320, trained equally: AP50 on COCO val
and speed.

    python benchmarks/detector_equal.py --singles lspet/person_keypoints.json --single-images
    lspet/*.tar \\
        --boxed coco128/person_boxes_train2017.json --boxed-images coco128/train2017-00.tar \\
        --partial coco/person_keypoints_train2017.json --partial-images coco/train2017-00.tar \\
        --labels coco/person_keypoints_val2017.json --images coco/val2017-00.tar --pictures 8000

Both start from random numbers and see the same pictures (``samples.mosaics``) in the same order
and sizes, with AdamW, the same learning rates, batches and averaged weights. Each has its own loss:
ssdlite that of torchvision, which takes ground that nobody labelled for background, since it has no
way to leave it out; the other the project's. That is a short training, a tenth of the bundled
weights': it compares networks, and does not say how good either can become. Speed and AP50 as in
``detector_ap.py``, one thread. Writes benchmarks/results/detector_equal.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from detector_ap import MIN_HEIGHT, SPEED_WH, evaluate, machine, milliseconds
from torch import Tensor
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from train_bundled_detector import FIRST, JOINTS, RECIPE, SHOWN_WH, read_data

from posetrack.checkpoints import ModelSpec
from posetrack.detect.bundled import BundledDetector
from posetrack.nets.person_detector import PersonDetector
from posetrack.samples.boxes import read_box_images
from posetrack.samples.mosaics import MIXES, MosaicSampler, Picture
from posetrack.structures import Boxes, Image, InputSpec
from posetrack.training.detector import DetectorTask, make_batch
from posetrack.training.feed import to_input
from posetrack.training.optimizer import make_optimizer, move_average, rate
from posetrack.training.recipes import Stage

RESULTS = Path(__file__).parent / "results" / "detector_equal.json"
BATCH = 16
STAGE = Stage(1, SHOWN_WH, BATCH)
SPEC = ModelSpec("person_detector", RECIPE.net_args, "detect", InputSpec(SHOWN_WH), JOINTS, {})


class Ssdlite:
    """torchvision's ssdlite for one class, with its own loss."""

    def __init__(self) -> None:
        self.net, self.averaged = (
            ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=2)
            for _ in range(2)
        )
        self.averaged.eval()

    def loss(self, pictures: Sequence[Picture]) -> Tensor:
        """torchvision's."""
        size = pictures[0].image.shape[0]
        self.net.transform.fixed_size = (size, size)  # as they are: no enlarging to 320
        images = [torch.from_numpy(p.image).permute(2, 0, 1).float() / 255 for p in pictures]
        truth = [
            {
                "boxes": torch.from_numpy(p.boxes),
                "labels": torch.ones(len(p.boxes), dtype=torch.int64),
            }
            for p in pictures
        ]
        return sum(self.net(images, truth).values(), torch.zeros(()))

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The people of each image by the averaged weights, at 320x320."""
        with torch.inference_mode():
            found = [self.averaged([self._tensor(image)])[0] for image in images]
        return [Boxes(f["boxes"].numpy(), f["scores"].numpy()) for f in found]

    def _tensor(self, image: Image) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


class Bundled:
    """The project's network, with the loss of its own task."""

    def __init__(self) -> None:
        self.net, self.averaged = (
            PersonDetector(**RECIPE.net_args, joints=len(JOINTS)) for _ in range(2)
        )
        self._detector: BundledDetector | None = None

    def loss(self, pictures: Sequence[Picture]) -> Tensor:
        """The project's."""
        batch = make_batch(pictures)
        output = self.net(to_input(batch.image, SPEC.input, torch.device("cpu")))
        return DetectorTask((), ()).loss(RECIPE, STAGE, output, batch)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The people of each image by the averaged weights."""
        if self._detector is None:
            self._detector = BundledDetector(self.averaged, SPEC, device="cpu")
        return self._detector.detect(images)


def train(
    net: Ssdlite | Bundled, sampler: MosaicSampler, pictures: int, log: Callable[[str], None]
) -> float:
    """Train on so many pictures, optimiser, rates and average the same for both; returns the
    seconds of processor time it took.
    """
    steps, sides, began = pictures // BATCH, np.random.default_rng(0), time.process_time()
    optimizer = make_optimizer(RECIPE, net.net)
    net.averaged.load_state_dict(net.net.state_dict())
    ends = np.cumsum([part.share for part in FIRST])
    for step in range(steps):
        part = FIRST[min(int(np.searchsorted(ends, step / steps, side="right")), len(FIRST) - 1)]
        side, mix = int(sides.choice(part.sides)), MIXES[part.mix]
        net.net.train()
        loss = net.loss([sampler.draw(side, mix) for _ in range(BATCH)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.net.parameters(), RECIPE.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = rate(RECIPE, step, steps, 0)
        optimizer.step()
        move_average(net.averaged, net.net, RECIPE.ema, step)
        if step % 50 == 49:
            log(
                f"{type(net).__name__} {step + 1} of {steps} steps, "
                f"{time.process_time() - began:.0f} s"
            )
    return time.process_time() - began


def main() -> None:
    """Train both, measure both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("singles", "boxed", "partial"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="COCO-style label file")
        parser.add_argument(
            f"--{name.removesuffix('s')}-images", type=Path, nargs="+", required=True
        )
    parser.add_argument("--labels", required=True, type=Path)
    parser.add_argument("--images", required=True, type=Path, nargs="+")
    parser.add_argument("--hold-back", type=int, default=1000)
    parser.add_argument("--pictures", type=int, default=8000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    data, test = read_data(args), read_box_images(args.labels, args.images, complete=False)
    picture = cv2.resize(test[0].image, SPEED_WH)
    rows: dict[str, Any] = {}
    for name, kind in (("posetrack person_detector", Bundled), ("torchvision ssdlite320", Ssdlite)):
        torch.manual_seed(0)
        net = kind()
        seconds = train(
            net, MosaicSampler(*data, seed=0), args.pictures, lambda line: print(line, flush=True)
        )
        speed = milliseconds(lambda net=net: net.detect([picture]))  # type: ignore[misc]
        rows[name] = {
            **evaluate(net, test, MIN_HEIGHT),
            "speed_640x360": speed,
            "training_cpu_s": round(seconds, 1),
        }
        print(name, json.dumps(rows[name]), flush=True)
    what = {"what": __doc__.splitlines()[0], "pictures": args.pictures, "machine": machine()}
    RESULTS.write_text(json.dumps({**what, "detectors": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
