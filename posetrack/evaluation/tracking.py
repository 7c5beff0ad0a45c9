"""Running a tracker over the sequences of a PoseTrack dataset and writing its predictions, to be
scored afterwards.

Three honest kinds of run: boxes from a detector (end to end), boxes from the ground truth (or a
file), and poses from the ground truth, where only the matching is left to do. Whoever prints a
score says which; ``SOURCES`` has the words.
"""

from __future__ import annotations

__all__ = ["SOURCES", "Follow", "follow_true_poses", "frames_of", "track_dataset", "true_boxes"]

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from posetrack.datasets.images import ImageStore
from posetrack.detect.detectors import FileBoxes
from posetrack.errors import InputError
from posetrack.evaluation.files import pair_files, read_labels
from posetrack.flow import FlowEstimator, still
from posetrack.formats import FORMATS, detect_format
from posetrack.formats.folder import base_name
from posetrack.formats.label_tables import to_sequence
from posetrack.formats.table import LabelTable
from posetrack.geometry import keypoint_boxes
from posetrack.structures import Boxes, Flow, Frame, FrameLabels, Poses, Sequence, Tracks
from posetrack.trackers import Tracker

# What the boxes are, in the words of the tables.
SOURCES = {
    "detector": "boxes from the detector (end to end)",
    "truth": "GROUND-TRUTH BOXES, not end to end",
    "poses": "GROUND-TRUTH POSES, matching alone",
    "file": "boxes from a file",
}

Follow = Callable[[Iterable[Frame], Sequence], Iterable[tuple[Frame, Tracks]]]


def track_dataset(
    truth: Path,
    images: Path,
    folder: Path,
    follow: Follow,
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> list[Path]:
    """Predict every sequence of ``truth`` (a file or folder) and write files of the same layout
    into ``folder``.

    ``images`` is the folder below which the images lie as the labels name them. ``follow(frames,
    truth)`` tracks the frames of a sequence. Raises PosetrackError.
    """
    store = ImageStore(images)
    files = [pair.truth for pair in pair_files(truth, truth)[0]]
    tables = [(path, read_labels(path)) for path in files]
    total = sum(table.frame_count for _, table in tables)
    done, written = 0, []
    for path, table in tables:
        labels = []
        for frame, tracks in follow(frames_of(table, store), to_sequence(table)):
            labels.append(
                FrameLabels(frame.index, frame.time_s, tracks, table.images[frame.index] or None)
            )
            done += 1
            if progress:
                progress(done, total)
        written.append(_write(folder, path, table, labels))
    return written


def frames_of(table: LabelTable, store: ImageStore) -> Iterator[Frame]:
    """The frames a label file names, in its order; ``index`` is the position in the file."""
    for f, name in enumerate(table.images):
        if not name:
            raise InputError(
                f"{table.source}: frame {f}: image: the file names no image, so none can be read."
            )
        try:
            image = store.read(name)
        except InputError as error:
            raise InputError(f"{str(error).rstrip('.')}; check --images.") from error
        yield Frame(f, float(table.time_s[f]), image)


def _write(folder: Path, truth: Path, table: LabelTable, labels: list[FrameLabels]) -> Path:
    """The prediction in the layout of the ground truth, or of 2018 where that is no
    PoseTrack file.
    """
    layout = detect_format(truth)
    layout = layout if layout.name.startswith("posetrack") else FORMATS["posetrack18"]
    skeleton = labels[0].tracks.poses.skeleton if labels else to_sequence(table).skeleton
    path = folder / f"{base_name(truth)}.json"
    layout.write(path, Sequence(table.name, table.size_wh, None, skeleton, tuple(labels)))
    return path


def true_boxes(truth: Sequence) -> FileBoxes:
    """Boxes around the true joints, grown by the usual 15 %, with score 1: in place of a
    detector.
    """
    by_frame = {}
    for position, labels in enumerate(truth.frames):
        xyxy = keypoint_boxes(labels.tracks.poses.xy)
        xyxy = xyxy[np.isfinite(xyxy).all(axis=1)]
        by_frame[position] = Boxes(xyxy, np.ones(len(xyxy), np.float32))
    return FileBoxes(by_frame)


def follow_true_poses(
    frames: Iterable[Frame], truth: Sequence, tracker: Tracker, flow: FlowEstimator
) -> Iterator[tuple[Frame, Tracks]]:
    """The true poses of each frame with identities from the tracker: what matching alone can do."""
    before: Frame | None = None
    for frame, labels in zip(frames, truth.frames, strict=True):
        moved = _flow(flow if tracker.uses_flow else None, before, frame)
        tracker.propose(frame, moved)
        yield frame, tracker.update(frame, _certain(labels.tracks.poses), moved)
        before = frame


def _flow(flow: FlowEstimator | None, before: Frame | None, frame: Frame) -> Flow:
    if flow is None or before is None:
        return still(frame.size_wh)
    return flow.estimate([(before.image, frame.image)])[0]


def _certain(poses: Poses) -> Poses:
    """Poses whose present joints and boxes have score 1; people without any joint are left out."""
    poses = poses[np.flatnonzero(poses.present.sum(axis=1))]
    score = np.where(poses.present, np.float32(1), np.float32(0))
    boxes = Boxes(keypoint_boxes(poses.xy), np.ones(len(poses), np.float32))
    return replace(poses, score=score, boxes=boxes)
