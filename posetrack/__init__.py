"""Multi-person pose tracking in video: skeletons with identities that last.

    from posetrack import PoseTracker

    for tracks in PoseTracker().track("clip.mp4"):
        print(tracks.id, tracks.poses.xy)

``train`` makes networks from labelled people; ``evaluate_coco``, ``evaluate_mpii`` and
``evaluate_posetrack`` score predictions, and with a ``ModelRun`` make them first.

Importing this package loads nothing heavy; each name below is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "Boxes",
    "Frame",
    "ModelRun",
    "OutputOptions",
    "PoseTracker",
    "Poses",
    "PosetrackError",
    "Skeleton",
    "Stream",
    "Summary",
    "TrackOptions",
    "Tracks",
    "__version__",
    "evaluate_coco",
    "evaluate_mpii",
    "evaluate_posetrack",
    "train",
]

if TYPE_CHECKING:
    __version__: str
    from posetrack.errors import PosetrackError
    from posetrack.evaluation.evaluate import evaluate_coco, evaluate_mpii, evaluate_posetrack
    from posetrack.evaluation.model import ModelRun
    from posetrack.options import TrackOptions
    from posetrack.recording.results import OutputOptions, Summary
    from posetrack.stream import Stream
    from posetrack.structures import Boxes, Frame, Poses, Skeleton, Tracks
    from posetrack.tracker import PoseTracker
    from posetrack.training.train import train

_HOMES = {
    "ModelRun": "posetrack.evaluation.model",
    "OutputOptions": "posetrack.recording.results",
    "PoseTracker": "posetrack.tracker",
    "PosetrackError": "posetrack.errors",
    "Stream": "posetrack.stream",
    "Summary": "posetrack.recording.results",
    "TrackOptions": "posetrack.options",
    **dict.fromkeys(
        ("evaluate_coco", "evaluate_mpii", "evaluate_posetrack"), "posetrack.evaluation.evaluate"
    ),
    "train": "posetrack.training.train",
    **dict.fromkeys(("Boxes", "Frame", "Poses", "Skeleton", "Tracks"), "posetrack.structures"),
}


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
