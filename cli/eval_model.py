"""The part of ``posetrack eval`` that runs networks: options, loading, and the predictions to
score.
"""

from __future__ import annotations

__all__ = ["model_options", "predict_coco_file", "predict_mpii_file", "predict_posetrack_folder"]

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from posetrack.evaluation.mpii import MpiiTruth
    from posetrack.evaluation.tracking import Follow
    from posetrack.options import TrackOptions
    from posetrack.pose.estimator import PoseEstimator
    from posetrack.structures import Frame, Sequence, Tracks

Command = TypeVar("Command", bound=Callable[..., None])
PATH = click.Path(path_type=Path)
_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--model",
        {
            "metavar": "NAME",
            "help": "Run this network (a preset, a name of 'posetrack weights list', or a "
            "file), write its predictions to PRED, and score them.",
        },
    ),
    (
        "--images",
        {
            "type": PATH,
            "metavar": "DIR",
            "help": "Where the images lie, in folders, tar or zip files.",
        },
    ),
    (
        "--boxes",
        {
            "metavar": "SOURCE",
            "help": "truth, detector, or a file of detections (COCO results layout).",
        },
    ),
    ("--flip/--no-flip", {"default": None, "help": "Average with the mirrored picture."}),
    (
        "--upright/--no-upright",
        {"default": None, "help": "Look again at people who lie or tumble, turned upright."},
    ),
    (
        "--decode",
        {
            "type": click.Choice(("plain", "quarter", "dark")),
            "help": "How a heatmap becomes a point.",
        },
    ),
    (
        "--batch-size",
        {
            "type": click.IntRange(1),
            "default": 8,
            "show_default": True,
            "help": "People at a time.",
        },
    ),
    (
        "--device",
        {
            "default": "auto",
            "show_default": True,
            "metavar": "NAME",
            "help": "auto, cpu, cuda, mps.",
        },
    ),
    (
        "--precision",
        {
            "default": "auto",
            "show_default": True,
            "metavar": "NAME",
            "help": "auto, float32, bfloat16, float16.",
        },
    ),
    (
        "--runtime",
        {
            "type": click.Choice(("auto", "torch", "openvino", "compiled")),
            "default": "auto",
            "show_default": True,
            "help": "What runs the networks.",
        },
    ),
    ("--offline", {"is_flag": True, "help": "Download nothing."}),
    ("--force", {"is_flag": True, "help": "Replace existing predictions."}),
)


def model_options(command: Command) -> Command:
    """The options of every ``eval`` command that can run a network, collected in ``run``."""
    for name, more in reversed(_OPTIONS):
        command = click.option(name, **more)(command)
    return command


def predict_coco_file(
    truth: Path, target: Path, run: dict[str, Any], factors: tuple[float, ...]
) -> dict[str, Any]:
    """Run a network over COCO images and write its results; returns the settings for the report."""
    from posetrack.datasets.images import ImageStore
    from posetrack.evaluation.coco import read_coco_truth
    from posetrack.evaluation.predict import detection_boxes, predict_coco, truth_boxes
    from posetrack.formats.label_tables import write_json

    _check_target(target, run)
    labels, source = read_coco_truth(truth), run["boxes"] or "truth"
    boxes: Any
    if source == "truth":
        boxes = truth_boxes(labels)
    elif source == "detector":
        boxes = _detector(run).detect
    else:
        boxes = detection_boxes(Path(source))
    store, estimator = ImageStore(_images(run, truth)), _estimator(run)
    with _progress("predicting", "images") as report:
        rows = predict_coco(labels, store.read, estimator, boxes, factors=factors, progress=report)
    write_json(target, rows)
    return _settings(run, estimator, source) | {"scale_factors": factors}


def predict_mpii_file(
    truth: Path, target: Path, run: dict[str, Any], factors: tuple[float, ...]
) -> dict[str, Any]:
    """Run a network over the people MPII annotates, in the official crops; writes JSON."""
    from posetrack.datasets.images import ImageStore
    from posetrack.errors import UsageError
    from posetrack.evaluation.mpii import read_mpii_truth
    from posetrack.evaluation.predict import predict_mpii

    if run["boxes"] not in (None, "truth"):
        raise UsageError("MPII is scored on the annotated people; --boxes can only be truth.")
    if target.suffix != ".json":
        raise UsageError(
            f"Predictions on MPII are written as JSON; {target} does not end in .json."
        )
    _check_target(target, run)
    people = read_mpii_truth(truth)
    store, estimator = ImageStore(_images(run, truth)), _estimator(run)
    with _progress("predicting", "people") as report:
        xy = predict_mpii(people, store.read, estimator, factors=factors, progress=report)
    _write_mpii(target, people, xy)
    return _settings(run, estimator, "truth") | {"scale_factors": factors}


def _write_mpii(target: Path, people: MpiiTruth, xy: Any) -> None:
    from posetrack.formats.label_tables import write_json

    write_json(
        target,
        [{"image": n, "keypoints": p} for n, p in zip(people.image, xy.tolist(), strict=True)],
    )


