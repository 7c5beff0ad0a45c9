"""Video in and out: files, pictures, cameras and streams as frames; H.264 with the source's time
stamps and sound.
"""

from __future__ import annotations

__all__: list[str] = []
