"""Stacked Hourglass networks for human pose estimation (Newell, Yang and Deng, ECCV 2016).

Every stack predicts heatmaps and all are supervised. Names of parameters are those of the authors'
PyTorch port (princeton-vl/pytorch_stacked_hourglass). ``variant="bearpaw"`` is the other public
port (bearpaw/pytorch-pose): the same network but for the widths of its stem, ``blocks`` residuals
at every position, and no unused skip convolutions. Fresh weights are torch's own, as in both ports.
"""

from __future__ import annotations

__all__ = [
    "ORDER",
    "STEM_WIDTH",
    "STRIDE",
    "Conv",
    "Hourglass",
    "Level",
    "Merge",
    "Residual",
    "Variant",
    "hourglass",
]

from typing import Literal

from torch import Tensor, nn

from posetrack.nets.blocks import check_size

ORDER = 4  # halvings inside an hourglass
WIDTH = 256  # channels between residuals (paper section 3)
STEM_WIDTH = 64
# pixels of the input per position before an hourglass; doubled ``order`` times inside
STRIDE = 4
# channels after each of the three residuals between the first convolution and the first hourglass
STEMS = {"princeton": (128, 128, 256), "bearpaw": (128, 256, 256)}

Variant = Literal["princeton", "bearpaw"]


class Conv(nn.Module):
    """A convolution with bias, batch norm and ReLU (``act``); keys ``conv`` and ``bn``."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, act: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
        self.bn = nn.BatchNorm2d(out_channels) if act else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y if self.bn is None else self.relu(self.bn(y))


class Residual(nn.Module):
    """Pre-activation bottleneck: batch norm, ReLU and convolution, three times (paper figure 4
    left).
    """

    def __init__(self, in_channels: int, out_channels: int, spare_skip: bool) -> None:
        super().__init__()
        half = out_channels // 2
        self.relu = nn.ReLU(inplace=True)
        self.bn1, self.conv1 = nn.BatchNorm2d(in_channels), Conv(in_channels, half, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(half), Conv(half, half, 3)
        self.bn3, self.conv3 = nn.BatchNorm2d(half), Conv(half, out_channels, 1)
        self.project = in_channels != out_channels
        # the authors' port stores a skip convolution even where the input is added as it is
        self.skip_layer = Conv(in_channels, out_channels, 1) if self.project or spare_skip else None
        if self.skip_layer is not None and not self.project:
            self.skip_layer.requires_grad_(False)  # no gradient ever reaches it

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu(self.bn1(x)))
        y = self.conv2(self.relu(self.bn2(y)))
        y = self.conv3(self.relu(self.bn3(y)))
        skip = self.skip_layer(x) if self.project and self.skip_layer is not None else x
        return y + skip  # type: ignore[no-any-return]


class Hourglass(nn.Module):
    """``stacks`` hourglasses of ``order`` halvings, each fed with the sum of what the one before
    had and made.
    """

    def __init__(
        self,
        joints: int = 16,
        stacks: int = 8,
        *,
        variant: Variant = "princeton",
        blocks: int = 1,
        order: int = ORDER,
    ) -> None:
        super().__init__()
        if not 1 <= order <= ORDER:
            raise ValueError(f"order must be 1 to {ORDER}, not {order}")
        self.order = order
        if variant not in STEMS:
            raise ValueError(f"variant must be 'princeton' or 'bearpaw', not {variant!r}")
        if variant == "princeton" and blocks != 1:
            raise ValueError(
                "the authors' port has one residual a position; take variant='bearpaw' for more"
            )
        spare = variant == "princeton"
        a, b, c = STEMS[variant]
        self.pre = nn.Sequential(
            Conv(3, STEM_WIDTH, 7, 2, act=True),
            Residual(STEM_WIDTH, a, spare),
            nn.MaxPool2d(2),
            Residual(a, b, spare),
            Residual(b, c, spare),
        )
        self.hgs = nn.ModuleList(nn.Sequential(Level(order, blocks, spare)) for _ in range(stacks))
        self.features = nn.ModuleList(
            nn.Sequential(_position(blocks, spare), Conv(WIDTH, WIDTH, 1, act=True))
            for _ in range(stacks)
        )
        self.outs = nn.ModuleList(Conv(WIDTH, joints, 1) for _ in range(stacks))
        self.merge_features = nn.ModuleList(Merge(WIDTH) for _ in range(stacks - 1))
        self.merge_preds = nn.ModuleList(Merge(joints) for _ in range(stacks - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), H and W multiples of 64 (4 x 2^order) -> heatmaps (B, joints, H/4,
        W/4) of every stack.
        """
        check_size(x, STRIDE * 2**self.order)
        x = self.pre(x)
        heatmaps: list[Tensor] = []
        for i, (stack, features, out) in enumerate(
            zip(self.hgs, self.features, self.outs, strict=True)
        ):
            y = features(stack(x))
            heatmaps.append(out(y))
            if i < len(self.merge_preds):
                x = x + self.merge_preds[i](heatmaps[-1]) + self.merge_features[i](y)
        return heatmaps


class Level(nn.Module):
    """One depth of an hourglass: a branch at full size plus a path at half size, added (paper
    figure 3).
    """

    def __init__(self, depth: int, blocks: int, spare_skip: bool) -> None:
        super().__init__()
        self.up1 = _position(blocks, spare_skip)
        self.pool1 = nn.MaxPool2d(2)
        self.low1 = _position(blocks, spare_skip)
        self.low2 = (
            _position(blocks, spare_skip) if depth == 1 else Level(depth - 1, blocks, spare_skip)
        )
        self.low3 = _position(blocks, spare_skip)
        self.up2 = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        low = self.low3(self.low2(self.low1(self.pool1(x))))
        return self.up1(x) + self.up2(low)  # type: ignore[no-any-return]


class Merge(nn.Module):
    """A 1x1 convolution back to the width of the stack, under the key ``conv.conv`` of the authors'
    port.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = Conv(in_channels, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]


def _position(blocks: int, spare_skip: bool) -> nn.Module:
    """The residuals of one position: a bare one, or a sequence of several."""
    if blocks == 1:
        return Residual(WIDTH, WIDTH, spare_skip)
    return nn.Sequential(*(Residual(WIDTH, WIDTH, spare_skip) for _ in range(blocks)))


def hourglass(
    joints: int = 16,
    *,
    stacks: int = 8,
    variant: Variant = "princeton",
    blocks: int = 1,
    order: int = ORDER,
) -> Hourglass:
    """Stacked hourglass; the paper has 8 stacks of order 4."""
    return Hourglass(joints, stacks, variant=variant, blocks=blocks, order=order)
