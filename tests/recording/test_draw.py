"""Drawing: who gets which colour, sides, absent joints, tags, odd places."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from posetrack.errors import UsageError
from posetrack.palette import PALETTE, identity_color, mix_white
from posetrack.recording.draw import draw_tracks
from posetrack.recording.style import DEFAULT_STYLE, SIDE_COLORS, DrawStyle
from posetrack.skeletons import COCO_17, POSETRACK_15
from posetrack.structures import Boxes, Poses, Skeleton, Tracks

GREY = np.full((240, 320, 3), 128, np.uint8)
QUIET = DrawStyle(show_ids=False)
# nose, neck, head top, then left and right: shoulder, elbow, wrist, hip, knee, ankle (the left is
# at larger x)
BODY = np.array(
    [
        [0, -80],
        [0, -60],
        [2, -100],
        [16, -58],
        [-16, -56],
        [26, -30],
        [-28, -28],
        [30, -2],
        [-20, -5],
        [10, 0],
        [-10, 0],
        [14, 42],
        [-12, 45],
        [20, 85],
        [-10, 90],
    ],
    np.float32,
)


def _tracks(*people: tuple[int, float, float], scale: float = 1.0, score: float = 0.9) -> Tracks:
    """One standing person a triple (identity, x, y of the hips' middle)."""
    xy = np.array([BODY * scale + (x, y) for _, x, y in people], np.float32).reshape(-1, 15, 2)
    ends = np.concatenate([xy.min(axis=1), xy.max(axis=1)], axis=1) if people else np.zeros((0, 4))
    boxes = Boxes(ends, np.ones(len(people)))
    return Tracks(
        [p[0] for p in people], Poses(xy, np.full(xy.shape[:2], score), boxes, POSETRACK_15)
    )


def _changed(image: Any, base: Any = GREY) -> Any:
    return (image != base).any(axis=2)


def test_a_new_picture_is_given() -> None:
    before = GREY.copy()
    image = draw_tracks(GREY, _tracks((0, 160, 120)))
    assert np.array_equal(GREY, before)
    assert (image.shape, image.dtype) == (GREY.shape, np.uint8)
    assert _changed(image).any()


def test_nobody_changes_nothing() -> None:
    assert np.array_equal(draw_tracks(GREY, Tracks.empty(POSETRACK_15)), GREY)


# Machado, Oliveira, Fernandes 2009, "A physiologically-based model for simulation of color vision
# deficiency", severity 1: what linear RGB looks like with protanopia, deuteranopia, tritanopia.
BLINDNESS = {
    "none": np.eye(3),
    "red": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "green": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.01182, 0.04294, 0.968881],
        ]
    ),
    "blue": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.3039],
        ]
    ),
}


def _lab(color: tuple[int, int, int], sight: str) -> Any:
    """CIELAB of an sRGB colour as that sight sees it."""
    c = np.array(color) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(BLINDNESS[sight] @ linear, 0, 1) / (0.9505, 1, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", BLINDNESS)
def test_seven_people_are_told_apart_by_anybody(sight: str) -> None:
    colors = [_lab(c, sight) for c in PALETTE]
    assert _nearest(colors[:7]) > 30
    assert _nearest(colors[:12]) > 12


def _nearest(colors: list[Any]) -> float:
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(colors, 2))


@pytest.mark.parametrize("sight", BLINDNESS)
def test_no_colour_repeats_and_neighbours_are_far_apart(sight: str) -> None:
    colors = [_lab(c, sight) for c in PALETTE]
    assert len(set(PALETTE)) == len(PALETTE) == 32
    assert _nearest(colors) > (16 if sight == "none" else 6)
    for i in range(len(colors)):
        six = [colors[(i + k) % len(colors)] for k in range(6)]
        assert _nearest(six) > (33 if sight == "none" else 13)


