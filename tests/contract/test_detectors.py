"""Every detector that comes without weights keeps the contract of ``Detector``."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.detect import DETECTORS
from posetrack.drawn.clip import draw_sequence
from posetrack.errors import UsageError
from posetrack.weights import load_detector


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_boxes_lie_in_their_image_and_depend_on_nothing_else(name: str) -> None:
    images = list(draw_sequence(1, frames=2, size_wh=(320, 240), people=2).images)
    detector = load_detector(name, device="cpu")
    together = detector.detect(images)
    assert len(together) == len(images)
    for image, boxes in zip(images, together, strict=True):
        height, width = image.shape[:2]
        assert (boxes.xyxy[:, :2] <= boxes.xyxy[:, 2:]).all()
        assert (boxes.xyxy[:, 2:] <= (width, height)).all()
        assert ((boxes.score >= 0) & (boxes.score <= 1)).all()
        assert np.array_equal(detector.detect([image])[0].xyxy, boxes.xyxy)
    assert detector.detect([]) == []


def test_an_unknown_detector_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match=f"Known: .*{min(DETECTORS)}"):
        load_detector("hgo", device="cpu")
