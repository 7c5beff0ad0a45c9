"""Many videos, many processes, many machines: lists of inputs, and who works on which."""

from __future__ import annotations

__all__: list[str] = []
