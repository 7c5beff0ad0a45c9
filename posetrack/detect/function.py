"""Somebody's own function as a detector: a picture in, boxes out."""

from __future__ import annotations

__all__ = ["FunctionDetector", "as_boxes"]

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from posetrack.errors import InputError, WrongTypeError
from posetrack.structures import Boxes, Image

_WANTED = "Boxes, or an array (N, 4) of x1, y1, x2, y2 in pixels, or (N, 5) with a score of 0 to 1"


class FunctionDetector:
    """Calls ``find(image)`` for every picture (H, W, 3) uint8 RGB, a copy of its own, one at a
    time; what it gives goes through ``as_boxes``.
    """

    def __init__(self, find: Callable[[Image], Any]) -> None:
        self._find = find
        self._one_at_a_time = threading.Lock()  # nothing is known of what it remembers

    def __repr__(self) -> str:
        return f"FunctionDetector({self.name})"

    @property
    def name(self) -> str:
        """The function's full name, or that of its class; for the settings in a file."""
        named = self._find if hasattr(self._find, "__qualname__") else type(self._find)
        return f"{named.__module__}.{named.__qualname__}"  # type: ignore[union-attr]

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        with self._one_at_a_time:
            return [as_boxes(self._find(image.copy())) for image in images]


def as_boxes(found: object) -> Boxes:
    """The boxes of a picture as a program may have them: ``Boxes``; an array, tensor or list (N, 4)
    of x1, y1, x2, y2, all then scored 1; (N, 5) with scores; nothing at all (None, an empty list).

    Raises WrongTypeError for what has another shape, InputError for scores outside 0..1 and for
    corners that are no numbers or stand the wrong way round.
    """
    if isinstance(found, Boxes):
        return _checked(found)
    if found is None:
        return Boxes.empty()
    try:
        table = np.asarray(found, np.float32)
    except (TypeError, ValueError) as error:
        raise WrongTypeError(
            f"A detector gives {_WANTED}, not {type(found).__qualname__}."
        ) from error
    if table.size == 0:
        return Boxes.empty()
    if table.ndim != 2 or table.shape[1] not in (4, 5):
        raise WrongTypeError(f"A detector gives {_WANTED}, not an array {table.shape}.")
    score = table[:, 4] if table.shape[1] == 5 else np.ones(len(table), np.float32)
    return _checked(Boxes(table[:, :4], score))


def _checked(boxes: Boxes) -> Boxes:
    """The same boxes. Raises InputError."""
    corners, score = boxes.xyxy, boxes.score
    if not np.isfinite(corners).all() or not ((score >= 0) & (score <= 1)).all():
        raise InputError(
            "The detector gave a box with a corner or score that is no number of 0..1."
        )
    wrong = np.flatnonzero((corners[:, 2:] < corners[:, :2]).any(axis=1))
    if len(wrong):
        raise InputError(
            f"The detector gave {corners[wrong[0]].tolist()}: corners are x1, y1, x2, y2, "
            f"the lower right one second, not width and height."
        )
    return boxes
