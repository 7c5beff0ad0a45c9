"""Running networks before scoring: what a model's name means, and the files of its predictions.

Stages are built by ``assemble`` as for tracking, so that a preset means here exactly what it means
to ``posetrack track``. A checkpoint by itself runs as the papers ran theirs.
"""

from __future__ import annotations

__all__ = [
    "ModelRun",
    "write_coco_predictions",
    "write_mpii_predictions",
    "write_posetrack_predictions",
]

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.assemble import (
    as_in_papers,
    build_detector,
    build_flow,
    build_identities,
    build_pose,
    in_force,
    is_preset,
)
from posetrack.datasets.images import ImageStore
from posetrack.detect.detectors import HOPELESS_SCORE, FileBoxes
from posetrack.errors import InputError, OutputError, UsageError
from posetrack.evaluation.mpii import MpiiTruth
from posetrack.evaluation.predict import (
    OKS_NMS,
    PYRAMID,
    detection_boxes,
    predict_coco,
    predict_mpii,
    truth_boxes,
)
from posetrack.evaluation.tracking import (
    SOURCES,
    Follow,
    follow_true_poses,
    track_dataset,
    true_boxes,
)
from posetrack.formats.boxes import read_boxes
from posetrack.formats.label_tables import write_json
from posetrack.options import TrackOptions
from posetrack.pose.estimator import PoseEstimator
from posetrack.structures import Frame, Sequence, Tracks
from posetrack.tracker import PoseTracker

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class ModelRun:
    """A network to run before scoring.

    ``model`` is a preset, with its detector, flip test, upright test and decoding, or a checkpoint
    (a name of ``posetrack weights list``, or a file), which runs as the papers ran theirs: flip
    test, no upright test, decoded as it notes itself, else by the quarter offset. ``options`` are
    those of ``TrackOptions`` by name, and go before all that; ``oks_nms`` only counts for COCO
    where it is given (``predict.OKS_NMS`` else).

    ``images`` is the folder of the images (None: where the labels lie). ``boxes`` is "truth",
    "detector", "poses" (PoseTrack only: matching alone), or a file of detections; None is "truth"
    for COCO and MPII, "detector" for PoseTrack. ``six_scales`` averages the heatmaps of six crop
    sizes. Existing predictions are replaced only with ``force``.
    """

    model: str = ""
    images: Path | None = None
    boxes: str | None = None
    six_scales: bool = False
    force: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def in_force(self, **defaults: Any) -> TrackOptions:
        """All options; ``defaults`` go before a preset's, behind those that were given.

        Raises UsageError.
        """
        given = {name: value for name, value in self.options.items() if value is not None}
        if not self.model:  # matching alone runs no network
            return in_force(TrackOptions(**{**defaults, **given}))
        if is_preset(self.model):
            return in_force(TrackOptions(**{**defaults, **given, "preset": self.model}))
        return as_in_papers(TrackOptions(**{**defaults, **given, "weights": self.model}))

    @property
    def factors(self) -> tuple[float, ...]:
        """On the crops, whose heatmaps are averaged."""
        return PYRAMID if self.six_scales else (1.0,)

    def folder(self, truth: Path) -> Path:
        """Where the images lie: as given, else where the labels do."""
        return self.images or (truth if truth.is_dir() else truth.parent)

    def check(self, target: Path) -> None:
        """Raise OutputError where predictions would be replaced, UsageError for tests that exclude
        each other.
        """
        if not self.force and (any(target.iterdir()) if target.is_dir() else target.exists()):
            raise OutputError(f"{target} exists already; --force replaces it.")
        if self.six_scales and self.options.get("upright"):
            raise UsageError("Six scales are not turned upright; leave out one of the two.")


def write_coco_predictions(
    truth: Mapping[str, Any], path: Path, target: Path, run: ModelRun, progress: Progress | None
) -> dict[str, Any]:
    """Run a network over the images of ``truth``, which was read from ``path``, and write its
    results; returns what ran.

    Boxes are the annotated ones, the detector's from a score of 0.05 on (``HOPELESS_SCORE``: AP
    lives on weak ones, too), or those of a file.
    """
    run.check(target)
    source = run.boxes or "truth"
    if source == "truth" and not truth["annotations"]:
        raise UsageError(
            f"{path} has no annotations, so no boxes to start from; give --boxes detector or a "
            f"file of detections."
        )
    o = run.in_force(min_box_score=HOPELESS_SCORE, oks_nms=OKS_NMS)
    boxes = _coco_boxes(truth, source, o)
    estimator = build_pose(o)
    rows = predict_coco(
        dict(truth),
        _reader(run, path),
        estimator,
        boxes,
        factors=run.factors,
        max_oks=o.oks_nms,
        progress=progress,
    )
    write_json(target, rows)
    return {**_what_ran(run, o, estimator, source), "oks_nms": o.oks_nms}


