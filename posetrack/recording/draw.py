"""Drawing tracked people into a picture: one colour an identity, left and right told apart, a tag
with the identity.

* The **right** side of a body has its identity's full colour, the **left** side a light tint of it,
  the middle (head, shoulder line, hip line) lies between. A dark edge keeps all of it visible on
  any background; it is a share of the limb, so that thin limbs stay coloured in small pictures.
* Sizes follow the person and the picture: far people get fine lines, and the tag stays readable at
  any resolution.
* Unsure joints make thinner limbs; absent ones, and those below ``DrawStyle.min_score``, are left
  out.

A canvas of four channels is drawn into as well: colours times opacity, and opacity (0..255).
"""

from __future__ import annotations

__all__ = ["draw_people", "draw_tracks"]

import numpy as np
import numpy.typing as npt

from posetrack.palette import Color, identity_color, mix_white
from posetrack.recording.strokes import Canvas, capsules, discs, rectangle
from posetrack.recording.style import DEFAULT_STYLE, SIDE_COLORS, DrawStyle
from posetrack.recording.tags import DARK, draw_tags
from posetrack.structures import Image, Poses, Skeleton, Tracks

Floats = npt.NDArray[np.float64]

# share of white by side; the left one is near to white, for limbs of two pixels in bright colours
_TINTS = {"right": 0.0, "middle": 0.35, "left": 0.8}
_MIN_WIDTH, _MIN_SHARE, _MAX_SHARE = 2.0, 0.0035, 0.012  # pixels; shares of the picture's side
_JOINT_RADIUS = 0.85  # in limb widths
_UNSURE_WIDTH = 0.5  # of a limb between joints of score 0; grows to 1 at _SURE_SCORE
_SURE_SCORE = 0.6
_EDGE = 0.28  # of a limb's width, on each side
_MIN_EDGE, _MAX_EDGE = 0.45, 3.0  # pixels


def draw_tracks(image: Image, tracks: Tracks, *, style: DrawStyle = DEFAULT_STYLE) -> Image:
    """A new picture with the people of ``tracks`` drawn into a copy of ``image`` (H, W, 3) uint8
    RGB.

    People further down in the picture, mostly the nearer ones, are drawn over those behind them;
    tags lie on top. ``style.background`` and ``style.trails`` are the matter of ``Painter``.
    """
    canvas = np.array(image, order="C")
    draw_people(canvas, tracks, style)
    return canvas


def draw_people(canvas: Canvas, tracks: Tracks, style: DrawStyle) -> None:
    """Draw people into ``canvas`` (H, W, 3 or 4)."""
    if style.only:
        tracks = tracks[np.isin(tracks.id, style.only)]
    poses = tracks.poses
    shown = _shown_joints(poses, canvas.shape, style.min_score)
    extents = np.array([_extent(poses, shown, n) for n in range(len(poses))]).reshape(-1, 4)
    order = [
        int(n) for n in np.argsort(extents[:, 3], kind="stable") if np.isfinite(extents[n]).all()
    ]
    for n in order:
        width = style.line_width or _limb_width(extents[n], canvas.shape)
        if style.show_boxes:
            _draw_box(canvas, poses.boxes.xyxy[n], identity_color(int(tracks.id[n])), width)
        tones = _side_tones(style, identity_color(int(tracks.id[n])))
        _draw_person(canvas, poses, n, shown[n], tones, width)
    if style.show_ids:
        tags = [(int(tracks.id[n]), identity_color(int(tracks.id[n])), extents[n]) for n in order]
        draw_tags(canvas, tags)


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


def _limb_width(extent: Floats, shape: tuple[int, ...]) -> float:
    """Width of a sure limb in pixels: 1.5 % of the person's height, within what suits the picture's
    size.
    """
    side = min(shape[:2])
    size = max(extent[2] - extent[0], extent[3] - extent[1])
    low, high = max(_MIN_WIDTH, _MIN_SHARE * side), max(1.3 * _MIN_WIDTH, _MAX_SHARE * side)
    return float(np.clip(0.015 * size, low, high))


# --- colours
# --------------------------------------------------------------------------------------------------


def _side_tones(style: DrawStyle, color: Color) -> dict[str, Color]:
    if style.colours == "side":
        return SIDE_COLORS
    return {side: mix_white(color, white) for side, white in _TINTS.items()}


def _side(*names: str) -> str:
    """The side that all of these joints are on, or "middle"."""
    sides = {name.split("_")[0] for name in names}
    return sides.pop() if sides in ({"left"}, {"right"}) else "middle"


def _limb_side(skeleton: Skeleton, limb: tuple[int, int]) -> str:
    """A limb from the middle to one side (neck to shoulder) belongs to that side; one across the
    body to the middle.
    """
    names = [skeleton.joints[i] for i in limb]
    return _side(*([n for n in names if _side(n) != "middle"] or names))


# --- strokes
# --------------------------------------------------------------------------------------------------


def _draw_person(
    canvas: Canvas,
    poses: Poses,
    n: int,
    shown: npt.NDArray[np.bool_],
    tones: dict[str, Color],
    width: float,
) -> None:
    """Edges of limbs and joints first, so that none cuts through a neighbour; then their colours.

    The left side comes last but for the joints: the light tones are the ones easily covered.
    """
    skeleton, xy = poses.skeleton, np.where(shown[:, None], poses.xy[n], 0).astype(np.float64)
    widths = width * _sureness(poses.score[n])
    limbs = [
        (a, b, _limb_side(skeleton, (a, b))) for a, b in skeleton.limbs if shown[a] and shown[b]
    ]
    limbs.sort(key=lambda limb: ("middle", "right", "left").index(limb[2]))
    a, b = (np.array([limb[end] for limb in limbs], np.int64) for end in (0, 1))
    wide = np.minimum(widths[a], widths[b])
    joints = np.flatnonzero(shown)
    radii = _JOINT_RADIUS * widths[joints]
    capsules(canvas, xy[a], xy[b], wide + 2 * _edge(wide), [DARK] * len(limbs))
    discs(canvas, xy[joints], radii + _edge(radii), [DARK] * len(joints))
    capsules(canvas, xy[a], xy[b], wide, [tones[side] for _, _, side in limbs])
    sides = (_side(skeleton.joints[k]) for k in joints.tolist())
    discs(canvas, xy[joints], radii, [tones[side] for side in sides])


def _edge(width: Floats) -> Floats:
    """Pixels of dark edge on each side of limbs, by their widths."""
    return np.clip(_EDGE * width, _MIN_EDGE, _MAX_EDGE)


def _sureness(score: npt.NDArray[np.float32]) -> Floats:
    """Factors of a width for scores (K,); a missing score is sure."""
    share = np.clip(np.nan_to_num(score.astype(np.float64), nan=1.0) / _SURE_SCORE, 0, 1)
    return _UNSURE_WIDTH + (1 - _UNSURE_WIDTH) * share


def _draw_box(canvas: Canvas, box: npt.NDArray[np.float32], color: Color, width: float) -> None:
    if np.isfinite(box).all():
        low, high = np.clip(box.reshape(2, 2).astype(np.float64), -1e5, 1e5)
        rectangle(canvas, low, high, max(1, round(0.35 * width)), color)
