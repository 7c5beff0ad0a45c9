"""What runs a network: devices, number formats, runtimes, folded batch norms, batches
side by side.
"""

from __future__ import annotations

__all__: list[str] = []