def _coco_boxes(truth: Mapping[str, Any], source: str, o: TrackOptions) -> Any:
    """Boxes by image id, or what finds them."""
    if source == "truth":
        return truth_boxes(dict(truth))
    if source != "detector":
        return detection_boxes(Path(source))
    detector = build_detector(o)
    assert not isinstance(detector, FileBoxes)  # ``boxes`` is no option here
    return detector.detect


def write_mpii_predictions(
    people: MpiiTruth, path: Path, run: ModelRun, progress: Progress | None
) -> tuple[npt.NDArray[np.float64], dict[str, Any]]:
    """Joints (N, 16, 2) of the annotated people, counted from 0, in the official crops, and what
    ran. ``path`` is the file they were read from.
    """
    if run.boxes not in (None, "truth"):
        raise UsageError("MPII is scored on the annotated people; --boxes can only be truth.")
    o = run.in_force()
    estimator = build_pose(o)
    xy = predict_mpii(people, _reader(run, path), estimator, factors=run.factors, progress=progress)
    return xy, _what_ran(run, o, estimator, "truth")


def write_posetrack_predictions(
    truth: Path, target: Path, run: ModelRun, progress: Progress | None
) -> tuple[str, dict[str, Any]]:
    """Track the sequences of ``truth`` and write label files into the folder ``target``; returns
    where boxes came from, in words, and what ran.

    All joints are written, however weak: what is dropped before MOTA is a matter of scoring
    (``sweep``). Matching still goes by the joints from ``min_joint_score`` on.
    """
    run.check(target)
    source = run.boxes or "detector"
    o = run.in_force(min_output_score=0.0)
    words = SOURCES.get(source, SOURCES["file"])
    ran = {"model": run.model, "boxes": words, "boxes_source": source}
    if source == "poses":
        follow, decode = _follow_poses(o), {}
    else:
        tracker = PoseTracker(**asdict(o))
        follow, decode = _follow(tracker, source), {"decode": tracker.stages.pose.decode}
    _need_images(run, truth)
    track_dataset(truth, run.folder(truth), target, follow, progress=progress)
    return words, {**ran, "track_options": {**o.shaping(), **decode}}


def _follow(tracker: PoseTracker, source: str) -> Follow:
    def follow(frames: Iterable[Frame], truth: Sequence) -> Iterator[tuple[Frame, Tracks]]:
        boxes = None
        if source == "truth":
            boxes = true_boxes(truth)
        elif source != "detector":
            path = Path(source)
            boxes = FileBoxes(read_boxes(path / f"{truth.name}.json" if path.is_dir() else path))
        return tracker.follow(frames, boxes)

    return follow


def _follow_poses(o: TrackOptions) -> Follow:
    """Matching alone: no detector and no pose network are loaded."""
    flow = build_flow(o)
    return lambda frames, truth: follow_true_poses(
        frames, truth, build_identities(o, truth.skeleton), flow
    )


def _need_images(run: ModelRun, truth: Path) -> None:
    folder = run.folder(truth)
    if not folder.is_dir():
        raise InputError(f"There is no image folder {folder}; say where it is with --images.")


def _reader(run: ModelRun, truth: Path) -> Callable[[str], Any]:
    """Reads images; one that is missing is told of with the option that says where they are."""
    _need_images(run, truth)
    store = ImageStore(run.folder(truth))

    def read(name: str) -> Any:
        try:
            return store.read(name)
        except InputError as error:
            raise InputError(f"{str(error).rstrip('.')}; check --images.") from error

    return read


def _what_ran(
    run: ModelRun, o: TrackOptions, estimator: PoseEstimator, source: str
) -> dict[str, Any]:
    """Settings for the report: what the network really did."""
    upright = estimator.upright_test and not run.six_scales
    found = source == "detector"
    detector = {"detector": o.detector, "min_box_score": o.min_box_score} if found else {}
    return {
        "model": run.model,
        "boxes": source,
        **detector,
        "flip": estimator.flip_test,
        "upright": upright,
        "decode": estimator.decode,
        "scale_factors": run.factors,
        "batch_size": o.batch_size,
        "device": estimator.device,
        "runtime": estimator.runtime,
        "precision": estimator.precision,
    }
