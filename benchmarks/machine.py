"""What a result file says of the machine that it was measured on."""

from __future__ import annotations

__all__ = ["processor_name"]

import platform
from pathlib import Path


def processor_name() -> str:
    """The name of the processor as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return next(named)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
