"""Training samples: crops, augmentation, mosaics and pictures of classes, from the people of
``datasets``.
"""

from __future__ import annotations

__all__: list[str] = []
