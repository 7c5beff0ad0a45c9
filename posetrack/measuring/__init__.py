"""Angles, distances and speeds of tracked people."""

from __future__ import annotations

__all__: list[str] = []
