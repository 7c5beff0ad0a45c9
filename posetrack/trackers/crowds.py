"""People close together: there a person keeps the box they had, moved along, because joints stray onto neighbours."""

from __future__ import annotations

__all__ = ["crowded", "steadied"]

import numpy as np
import numpy.typing as npt

from posetrack.geometry import iou_matrix
from posetrack.options import BOX_GAIN, CROWDED_BOX_GAIN, CROWDED_IOU
from posetrack.structures import FloatArray


def crowded(xyxy: FloatArray) -> npt.NDArray[np.bool_]:
    """Which of some people's boxes (N, 4) overlap another one, (N,); boxes of NaN overlap nothing."""
    overlap = np.nan_to_num(iou_matrix(xyxy, xyxy))
    np.fill_diagonal(overlap, 0)
    among: npt.NDArray[np.bool_] = overlap.max(axis=1, initial=0) > CROWDED_IOU
    return among


def steadied(seen: FloatArray, identity: npt.NDArray[np.int64], before: dict[int, FloatArray]) -> FloatArray:
    """The boxes (N, 4) to remember of people just seen in ``seen`` (N, 4): those they had, drawn towards these.

    A detector that takes two people for one, or half a person for all of them, thereby needs more than a frame to
    mislead. ``before`` has the boxes (4,) by identity.
    """
    gain = np.where(crowded(seen), CROWDED_BOX_GAIN, BOX_GAIN)
    boxes = [
        before[i] + g * (box - before[i]) if i in before else box
        for i, g, box in zip(identity.tolist(), gain, seen, strict=True)
    ]
    return np.asarray(boxes, np.float32).reshape(-1, 4)
