"""``PoseTracker`` in somebody's program: a camera loop, arrays, own detectors, threads, and a
sentence for what is wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import posetrack
from posetrack import Boxes, Frame, OutputOptions, PoseTracker, Tracks
from posetrack.drawn.clip import DrawnSequence, draw_sequence
from posetrack.errors import InputError, PosetrackError, UsageError, WrongTypeError
from posetrack.formats import native

QUICK = {"device": "cpu", "precision": "float32", "runtime": "torch"}
QUICK |= {"flip": False, "upright": False, "detector_size": 256}


@pytest.fixture(scope="module", name="drawn")
def drawn_fixture() -> DrawnSequence:
    return draw_sequence(5, frames=10, size_wh=(240, 180), people=2, name="clip")


@pytest.fixture(scope="module", name="images")
def images_fixture(drawn: DrawnSequence) -> list[np.ndarray]:
    return list(drawn.images)


@pytest.fixture(scope="module", name="boxes")
def boxes_fixture(drawn: DrawnSequence) -> list[np.ndarray]:
    return [labels.tracks.poses.boxes.xyxy for labels in drawn.labels.frames]


@pytest.fixture(scope="module", name="tracker")
def tracker_fixture() -> PoseTracker:
    return PoseTracker(**QUICK)


@pytest.fixture(scope="module", name="whole")
def whole_fixture(tracker: PoseTracker, images: list[np.ndarray]) -> list[bytes]:
    """What the window of 8 frames gives."""
    found = list(tracker.track(images))
    assert max(map(len, found)) == 2
    return [_bytes(tracks) for tracks in found]


def _with(detector: object, **options: float) -> PoseTracker:
    return PoseTracker(detector=detector, **{**QUICK, "detector_size": None}, **options)


def _bytes(tracks: Tracks) -> bytes:
    p = tracks.poses
    arrays = (tracks.id, p.xy, p.score, p.boxes.xyxy, p.boxes.score)
    return b"|".join(a.tobytes() for a in arrays)


def test_steps_give_the_bytes_of_windows(
    tracker: PoseTracker, images: list[np.ndarray], whole: list[bytes]
) -> None:
    assert [_bytes(tracker.step(image)) for image in images] == whole
    tracker.reset()
    assert [_bytes(tracker.step(image)) for image in images[:3]] == whole[:3]
    tracker.reset()


def test_smoothed_steps_too(images: list[np.ndarray]) -> None:
    tracker = PoseTracker(smooth=True, **QUICK)
    whole = [_bytes(tracks) for tracks in tracker.track(images, fps=10)]
    assert [_bytes(tracker.step(image, n / 10)) for n, image in enumerate(images)] == whole


def test_a_camera_may_fill_one_buffer_again_and_again(
    tracker: PoseTracker, images: list[np.ndarray], whole: list[bytes]
) -> None:
    def camera() -> Iterator[np.ndarray]:
        buffer = np.empty_like(images[0])
        for image in images:
            buffer[:] = image
            yield buffer

    assert [_bytes(tracks) for tracks in tracker.track(camera())] == whole
    stream = tracker.stream()
    assert [_bytes(stream.step(image)) for image in camera()] == whole


def test_sources_of_pictures_at_hand(
    tracker: PoseTracker, drawn: DrawnSequence, images: list[np.ndarray], whole: list[bytes]
) -> None:
    for source in (np.stack(images), iter(images), drawn.frames):
        assert [_bytes(tracks) for tracks in tracker.track(source)] == whole
    assert len(list(tracker.track(images[0]))) == 1
    assert [frame.time_s for frame, _ in tracker.run(images[:3], fps=10)] == [0, 0.1, 0.2]


def test_start_and_end_apply_to_pictures(images: list[np.ndarray]) -> None:
    tracker = _with(lambda image: None, start=0.2, end=0.5)
    assert [frame.index for frame, _ in tracker.run(images, fps=10)] == [2, 3, 4]


def test_pictures_are_recorded_and_their_tracks_read_back(
    tmp_path: Path, tracker: PoseTracker, images: list[np.ndarray], whole: list[bytes]
) -> None:
    summary = tracker.record(images, OutputOptions(tmp_path, video=False), fps=12.5)
    (sequence,) = native.read(tmp_path / "frames.jsonl")
    assert [_bytes(labels.tracks) for labels in sequence.frames] == whole
    assert sequence.fps == 12.5
    assert summary.frames == len(images)


def test_a_function_is_a_detector(images: list[np.ndarray], boxes: list[np.ndarray]) -> None:
    """Boxes as Boxes, as (N, 4), or with scores, or a list: all the same."""
    place = {image.tobytes(): n for n, image in enumerate(images)}

    def find(image: np.ndarray) -> np.ndarray:
        found = boxes[place[image.tobytes()]]
        image[:] = 0  # its own copy: nobody is harmed
        return found

    def scored(image: np.ndarray) -> np.ndarray:
        found = find(image)
        return np.concatenate([found, np.ones((len(found), 1))], axis=1)

    class Finder:
        def detect(self, images: list[np.ndarray]) -> list[Boxes]:
            return [Boxes(find(i.copy()), np.ones(2)) for i in images]

    ways = (find, scored, lambda image: find(image).tolist(), Finder())
    found = [[_bytes(t) for t in _with(w).track(images)] for w in ways]
    assert found[0] == found[1] == found[2] == found[3]
    tracker = _with(find)
    assert [len(tracks) for tracks in tracker.track(images[:4])] == [2] * 4
    assert "test_tracker" in repr(tracker)
    assert "find" in repr(tracker)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (np.zeros((2, 3)), "not an array (2, 3)"),
        ([[1, 2, 3]], "not an array (1, 3)"),
        ("boxes", "not str"),
        ([[50, 50, 20, 20]], "not width and height"),
        ([[1, 2, 3, np.nan]], "no number"),
        ([[1, 2, 3, 4, 80]], "of 0..1"),
    ],
)
def test_a_detector_that_gives_nonsense(
    images: list[np.ndarray], found: object, words: str
) -> None:
    tracker = _with(lambda image: found)
    with pytest.raises(PosetrackError, match=words.replace("(", r"\(").replace(")", r"\)")):
        tracker.step(images[0])


@pytest.mark.parametrize("nobody", [None, [], np.zeros((0, 4)), np.zeros((0, 5)), Boxes.empty()])
def test_a_detector_that_finds_nobody(images: list[np.ndarray], nobody: object) -> None:
    assert len(_with(lambda image: nobody).step(images[0])) == 0


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "not None"),
        (2.5, "not float"),
        (b"clip.mp4", "not bytes"),
        (True, "not bool"),
        (object, "not type"),
        (["a.mp4", "b.mp4"], "are not one video"),
        ([np.zeros((8, 8), np.uint8)], "np.stack"),
        ([np.zeros((8, 8, 3))], r"\* 255"),
        ([np.zeros((8, 8, 4), np.uint8)], "fourth channel"),
        ([np.zeros((3, 8, 8), np.uint8)], "transpose"),
        ([5], "not int"),
        (np.zeros((2, 2, 8, 8, 3), np.uint8), "not \\(2, 2, 8, 8, 3\\)"),
    ],
)
def test_wrong_types_get_a_sentence(tracker: PoseTracker, source: object, words: str) -> None:
    """Ours, and Python's TypeError; by the call itself, not by the first frame."""
    with pytest.raises(WrongTypeError, match=words) as caught:
        tracker.track(source)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, UsageError)
    assert str(caught.value).count("\n") == 0


