"""The official tool's two printed tables and its result files, to the letter."""

from __future__ import annotations

__all__ = ["PARTS", "ap_file", "ap_table", "mot_file", "mot_table", "part_means"]

from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.formats.table import JOINTS
from posetrack.metrics.keypoint_ap import ApResult
from posetrack.metrics.mot_scores import MotScores

Floats = npt.NDArray[np.float64]

# The columns of the tables and the joints whose mean each one is.
PARTS = {
    "Head": ("head_top", "neck", "nose"),
    "Shou": ("right_shoulder", "left_shoulder"),
    "Elb": ("right_elbow", "left_elbow"),
    "Wri": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankl": ("right_ankle", "left_ankle"),
}
_ROW_END = "\\\\\n"
_PARTS_HEADER = "& Head & Shou & Elb  & Wri  & Hip  & Knee & Ankl & Total"
_MOT_HEADER = (
    "& MOTA & MOTA & MOTA & MOTA & MOTA & MOTA & MOTA & MOTA & MOTP & Prec & Rec  "
    + _ROW_END
    + _PARTS_HEADER
    + "& Total& Total& Total"
    + _ROW_END
)


def part_means(values: Floats) -> dict[str, float]:
    """Means of the body parts and the total, from one value a joint and the total (J + 1,); NaN if
    a joint's is.
    """
    means = {
        part: float(np.mean([values[JOINTS.index(j)] for j in joints]))
        for part, joints in PARTS.items()
    }
    return {**means, "Total": float(values[-1])}


def ap_table(result: ApResult) -> str:
    """The AP table of poseval."""
    return _PARTS_HEADER + _ROW_END + _row(part_means(result.ap).values())


def mot_table(scores: MotScores) -> str:
    """The tracking table of poseval."""
    totals = (float(v[-1]) for v in (scores.motp, scores.precision, scores.recall))
    return _MOT_HEADER + _row([*part_means(scores.mota).values(), *totals])


def _row(values: Any) -> str:
    return "&" + " &".join(f"{value:1.1f}".rjust(5) for value in values) + " " + _ROW_END


def ap_file(result: ApResult) -> dict[str, Any]:
    """Content of ``total_AP_metrics.json`` and ``<sequence>_AP_metrics.json``."""
    return {
        "ap": result.ap.tolist(),
        "pre": result.precision.tolist(),
        "rec": result.recall.tolist(),
        "names": _names(),
    }


def mot_file(scores: MotScores) -> dict[str, Any]:
    """Content of ``total_MOT_metrics.json`` and ``<sequence>_MOT_metrics.json``."""
    return {
        "mota": scores.mota.tolist(),
        "motp": scores.motp.tolist(),
        "pre": scores.precision.tolist(),
        "rec": scores.recall.tolist(),
        "names": _names(),
    }


def _names() -> dict[str, str]:
    return {str(i): name for i, name in enumerate((*JOINTS, "total"))}
