"""What happened in a clip, and when: births and deaths, gaps, crossings, jumps, exchanges."""

from __future__ import annotations

__all__: list[str] = []
