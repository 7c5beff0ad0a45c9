"""Drawn clips of people with exact ground truth: for tests, the demo, and benchmarks."""

from __future__ import annotations

__all__: list[str] = []
