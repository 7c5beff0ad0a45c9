"""The pipeline: windows change nothing, proposals fill gaps, ghosts and duplicates go, memory stays
flat.
"""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from posetrack.assemble import build_pipeline, build_stages, in_force
from posetrack.drawn.clip import draw_sequence
from posetrack.flow import build_flow
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.oks import rescore
from posetrack.options import TrackOptions
from posetrack.pipeline import Pipeline, PipelineSettings, Stopwatch, calibrated
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Frame, Image, InputSpec, Poses, Tracks
from posetrack.trackers import TrackerSettings, build_tracker

SIZE = (320, 240)
SHAPE = np.stack(np.meshgrid([0.065, 0.5, 0.935], [0.065, 0.3, 0.5, 0.7, 0.935]), axis=-1).reshape(
    15, 2
)


def _frames(count: int, speed: float = 3.0) -> Iterator[Frame]:
    """Two textured squares 40 px wide: one stands at x=220, one walks from x=20. The first pixel
    holds the index.
    """
    texture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8), (0, 0), 1
    )
    for index in range(count):
        image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        for x, y in _places(index, speed):
            image[y : y + 40, x : x + 40] = texture
        image[0, 0, 0] = index % 256
        yield Frame(index, index / 25, image)


def _places(index: int, speed: float = 3.0) -> list[tuple[int, int]]:
    return [(int(20 + speed * index) % 250, 50), (220, 150)]


class _Detector:
    """Finds the squares, except those in ``missed`` (frame, person); remembers how many images each
    call had.
    """

    def __init__(self, missed: Sequence[tuple[int, int]] = (), score: float = 0.9) -> None:
        self.missed, self.score, self.calls = set(missed), score, []

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        self.calls.append(len(images))
        found = []
        for image in images:
            index = int(image[0, 0, 0])
            here = [
                (x, y) for n, (x, y) in enumerate(_places(index)) if (index, n) not in self.missed
            ]
            low = np.array(here, float).reshape(-1, 2)
            found.append(
                Boxes(np.concatenate([low, low + 40], axis=1), np.full(len(low), self.score))
            )
        return found


