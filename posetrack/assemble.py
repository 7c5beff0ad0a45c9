"""From options to stages: the one place where networks, weights and settings are joined.

``posetrack track``, ``posetrack eval`` and the library all build their detector, flow, pose network
and tracker here, so that a preset means the same everywhere and a report can say what ran.
"""

from __future__ import annotations

__all__ = [
    "Stages",
    "as_in_papers",
    "build_detector",
    "build_flow",
    "build_identities",
    "build_look",
    "build_pipeline",
    "build_pose",
    "build_stages",
    "in_force",
    "is_preset",
    "read_weights",
]

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from posetrack import checkpoints, weights
from posetrack.checkpoints import ModelSpec
from posetrack.detect.detectors import Detector, FileBoxes
from posetrack.errors import UsageError, WeightsError
from posetrack.flow import FlowEstimator
from posetrack.formats.boxes import read_boxes
from posetrack.inference.devices import device_name, has_native_bfloat16, has_native_int8
from posetrack.inference.threads import set_threads, stream_count
from posetrack.inference.trials import processor, quickest, remembered
from posetrack.offered import check_offered
from posetrack.options import WINDOW_FRAMES, TrackOptions
from posetrack.pipeline import Part, Pipeline, PipelineSettings, Seen, Stopwatch, Windows
from posetrack.pose.estimator import PoseEstimator
from posetrack.refining.live import Smoothed
from posetrack.skeletons import is_human
from posetrack.structures import Skeleton
from posetrack.trackers import TRACKERS, Tracker, TrackerSettings, build_tracker

if TYPE_CHECKING:
    import torch

Net = TypeVar("Net")
_log = logging.getLogger(__name__)

TRIALS_FILE = "trials.json"  # in the cache folder: what was faster on this machine
INT8 = "int8"  # a number format by name, beside torch's
DECODE = "quarter"  # official HRNet code; where neither user, checkpoint nor preset says otherwise


@dataclass(frozen=True, slots=True)
class Stages:
    """What a video goes through before people are told apart; loaded once, used for many videos."""

    detector: Detector | FileBoxes
    flow: FlowEstimator
    pose: PoseEstimator

    def __repr__(self) -> str:
        names = (type(s).__name__ for s in (self.detector, self.flow, self.pose))
        return f"Stages({', '.join(names)})"


def in_force(asked: TrackOptions) -> TrackOptions:
    """What was asked for, and what the preset says about the rest.

    ``decode`` stays open: a checkpoint's own note goes before the preset (``build_pose``). Raises
    UsageError for a name that is in no table.
    """
    preset = asdict(weights.PRESETS[check_offered(asked).preset])
    left_open = {name for name, value in asdict(asked).items() if value is None} - {"decode"}
    return replace(asked, **{name: preset[name] for name in left_open & preset.keys()})


def is_preset(name: str) -> bool:
    """Whether ``name`` is a preset: networks that go together."""
    return name in weights.PRESETS


def as_in_papers(asked: TrackOptions) -> TrackOptions:
    """The options in force for a checkpoint that is judged by itself, not as a part of a preset:
    where nothing was said, flip test on, upright test off, decoded as the checkpoint notes, else
    by the quarter offset.
    """
    assert asked.weights is not None
    note = weights.decode_note(asked.weights, offline=asked.offline)
    papers: dict[str, Any] = {"flip": True, "upright": False, "decode": note or DECODE}
    return in_force(
        replace(asked, **{k: v for k, v in papers.items() if getattr(asked, k) is None})
    )


def read_weights(name: str) -> tuple[Mapping[str, torch.Tensor], ModelSpec]:
    """State and description of weights to start training from: a file of posetrack for any task,
    else a name, or a published file. Raises InputError, WeightsError, UsageError.
    """
    if Path(name).suffix == weights.NATIVE_SUFFIX:
        return checkpoints.read_state(name), checkpoints.read_spec(name)
    return weights.read_start(name)


