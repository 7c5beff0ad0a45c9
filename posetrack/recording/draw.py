"""Drawing tracked people into a frame: one colour an identity, left and right told apart, a tag
with the identity.

* The **right** side of a body has its identity's full colour, the **left** side a light tint of it,
  the middle (head, shoulder line, hip line) lies between. A thin dark edge keeps all of it visible
  on any background.
* Sizes follow the person and the picture: far people get fine lines, and the tag stays readable at
  any resolution.
* Unsure joints make thinner limbs; absent ones, and those below ``Style.min_score``, are left out.

Identity 0, 12, 24, ... share a colour. The first seven differ by 30 or more in CIELAB for normal
sight and for each of the three colour blindnesses (simulated after Machado et al. 2009), so that
seven people are told apart by anybody.
"""

from __future__ import annotations

__all__ = ["DEFAULT_STYLE", "PALETTE", "Style", "draw_tracks", "identity_color"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.recording.tags import DARK, Color, draw_tags
from posetrack.structures import Image, Poses, Skeleton, Tracks

Floats = npt.NDArray[np.float64]

PALETTE: tuple[Color, ...] = (
    (67, 148, 255),  # sky blue
    (229, 141, 1),  # orange
    (51, 238, 138),  # bluish green
    (255, 53, 160),  # pink
    (255, 252, 25),  # yellow
    (90, 48, 228),  # violet
    (207, 23, 43),  # crimson
    (138, 250, 255),  # cyan
    (168, 240, 85),  # lime
    (185, 79, 206),  # purple
    (223, 158, 81),  # clay
    (42, 84, 159),  # steel blue
)

_LEFT_TINT = 0.62  # share of white in the left side's colour
_MIDDLE_TINT = 0.28
_SUBPIXEL_BITS = 4  # OpenCV draws at sixteenths of a pixel
_JOINT_RADIUS = 0.95  # in limb widths
_UNSURE_WIDTH = 0.5  # of a limb between joints of score 0; grows to 1 at SURE_SCORE
_SURE_SCORE = 0.6


@dataclass(frozen=True, slots=True)
class Style:
    """How tracks look. ``scale`` multiplies all widths; joints scored below ``min_score`` are not
    drawn.
    """

    scale: float = 1.0
    min_score: float = 0.0
    show_ids: bool = True
    show_boxes: bool = False


DEFAULT_STYLE = Style()


def identity_color(identity: int) -> Color:
    """The colour (R, G, B) of an identity: the same in every frame and every video."""
    return PALETTE[identity % len(PALETTE)]


def draw_tracks(image: Image, tracks: Tracks, *, style: Style = DEFAULT_STYLE) -> Image:
    """A new picture with the people of ``tracks`` drawn into a copy of ``image`` (H, W, 3) uint8
    RGB.

    People further down in the picture, mostly the nearer ones, are drawn over those behind them;
    tags lie on top.
    """
    canvas = np.array(image, order="C")
    poses = tracks.poses
    shown = _shown_joints(poses, canvas.shape, style.min_score)
    extents = np.array([_extent(poses, shown, n) for n in range(len(poses))]).reshape(-1, 4)
    order = [
        int(n) for n in np.argsort(extents[:, 3], kind="stable") if np.isfinite(extents[n]).all()
    ]
    for n in order:
        color = identity_color(int(tracks.id[n]))
        width = _limb_width(extents[n], canvas.shape, style.scale)
        if style.show_boxes:
            _draw_box(canvas, poses.boxes.xyxy[n], color, width)
        _draw_person(canvas, poses, n, shown[n], color, width)
    if style.show_ids:
        tags = [(int(tracks.id[n]), identity_color(int(tracks.id[n])), extents[n]) for n in order]
        draw_tags(canvas, tags, style.scale)
    return canvas


def _shown_joints(poses: Poses, shape: tuple[int, ...], min_score: float) -> npt.NDArray[np.bool_]:
    """Which joints are drawn, (N, K): present, sure enough, and not absurdly far outside of the
    picture.
    """
    near = (np.abs(np.nan_to_num(poses.xy, nan=np.inf)) < 4 * max(shape)).all(axis=2)
    shown: npt.NDArray[np.bool_] = near & ~(
        poses.score < min_score
    )  # a score of NaN counts as sure
    return shown


def _extent(poses: Poses, shown: npt.NDArray[np.bool_], n: int) -> Floats:
    """The person's x1, y1, x2, y2: of the joints drawn, or of the box where there are none."""
    if shown[n].any():
        xy = poses.xy[n][shown[n]]
        return np.concatenate([xy.min(axis=0), xy.max(axis=0)]).astype(np.float64)
    box: Floats = poses.boxes.xyxy[n].astype(np.float64)
    return box


def _limb_width(extent: Floats, shape: tuple[int, ...], scale: float) -> float:
    """Width of a sure limb in pixels: 1.5 % of the person's height, within what suits the picture's
    size.
    """
    side = min(shape[:2])
    size = max(extent[2] - extent[0], extent[3] - extent[1])
    return float(np.clip(0.015 * size, max(1.2, 0.0035 * side), max(2.0, 0.012 * side))) * scale


def _mix(color: Color, white: float) -> Color:
    red, green, blue = (round(c + (255 - c) * white) for c in color)
    return red, green, blue


def _side_tint(*names: str) -> float:
    """Share of white for a joint or limb: by the side all its joints are on."""
    if all(n.startswith("left") for n in names):
        return _LEFT_TINT
    return 0.0 if all(n.startswith("right") for n in names) else _MIDDLE_TINT


def _joint_tints(skeleton: Skeleton) -> list[float]:
    return [_side_tint(name) for name in skeleton.joints]


def _limb_tints(skeleton: Skeleton) -> list[float]:
    """A limb from the middle to one side (neck to shoulder) belongs to that side; one across the
    body to the middle.
    """
    pairs = [[skeleton.joints[i] for i in limb] for limb in skeleton.limbs]
    return [
        _side_tint(*([n for n in names if n.startswith(("left", "right"))] or names))
        for names in pairs
    ]


# --- strokes
# --------------------------------------------------------------------------------------------------


def _fixed(xy: npt.NDArray[np.floating]) -> list[list[int]]:
    """Points (N, 2) as OpenCV's fixed-point numbers."""
    points: list[list[int]] = (
        np.round(xy.astype(np.float64) * (1 << _SUBPIXEL_BITS)).astype(int).tolist()
    )
    return points


def _draw_person(
    canvas: Image, poses: Poses, n: int, shown: npt.NDArray[np.bool_], color: Color, width: float
) -> None:
    """Limbs with an edge, then joints with an edge: every edge first, so that none cuts through a
    neighbour.
    """
    import cv2

    skeleton = poses.skeleton
    edge = max(1.0, 0.3 * width)
    points = _fixed(np.where(shown[:, None], poses.xy[n], 0))
    widths = (width * _sureness(poses.score[n])).tolist()
    limbs = [
        (a, b, min(widths[a], widths[b]), _mix(color, tint))
        for (a, b), tint in zip(skeleton.limbs, _limb_tints(skeleton), strict=True)
        if shown[a] and shown[b]
    ]
    for grow in (2 * edge, 0.0):
        for a, b, limb_width, tone in limbs:
            thick = max(1, round(limb_width + grow))
            cv2.line(
                canvas,
                points[a],
                points[b],
                DARK if grow else tone,
                thick,
                cv2.LINE_AA,
                _SUBPIXEL_BITS,
            )
    tints = _joint_tints(skeleton)
    for k in np.flatnonzero(shown).tolist():
        radius = _JOINT_RADIUS * widths[k]
        _dot(canvas, points[k], radius + 0.8 * edge, DARK)
        _dot(canvas, points[k], radius, _mix(color, tints[k]))


def _sureness(score: npt.NDArray[np.float32]) -> Floats:
    """Factors of a width for scores (K,); a missing score is sure."""
    share = np.clip(np.nan_to_num(score.astype(np.float64), nan=1.0) / _SURE_SCORE, 0, 1)
    return _UNSURE_WIDTH + (1 - _UNSURE_WIDTH) * share


def _dot(canvas: Image, point: list[int], radius: float, color: Color) -> None:
    import cv2

    cv2.circle(
        canvas, point, round(radius * (1 << _SUBPIXEL_BITS)), color, -1, cv2.LINE_AA, _SUBPIXEL_BITS
    )


def _draw_box(canvas: Image, box: npt.NDArray[np.float32], color: Color, width: float) -> None:
    import cv2

    if np.isfinite(box).all():
        low, high = _fixed(np.clip(box.reshape(2, 2), -1e5, 1e5))
        cv2.rectangle(
            canvas, low, high, color, max(1, round(0.35 * width)), cv2.LINE_AA, _SUBPIXEL_BITS
        )
