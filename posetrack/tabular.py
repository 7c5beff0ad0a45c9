"""People as a table: one row a joint, the columns of CSV and Parquet files; and other libraries
that not everybody has.
"""

from __future__ import annotations

__all__ = ["joint_columns", "need"]

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import UsageError

Columns = dict[str, npt.NDArray[Any]]


def joint_columns(
    identity: npt.NDArray[np.int64],
    joints: Sequence[str],
    xy: npt.NDArray[np.float32],
    score: npt.NDArray[np.float32],
    boxes: npt.NDArray[np.float32],
) -> Columns:
    """``id, joint, x, y, score, box_x1, box_y1, box_x2, box_y2, box_score``, each (N * K,): people
    in order, joints in the skeleton's; absent joints have NaN.

    ``identity`` (N,), ``xy`` (N, K, 2) pixels, ``score`` (N, K), ``boxes`` (N, 5) corners and
    score.
    """
    count = len(joints)
    columns: Columns = {
        "id": np.repeat(identity, count),
        "joint": np.tile(np.array(joints, object), len(identity)),
        "x": xy[..., 0].ravel(),
        "y": xy[..., 1].ravel(),
        "score": score.ravel(),
    }
    for n, name in enumerate(("box_x1", "box_y1", "box_x2", "box_y2", "box_score")):
        columns[name] = np.repeat(boxes[:, n], count)
    return columns


def need(library: str, extra: str) -> Any:
    """The library, imported. Raises UsageError where it is not installed."""
    try:
        return importlib.import_module(library)
    except ImportError as error:
        raise UsageError(
            f'This needs {library}, which is not installed: pip install "posetrack[{extra}]".'
        ) from error
