"""Multi-person pose tracking in video: skeletons with identities that last.

    from posetrack import PoseTracker

    for tracks in PoseTracker().track("clip.mp4"):
        print(tracks.id, tracks.poses.xy)

``read`` gives the tracks of a file or folder as arrays and tables; ``refine``, ``measure``,
``mend``, ``render``, ``report`` and ``convert`` go on from them. ``train`` makes networks from
labelled people; ``evaluate_coco``, ``evaluate_mpii`` and ``evaluate_posetrack`` score predictions,
and with a ``ModelRun`` make them first.

Importing this package loads nothing heavy; each name below is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "Boxes",
    "Clip",
    "Frame",
    "MeasureOptions",
    "ModelRun",
    "OutputOptions",
    "PoseTracker",
    "Poses",
    "PosetrackError",
    "RefineOptions",
    "RenderOptions",
    "ReportOptions",
    "Sequence",
    "Skeleton",
    "Stream",
    "Summary",
    "TrackOptions",
    "Tracks",
    "__version__",
    "convert",
    "draw_sequence",
    "draw_tracks",
    "evaluate_coco",
    "evaluate_mpii",
    "evaluate_posetrack",
    "measure",
    "mend",
    "read",
    "refine",
    "render",
    "report",
    "train",
    "write",
]

if TYPE_CHECKING:
    __version__: str
    from posetrack.clip import Clip, read, write
    from posetrack.drawn.clip import draw_sequence
    from posetrack.editing.replay import mend
    from posetrack.errors import PosetrackError
    from posetrack.evaluation.evaluate import evaluate_coco, evaluate_mpii, evaluate_posetrack
    from posetrack.evaluation.model import ModelRun
    from posetrack.formats.convert import convert
    from posetrack.measuring.measure import MeasureOptions, measure
    from posetrack.options import TrackOptions
    from posetrack.recording.draw import draw_tracks
    from posetrack.recording.render import RenderOptions, render
    from posetrack.recording.results import OutputOptions, Summary
    from posetrack.refining.refine import RefineOptions, refine
    from posetrack.reporting.report import ReportOptions, report
    from posetrack.stream import Stream
    from posetrack.structures import Boxes, Frame, Poses, Sequence, Skeleton, Tracks
    from posetrack.tracker import PoseTracker
    from posetrack.training.train import train

_NAMES = {
    "clip": ("Clip", "read", "write"),
    "drawn.clip": ("draw_sequence",),
    "editing.replay": ("mend",),
    "errors": ("PosetrackError",),
    "evaluation.evaluate": ("evaluate_coco", "evaluate_mpii", "evaluate_posetrack"),
    "evaluation.model": ("ModelRun",),
    "formats.convert": ("convert",),
    "measuring.measure": ("MeasureOptions", "measure"),
    "options": ("TrackOptions",),
    "recording.draw": ("draw_tracks",),
    "recording.render": ("RenderOptions", "render"),
    "recording.results": ("OutputOptions", "Summary"),
    "refining.refine": ("RefineOptions", "refine"),
    "reporting.report": ("ReportOptions", "report"),
    "stream": ("Stream",),
    "structures": ("Boxes", "Frame", "Poses", "Sequence", "Skeleton", "Tracks"),
    "tracker": ("PoseTracker",),
    "training.train": ("train",),
}
_HOMES = {name: f"posetrack.{home}" for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Of a checkout what its setup.cfg says, whatever else is installed; else the package's."""
    from configparser import ConfigParser
    from importlib.metadata import version
    from pathlib import Path

    beside = Path(__file__).parents[1] / "setup.cfg"
    if not beside.is_file():
        return version("posetrack")
    config = ConfigParser()
    config.read(beside, encoding="utf-8")
    return config["metadata"]["version"]
