"""Hourglass-52: the hourglass of CornerNet (Law and Deng, ECCV 2018), as OpenMMLab trained it for
pose.

Unlike Newell's it halves by strides, has plain residual blocks and grows wider inside. Names of
parameters are OpenMMLab's without the ``backbone.`` prefix, the heatmap layers are
``final_layers``.
"""

from __future__ import annotations

__all__ = ["Hourglass52", "WideLevel", "hourglass_52"]

from collections.abc import Sequence

from torch import Tensor, nn

from posetrack.nets.blocks import BasicBlock, check_size, init_weights
from posetrack.nets.lite_hrnet import ConvBN

WIDTHS = (256, 256, 384, 384, 384, 512)  # channels at each depth (CornerNet section 3.5)
BLOCKS = (2, 2, 2, 2, 2, 4)  # residual blocks at each depth
STEM_WIDTH = 128
# pixels of the input per position at the greatest depth: 4 before the hourglass, 32 inside
STRIDE = 128


def _blocks(count: int, in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """``count`` blocks; the first one changes stride and channels."""
    first = BasicBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(BasicBlock(out_channels, out_channels) for _ in range(count - 1)))


class WideLevel(nn.Module):
    """One depth: blocks at full size plus a path at half size, added."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        here, below = widths[:2]
        self.up1 = _blocks(blocks[0], here, here)
        self.low1 = _blocks(blocks[0], here, below, stride=2)
        inner = len(widths) == 2
        self.low2 = _blocks(blocks[1], below, below) if inner else WideLevel(widths[1:], blocks[1:])
        keep = [BasicBlock(below, below) for _ in range(blocks[0] - 1)]
        self.low3 = nn.Sequential(*keep, BasicBlock(below, here))
        self.up2 = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        return self.up1(x) + self.up2(self.low3(self.low2(self.low1(x))))  # type: ignore[no-any-return]


class Hourglass52(nn.Module):
    """``stacks`` wide hourglasses: one is called Hourglass-52, two Hourglass-104."""

    def __init__(self, joints: int = 16, stacks: int = 1) -> None:
        super().__init__()
        width = WIDTHS[0]
        relu = nn.ReLU(inplace=True)
        self.stem = nn.Sequential(
            ConvBN(3, STEM_WIDTH, 7, 2, act=relu), _blocks(1, STEM_WIDTH, width, stride=2)
        )
        self.hourglass_modules = nn.ModuleList(WideLevel(WIDTHS, BLOCKS) for _ in range(stacks))
        self.inters = nn.ModuleList(BasicBlock(width, width) for _ in range(stacks - 1))
        self.conv1x1s = nn.ModuleList(ConvBN(width, width) for _ in range(stacks - 1))
        self.out_convs = nn.ModuleList(ConvBN(width, width, 3, act=relu) for _ in range(stacks))
        self.remap_convs = nn.ModuleList(ConvBN(width, width) for _ in range(stacks - 1))
        self.final_layers = nn.ModuleList(nn.Conv2d(width, joints, 1) for _ in range(stacks))
        self.relu = relu
        init_weights(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), H and W multiples of 128 -> heatmaps (B, joints, H/4, W/4) of every
        stack.
        """
        check_size(x, STRIDE)
        x = self.stem(x)
        heatmaps: list[Tensor] = []
        for i, (stack, out, final) in enumerate(
            zip(self.hourglass_modules, self.out_convs, self.final_layers, strict=True)
        ):
            y = out(stack(x))
            heatmaps.append(final(y))
            if i < len(self.inters):
                x = self.inters[i](self.relu(self.conv1x1s[i](x) + self.remap_convs[i](y)))
        return heatmaps


def hourglass_52(joints: int = 16, *, stacks: int = 1) -> Hourglass52:
    """CornerNet's hourglass; ``stacks=1`` is Hourglass-52."""
    return Hourglass52(joints, stacks)
