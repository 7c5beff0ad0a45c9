"""The results of a run on disk: tracks written as they come, the rendered video, other formats."""

from __future__ import annotations

__all__: list[str] = []
