"""A painter: backgrounds, opacity, the ways people came."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.palette import identity_color, mix_white
from posetrack.recording.painter import Painter, over_black
from posetrack.recording.style import DrawStyle
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, Poses, Tracks

SIZE = (120, 90)
IMAGE = np.full((90, 120, 3), 128, np.uint8)


def _one(x: float, y: float = 45) -> Tracks:
    """Two joints of the face at (x, y), and a box whose middle is there."""
    xy = np.full((1, 17, 2), np.nan, np.float32)
    xy[0, 0], xy[0, 1] = (x, y - 8), (x, y + 8)
    boxes = Boxes([[x - 10, y - 20, x + 10, y + 20]], [0.9])
    return Tracks([3], Poses(xy, np.full((1, 17), 0.9), boxes, COCO_17))


@pytest.mark.parametrize(("background", "value"), [("video", 128), ("black", 0), ("white", 255)])
def test_backgrounds(background: str, value: int) -> None:
    picture = Painter(SIZE, DrawStyle(background=background)).draw(IMAGE, _one(60), 0)
    assert picture.shape == IMAGE.shape
    assert picture[0, 0].tolist() == [value] * 3
    assert (picture != value).any()


def test_no_background_is_transparent_and_its_colours_are_whole() -> None:
    """Laid over any colour, the overlay gives what is drawn on that colour."""
    overlay = Painter(SIZE, DrawStyle(background="none", show_boxes=True)).draw(None, _one(60), 0)
    assert overlay.shape == (90, 120, 4)
    assert overlay[0, 0].tolist() == [0, 0, 0, 0]
    direct = Painter(SIZE, DrawStyle(show_boxes=True)).draw(IMAGE, _one(60), 0)
    shade = overlay[..., 3:] / 255
    laid = overlay[..., :3] * shade + IMAGE * (1 - shade)
    assert np.abs(laid - direct).max() <= 6  # rounding, a few layers of it
    black = Painter(SIZE, DrawStyle(background="black", show_boxes=True)).draw(None, _one(60), 0)
    assert np.abs(over_black(overlay).astype(int) - black).max() <= 4


def test_the_video_is_needed_where_it_is_the_background() -> None:
    with pytest.raises(ValueError, match="no image"):
        Painter(SIZE).draw(None, _one(60), 0)


def _trail(painter: Painter, tracks: Tracks, time_s: float) -> np.ndarray:
    """Columns in which a trail is seen, by its colour."""
    picture = painter.draw(IMAGE, tracks, time_s)
    tone = np.array(mix_white(identity_color(3), 0.25))
    return np.flatnonzero((np.abs(picture - tone).sum(axis=2) < 60).any(axis=0))


def test_trails_last_their_seconds_and_end_with_the_person() -> None:
    painter = Painter(SIZE, DrawStyle(trails=1.0, show_ids=False))
    for step in range(8):
        seen = _trail(painter, _one(20 + 10 * step), step / 10)
    assert seen.min() <= 22
    assert seen.max() >= 80
    for step in range(8, 18):
        seen = _trail(painter, _one(90), step / 10)
    assert seen.min() > 75  # the way here is older than a second
    nobody = Tracks.empty(COCO_17)
    assert len(_trail(painter, nobody, 1.8)) > 0
    assert len(_trail(painter, nobody, 3.0)) == 0


def test_a_trail_does_not_join_what_was_not_seen() -> None:
    painter = Painter(SIZE, DrawStyle(trails=5.0, show_ids=False))
    painter.draw(IMAGE, _one(20), 0.0)
    painter.draw(IMAGE, _one(100), 2.0)
    assert not len(np.intersect1d(_trail(painter, _one(101), 2.1), np.arange(40, 80)))
