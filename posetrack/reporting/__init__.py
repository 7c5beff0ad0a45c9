"""Reports of tracked clips: one HTML file each, that opens anywhere."""

from __future__ import annotations

__all__: list[str] = []
