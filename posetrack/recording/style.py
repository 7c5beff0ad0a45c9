"""How drawn tracks look: one frozen record of choices, used by ``track`` and ``render``.
The colours of identities are ``palette``'s.
"""

from __future__ import annotations

__all__ = [
    "BACKGROUNDS",
    "COLOURINGS",
    "DEFAULT_STYLE",
    "SIDE_COLORS",
    "DrawStyle",
]

from dataclasses import dataclass

from posetrack.errors import UsageError, unknown_name
from posetrack.palette import Color

BACKGROUNDS = ("video", "black", "white", "none")
COLOURINGS = ("identity", "side")

# Orange and blue: the pair that all of the three colour blindnesses keep apart.
SIDE_COLORS: dict[str, Color] = {
    "right": (244, 124, 0),
    "left": (64, 168, 255),
    "middle": (232, 232, 232),
}


@dataclass(frozen=True, slots=True)
class DrawStyle:
    """How tracks are drawn.

    ``background``: the "video" itself, "black", "white", or "none" (transparent). ``line_width`` of
    a sure limb in pixels, None: by the sizes of person and picture. ``only``: the identities that
    are drawn, empty: all. ``trails``: seconds for which the way of each person stays visible.
    ``colours``: by "identity" (right full, left pale), or by "side". Joints scored below
    ``min_score`` are left out. Raises UsageError for values that make no sense.
    """

    background: str = "video"
    line_width: float | None = None
    show_ids: bool = True
    show_boxes: bool = False
    only: tuple[int, ...] = ()
    trails: float = 0.0
    colours: str = "identity"
    min_score: float = 0.0

    def __post_init__(self) -> None:
        for name, known in (("background", BACKGROUNDS), ("colours", COLOURINGS)):
            if getattr(self, name) not in known:
                raise unknown_name(name, str(getattr(self, name)), known)
        if self.line_width is not None and not self.line_width > 0:
            raise UsageError(f"line_width must be above 0, not {self.line_width}.")
        if not self.trails >= 0:
            raise UsageError(f"trails must be at least 0 seconds, not {self.trails}.")


DEFAULT_STYLE = DrawStyle()
