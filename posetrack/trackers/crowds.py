"""People close together whom the detector does not tell apart: they keep the boxes they had, moved
along.

Joints found there stray onto neighbours, and a box around stray joints strays further in the next
frame. Where the detector does see people one by one, boxes around their joints are the better ones,
also in a crowd.
"""

from __future__ import annotations

__all__ = ["crowded", "steadied", "unseen_together"]

import numpy as np
import numpy.typing as npt

from posetrack.geometry import iou_matrix
from posetrack.matching import swallowed
from posetrack.options import BOX_GAIN, BOX_NMS_IOU, CROWDED_IOU, KEEP_GAIN
from posetrack.structures import Boxes, FloatArray


def crowded(xyxy: FloatArray) -> npt.NDArray[np.bool_]:
    """Which of some people's boxes (N, 4) overlap another one, (N,); boxes of NaN overlap
    nothing.
    """
    overlap = np.nan_to_num(iou_matrix(xyxy, xyxy))
    np.fill_diagonal(overlap, 0)
    among: npt.NDArray[np.bool_] = overlap.max(axis=1, initial=0) > CROWDED_IOU
    return among


def unseen_together(
    joints: FloatArray, boxes: FloatArray, carried: npt.NDArray[np.bool_], detected: Boxes | None
) -> npt.NDArray[np.bool_]:
    """Which people (N,) the detector does not tell apart: in a box that swallowed two, or close
    together and unseen.

    ``joints`` (N, 4) are boxes around their joints, ``boxes`` (N, 4) those that they had;
    ``carried`` (N,) says who was not detected when last seen.
    """
    together = np.zeros(len(boxes), bool)
    for box in detected.xyxy if detected else ():
        together[swallowed(box, boxes, BOX_NMS_IOU, KEEP_GAIN)] = True
    unseen = np.flatnonzero(carried)
    together[unseen] |= crowded(joints[unseen]) | crowded(boxes[unseen])
    return together


def steadied(
    seen: FloatArray, identity: npt.NDArray[np.int64], before: dict[int, FloatArray]
) -> FloatArray:
    """The boxes (N, 4) to remember of people just seen in ``seen`` (N, 4): those they had, drawn
    towards these.

    A detector that takes two people for one, or half a person for all of them, thereby needs more
    than a frame to mislead. ``before`` has the boxes (4,) by identity.
    """
    boxes = [
        before[i] + BOX_GAIN * (box - before[i]) if i in before else box
        for i, box in zip(identity.tolist(), seen, strict=True)
    ]
    return np.asarray(boxes, np.float32).reshape(-1, 4)
