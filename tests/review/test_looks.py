"""What people look like: two who come out of hiding with each other's identity are found."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from posetrack.editing.edits import Delete, Swap, apply_edits
from posetrack.review.looks import LookChange, Looks, look_changes
from posetrack.review.suspicions import review_moments
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, FrameLabels, Poses, Tracks
from posetrack.track_table import TrackTable, table_of
from posetrack.video.open import VideoWriter

FRAMES, FPS, SIZE_WH = 150, 25.0, (240, 120)
COLOURS = {1: (200, 40, 40), 2: (40, 60, 210), 3: (60, 160, 60)}
HIDDEN = range(70, 80)  # frames in which 1 and 2 are not to be seen
BODY = np.random.default_rng(4).uniform(0.1, 0.9, (17, 2)) * [30, 80]


def _starts(index: int) -> dict[int, tuple[float, float]]:
    """1 and 2 walk past each other, 3 stands."""
    return {1: (10 + 1.1 * index, 10), 2: (175 - 1.1 * index, 25), 3: (200, 20)}


def _table() -> TrackTable:
    frames = []
    for index in range(FRAMES):
        people = {i: s for i, s in _starts(index).items() if i == 3 or index not in HIDDEN}
        corner = np.array(list(people.values()))
        xy = BODY + corner[:, None]
        boxes = Boxes(
            np.concatenate([corner, corner + np.array([30, 80])], axis=1), np.ones(len(xy))
        )
        poses = Poses(xy, np.full(xy.shape[:2], np.nan), boxes, COCO_17)
        frames.append(FrameLabels(index, index / FPS, Tracks(list(people), poses)))
    return table_of(frames, COCO_17)


@pytest.fixture(scope="module", name="video")
def _video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("looks") / "clip.mp4"
    with VideoWriter(path, SIZE_WH, FPS) as writer:
        for index in range(FRAMES):
            image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 120, np.uint8)
            for i, (x, y) in _starts(index).items():
                image[round(y) : round(y) + 80, max(0, round(x)) : round(x) + 30] = COLOURS[i]
            writer.write(image, index / FPS)
    return path


def _read(table: TrackTable, video: Path) -> Looks:
    looks = Looks(table, video, SIZE_WH, FPS)
    looks.start()
    looks.wait()
    return looks


def test_who_comes_out_as_the_other_is_found(video: Path) -> None:
    truth = _table()
    looks = _read(truth, video)
    assert look_changes(truth, *looks.of(truth)) == []
    swapped = apply_edits(truth, [Swap(1, 2, start=75)])
    changes = look_changes(swapped, *looks.of(swapped))
    assert [(c.identity, c.other) for c in changes] == [(1, 2), (2, 1)]
    for change in changes:
        assert change.since < 75 <= change.frame
    [moment] = [m for m in review_moments(swapped, SIZE_WH, FPS, changes) if m.kind == "looks"]
    assert moment.ids == (1, 2)
    assert "looks like" in moment.text
    alone = apply_edits(swapped, [Delete(2, start=0, end=75)])
    [change, *_] = look_changes(alone, *looks.of(alone))
    assert change.other is None


def test_looks_belong_to_the_poses_whatever_they_are_called(video: Path) -> None:
    """Of tracks with the fault, read before it is mended."""
    faulty = apply_edits(_table(), [Swap(1, 2, start=75)])
    looks = _read(faulty, video)
    assert len(look_changes(faulty, *looks.of(faulty))) == 2
    mended = apply_edits(faulty, [Swap(1, 2, start=75), Delete(3)])
    rows, _ = looks.of(mended)
    assert set(mended.id[rows]) == {1, 2}
    assert look_changes(mended, *looks.of(mended)) == []


def test_a_known_switch_is_not_told_twice() -> None:
    truth = _table()
    swapped = apply_edits(truth, [Swap(1, 3, start=40)])
    change = LookChange(1, 38, 43, 3)
    kinds = [m.kind for m in review_moments(swapped, SIZE_WH, FPS, [change])]
    assert kinds.count("switch") == 1
    assert "looks" not in kinds
    assert kinds[0] == "switch"  # the worst first


def test_reading_waits_while_somebody_watches(video: Path) -> None:
    table, watching = _table(), [True]
    asked = threading.Event()

    def quiet_s() -> float:
        asked.set()
        return 0.0 if watching[0] else 60.0

    looks = Looks(table, video, SIZE_WH, FPS, quiet_s=quiet_s)
    looks.start()
    assert asked.wait(20)
    assert not looks.done
    watching[0] = False
    looks.wait()
    assert looks.done
    assert len(looks.of(table)[0])


def test_before_the_end_nothing_is_known_and_closing_does_not_wait(video: Path) -> None:
    table = _table()
    looks = Looks(table, video, SIZE_WH, FPS)
    assert len(looks.of(table)[0]) == 0
    looks.start()
    looks.close()
    gone = Looks(table, video.with_name("gone.mp4"), SIZE_WH, FPS)
    gone.start()
    gone.wait()
    assert gone.done
    assert len(gone.of(table)[0]) == 0