@pytest.mark.parametrize("sight", BLINDNESS)
def test_the_two_sides_of_any_colour_differ(sight: str) -> None:
    for color in PALETTE:
        full, pale = _lab(color, sight), _lab(mix_white(color, 0.8), sight)
        assert pale[0] - full[0] > 15
    pair = [_lab(SIDE_COLORS[side], sight) for side in ("left", "right")]
    assert _nearest(pair) > 60


def test_an_identity_keeps_its_colour() -> None:
    assert identity_color(3) == identity_color(3 + len(PALETTE)) == PALETTE[3]
    for identity in range(3):
        image = draw_tracks(GREY, _tracks((identity, 160, 120)), style=QUIET)
        assert image[165, 149].tolist() == list(PALETTE[identity])  # right knee


def test_left_is_lighter_than_right() -> None:
    image = draw_tracks(GREY, _tracks((0, 160, 120)), style=QUIET).astype(int)
    left_knee, right_knee, nose = image[162, 174], image[165, 148], image[40, 160]
    assert left_knee.sum() > nose.sum() > right_knee.sum()


@pytest.mark.parametrize("identity", range(len(PALETTE)))
def test_thin_limbs_keep_their_colour_and_side(identity: int) -> None:
    """A person of 50 pixels: the colours, not their dark edges, are what one sees."""
    image = draw_tracks(GREY, _tracks((identity, 160, 120), scale=0.27), style=QUIET)
    shins = [image[131:139, 155:159], image[131:139, 162:167]]  # right, left
    for shin, white in zip(shins, (0.0, 0.8), strict=True):
        apart = np.abs(shin.astype(int) - mix_white(identity_color(identity), white)).sum(axis=2)
        assert apart.min() < 90
    assert int(shins[1].max(axis=(0, 1)).sum()) > int(shins[0].max(axis=(0, 1)).sum()) + 30


def test_colours_by_side() -> None:
    image = draw_tracks(
        GREY, _tracks((0, 160, 120)), style=DrawStyle(show_ids=False, colours="side")
    )
    assert image[165, 149].tolist() == list(SIDE_COLORS["right"])
    assert image[162, 174].tolist() == list(SIDE_COLORS["left"])


def test_only_some_identities() -> None:
    both, one = _tracks((1, 80, 120), (2, 240, 120)), _tracks((2, 240, 120))
    assert np.array_equal(
        draw_tracks(GREY, both, style=DrawStyle(only=(2,))), draw_tracks(GREY, one)
    )


def test_line_width() -> None:
    def share(width: float) -> int:
        style = DrawStyle(show_ids=False, line_width=width)
        return int(_changed(draw_tracks(GREY, _tracks((0, 160, 120)), style=style)).sum())

    assert share(2) < share(4) < share(8)


@pytest.mark.parametrize(
    "wrong", [{"background": "green"}, {"colours": "x"}, {"line_width": 0}, {"trails": -1}]
)
def test_a_style_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        DrawStyle(**wrong)


def test_absent_and_weak_joints_are_left_out() -> None:
    whole = _tracks((0, 160, 120))
    for k in range(15):
        xy, score = whole.poses.xy.copy(), whole.poses.score.copy()
        xy[0, k] = np.nan
        score[0, k] = 0.1
        absent = Tracks([0], Poses(xy, score, whole.poses.boxes, POSETRACK_15))
        weak = Tracks([0], Poses(whole.poses.xy, score, whole.poses.boxes, POSETRACK_15))
        without = draw_tracks(GREY, absent, style=QUIET)
        assert not _changed(without)[
            tuple(np.round(whole.poses.xy[0, k]).astype(int)[::-1])
        ] or k in {
            0,
            1,
            3,
            4,
            9,
            10,
        }
        assert np.array_equal(
            without, draw_tracks(GREY, weak, style=DrawStyle(show_ids=False, min_score=0.2))
        )


