"""The colours of identities.

Identities 0, 32, 64, ... share a colour. The first seven differ by 30 or more in CIELAB for normal
sight and for each of the three colour blindnesses (simulated after Machado et al. 2009), any six
that follow each other by 13 or more (33 for normal sight), so that people who are there together
are told apart by anybody. Every colour is dark enough that its light tint is clearly another tone:
the **right** side of a body has the full colour, the **left** side the tint.
"""

from __future__ import annotations

__all__ = ["PALETTE", "Color", "identity_color", "mix_white"]

Color = tuple[int, int, int]

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


def identity_color(identity: int) -> Color:
    """The colour (R, G, B) of an identity: the same in every frame and every video."""
    return PALETTE[identity % len(PALETTE)]


def mix_white(color: Color, white: float) -> Color:
    """A colour with that share of white in it."""
    red, green, blue = (round(c + (255 - c) * white) for c in color)
    return red, green, blue