def test_pictures_that_make_no_video(tracker: PoseTracker, images: list[np.ndarray]) -> None:
    frame = Frame(3, 0.0, images[0])
    for source, words in (
        ([], "no pictures"),
        ([images[0], images[0][:90]], "one size"),
        ([frame, frame], "indices must rise"),
        (np.zeros((0, 8, 3), np.uint8), "no pixels"),
    ):
        with pytest.raises(InputError, match=words):
            list(tracker.track(source))
    for rate in (0, float("nan"), -5, "25"):
        with pytest.raises(UsageError, match="rate"):
            tracker.track(images, fps=rate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"preset": 3}, WrongTypeError, "preset must be text"),
        ({"window": "8"}, WrongTypeError, "window must be a whole number"),
        ({"min_oks": True}, WrongTypeError, "min_oks must be a number"),
        ({"smooth": 1}, WrongTypeError, "smooth must be True or False"),
        ({"detector": 7}, WrongTypeError, "detector is a name"),
        ({"detector": dict}, WrongTypeError, "detector is a name"),
        ({"windw": 8}, UsageError, "did you mean 'window'"),
        ({"detector": len, "boxes": "b.json"}, UsageError, "boxes has no meaning"),
    ],
)
def test_options_of_wrong_types(
    options: dict[str, object], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        PoseTracker(**options)  # type: ignore[arg-type]


def test_options_of_numpy_and_pathlib_are_taken() -> None:
    tracker = PoseTracker(window=np.int64(4), min_oks=np.float32(0.5), weights=Path("x.pth"))
    assert repr(tracker) == "PoseTracker(weights='x.pth', min_oks=0.5, window=4)"


def test_a_stream_is_one_video(tracker: PoseTracker, images: list[np.ndarray]) -> None:
    stream = tracker.stream()
    stream.step(images[0], 1.0)
    for call, words in (
        (lambda: stream.step(images[0][:90], 2.0), r"240x90, those before it 240x180; reset\(\)"),
        (lambda: stream.step(images[0], 0.5), "goes back"),
        (lambda: stream.step(images[0], "now"), "number of seconds"),
        (lambda: stream.step("a.jpg"), "not str"),
    ):
        with pytest.raises(PosetrackError, match=words):
            call()
    assert stream.frame_count == 1
    assert repr(stream) == "Stream(1 frames)"
    stream.step(images[1], 1.0)
    stream.reset()
    stream.step(images[0][:90], 0.0)


def test_two_threads_in_one_step_are_refused(images: list[np.ndarray]) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(image: np.ndarray) -> None:
        inside.set()
        go_on.wait(30)

    tracker = _with(slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tracker.step, images[0])
        assert inside.wait(30)
        with pytest.raises(UsageError, match="Another thread is in step"):
            tracker.step(images[0])
        go_on.set()
        assert len(first.result()) == 0


def test_one_tracker_on_several_threads(images: list[np.ndarray], whole: list[bytes]) -> None:
    """Videos and streams side by side, loading included: the bytes of one after the other."""
    tracker = PoseTracker(**QUICK)

    def videos(_: int) -> list[bytes]:
        return [_bytes(tracks) for tracks in tracker.track(images)]

    def stepped(_: int) -> list[bytes]:
        stream = tracker.stream()
        return [_bytes(stream.step(image)) for image in images]

    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(job, n) for n in range(2) for job in (videos, stepped)]
        assert all(run.result() == whole for run in runs)


def test_short_descriptions(tracker: PoseTracker, drawn: DrawnSequence) -> None:
    labels = drawn[0].labels
    shown = {
        "Tracks(2: 0, 1)": labels.tracks,
        "Poses(2 of posetrack15)": labels.tracks.poses,
        "Boxes(2)": labels.tracks.poses.boxes,
        "Skeleton('posetrack15', 15 joints)": labels.tracks.poses.skeleton,
        "Frame(0, 0.000 s, 240x180)": drawn[0].frame,
        "FrameLabels(0, 0.000 s, Tracks(2: 0, 1))": labels,
        "Sequence('clip', 10 frames, 240x180, 25 fps, posetrack15)": drawn.labels,
        "Tracks(nobody)": Tracks.empty(labels.tracks.poses.skeleton),
        "PoseTracker(preset='balanced', window=1)": PoseTracker("balanced", window=1),
    }
    assert {repr(value) for value in shown.values()} == shown.keys()
    assert len(repr(tracker.stages)) < 100


def test_the_version_is_that_of_the_package() -> None:
    written = Path(__file__).parents[1].joinpath("setup.cfg").read_text(encoding="utf-8")
    assert f"\nversion = {posetrack.__version__}\n" in written