def test_unsure_joints_are_thinner() -> None:
    sure, unsure = (
        _changed(draw_tracks(GREY, _tracks((0, 160, 120), score=s), style=QUIET)).sum()
        for s in (0.9, 0.05)
    )
    assert unsure < 0.9 * sure
    unknown = draw_tracks(GREY, _tracks((0, 160, 120), score=np.nan), style=QUIET)
    assert _changed(unknown).sum() == sure


def test_sizes_follow_person_and_picture() -> None:
    large = np.full((960, 1280, 3), 128, np.uint8)
    near = (
        _changed(draw_tracks(large, _tracks((0, 640, 480), scale=4), style=QUIET), large).sum()
        / 4**2
    )
    far = (
        _changed(draw_tracks(large, _tracks((0, 640, 480), scale=0.5), style=QUIET), large).sum()
        / 0.5**2
    )
    assert far > near  # a far person's lines do not vanish


@pytest.mark.parametrize("size_wh", [(64, 48), (320, 240), (1920, 1080)])
def test_the_tag_is_readable_and_inside(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    image = np.full((height, width, 3), 128, np.uint8)
    tracks = _tracks((5, width / 2, height / 2), scale=height / 400)
    tag = _changed(draw_tracks(image, tracks), draw_tracks(image, tracks, style=QUIET))
    rows, columns = np.flatnonzero(tag.any(axis=1)), np.flatnonzero(tag.any(axis=0))
    assert len(rows) >= max(12, 0.03 * height)
    assert len(columns) >= len(rows)


def test_tags_do_not_cover_each_other() -> None:
    def count(*people: tuple[int, float, float]) -> int:
        tracks = _tracks(*people)
        return int(
            _changed(draw_tracks(GREY, tracks), draw_tracks(GREY, tracks, style=QUIET)).sum()
        )

    alone = count((0, 160, 140))
    assert count((0, 160, 140), (1, 163, 140)) > 1.8 * alone


def test_boxes_on_request() -> None:
    tracks = _tracks((2, 160, 120))
    with_box = draw_tracks(GREY, tracks, style=DrawStyle(show_ids=False, show_boxes=True))
    x1, y1, x2, y2 = tracks.poses.boxes.xyxy[0].round().astype(int)
    for x, y in ((x1, (y1 + y2) // 2), (x2, y1 + 40), ((x1 + x2) // 2 + 12, y1)):
        assert with_box[y, x].tolist() == pytest.approx(PALETTE[2], abs=24)  # antialiased


@pytest.mark.parametrize(
    "at", [(-500, -500), (0, 0), (320, 240), (1e9, 5), (-1e9, -1e9), (np.inf, 0), (np.nan, np.nan)]
)
def test_odd_places_do_no_harm(at: tuple[float, float]) -> None:
    image = draw_tracks(GREY, _tracks((123456, *at)), style=DrawStyle(show_boxes=True))
    assert image.shape == GREY.shape


def test_one_joint_and_no_joint() -> None:
    xy = np.full((2, 17, 2), np.nan, np.float32)
    xy[0, 5] = (100, 100)
    poses = Poses(
        xy,
        np.full((2, 17), np.nan),
        Boxes([[80, 80, 120, 160], [200, 80, 240, 160]], [1, 1]),
        COCO_17,
    )
    image = draw_tracks(GREY, Tracks([0, 1], poses), style=QUIET)
    assert _changed(image)[100, 100]
    assert not _changed(image)[:, 190:].any()


def test_read_only_and_other_layouts() -> None:
    image = np.ascontiguousarray(GREY)[:, ::-1]
    image.setflags(write=False)
    assert _changed(draw_tracks(image, _tracks((0, 160, 120)), style=DEFAULT_STYLE)).any()


def test_own_skeletons() -> None:
    skeleton = Skeleton("pair", ("a", "b"), ((0, 1),), (), (0.1, 0.1))
    poses = Poses([[[10, 10], [60, 60]]], [[1, 1]], Boxes([[10, 10, 60, 60]], [1]), skeleton)
    assert _changed(draw_tracks(GREY, Tracks([0], poses), style=QUIET))[35, 35]