def build_stages(o: TrackOptions, detector: Detector | None = None) -> Stages:
    """Detector, flow and pose network of the options in force, with their weights; ``detector``
    stands in for the one they name.
    """
    if o.threads:
        set_threads(o.threads)
    stages = Stages(detector or build_detector(o), build_flow(o), build_pose(o))
    if detector or o.boxes:
        return stages
    if not is_human(stages.pose.skeleton) and _knows_people_only(o.detector):
        _log.warning(
            "The detector %s finds people, but the pose network draws %s: give a detector of "
            "those with --detector FILE, or their boxes with --boxes.",
            o.detector,
            stages.pose.skeleton.name,
        )
    return stages


def _knows_people_only(detector: str | None) -> bool:
    """Whether it is one that comes with posetrack or torchvision, not a file of the user's."""
    return detector is not None and not Path(detector).suffix


def build_detector(o: TrackOptions) -> Detector | FileBoxes:
    """The detector by its name or file, or the boxes of a file."""
    if o.boxes:
        return FileBoxes(read_boxes(o.boxes))
    assert o.detector is not None  # the preset names one
    spec = weights.detector_spec(o.detector, offline=o.offline)
    if o.detector_size is not None and spec is None:
        raise UsageError(
            f"--detector-size is for posetrack's own detectors; {o.detector} has a size of its own."
        )
    make = partial(
        weights.load_detector,
        o.detector,
        device=o.device,
        runtime=o.runtime,
        min_score=o.min_box_score,
        net=o.detector_net,
        long_side=o.detector_size,
        offline=o.offline,
    )
    if spec is None or INT8 not in _formats(o, spec):
        return make()
    size = spec.input.size_wh if o.detector_size is None else (o.detector_size, o.detector_size)
    picture = np.random.default_rng(0).integers(0, 256, (size[1] * 3 // 4, size[0], 3), np.uint8)
    network = f"{spec.net} {spec.net_args} {size} {o.runtime}"
    return _quickest(
        {"float32": make, INT8: partial(make, int8=True)},
        network,
        lambda detector: detector.detect([picture]),
    )


def build_flow(o: TrackOptions) -> FlowEstimator:
    """Optical flow, or none where the tracker makes no use of it."""
    return weights.load_flow(
        o.flow if TRACKERS[o.tracker].uses_flow else "none",
        long_side=o.flow_size,
        checkpoint=o.flow_weights,
        device=o.device,
        offline=o.offline,
    )


def build_pose(o: TrackOptions) -> PoseEstimator:
    """The pose network; decoded as the user asked, else as its checkpoint notes, else as the preset
    says.
    """
    assert o.weights is not None  # the preset names one
    net, spec = weights.find_pose(o.weights, offline=o.offline)
    preset = weights.PRESETS[o.preset]

    def make(precision: str) -> PoseEstimator:
        return PoseEstimator(
            net,
            spec.input,
            spec.skeleton,
            device=o.device,
            precision="auto" if precision == INT8 else precision,
            int8=spec.notes.get("int8") if precision == INT8 else None,
            calibration=_curve(spec),
            flip_test=bool(o.flip),
            upright_test=bool(o.upright),
            decode=o.decode or spec.notes.get("decode") or preset.decode or DECODE,
            batch_size=o.batch_size,
            runtime=o.runtime,
        )

    formats = _formats(o, spec)
    if len(formats) == 1:
        return make(formats[0])
    width, height = spec.input.size_wh
    crops = np.random.default_rng(0).integers(0, 256, (4, height, width, 3), np.uint8)
    network = f"{spec.net} {spec.net_args} {spec.input.size_wh} {o.runtime}"
    return _quickest(
        {name: partial(make, name) for name in formats}, network, lambda pose: pose.heatmaps(crops)
    )


def _curve(spec: ModelSpec) -> tuple[float, float] | None:
    """The calibration of scores in a checkpoint's notes. Raises WeightsError for an odd one."""
    noted = spec.notes.get("calibration")
    if noted is None:
        return None
    try:
        curve = float(noted["a"]), float(noted["b"])
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The calibration in the notes of {spec.net} is no curve.") from error
    if not all(map(math.isfinite, curve)) or curve[1] <= 0:
        raise WeightsError(f"The calibration in the notes of {spec.net} is no rising curve.")
    return curve


def _formats(o: TrackOptions, spec: ModelSpec) -> tuple[str, ...]:
    """The number formats among which the faster one is to be found; the one asked for, if one was.

    INT8 needs ranges in the checkpoint's notes, instructions for it, and OpenVINO.
    """
    if o.precision != "auto" or device_name(o.device) != "cpu":
        return (o.precision,)
    bytewise = "int8" in spec.notes and has_native_int8() and o.runtime in ("auto", "openvino")
    # bytes come at twice the rate of bfloat16 in all instruction sets that have both
    more = [("bfloat16", has_native_bfloat16() and not bytewise), (INT8, bytewise)]
    found = ("float32", *(name for name, able in more if able))
    return found if len(found) > 1 else ("auto",)


def _quickest(
    candidates: Mapping[str, Callable[[], Net]], network: str, work: Callable[[Net], object]
) -> Net:
    """The network in the number format that is fastest at ``work`` here, tried the first time.

    ``candidates`` build it, by the format's name; of equal ones the first.
    """
    made: dict[str, Net] = {}  # what a trial built is not built again

    def find_out() -> str:
        made.update({name: make() for name, make in candidates.items()})
        return quickest({name: partial(work, net) for name, net in made.items()})

    formats = tuple(candidates)
    machine = processor()  # whatever the threads: --threads and --jobs change no bit
    libraries = ", ".join(f"{name} {_version(name)}" for name in ("torch", "openvino"))
    question = f"precision of {network} among {formats} on {machine}, {libraries}"
    name = remembered(weights.cache_folder() / TRIALS_FILE, question, find_out)
    if name not in formats:
        name = formats[0]  # somebody else's file
    return made.get(name) or candidates[name]()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def build_identities(o: TrackOptions, skeleton: Skeleton) -> Tracker:
    """The tracker, with an empty memory."""
    settings = TrackerSettings(
        memory=o.memory,
        min_oks=o.min_oks,
        min_new_score=o.min_new_score,
        min_pose_score=o.min_pose_score,
        min_joint_score=o.min_joint_score,
        revive=o.revive,
    )
    return build_tracker(o.tracker, skeleton, settings)


def _looks(stages: Stages) -> int:
    """Parts of a window that are looked at at once: a thread each, where that is what the networks'
    runtime is good at.
    """
    alike = (stages.detector, stages.flow, stages.pose)
    return stream_count() if all(getattr(s, "concurrent", False) for s in alike) else 1


def build_pipeline(
    o: TrackOptions,
    stages: Stages,
    *,
    live: bool,
    stopwatch: Stopwatch | None = None,
    elsewhere: Windows | None = None,
) -> Pipeline | Smoothed:
    """A pipeline for one video; ``live`` pictures go frame by frame unless told otherwise. With
    ``o.smooth`` its tracks are smoothed as they come. ``elsewhere`` looks at its windows.
    """
    window, looks = o.window or (1 if live else WINDOW_FRAMES), _looks(stages)
    if elsewhere:  # a whole window travels to each
        window, looks = window * elsewhere.count, elsewhere.count
    settings = PipelineSettings(
        window=window,
        looks=looks,
        detect_every=o.detect_every,
        min_box_score=o.min_box_score,
        box_nms=o.box_nms,
        min_pose_score=o.min_pose_score,
        oks_nms=o.oks_nms,
        min_joint_score=o.min_joint_score,
        min_output_score=o.min_output_score,
        calibration=stages.pose.calibration,
    )
    tracker = build_identities(o, stages.pose.skeleton)
    pipeline = Pipeline(
        stages.detector, stages.flow, stages.pose, tracker, settings, stopwatch, elsewhere
    )
    return Smoothed(pipeline, stages.pose.skeleton) if o.smooth else pipeline


def build_look(o: TrackOptions, stages: Stages) -> Callable[[Part], Seen]:
    """What a worker does for ``build_pipeline(elsewhere=...)``: all that depends on no track."""
    run = build_pipeline(replace(o, smooth=False), stages, live=False)
    assert isinstance(run, Pipeline)
    return run.look
