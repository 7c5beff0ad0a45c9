"""Pictures for a report, out of the video: a frame for the ways, and people as they looked."""

from __future__ import annotations

__all__ = ["Pictures", "take_pictures"]

import base64
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posetrack.reporting.facts import ClipFacts, PersonFacts
from posetrack.structures import Image
from posetrack.video.open import open_source

Floats = npt.NDArray[np.float64]

SHOTS = 4  # of each person, spread over their time
SHOT_WH = (132, 176)
FRAME_SIDE = 1280  # longer side of the frame below the ways, pixels
QUALITY = 82  # of JPEG
PADDING = 1.15  # of boxes, before they are cut out


@dataclass(frozen=True, slots=True)
class Pictures:
    """JPEG files as data addresses: the ``frame``, and ``people`` by identity, with their times."""

    frame: str = ""
    people: dict[int, list[tuple[float, str]]] = field(default_factory=dict)


def take_pictures(facts: ClipFacts, video: str | Path) -> Pictures:
    """Read ``video`` once and cut out what is wanted. Raises InputError."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    people = {p.identity: p for p in facts.people}
    for p in facts.people:
        for row in _rows(p):
            wanted.setdefault(int(p.series.frame[row]), []).append((p.identity, row))
    middle = _busiest(facts)
    last = max([*wanted, middle])
    frame, shots = "", dict[int, list[tuple[float, str]]]()
    with open_source(video) as source:
        scale = source.size_wh[0] / facts.size_wh[0] if facts.size_wh else 1.0
        for picture in source:
            if picture.index == middle:
                frame = _jpeg(_smaller(picture.image))
            for identity, row in wanted.get(picture.index, ()):
                s = people[identity].series
                shot = _cut(picture.image, s.box[row] * scale)
                shots.setdefault(identity, []).append((float(s.time_s[row]), _jpeg(shot)))
            if picture.index >= last:
                break
    return Pictures(frame, shots)


def _rows(p: PersonFacts) -> list[int]:
    """Rows of the series to show: the surest one of each quarter of their time."""
    s = p.series
    worth = np.where(s.seen, np.nan_to_num(s.box_score) * np.sqrt(_areas(s.box)), -1.0)
    parts = np.array_split(np.arange(len(s.frame)), SHOTS)
    best = [int(part[worth[part].argmax()]) for part in parts if len(part)]
    return [row for row in best if s.seen[row] and np.isfinite(s.box[row]).all()]


def _areas(box: Floats) -> Floats:
    wh = np.clip(np.nan_to_num(box[:, 2:] - box[:, :2]), 0, None)
    area: Floats = wh[:, 0] * wh[:, 1]
    return area


def _busiest(facts: ClipFacts) -> int:
    """The index of a frame in which most people are there, the middle one of those."""
    every = [p.series.frame[p.series.seen] for p in facts.people]
    if not every:
        return 0
    index, count = np.unique(np.concatenate(every), return_counts=True)
    most = index[count == count.max()]
    return int(most[len(most) // 2])


def _smaller(image: Image) -> Image:
    import cv2

    scale = FRAME_SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _cut(image: Image, box: Floats) -> Image:
    """The person in a box, in a picture of ``SHOT_WH``; grey beyond the frame."""
    import cv2

    size = np.array(SHOT_WH)
    middle, wh = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 2) * PADDING
    scale = float((size / wh).min())
    low, high = middle - size / scale / 2, middle + size / scale / 2
    x1, y1 = np.clip(np.floor(low), 0, None).astype(int)
    x2, y2 = np.minimum(np.ceil(high), image.shape[1::-1]).astype(int)
    shot = np.full((SHOT_WH[1], SHOT_WH[0], 3), 128, np.uint8)
    if x2 <= x1 or y2 <= y1:
        return shot  # beside the picture
    to = np.round((np.array([x1, y1]) - low) * scale).astype(int)
    to = np.clip(to, 0, size - 1)
    wide, high_px = np.maximum(np.round(np.array([x2 - x1, y2 - y1]) * scale).astype(int), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = cv2.resize(image[y1:y2, x1:x2], (int(wide), int(high_px)), interpolation=how)
    space = shot[to[1] : to[1] + len(part), to[0] : to[0] + part.shape[1]]
    space[:] = part[: space.shape[0], : space.shape[1]]
    return shot


def _jpeg(image: Image) -> str:
    """A picture as a data address."""
    import cv2

    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
