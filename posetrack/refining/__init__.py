"""Tracks made smoother and more complete after the fact: gaps, outliers, sides, smoothing."""

from __future__ import annotations

__all__: list[str] = []
