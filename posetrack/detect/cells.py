"""What ``nets.PersonDetector`` says, cell by cell, as boxes: its geometry without PyTorch, for
finding people (``nets.person_detector`` has it once more in tensors, for training; a test compares
them).
"""

from __future__ import annotations

__all__ = ["cell_boxes", "cell_scores"]

from functools import lru_cache

import numpy as np

from posetrack.structures import FloatArray

STRIDES = (8, 16, 32)  # pixels between the cells of the three maps
MAX_LOG_SIZE = 6.0  # exp(6) strides: no box side is farther from its cell than that


def cell_boxes(sides: FloatArray, size_wh: tuple[int, int]) -> FloatArray:
    """Boxes x1, y1, x2, y2 (B, N, 4) float32 in pixels of an input of ``size_wh``, from logarithms
    of the distances to their left, top, right and bottom sides (B, N, 4) in strides.
    """
    centers, strides = _cells(size_wh)
    distance = np.exp(np.minimum(sides.astype(np.float64), MAX_LOG_SIZE)) * strides[:, None]
    corners = centers - distance[..., :2], centers + distance[..., 2:]
    return np.concatenate(corners, axis=-1).astype(np.float32)


def cell_scores(logits: FloatArray) -> FloatArray:
    """Scores 0..1 (B, N) float32 of logits."""
    with np.errstate(over="ignore"):  # exp of a very unlikely one is infinite, its score 0
        score: FloatArray = (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
    return score


@lru_cache(maxsize=8)  # sizes; a video has one
def _cells(size_wh: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Centres (N, 2) in pixels and strides (N,) of all cells, finest map first, row by row.

    A cell of stride s covers s pixels, so the centre of the first one lies at (s - 1) / 2: pixel
    centres are whole.
    """
    centers, strides = [], []
    for stride in STRIDES:
        counts = size_wh[1] // stride, size_wh[0] // stride
        row_column = np.indices(counts).reshape(2, -1).T
        centers.append(row_column[:, ::-1] * stride + (stride - 1) / 2)
        strides.append(np.full(len(row_column), float(stride)))
    return np.concatenate(centers), np.concatenate(strides)
