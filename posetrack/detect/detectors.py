"""People's boxes in images: torchvision's detectors, OpenCV's HOG detector, or a file (the bundled
one lies apart).

A detector takes images and gives ``Boxes``; people only, best first is not promised. Thresholds on
the score are the pipeline's, a detector only leaves out what is hopeless.
"""

from __future__ import annotations

__all__ = [
    "Detector",
    "FileBoxes",
    "HogDetector",
    "TorchvisionDetector",
    "detect_frames",
    "recognise_torchvision",
    "torchvision_names",
]

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from posetrack.errors import WeightsError, unknown_name
from posetrack.inference.devices import full_batches
from posetrack.inference.threads import taking_turns
from posetrack.structures import Boxes, Frame, Image

if TYPE_CHECKING:
    import torch

DEFAULT_BATCH = 4  # images; one on a processor
# boxes below are not even handed on; torchvision's own default for most detectors
HOPELESS_SCORE = 0.05
PERSON_LABEL = 1  # of "person" in every torchvision detector trained on COCO
# torchvision runs the published weights of these with an epsilon of 0 in the backbone's batch norms
_NORMS_WITHOUT_EPSILON = frozenset(
    f"{head}_resnet50_fpn" for head in ("fasterrcnn", "keypointrcnn", "maskrcnn", "retinanet")
)
HOG_STRIDE = (8, 8)  # px, of the search window; OpenCV's block stride
HOG_ZOOM = 1.05  # between the scales searched; OpenCV's default
# px; the window is 64x128, so that people from a fifth of the height upwards are found
HOG_LONG_SIDE = 640
HOG_MARGIN_SHARE = (
    16 / 64,
    16 / 128,
)  # of its width and height on each side: the people it learnt from fill 32x96


class Detector(Protocol):
    """What the pipeline asks of a detector."""

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The people of each image: boxes in its pixels, scores in 0..1."""
        ...


class TorchvisionDetector:
    """Any detector of ``torchvision.models.detection`` by its name, with weights given as a
    state_dict.

    Raises UsageError for an unknown name and WeightsError where ``state`` belongs to another
    network.
    """

    def __init__(
        self,
        name: str,
        state: Mapping[str, torch.Tensor],
        *,
        device: str | torch.device = "cpu",
        batch_size: int = DEFAULT_BATCH,
    ) -> None:
        self._net = _build(name, state).eval().to(device)
        self._device, self._batch_size = device, batch_size
        self._turn = taking_turns(concurrent=False)

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        import torch

        found: list[Boxes] = []
        with self._turn, torch.inference_mode():
            for batch, count in full_batches(images, self._batch_size, self._device):
                results = self._net([self._tensor(image) for image in batch])
                found += [_people(result) for result in results[:count]]
        return found

    def _tensor(self, image: Image) -> torch.Tensor:
        import torch

        return (
            torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1).float()
            / 255
        )


class HogDetector:
    """OpenCV's histogram-of-gradients people detector (Dalal and Triggs 2005): no weights, standing
    people only.
    """

    def __init__(self) -> None:
        import cv2

        self._hog = cv2.HOGDescriptor()
        self._turn = taking_turns(concurrent=False)
        self._hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())  # type: ignore[attr-defined]

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        with self._turn:
            return [self._detect_one(image) for image in images]

    def _detect_one(self, image: Image) -> Boxes:
        import cv2

        h, w = image.shape[:2]
        zoom = min(1.0, HOG_LONG_SIDE / max(h, w))
        small = cv2.resize(
            image,
            (max(64, round(w * zoom)), max(128, round(h * zoom))),
            interpolation=cv2.INTER_AREA,
        )
        xywh, margin = self._hog.detectMultiScale(
            cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), winStride=HOG_STRIDE, scale=HOG_ZOOM
        )
        if not len(xywh):
            return Boxes.empty()
        back = np.array([w / small.shape[1], h / small.shape[0]] * 2)
        corner, size = np.hsplit(np.asarray(xywh, np.float32), 2)
        cut = size * HOG_MARGIN_SHARE
        corners = np.concatenate([corner + cut, corner + size - cut], axis=1) * back
        score = 1 / (1 + np.exp(-np.ravel(margin)))  # a distance of at least 0 becomes 0.5..1
        return Boxes(corners.astype(np.float32), score.astype(np.float32))


class FileBoxes:
    """Boxes that were found elsewhere, by frame index (``formats.boxes.read_boxes`` reads them)."""

    concurrent = True

    def __init__(self, by_frame: Mapping[int, Boxes]) -> None:
        self._by_frame = by_frame

    def detect_frames(self, frames: Sequence[Frame]) -> list[Boxes]:
        """The boxes of these frames; a frame the file does not name has none."""
        return [self._by_frame.get(frame.index, Boxes.empty()) for frame in frames]


def detect_frames(detector: Detector | FileBoxes, frames: Sequence[Frame]) -> list[Boxes]:
    """The people of each frame, whether they are searched in its image or looked up by
    its index.
    """
    if not frames:
        return []
    if isinstance(detector, FileBoxes):
        return detector.detect_frames(frames)
    return detector.detect([frame.image for frame in frames])


def torchvision_names() -> list[str]:
    """The names of torchvision's detectors."""
    import torchvision

    names: list[str] = torchvision.models.list_models(module=torchvision.models.detection)
    return names


def recognise_torchvision(state: Mapping[str, Any]) -> list[str]:
    """The torchvision detectors whose tensors have exactly the names of ``state``: one, several
    that differ in other things, or none.
    """
    import torch
    import torchvision

    found = []
    for name in torchvision_names():
        with torch.device("meta"):
            net = torchvision.models.get_model(name, weights=None, weights_backbone=None)
        if net.state_dict().keys() == state.keys():
            found.append(name)
    return found


def _build(name: str, state: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    import torch
    import torchvision

    if name not in torchvision_names():
        raise unknown_name("detector", name, torchvision_names())
    net: torch.nn.Module = torchvision.models.get_model(name, weights=None, weights_backbone=None)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"These are not weights of {name}: {str(error).splitlines()[1].strip()}"
        ) from error
    if name in _NORMS_WITHOUT_EPSILON:
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps = 0.0
    return net


def _people(result: dict[str, Any]) -> Boxes:
    """The person boxes of one torchvision result."""
    person = (result["labels"] == PERSON_LABEL) & (result["scores"] >= HOPELESS_SCORE)
    return Boxes(
        result["boxes"][person].float().cpu().numpy(),
        result["scores"][person].float().cpu().numpy(),
    )
