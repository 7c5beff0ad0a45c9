"""Person detectors: torchvision's, OpenCV's HOG, the project's own, or boxes from a file.

Add yours: a class with ``detect(images) -> list[Boxes]`` in a file of its own, and a line in
``DETECTORS`` if it needs no weights of its own; those with weights are told by them
(``weights.load_detector``).
"""

from __future__ import annotations

__all__ = ["DETECTORS"]

from collections.abc import Callable

from posetrack.detect.detectors import Detector, HogDetector

# name -> a detector that comes without weights
DETECTORS: dict[str, Callable[[], Detector]] = {"hog": HogDetector}
