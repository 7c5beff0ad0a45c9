"""``posetrack review``: a page that shows a clip with its tracks, and mends them by hand.

A server for one clip on this machine (``app.py``, ``guard.py``, ``serve.py``) and a page of plain
JavaScript (``static/``). The page draws; what tracks and edits come to is computed here
(``session.py``), by the very replay that ``posetrack edit apply`` uses.
"""

from __future__ import annotations

__all__: list[str] = []
