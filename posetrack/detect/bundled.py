"""The project's own person detector at work: images in, boxes in their pixels out.

Each image is scaled to one long side, aspect ratio kept, and padded to multiples of 32 at its right
and bottom. Images of equal shape go through the network together, in batches of one size, so that
no image's boxes depend on its company to the last bit (``devices.full_batches``).
"""

from __future__ import annotations

__all__ = ["DEFAULT_SCORE", "HOPELESS_SCORE", "BundledDetector", "are_small", "letterbox"]

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from posetrack.detect.cells import cell_boxes, cell_scores
from posetrack.geometry import clip_boxes, nms
from posetrack.inference.devices import device_name, full_batches
from posetrack.inference.threads import taking_turns
from posetrack.structures import Boxes, FloatArray, Image

if TYPE_CHECKING:
    import torch

    from posetrack.checkpoints import ModelSpec
    from posetrack.inference.network import Network
    from posetrack.inference.quantisation import Ranges
    from posetrack.nets.person_detector import PersonDetector

DEFAULT_SCORE = 0.34  # boxes from here up are people: the best F1 on the COCO validation images
HOPELESS_SCORE = 0.05  # boxes below are not handed on
MAX_IOU = 0.5  # of two boxes; more gave repeats of one person, less cost people in crowds
MAX_CANDIDATES = 300  # cells kept before suppression, best first
GRAIN = 32  # pixels: the network's coarsest stride
SMALL = 0.2  # of the picture's longer side: people are small whose median is below
PADDING = 114  # grey, about the mean of the normalisation
BATCH = 8  # images; one on a processor


class BundledDetector:
    """A ``PersonDetector`` with the input that its checkpoint asks for: a long side of
    ``spec.input.size_wh``; where its notes say ``first_side``, that one first, and the larger one
    if those found are small.

    Scores estimate the overlap (IoU) with a person's true box; ``DEFAULT_SCORE`` separates people
    from the rest. ``runtime`` as for ``pose.PoseEstimator``; with ``int8``, ranges of its
    activations (``quantisation``), OpenVINO computes in bytes. ``long_side`` goes before the
    checkpoint's own: larger finds smaller people, at a cost that grows with its square.
    """

    def __init__(
        self,
        net: PersonDetector | Network,
        spec: ModelSpec,
        *,
        device: str | torch.device = "auto",
        batch_size: int = BATCH,
        long_side: int | None = None,
        min_score: float = HOPELESS_SCORE,
        max_iou: float = MAX_IOU,
        runtime: str = "torch",
        int8: Ranges | None = None,
    ) -> None:
        from posetrack.inference.runtimes import make_runner

        self.device = device_name(device)
        self._run = make_runner(
            net, (2 * GRAIN, 2 * GRAIN), device=self.device, runtime=runtime, int8=int8
        )
        self._mean = spec.input.grey_mean.reshape(1, 3, 1, 1)
        self._std = spec.input.grey_std.reshape(1, 3, 1, 1)
        self.long_side = long_side or max(spec.input.size_wh)
        noted = None if long_side else spec.notes.get("first_side")
        self._first_side = min(int(noted or self.long_side), self.long_side)
        self._batch_size, self._min_score, self._max_iou = batch_size, min_score, max_iou
        self._turn = taking_turns(self.concurrent)

    @property
    def concurrent(self) -> bool:
        """Whether several threads at once get more done than one."""
        return self._run.runtime == "openvino"

    @property
    def precision(self) -> str:
        """What the network computes in: "float32" or "int8"."""
        return "int8" if self._run.int8 else "float32"

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The people of each image, best first; an image without pixels shows nobody."""
        with self._turn:
            return self._detect(images)

    def _detect(self, images: Sequence[Image]) -> list[Boxes]:
        found = self._look(images, self._first_side)
        if self._first_side < self.long_side:
            again = [n for n, boxes in enumerate(found) if are_small(boxes, images[n])]
            for n, boxes in zip(
                again, self._look([images[n] for n in again], self.long_side), strict=True
            ):
                found[n] = boxes
        return found

    def _look(self, images: Sequence[Image], long_side: int) -> list[Boxes]:
        """The people of each image, scaled to that size."""
        found = [Boxes.empty()] * len(images)
        groups: dict[tuple[int, ...], list[tuple[int, Image, float]]] = defaultdict(list)
        for index, image in enumerate(images):
            if image.size:
                boxed, scale = letterbox(image, long_side)
                groups[boxed.shape].append((index, boxed, scale))
        for group in groups.values():
            for batch, count in full_batches(group, self._batch_size, self.device):
                boxes, score = self._forward(np.stack([boxed for _, boxed, _ in batch]))
                for (index, _, scale), xyxy, s in zip(
                    batch[:count], boxes[:count], score[:count], strict=True
                ):
                    found[index] = self._select(xyxy, s, scale, images[index])
        return found

    def _forward(self, images: Image) -> tuple[FloatArray, FloatArray]:
        """Boxes (B, N, 4) in pixels of the letterboxed images (B, H, W, 3), and their scores (B,
        N).
        """
        x = np.subtract(images.transpose(0, 3, 1, 2), self._mean, dtype=np.float32, order="C")
        x /= self._std
        logits, sides = self._run.arrays(x) if self._run.arrays else self._run_tensors(x)
        return cell_boxes(sides, (images.shape[2], images.shape[1])), cell_scores(logits)

    def _run_tensors(self, images: FloatArray) -> tuple[FloatArray, ...]:
        import torch

        with torch.inference_mode():
            found = self._run(torch.from_numpy(images).to(self.device))
            return tuple(tensor.float().cpu().numpy() for tensor in found)

    def _select(self, xyxy: FloatArray, score: FloatArray, scale: float, image: Image) -> Boxes:
        """One image's boxes in its own pixels, after suppression of repeats."""
        likely = np.flatnonzero(score >= self._min_score)
        likely = likely[np.argsort(-score[likely], kind="stable")][:MAX_CANDIDATES]
        height, width = image.shape[:2]
        own = clip_boxes((xyxy[likely] + 0.5) / scale - 0.5, (width, height))
        boxes = Boxes(own, score[likely])
        boxes = boxes[boxes.wh.min(axis=1) > 0]
        return boxes[nms(boxes.xyxy, boxes.score, self._max_iou)]


def are_small(boxes: Boxes, image: Image) -> bool:
    """Whether the people found in ``image`` (H, W, 3), those of ``DEFAULT_SCORE`` and more, are
    small in it.
    """
    sure = boxes.wh[boxes.score >= DEFAULT_SCORE]
    return bool(len(sure)) and float(np.median(sure.max(axis=1))) < SMALL * max(image.shape[:2])


def letterbox(image: Image, long_side: int) -> tuple[Image, float]:
    """Scale ``image`` (H, W, 3) to ``long_side``, pad it to multiples of 32; gives it and the
    scale.
    """
    import cv2

    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, size_wh, interpolation=method)
    padded = np.full(
        (-(-size_wh[1] // GRAIN) * GRAIN, -(-size_wh[0] // GRAIN) * GRAIN, 3), PADDING, np.uint8
    )
    padded[: size_wh[1], : size_wh[0]] = small
    return padded, scale
