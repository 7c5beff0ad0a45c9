"""Training: recipes, the loop, and what is learnt (joints of people, boxes, classes of
pictures).
"""

from __future__ import annotations

__all__: list[str] = []
