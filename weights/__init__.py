"""Checkpoints by name: what there is (``manifest.toml``), where it lies, and the networks that come
out of it.

Importing this package loads nothing heavy.
"""

from __future__ import annotations

__all__ = [
    "NATIVE_SUFFIX",
    "PRESETS",
    "Entry",
    "Preset",
    "cache_folder",
    "decode_note",
    "detector_spec",
    "entries",
    "find_pose",
    "load_detector",
    "load_flow",
    "load_pose",
    "path_of",
    "read_start",
]

from posetrack.weights.fetch import path_of
from posetrack.weights.load import (
    NATIVE_SUFFIX,
    decode_note,
    detector_spec,
    find_pose,
    load_detector,
    load_flow,
    load_pose,
    read_start,
)
from posetrack.weights.manifest import Entry, cache_folder, entries
from posetrack.weights.presets import PRESETS, Preset
