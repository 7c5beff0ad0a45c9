"""Hourglasses of any order, two of them joined: Newell's first published network (umich-vl/pose-hg-
train, ``hg.lua``), which explanations of the stacked hourglass like to draw.

Three residuals stand between two halvings and on every skip, one between two additions. The second
hourglass is fed with the features of the first *concatenated* with those before it, and the first's
heatmaps *added*.
"""

from __future__ import annotations

__all__ = ["DeepLevel", "JoinedHourglass", "hourglass_joined"]

from itertools import pairwise

import torch
from torch import Tensor, nn

from posetrack.nets.blocks import check_size
from posetrack.nets.hourglass import ORDER, STEM_WIDTH, STRIDE, Conv, Residual

WIDTH = 256  # channels inside an hourglass
EARLY_WIDTH = 128  # of the features that are concatenated
OUT_WIDTH = 512  # of what an hourglass gives
BLOCKS = 3  # residuals between two halvings


class DeepLevel(nn.Module):
    """One order of an hourglass: a skip at full size plus a path at half size, added."""

    def __init__(self, order: int, blocks: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = _residuals(blocks, in_channels, out_channels)
        self.pool = nn.MaxPool2d(2)
        self.down = _residuals(blocks, in_channels, WIDTH)
        self.inner = (
            Residual(WIDTH, out_channels, False)
            if order == 1
            else DeepLevel(order - 1, blocks, WIDTH, out_channels)
        )
        self.after = Residual(out_channels, out_channels, False)
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h, w)."""
        low = self.after(self.inner(self.down(self.pool(x))))
        return self.up(x) + self.enlarge(low)  # type: ignore[no-any-return]


class JoinedHourglass(nn.Module):
    """One or two hourglasses of ``order`` 1 to 4 with ``blocks`` residuals between halvings; every
    one predicts heatmaps.
    """

    def __init__(
        self, joints: int = 16, stacks: int = 2, *, order: int = ORDER, blocks: int = BLOCKS
    ) -> None:
        super().__init__()
        if stacks not in (1, 2):
            raise ValueError(f"stacks must be 1 or 2, not {stacks}")
        if not 1 <= order <= ORDER or blocks < 1:
            raise ValueError(
                f"order must be 1 to {ORDER} and blocks at least 1, not {order} and {blocks}"
            )
        self.order = order
        self.stem = nn.Sequential(
            Conv(3, STEM_WIDTH, 7, 2, act=True),
            Residual(STEM_WIDTH, EARLY_WIDTH, False),
            nn.MaxPool2d(2),
        )
        self.pre = nn.Sequential(
            Residual(EARLY_WIDTH, EARLY_WIDTH, False),
            Residual(EARLY_WIDTH, EARLY_WIDTH, False),
            Residual(EARLY_WIDTH, WIDTH, False),
        )
        inputs = (WIDTH, WIDTH + EARLY_WIDTH)[:stacks]
        self.hourglasses = nn.ModuleList(
            DeepLevel(order, blocks, width, OUT_WIDTH) for width in inputs
        )
        features = [WIDTH] * (stacks - 1) + [OUT_WIDTH]
        self.linears = nn.ModuleList(
            nn.Sequential(
                Conv(OUT_WIDTH, OUT_WIDTH, 1, act=True), Conv(OUT_WIDTH, width, 1, act=True)
            )
            for width in features
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, joints, 1) for width in features)
        both = WIDTH + EARLY_WIDTH
        self.join = nn.Conv2d(both, both, 1) if stacks == 2 else None
        self.of_heatmaps = nn.Conv2d(joints, both, 1) if stacks == 2 else None

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), H and W multiples of 4 x 2^order -> heatmaps (B, joints, H/4, W/4)
        of every hourglass.
        """
        check_size(x, STRIDE * 2**self.order)
        early = self.stem(x)
        y = self.linears[0](self.hourglasses[0](self.pre(early)))
        first: Tensor = self.heads[0](y)
        if self.join is None or self.of_heatmaps is None:
            return [first]
        joined = self.join(torch.cat([y, early], 1)) + self.of_heatmaps(first)
        return [first, self.heads[1](self.linears[1](self.hourglasses[1](joined)))]


def _residuals(count: int, in_channels: int, out_channels: int) -> nn.Sequential:
    """``count`` residuals, ``WIDTH`` channels between them."""
    widths = [in_channels, *[WIDTH] * (count - 1), out_channels]
    return nn.Sequential(*(Residual(a, b, False) for a, b in pairwise(widths)))


def hourglass_joined(
    joints: int = 16, *, stacks: int = 2, order: int = ORDER, blocks: int = BLOCKS
) -> JoinedHourglass:
    """Two hourglasses joined by concatenation and addition, or one; ``order`` halvings inside."""
    return JoinedHourglass(joints, stacks, order=order, blocks=blocks)