class _Pose:
    """Puts joints where the picture under a box is bright, and believes in them only there."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        self.batches.append(sum(len(b) for b in boxes))
        return [self._one(image, b) for image, b in zip(images, boxes, strict=True)]

    def _one(self, image: Image, boxes: Boxes) -> Poses:
        xy = np.full((len(boxes), 15, 2), np.nan)
        score = np.zeros((len(boxes), 15))
        for n, (x1, y1, x2, y2) in enumerate(
            np.clip(boxes.xyxy, 2, [318, 238, 318, 238]).astype(int)
        ):
            rows, columns = np.nonzero(image[y1:y2, x1:x2].sum(axis=2))
            if len(rows) > 50:
                low = np.array([x1 + columns.min(), y1 + rows.min()])
                span = np.array([np.ptp(columns), np.ptp(rows)]) + 1
                xy[n], score[n] = low + SHAPE * span, 0.8
        return Poses(xy, score, Boxes(boxes.xyxy, rescore(score, boxes.score)), POSETRACK_15)


def _pipeline(
    detector=None, flow: str = "dis_ultrafast", tracker: TrackerSettings | None = None, **settings
) -> Pipeline:
    return Pipeline(
        detector or _Detector(),
        build_flow(flow),
        _Pose(),
        build_tracker("flow", POSETRACK_15, tracker),
        PipelineSettings(**settings),
    )


def _ids(pipeline: Pipeline, count: int) -> list[list[int]]:
    return [tracks.id.tolist() for _, tracks in pipeline.run(_frames(count))]


def _assert_same(a: list[Tracks], b: list[Tracks]) -> None:
    for one, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(one.id, other.id)
        np.testing.assert_array_equal(one.poses.xy, other.poses.xy)
        np.testing.assert_array_equal(one.poses.boxes.xyxy, other.poses.boxes.xyxy)
        np.testing.assert_array_equal(one.poses.boxes.score, other.poses.boxes.score)


def test_every_frame_comes_out_in_order_with_its_people() -> None:
    out = list(_pipeline().run(_frames(19)))
    assert [frame.index for frame, _ in out] == list(range(19))
    assert {tuple(tracks.id) for _, tracks in out} == {(1, 2)}


@pytest.mark.parametrize("window", [2, 5, 8, 40])
def test_the_window_changes_nothing(window: int) -> None:
    gaps = [(3, 0), (4, 0), (9, 1), (10, 1), (10, 0), (16, 0)]
    runs = [
        [
            tracks
            for _, tracks in _pipeline(_Detector(gaps), window=w, detect_every=2).run(_frames(20))
        ]
        for w in (1, window)
    ]
    _assert_same(*runs)


@pytest.mark.parametrize(("window", "looks"), [(8, 2), (8, 3), (3, 8), (1, 2)])
def test_looking_at_parts_at_once_changes_nothing(window: int, looks: int) -> None:
    gaps = [(3, 0), (4, 0), (9, 1), (10, 1), (10, 0), (16, 0)]
    runs = [
        [tracks for _, tracks in _pipeline(_Detector(gaps), **how).run(_frames(20))]
        for how in ({"window": 1}, {"window": window, "looks": looks})
    ]
    _assert_same(*runs)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_bundled_networks_on_two_threads_give_the_bits_of_one() -> None:
    """All runtimes; with OpenVINO two parts of a window and two batches run at once."""
    options = in_force(TrackOptions(device="cpu", precision="float32"))
    clip = draw_sequence(1, frames=9, size_wh=(240, 180), people=3)
    frames = [Frame(i, i / 25, np.asarray(image)) for i, image in enumerate(clip.images)]
    stages, runs = build_stages(options), []
    for looks in (1, 2, 3):
        pipeline = build_pipeline(options, stages, live=False)
        pipeline.settings = replace(pipeline.settings, looks=looks)
        runs.append([tracks for _, tracks in pipeline.run(iter(frames))])
    assert sum(map(len, runs[0])) > 9
    for other in runs[1:]:
        _assert_same(runs[0], other)


def test_an_error_of_one_look_comes_out_after_the_frames_before_it() -> None:
    class Fails(_Detector):
        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            if any(image[0, 0, 0] == 10 for image in images):
                raise RuntimeError("no memory")
            return super().detect(images)

    out = _pipeline(Fails(), window=4, looks=2).run(_frames(20))
    assert [next(out)[0].index for _ in range(10)] == list(range(10))
    with pytest.raises(RuntimeError, match="no memory"):
        next(out)
    assert not [t for t in threading.enumerate() if t.name.startswith(("look", "read-ahead"))]


def test_the_window_changes_nothing_with_real_stages() -> None:
    """DIS flow and an untrained HRNet in float32, whose heatmaps are compared bit for bit."""
    torch.manual_seed(0)
    net = build("hrnet_w8", joints=15).eval()
    init_he(net, 15)  # the paper's initial weights give heatmaps of next to nothing
    pose = PoseEstimator(
        net, InputSpec((64, 64)), POSETRACK_15, device="cpu", precision="float32", batch_size=4
    )
    runs = []
    for window in (1, 3, 8):
        tracker = build_tracker(
            "flow", POSETRACK_15, TrackerSettings(min_new_score=0, min_joint_score=-1)
        )
        settings = PipelineSettings(
            window=window, detect_every=2, min_pose_score=-9, min_joint_score=-9
        )
        pipeline = Pipeline(_Detector([(4, 0)]), build_flow("dis"), pose, tracker, settings)
        runs.append([tracks for _, tracks in pipeline.run(_frames(12))])
    assert sum(len(tracks) for tracks in runs[0]) > 12
    for other in runs[1:]:
        _assert_same(runs[0], other)


def test_detection_and_poses_go_through_in_batches() -> None:
    detector = _Detector()
    pipeline = _pipeline(detector, window=8)
    list(pipeline.run(_frames(16)))
    assert detector.calls == [8, 8]
    assert [n for n in pipeline._pose.batches if n > 0] == [
        16,
        16,
    ]  # every proposal was covered by a detection


@pytest.mark.parametrize("gone", [(4, 0), (4, 1)])
def test_flow_carries_people_over_gaps_of_the_detector(gone: tuple[int, int]) -> None:
    gaps = [(frame, gone[1]) for frame in range(4, 10)]
    assert _ids(_pipeline(_Detector(gaps)), 14) == [[1, 2]] * 14


def test_detect_every_n_keeps_people_between_and_calls_the_detector_less() -> None:
    detector = _Detector()
    assert _ids(_pipeline(detector, detect_every=5, window=4), 21) == [[1, 2]] * 21
    assert sum(detector.calls) == 5


def test_a_person_who_leaves_is_not_carried_on() -> None:
    class Gone(_Pose):
        def _one(self, image: Image, boxes: Boxes) -> Poses:
            poses = super()._one(image, boxes)
            weak = np.where(image[0, 0, 0] < 5, poses.score, 0.1)
            return Poses(
                poses.xy, weak, Boxes(boxes.xyxy, rescore(weak, boxes.score)), POSETRACK_15
            )

    pipeline = _pipeline(_Detector([(i, n) for i in range(5, 9) for n in (0, 1)]))
    pipeline._pose = Gone()
    assert _ids(pipeline, 9) == [[1, 2]] * 5 + [[]] * 4


def test_a_ghost_fades_though_the_pose_network_believes_in_it() -> None:
    """A person once detected on a thing that looks like one: every later frame, only flow proposes
    it.
    """
    ghost = [(i, 1) for i in range(1, 60)]
    ids = _ids(
        _pipeline(_Detector(ghost), min_box_score=0.3, tracker=TrackerSettings(proposal_decay=0.9)),
        60,
    )
    assert ids[5] == [1, 2]
    assert ids[-1] == [1]


def test_two_boxes_on_one_body_are_one_person() -> None:
    class Twice(_Detector):
        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            found = super().detect(images)
            return [
                Boxes.concat([b, Boxes(b.xyxy + np.array([-15, -15, 15, 15]), b.score * 0.8)])
                for b in found
            ]

    assert _ids(_pipeline(Twice()), 6) == [[1, 2]] * 6


def test_weak_boxes_are_ignored_and_weak_joints_lose_their_place_but_not_their_score() -> None:
    assert _ids(_pipeline(_Detector(score=0.2), min_box_score=0.3), 3) == [[]] * 3
    _, tracks = next(_pipeline(min_joint_score=0.81).run(_frames(1)))
    assert np.isnan(tracks.poses.xy).all()
    np.testing.assert_allclose(tracks.poses.score, 0.8)


@pytest.mark.parametrize("cut", [1, 7, 8])
def test_a_run_goes_on_from_a_restored_tracker(cut: int) -> None:
    gaps = [(i, i % 2) for i in range(4, 18)]
    whole = [tracks for _, tracks in _pipeline(_Detector(gaps)).run(_frames(20))]
    frames = list(_frames(20))
    first, second = _pipeline(_Detector(gaps)), _pipeline(_Detector(gaps))
    for _, (frame, _tracks) in zip(
        range(cut), first.run(iter(frames)), strict=False
    ):  # not a frame further
        assert frame.index < cut
    second.tracker.restore(first.tracker.state())
    rest = [tracks for _, tracks in second.run(iter(frames[cut:]), before=frames[cut - 1])]
    _assert_same(whole[cut:], rest)


def test_no_frames_and_nobody() -> None:
    assert list(_pipeline().run(iter(()))) == []
    gaps = [(i, n) for i in range(5) for n in (0, 1)]
    assert _ids(_pipeline(_Detector(gaps)), 5) == [[]] * 5


def test_without_flow_nothing_is_computed() -> None:
    class Never:
        def estimate(self, pairs: object) -> None:
            raise AssertionError

    tracker = build_tracker("oks", POSETRACK_15)
    pipeline = Pipeline(_Detector(), Never(), _Pose(), tracker)
    assert [tracks.id.tolist() for _, tracks in pipeline.run(_frames(4))] == [[1, 2]] * 4


def test_the_stopwatch_has_every_stage() -> None:
    watch = Stopwatch()
    pipeline = Pipeline(
        _Detector(),
        build_flow("dis"),
        _Pose(),
        build_tracker("flow", POSETRACK_15),
        stopwatch=watch,
    )
    list(pipeline.run(_frames(9)))
    assert set(watch.seconds) == {"decode", "detect", "flow", "pose", "track"}
    assert all(seconds >= 0 for seconds in watch.seconds.values())


def test_memory_does_not_grow_with_the_video() -> None:
    pipeline = _pipeline(flow="dis_ultrafast", window=4, looks=2)
    sizes = []
    tracemalloc.start()
    for frame, _ in pipeline.run(_frames(240, speed=0.0)):
        if frame.index in (60, 239):
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[1] - sizes[0] < 500_000  # bytes; each frame alone is 230,400


def test_scores_are_written_as_the_share_that_is_right() -> None:
    plain, told = (
        [tracks for _, tracks in _pipeline(calibration=curve).run(_frames(4))]
        for curve in (None, (-3.0, 6.0))
    )
    for a, b in zip(plain, told, strict=True):
        assert a.id.tolist() == b.id.tolist()
        np.testing.assert_array_equal(a.poses.xy, b.poses.xy)
        np.testing.assert_allclose(b.poses.score, 1 / (1 + np.exp(3 - 6 * a.poses.score)), 1e-6)


def test_a_score_of_nothing_stays_nothing() -> None:
    score = np.array([0, 0.25, 0.5, 0.75], np.float32)
    np.testing.assert_allclose(calibrated(score, (-3, 6)), [0, 0.182426, 0.5, 0.817574], atol=1e-6)
    assert calibrated(score, None) is score
