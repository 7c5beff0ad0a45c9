"""Mending tracks by hand: edits, the log they are kept in, and their replay.

An edit says what a person wants ("swap 3 and 5 from frame 120 on") and can be applied to any part
of a clip: what it does to a frame depends on that frame alone. So a clip of any length is mended as
a stream, and the state on a screen is the state that a replay gives. The tracks themselves are
never written to; ``clip.edits.jsonl`` beside them says what to change (``log.py``).
"""

from __future__ import annotations

__all__: list[str] = []
