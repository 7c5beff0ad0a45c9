"""Pose estimation: people in boxes to keypoints, and a second look at people who lean."""

from __future__ import annotations

__all__: list[str] = []
