"""Checkpoints by name: what there is (``manifest.toml``), where it lies, and the networks that come
out of it.

Importing this package loads nothing heavy.
"""

from __future__ import annotations

__all__ = [
    "PRESETS",
    "Entry",
    "Preset",
    "decode_note",
    "entries",
    "load_detector",
    "load_flow",
    "load_pose",
    "path_of",
]

from posetrack.weights.fetch import path_of
from posetrack.weights.load import decode_note, load_detector, load_flow, load_pose
from posetrack.weights.manifest import Entry, entries
from posetrack.weights.presets import PRESETS, Preset
