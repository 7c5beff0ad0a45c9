"""A painter draws the frames of one video in a style, one after the other: it knows the background
and remembers the ways people came.
"""

from __future__ import annotations

__all__ = ["Painter", "over_black", "straight_alpha"]

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posetrack.palette import identity_color, mix_white
from posetrack.recording.draw import draw_people
from posetrack.recording.strokes import Canvas, polyline
from posetrack.recording.style import DEFAULT_STYLE, DrawStyle
from posetrack.structures import Image, Poses, Tracks

_TRAIL_SHARE = 0.006  # of the picture's side: width of a trail at its young end
_TRAIL_TINT = 0.25
_BROKEN_S = 0.5  # seconds unseen after which a trail begins anew
_PLACES = ("left_hip", "right_hip"), ("hip", "pelvis")

Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Painter:
    """Draws frames in order. ``size_wh`` of the pictures in pixels."""

    size_wh: tuple[int, int]
    style: DrawStyle = DEFAULT_STYLE
    _ways: dict[int, deque[tuple[float, Floats]]] = field(default_factory=dict)

    @property
    def has_alpha(self) -> bool:
        """Whether ``draw`` gives four channels."""
        return self.style.background == "none"

    @property
    def needs_video(self) -> bool:
        """Whether ``draw`` wants the video's picture."""
        return self.style.background == "video"

    def draw(self, image: Image | None, tracks: Tracks, time_s: float) -> Image:
        """The picture of one frame: (H, W, 3) RGB, or (H, W, 4) RGB with opacity for no background.

        ``image`` is the video's (H, W, 3); it may be None where the background is another.
        """
        canvas = self._background(image)
        if self.style.only:
            tracks = tracks[np.isin(tracks.id, self.style.only)]
        if self.style.trails:
            self._remember(tracks, time_s)
            self._draw_trails(canvas)
        draw_people(canvas, tracks, self.style)
        return straight_alpha(canvas) if self.has_alpha else canvas

    def _background(self, image: Image | None) -> Canvas:
        if self.needs_video:
            if image is None:
                raise ValueError("Painter.draw: the background is the video, but there is no image")
            return np.array(image, order="C")
        width, height = self.size_wh
        value = 255 if self.style.background == "white" else 0
        return np.full((height, width, 4 if self.has_alpha else 3), value, np.uint8)

    def _remember(self, tracks: Tracks, time_s: float) -> None:
        for identity, place in zip(tracks.id.tolist(), _places(tracks.poses), strict=True):
            way = self._ways.setdefault(identity, deque())
            if way and time_s - way[-1][0] > _BROKEN_S:
                way.clear()
            if np.isfinite(place).all():
                way.append((time_s, place))
        for identity, way in list(self._ways.items()):
            while way and time_s - way[0][0] > self.style.trails:
                way.popleft()
            if not way:
                del self._ways[identity]

    def _draw_trails(self, canvas: Canvas) -> None:
        full = max(1.8, _TRAIL_SHARE * min(canvas.shape[:2]))
        for identity, way in self._ways.items():
            places = np.array([place for _, place in way])
            widths = np.linspace(0.3, 1, max(len(places) - 1, 1)) * full
            polyline(canvas, places, widths, mix_white(identity_color(identity), _TRAIL_TINT))


def _places(poses: Poses) -> Floats:
    """One point a person that their trail follows, (N, 2): the middle of the hips, else of the
    box.
    """
    index = {name: k for k, name in enumerate(poses.skeleton.joints)}
    middle: Floats = poses.boxes.xyxy.reshape(-1, 2, 2).mean(axis=1).astype(np.float64)
    for names in _PLACES:
        joints = [index[name] for name in names if name in index]
        if joints:
            hips = poses.xy[:, joints].mean(axis=1).astype(np.float64)
            return np.where(np.isnan(hips), middle, hips)
    return middle


def straight_alpha(canvas: Canvas) -> Image:
    """Colours times opacity (H, W, 4) as plain colours with opacity, as files have them."""
    alpha = canvas[..., 3:].astype(np.float32)
    plain = canvas[..., :3] * (255 / np.maximum(alpha, 1))
    return np.concatenate([np.minimum(np.round(plain), 255).astype(np.uint8), canvas[..., 3:]], 2)


def over_black(picture: Image) -> Image:
    """Any picture of ``Painter.draw`` as (H, W, 3), for a window."""
    if picture.shape[2] == 3:
        return picture
    shade = picture[..., 3:].astype(np.float32) / 255
    return np.round(picture[..., :3] * shade).astype(np.uint8)
