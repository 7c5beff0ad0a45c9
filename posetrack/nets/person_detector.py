"""A compact one-stage person detector: a small residual network, a feature pyramid, one box a cell.

Made of plain 3x3 convolutions with few channels, because those run near a processor's peak rate
where depth-wise ones wait for memory. Every cell of three maps (strides 8, 16 and 32) says whether
a person's box is best seen from it, and where the four sides lie (anchor-free, as FCOS: Tian et
al., ICCV 2019). During training a second head draws joint heatmaps at stride 8: the joints of a few
thousand people teach the backbone more than their boxes alone would. It is left out of exported
weights (``joints=0``).
"""

from __future__ import annotations

__all__ = [
    "STRIDES",
    "Context",
    "ConvNorm",
    "Head",
    "PersonDetector",
    "Pyramid",
    "Residual",
    "cell_centers",
    "decode_boxes",
]

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

STRIDES = (8, 16, 32)  # pixels between the cells of the three maps
PRIOR = 0.01  # score of a cell before training, as RetinaNet (Lin et al., ICCV 2017, section 4.1)
MAX_LOG_SIZE = 6.0  # exp(6) strides: no box side is farther from its cell than that


class ConvNorm(nn.Sequential):
    """3x3 (or ``kernel``) convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """x + (3x3 to half the channels, 3x3 back), ReLU after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(channels, channels // 2)
        self.expand = nn.Conv2d(channels // 2, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.norm(self.expand(self.reduce(x))))


class Context(nn.Module):
    """Max pools of growing reach side by side (SPPF of YOLOv5): the coarsest map sees the whole
    picture.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = ConvNorm(channels, half, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.expand = ConvNorm(half * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.reduce(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        out: Tensor = self.expand(torch.cat(maps, 1))
        return out


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    """Halve the resolution, then ``blocks`` residual blocks."""
    return nn.Sequential(
        ConvNorm(inputs, outputs, 3, 2), *(Residual(outputs) for _ in range(blocks))
    )


class Pyramid(nn.Module):
    """Top-down, then bottom-up fusion by addition (PANet: Liu et al., CVPR 2018) into ``width``
    channels a map.
    """

    def __init__(self, inputs: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvNorm(c, width, 1) for c in inputs)
        self.smooth = nn.ModuleList(ConvNorm(width, width) for _ in inputs[:-1])
        self.down = nn.ModuleList(ConvNorm(width, width, 3, 2) for _ in inputs[:-1])
        self.merge = nn.ModuleList(ConvNorm(width, width) for _ in inputs[:-1])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        tops = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for i in reversed(range(len(tops) - 1)):
            up = interpolate(tops[i + 1], scale_factor=2.0, mode="nearest")
            tops[i] = self.smooth[i](tops[i] + up)
        for i in range(1, len(tops)):
            tops[i] = self.merge[i - 1](tops[i] + self.down[i - 1](tops[i - 1]))
        return tops


class Head(nn.Module):
    """One tower for all maps (its norms apart for each), then a person logit and four log distances
    a cell.
    """

    def __init__(self, width: int, depth: int, levels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in range(depth)
        )
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(width) for _ in range(levels)) for _ in range(depth)
        )
        self.score = nn.Conv2d(width, 1, 1)
        self.sides = nn.Conv2d(width, 4, 1)
        self.scale = nn.Parameter(torch.ones(levels))
        nn.init.constant_(self.score.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]
        nn.init.constant_(self.sides.bias, math.log(2.0))  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        logits, sides = [], []
        for level, x in enumerate(maps):
            for conv, norms in zip(self.convs, self.norms, strict=True):
                x = torch.relu(norms[level](conv(x)))  # type: ignore[index]
            logits.append(self.score(x).flatten(1))
            sides.append((self.sides(x) * self.scale[level]).flatten(2).transpose(1, 2))
        return torch.cat(logits, 1), torch.cat(sides, 1)


class PersonDetector(nn.Module):
    """Images (B, 3, H, W), H and W multiples of 32, normalised -> logits (B, N), sides (B, N, 4),
    joints or None.

    N counts the cells of all maps, finest first, row by row. ``sides`` are the logarithms of the
    distances from a cell's centre to the left, top, right and bottom of its box, in strides. The
    joint heatmaps (B, ``joints``, H/8, W/8) are logits, and only there in training mode with
    ``joints > 0``.
    """

    def __init__(
        self,
        channels: Sequence[int] = (16, 32, 64, 128, 192),
        blocks: Sequence[int] = (1, 2, 3, 2),
        width: int = 64,
        depth: int = 1,
        joints: int = 0,
    ) -> None:
        super().__init__()
        self.stem = ConvNorm(3, channels[0], 3, 2)
        self.stages = nn.ModuleList(
            _stage(a, b, n) for a, b, n in zip(channels, channels[1:], blocks, strict=False)
        )
        self.context = Context(channels[-1])
        self.pyramid = Pyramid(channels[-3:], width)
        self.head = Head(width, depth, len(STRIDES))
        self.joints = nn.Conv2d(width, joints, 1) if joints else None
        if self.joints is not None:
            nn.init.constant_(self.joints.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        x, maps = self.stem(images), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps[-1] = self.context(x)
        fused = self.pyramid(maps[-3:])
        logits, sides = self.head(fused)
        heatmaps = self.joints(fused[0]) if self.joints is not None and self.training else None
        return logits, sides, heatmaps


def cell_centers(size_wh: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Centres (N, 2) in pixels and strides (N,) of all cells, in the network's order, for an input
    of ``size_wh``.

    A cell of stride s covers s pixels, so the centre of the first one lies at (s - 1) / 2: pixel
    centres are whole.
    """
    centers, strides = [], []
    for stride in STRIDES:
        ys = torch.arange(size_wh[1] // stride) * stride + (stride - 1) / 2
        xs = torch.arange(size_wh[0] // stride) * stride + (stride - 1) / 2
        grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
        centers.append(torch.stack((grid_x, grid_y), -1).reshape(-1, 2))
        strides.append(torch.full((len(ys) * len(xs),), float(stride)))
    return torch.cat(centers).float(), torch.cat(strides)


def decode_boxes(sides: Tensor, centers: Tensor, strides: Tensor) -> Tensor:
    """Boxes x1, y1, x2, y2 (..., N, 4) in pixels from the network's ``sides`` (..., N, 4)."""
    distance = sides.clamp(max=MAX_LOG_SIZE).exp() * strides[:, None]
    return torch.cat((centers - distance[..., :2], centers + distance[..., 2:]), -1)
