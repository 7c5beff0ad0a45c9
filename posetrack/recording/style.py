"""How drawn tracks look: one frozen record of choices, used by ``track`` and ``render``, and the
colours.

Identities 0, 32, 64, ... share a colour. The first seven differ by 30 or more in CIELAB for normal
sight and for each of the three colour blindnesses (simulated after Machado et al. 2009), any six
that follow each other by 13 or more (33 for normal sight), so that people who are there together
are told apart by anybody. Every colour is dark enough that its light tint is clearly another tone:
the **right** side of a body has the full colour, the **left** side the tint.
"""

from __future__ import annotations

__all__ = [
    "BACKGROUNDS",
    "COLOURINGS",
    "DEFAULT_STYLE",
    "PALETTE",
    "SIDE_COLORS",
    "Color",
    "DrawStyle",
    "identity_color",
    "mix_white",
]

from dataclasses import dataclass

from posetrack.errors import UsageError, unknown_name

Color = tuple[int, int, int]

BACKGROUNDS = ("video", "black", "white", "none")
COLOURINGS = ("identity", "side")

# Found by hill climbing (the first seven) and then the farthest of a grid, in the worst sight of
# four, neighbours in the list counting double.
PALETTE: tuple[Color, ...] = (
    (50, 140, 255), (119, 20, 254), (165, 197, 9), (164, 44, 149),
    (184, 32, 81), (255, 157, 123), (134, 108, 8), (0, 204, 192),
    (252, 12, 252), (204, 168, 252), (48, 168, 72), (252, 0, 144),
    (144, 60, 192), (240, 0, 24), (252, 132, 144), (204, 180, 60),
    (132, 132, 216), (84, 144, 72), (192, 24, 120), (168, 12, 216),
    (252, 36, 72), (240, 144, 216), (228, 120, 12), (132, 84, 180),
    (120, 192, 108), (192, 84, 108), (108, 72, 252), (204, 36, 48),
    (240, 96, 192), (192, 132, 48), (240, 24, 216), (84, 192, 144),
)  # fmt: skip
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


def identity_color(identity: int) -> Color:
    """The colour (R, G, B) of an identity: the same in every frame and every video."""
    return PALETTE[identity % len(PALETTE)]


def mix_white(color: Color, white: float) -> Color:
    """A colour with that share of white in it."""
    red, green, blue = (round(c + (255 - c) * white) for c in color)
    return red, green, blue
