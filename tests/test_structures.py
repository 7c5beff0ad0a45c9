from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, Flow, Frame, InputSpec, Poses, Sequence, Skeleton, Tracks

K = len(COCO_17)


def _poses(n: int) -> Poses:
    xy = np.arange(n * K * 2, dtype=np.float64).reshape(n, K, 2)
    boxes = Boxes(np.tile([0.0, 0.0, 2.0, 4.0], (n, 1)), np.linspace(0.1, 1, n))
    return Poses(xy, np.ones((n, K)), boxes, COCO_17)


def test_arrays_are_converted_and_checked() -> None:
    boxes = Boxes(np.array([[0, 0, 10, 20]]), np.array([1]))
    assert boxes.xyxy.dtype == np.float32
    assert boxes.score.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Boxes(np.zeros((2, 5)), np.zeros(2)),
            r"Boxes.xyxy: expected shape \('any', 4\), got \(2, 5\)",
        ),
        (
            lambda: Boxes(np.zeros((2, 4)), np.zeros(3)),
            r"Boxes.score: expected shape \(2,\), got \(3,\)",
        ),
        (
            lambda: Frame(0, 0.0, np.zeros((4, 4), np.uint8)),
            r"Frame.image: expected shape \('any', 'any', 3\)",
        ),
        (
            lambda: Poses(np.zeros((1, 3, 2)), np.zeros((1, 3)), Boxes.empty(), COCO_17),
            r"Poses.xy: expected shape",
        ),
        (
            lambda: Tracks(np.zeros(2), Poses.empty(COCO_17)),
            r"Tracks.id: expected shape \(0,\), got \(2,\)",
        ),
        (lambda: Tracks(np.array([3, 3]), _poses(2)), r"an identity repeats in \[3, 3\]"),
        (lambda: Flow(np.zeros((3, 4)), (4, 3)), r"Flow.field: expected shape"),
    ],
)
def test_wrong_shapes_say_what_was_expected(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        make()


def test_structures_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Boxes.empty().score = np.zeros(0, np.float32)  # type: ignore[misc]


def test_box_sizes_are_never_negative() -> None:
    boxes = Boxes(np.array([[0, 0, 2, 3], [5, 5, 1, 9]]), np.ones(2))
    assert boxes.wh.tolist() == [[2, 3], [0, 4]]
    assert boxes.area.tolist() == [6, 0]


def test_empty_concat_and_index() -> None:
    assert (
        len(Boxes.concat([])) == len(Poses.concat([], COCO_17)) == len(Tracks.empty(COCO_17)) == 0
    )
    poses = _poses(3)
    both = Poses.concat([poses[:1], poses[1:]], COCO_17)
    np.testing.assert_array_equal(both.xy, poses.xy)
    np.testing.assert_array_equal(both.boxes.score, poses.boxes.score)
    assert poses[np.array([True, False, True])].xy.shape == (2, K, 2)
    assert poses[[2]].boxes.score.tolist() == pytest.approx([1.0])
    tracks = Tracks(np.array([5, 1, 9]), poses)[np.array([2, 0])]
    assert tracks.id.tolist() == [9, 5]
    np.testing.assert_array_equal(tracks.poses.xy, poses.xy[[2, 0]])


def test_absent_keypoints() -> None:
    poses = _poses(2)
    poses.xy[1, 4] = np.nan
    assert poses.present.sum() == 2 * K - 1
    assert not poses.present[1, 4]


def test_frame_size() -> None:
    assert Frame(0, 0.0, np.zeros((36, 64, 3), np.uint8)).size_wh == (64, 36)


def test_skeleton_is_checked() -> None:
    with pytest.raises(ValueError, match="oks_sigmas: expected 2 values, got 1"):
        Skeleton("s", ("a", "b"), (), (), (0.1,))
    with pytest.raises(ValueError, match="names repeat"):
        Skeleton("s", ("a", "a"), (), (), (0.1, 0.1))
    with pytest.raises(ValueError, match="limbs: an index lies outside"):
        Skeleton("s", ("a", "b"), ((0, 2),), (), (0.1, 0.1))


def test_sequences_iterate_again() -> None:
    sequence = Sequence("clip", (64, 36), 25.0, COCO_17, ())
    assert list(sequence.frames) == list(sequence.frames) == []
    assert sequence.meta == {}


def test_input_spec_defaults_are_imagenets() -> None:
    spec = InputSpec((192, 256))
    assert spec.padding == 1.25
    assert spec.mean == (0.485, 0.456, 0.406)
