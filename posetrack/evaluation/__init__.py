"""Evaluation: PoseTrack, COCO and MPII scores of files, and of networks that are run for it."""

from __future__ import annotations

__all__: list[str] = []
