"""Stick figures whose boxes and joints are known, for the tests of the detector."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.samples.boxes import JOINTS, BoxImage, joint_boxes


def drawn_person(size: int, x: float, y: float, height: float, colour: int) -> BoxImage:
    """A stick figure on plain ground, joints known."""
    image = np.full((size, size, 3), 90, np.uint8)
    shape = [
        (-0.1, 1),
        (-0.1, 0.75),
        (-0.08, 0.5),
        (0.08, 0.5),
        (0.1, 0.75),
        (0.1, 1),
        (-0.25, 0.5),
        (-0.2, 0.35),
    ]
    shape += [(-0.12, 0.2), (0.12, 0.2), (0.2, 0.35), (0.25, 0.5), (0, 0.15), (0, 0)]
    joints = np.array(shape, np.float32) * height + [x, y]
    for a, b in JOINTS.limbs:
        start, end = joints[a].round().astype(int), joints[b].round().astype(int)
        cv2.line(
            image,
            start.tolist(),
            end.tolist(),
            (colour, 255 - colour, 200),
            max(2, int(height / 12)),
        )
    joints = joints[None].astype(np.float32)
    return BoxImage("drawn", image, joint_boxes(joints), joints, True)
