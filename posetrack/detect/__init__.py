"""Person detectors: torchvision's, OpenCV's HOG, the project's own, or boxes from a file."""

from __future__ import annotations

__all__: list[str] = []
