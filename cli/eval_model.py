"""The options of ``posetrack eval`` that run networks."""

from __future__ import annotations

__all__ = ["model_options", "model_run", "option_value"]

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from posetrack.evaluation.model import ModelRun

Command = TypeVar("Command", bound=Callable[..., None])
PATH = click.Path(path_type=Path)
_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--model",
        {
            "metavar": "NAME",
            "help": "Run this network, write its predictions to PRED, and score them: a preset, "
            "which means what it means to 'posetrack track', or a checkpoint (a name of "
            "'posetrack weights list', or a file), which runs as in the papers (flip test, quarter "
            "offset).",
        },
    ),
    (
        "--detector",
        {
            "metavar": "NAME",
            "help": "With --boxes detector: another than the preset's (of a checkpoint: bundled).",
        },
    ),
    (
        "--detector-net",
        {"metavar": "NAME", "help": "The torchvision detector that a file holds, if in doubt."},
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
            "type": click.Choice(("plain", "quarter", "dark", "smooth")),
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

_TRACK_OPTIONS = (
    "detector",
    "detector_net",
    "flip",
    "upright",
    "decode",
    "batch_size",
    "device",
    "precision",
    "runtime",
    "offline",
)


def model_options(command: Command) -> Command:
    """The options of every ``eval`` command that can run a network, collected in ``run``."""
    for name, more in reversed(_OPTIONS):
        command = click.option(name, **more)(command)
    return command


def model_run(
    given: dict[str, Any], *, six_scales: bool = False, track: tuple[str, ...] = (), **more: Any
) -> ModelRun | None:
    """The network to be run by the options of ``model_options`` (and ``--track`` pairs, and options
    of tracking by their names in ``more``); None where there is none. Refuses options that would do
    nothing then. Raises UsageError.
    """
    from posetrack.errors import UsageError
    from posetrack.evaluation.model import ModelRun

    model, boxes, images = given["model"], given["boxes"], given["images"]
    if not model and boxes != "poses":  # matching alone needs no network
        if boxes or images:
            raise UsageError("--boxes and --images only matter with --model.")
        return None
    options = {name: given[name] for name in _TRACK_OPTIONS} | more
    return ModelRun(
        model or "",
        images=images,
        boxes=boxes,
        six_scales=six_scales,
        force=given["force"],
        options=options | dict(option_value(text) for text in track),
    )


def option_value(text: str, of: str = "--track") -> tuple[str, Any]:
    """``memory=10`` as a name of ``TrackOptions`` and a value of its type. Raises UsageError, which
    names ``of``, the option it stands in.
    """
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
        raise UsageError(f"{of} {text}: {value!r} is not a {kinds[plain]}.") from error


def _truth_value(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]
