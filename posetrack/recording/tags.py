"""Tags with identities: rounded, in the person's colour, with letters that stand out from it."""

from __future__ import annotations

__all__ = ["DARK", "draw_tags"]

import numpy as np
import numpy.typing as npt

from posetrack.palette import Color
from posetrack.structures import Image

Floats = npt.NDArray[np.float64]

DARK: Color = (18, 20, 24)  # of edges, and of letters on light tags
_SUPERSAMPLING = 4  # of the tag, for smooth letters and corners


def draw_tags(canvas: Image, people: list[tuple[int, Color, Floats]]) -> None:
    """A tag above each person, moved up where it would cover another, and kept inside the picture.

    ``people`` are identity, colour and extent (x1, y1, x2, y2) of each.
    """
    height = max(14, round(0.036 * min(canvas.shape[:2])))
    taken: list[tuple[int, int, int, int]] = []
    for identity, color, extent in people:
        tag, alpha = _tag(str(identity), color, height)
        h, w = alpha.shape
        x = round((extent[0] + extent[2] - w) / 2)
        y = round(extent[1] - 1.6 * h)
        x, y = _inside(x, y, w, h, canvas.shape)
        while y > 0 and any(
            x < x2 and x1 < x + w and y < y2 and y1 < y + h for x1, y1, x2, y2 in taken
        ):
            y = max(0, y - h)
        taken.append((x, y, x + w, y + h))
        _paste(canvas, tag, alpha, x, y)


def _inside(x: int, y: int, w: int, h: int, shape: tuple[int, ...]) -> tuple[int, int]:
    return max(0, min(x, shape[1] - w)), max(0, min(y, shape[0] - h))


def _tag(text: str, color: Color, height: int) -> tuple[Image, npt.NDArray[np.float32]]:
    """A rounded tag ``height`` pixels high: picture (h, w, 3) and its opacity (h, w) in 0..1."""
    import cv2

    s = _SUPERSAMPLING
    big = height * s
    font, thickness = cv2.FONT_HERSHEY_DUPLEX, max(1, round(0.075 * big))
    size = cv2.getFontScaleFromHeight(font, round(0.54 * big), thickness)
    (text_w, text_h), _ = cv2.getTextSize(text, font, size, thickness)
    wide = -(-max(big, text_w + round(0.7 * big)) // s) * s
    mask = np.zeros((big, wide), np.uint8)
    middle, radius = big // 2, big // 2 - 1
    cv2.line(mask, (middle, middle), (wide - middle - 1, middle), 255, 2 * radius, cv2.LINE_8)
    picture = np.full((big, wide, 3), color, np.uint8)
    dark = (
        0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 125
    )  # luma of the tag: black letters on light ones
    ink = DARK if dark else (255, 255, 255)
    where = ((wide - text_w) // 2, (big + text_h) // 2)
    cv2.putText(picture, text, where, font, size, ink, thickness, cv2.LINE_AA)
    small = (wide // s, height)
    opacity = np.asarray(
        cv2.resize(mask, small, interpolation=cv2.INTER_AREA), np.float32
    ) / np.float32(255)
    return np.asarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), np.uint8), opacity


def _paste(canvas: Image, tag: Image, alpha: npt.NDArray[np.float32], x: int, y: int) -> None:
    """Blend a tag into the canvas at (x, y), cut where the canvas is smaller."""
    part = canvas[y : y + tag.shape[0], x : x + tag.shape[1]]
    h, w = part.shape[:2]
    opacity = alpha[:h, :w, None]
    solid = np.full((h, w, part.shape[2]), 255, np.uint8)  # a fourth channel is opacity
    solid[..., :3] = tag[:h, :w]
    part[:] = np.round(part * (1 - opacity) + solid * opacity).astype(np.uint8)