def predict_posetrack_folder(
    truth: Path, target: Path, run: dict[str, Any], track: tuple[str, ...]
) -> tuple[str, Any]:
    """Run the whole tracker over the sequences; returns what the boxes were, in words, and the
    settings.
    """
    from posetrack.evaluation.tracking import SOURCES, track_dataset

    _check_target(target, run)
    source = run["boxes"] or "detector"
    follow, options = _follow(run, source, track)
    with _progress("tracking", "frames") as report:
        track_dataset(truth, _images(run, truth), target, follow, progress=report)
    words = SOURCES.get(source, SOURCES["file"])
    return words, {
        "model": run["model"],
        "boxes": words,
        "boxes_source": source,
        "track_options": options,
    }


def _follow(
    run: dict[str, Any], source: str, track: tuple[str, ...]
) -> tuple[Follow, dict[str, Any]]:
    from posetrack import PoseTracker
    from posetrack.detect.detectors import FileBoxes
    from posetrack.evaluation.tracking import true_boxes
    from posetrack.formats.boxes import read_boxes

    tracker = PoseTracker(**_track_options(run, track))
    options = tracker.options.shaping()
    if source == "poses":
        return _follow_poses(tracker.options), options

    def follow(frames: Iterable[Frame], truth: Sequence) -> Iterator[tuple[Frame, Tracks]]:
        boxes = None
        if source == "truth":
            boxes = true_boxes(truth)
        elif source != "detector":
            path = Path(source)
            boxes = FileBoxes(read_boxes(path / f"{truth.name}.json" if path.is_dir() else path))
        return tracker.follow(frames, boxes)

    return follow, options


def _follow_poses(o: TrackOptions) -> Follow:
    """Matching alone: no detector and no pose network are loaded."""
    from posetrack.assemble import build_flow, build_identities
    from posetrack.evaluation.tracking import follow_true_poses

    flow = build_flow(o)
    return lambda frames, truth: follow_true_poses(
        frames, truth, build_identities(o, truth.skeleton), flow
    )


def _track_options(run: dict[str, Any], track: tuple[str, ...]) -> dict[str, Any]:
    """The options of ``PoseTracker``: those of this command and NAME=VALUE pairs."""
    from posetrack.weights import PRESETS

    same = ("flip", "upright", "decode", "batch_size", "device", "precision", "runtime", "offline")
    options = {name: run[name] for name in same}
    if run["model"]:
        options |= (
            {"preset": run["model"]} if run["model"] in PRESETS else {"weights": run["model"]}
        )
    return options | dict(_pair(text) for text in track)


def _pair(text: str) -> tuple[str, Any]:
    """``memory=10`` as a name and a value of the option's type. Raises UsageError."""
    from dataclasses import fields

    from posetrack.errors import UsageError, unknown_name
    from posetrack.options import TrackOptions

    name, _, value = text.partition("=")
    kinds = {f.name: str(f.type).split(" |")[0] for f in fields(TrackOptions)}
    plain = name.strip().replace("-", "_")
    if plain not in kinds:
        raise unknown_name("tracking option", plain, kinds)
    try:
        convert: dict[str, Callable[[str], Any]] = {
            "int": int,
            "float": float,
            "bool": _truth_value,
        }
        return plain, convert.get(kinds[plain], str)(value)
    except (KeyError, ValueError) as error:
        raise UsageError(f"--track {text}: {value!r} is not a {kinds[plain]}.") from error


def _truth_value(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _estimator(run: dict[str, Any]) -> PoseEstimator:
    from posetrack.pose.estimator import PoseEstimator
    from posetrack.weights import PRESETS, load_pose

    preset = PRESETS.get(run["model"])
    net, spec = load_pose(preset.weights if preset else run["model"], offline=run["offline"])
    return PoseEstimator(
        net,
        spec.input,
        spec.skeleton,
        device=run["device"],
        precision=run["precision"],
        flip_test=True if run["flip"] is None else run["flip"],
        upright_test=bool(preset and preset.upright) if run["upright"] is None else run["upright"],
        decode=run["decode"] or spec.notes.get("decode") or "quarter",
        batch_size=run["batch_size"],
        runtime=run["runtime"],
    )


def _detector(run: dict[str, Any]) -> Any:
    from posetrack.weights import PRESETS, load_detector

    preset = PRESETS.get(run["model"]) or PRESETS["lite"]
    return load_detector(
        preset.detector, device=run["device"], runtime=run["runtime"], offline=run["offline"]
    )


def _settings(run: dict[str, Any], estimator: PoseEstimator, source: str) -> dict[str, Any]:
    kept = {key: run[key] for key in ("model", "batch_size", "device")}
    tests = {"flip": estimator.flip_test, "upright": estimator.upright_test}
    kept["runtime"] = estimator.runtime
    return {**kept, "boxes": source, **tests, "decode": estimator.decode, "oks_nms": 0.9}


def _images(run: dict[str, Any], truth: Path) -> Path:
    """The folder of the images: as given, else where the labels lie."""
    folder: Path = run["images"] or (truth if truth.is_dir() else truth.parent)
    return folder


def _check_target(target: Path, run: dict[str, Any]) -> None:
    from posetrack.errors import OutputError

    if not run["force"] and (any(target.iterdir()) if target.is_dir() else target.exists()):
        raise OutputError(f"{target} exists already; --force replaces it.")


def _progress(label: str, unit: str) -> Any:
    from posetrack.cli.progress import progress

    return progress(label, unit=unit)
