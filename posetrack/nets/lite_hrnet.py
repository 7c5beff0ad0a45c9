"""Lite-HRNet: a lightweight high-resolution network (Yu et al., CVPR 2021).

HRNet's layout with depthwise convolutions, and conditional channel weighting in place of 1x1
convolutions (section 3.3). Names of parameters are those of the published checkpoints without their
``backbone.`` prefix.
"""

from __future__ import annotations

__all__ = [
    "Biased",
    "ConditionalChannelWeighting",
    "ConvBN",
    "CrossResolutionWeighting",
    "IterativeHead",
    "LiteHRNet",
    "LiteModule",
    "LiteStem",
    "LiteTrunk",
    "Separable",
    "SpatialWeighting",
    "interleave",
    "lite_hrnet",
    "pool_to_coarsest",
    "scale_branches",
]

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posetrack.nets.blocks import check_size, init_weights

WIDTHS = (40, 80, 160, 320)  # channels of the branches, finest first (table 1)
STEM_WIDTH = 32
STAGE_MODULES = {18: (2, 4, 2), 30: (3, 8, 3)}  # modules of stages 2 to 4 (table 1)
BLOCKS = 2  # weighting blocks of a module
CROSS_REDUCTION = 8  # hidden channels of the weighting over all branches: the sum of theirs over 8
SPATIAL_REDUCTION = 4  # hidden channels of the weighting within a branch: its own over 4
STRIDE = 32  # pixels of the input per position of the coarsest branch


class ConvBN(nn.Module):
    """Convolution without bias, batch norm and an optional activation; keys ``conv`` and ``bn``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.act = act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class Biased(nn.Module):
    """Convolution with bias and an activation, under the key ``conv``."""

    def __init__(self, in_channels: int, out_channels: int, act: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(x))  # type: ignore[no-any-return]


def interleave(a: Tensor, b: Tensor) -> Tensor:
    """Channels a0 b0 a1 b1 ... of two (B, C, H, W): concatenation and a channel shuffle with two
    groups at once.

    The memory layout of ``a`` is kept: where it changed, the convolutions behind it took twice as
    long.
    """
    if a.stride(1) == 1:  # channels_last
        pairs = torch.stack((a.permute(0, 2, 3, 1), b.permute(0, 2, 3, 1)), -1)
        return pairs.flatten(-2).permute(0, 3, 1, 2)
    return torch.stack((a, b), dim=2).flatten(1, 2)


def pool_to_coarsest(xs: Sequence[Tensor]) -> Tensor:
    """All branches averaged down to the size of the last, side by side in channels."""
    height, width = xs[-1].shape[-2:]
    return torch.cat([*(F.adaptive_avg_pool2d(x, (height, width)) for x in xs[:-1]), xs[-1]], 1)


def scale_branches(xs: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
    """Each branch times its share of ``weights`` (at the coarsest size), repeated up to its own
    size.
    """
    parts = torch.split(weights, [x.shape[1] for x in xs], 1)
    return [
        x * F.interpolate(w, x.shape[-2:], mode="nearest") for x, w in zip(xs, parts, strict=True)
    ]


class CrossResolutionWeighting(nn.Module):
    """Channel weights at every position of the coarsest branch from all branches (paper eq. 3)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        total = sum(widths)
        hidden = total // CROSS_REDUCTION
        self.conv1 = ConvBN(total, hidden, act=nn.ReLU(inplace=True))
        self.conv2 = ConvBN(hidden, total, act=nn.Sigmoid())

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return scale_branches(xs, self.conv2(self.conv1(pool_to_coarsest(xs))))


class SpatialWeighting(nn.Module):
    """Channel weights of one branch from its average over all positions (paper eq. 5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = width // SPATIAL_REDUCTION
        self.conv1 = Biased(width, hidden, nn.ReLU(inplace=True))
        self.conv2 = Biased(hidden, width, nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conv2(self.conv1(x.mean((2, 3), keepdim=True)))  # type: ignore[no-any-return]


class ConditionalChannelWeighting(nn.Module):
    """Half of the channels pass; the others are weighted, convolved by depth and weighted again
    (figure 2 b).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        halves = [w // 2 for w in widths]
        self.cross_resolution_weighting = CrossResolutionWeighting(halves)
        self.depthwise_convs = nn.ModuleList(ConvBN(w, w, 3, groups=w) for w in halves)
        self.spatial_weighting = nn.ModuleList(SpatialWeighting(w) for w in halves)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        pairs = [x.chunk(2, 1) for x in xs]
        ys = self.cross_resolution_weighting([second for _, second in pairs])
        ys = [conv(y) for conv, y in zip(self.depthwise_convs, ys, strict=True)]
        ys = [weigh(y) for weigh, y in zip(self.spatial_weighting, ys, strict=True)]
        return [interleave(first, y) for (first, _), y in zip(pairs, ys, strict=True)]


class LiteStem(nn.Module):
    """A strided 3x3, then a shuffle block that halves again: the input 4 times smaller."""

    def __init__(self) -> None:
        super().__init__()
        half = STEM_WIDTH // 2
        self.conv1 = ConvBN(3, STEM_WIDTH, 3, 2, act=nn.ReLU(inplace=True))
        self.branch1 = nn.Sequential(
            ConvBN(half, half, 3, 2, groups=half), ConvBN(half, half, act=nn.ReLU(inplace=True))
        )
        self.expand_conv = ConvBN(half, STEM_WIDTH, act=nn.ReLU(inplace=True))
        self.depthwise_conv = ConvBN(STEM_WIDTH, STEM_WIDTH, 3, 2, groups=STEM_WIDTH)
        self.linear_conv = ConvBN(STEM_WIDTH, half, act=nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.conv1(x).chunk(2, 1)
        return interleave(
            self.branch1(first), self.linear_conv(self.depthwise_conv(self.expand_conv(second)))
        )


class LiteModule(nn.Module):
    """Blocks over all branches, then the exchange in the order that the published checkpoints were
    trained with.

    The reference adds branch 0 to itself in place, so the other branches receive the already fused
    branch 0, twice: y_0 = 2 o_0 + sum_j F_0j(o_j);  y_i = 2 F_i0(y_0) + o_i + sum_{j != 0, i}
    F_ij(o_j);  outputs are ReLU(y). ``relu_first``: F_i0 reads ReLU(y_0), as where the reference's
    ReLU works in place too (Dite-HRNet).
    """

    def __init__(
        self, widths: Sequence[int], block: Callable[[Sequence[int]], nn.Module], relu_first: bool
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(block(widths) for _ in range(BLOCKS)))
        order = range(len(widths))
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(widths, j, i) for j in order) for i in order
        )
        self.relu_first = relu_first

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """One tensor a branch, finest first -> the same shapes."""
        xs = self.layers(xs)
        rows = [list(row.children()) for row in self.fuse_layers]
        fused = 2 * xs[0]
        for layer, x in zip(rows[0][1:], xs[1:], strict=True):
            fused = fused + layer(x)
        source = F.relu(fused) if self.relu_first else fused
        outputs = [source if self.relu_first else F.relu(fused)]
        for row in rows[1:]:
            total = 2 * row[0](source)
            for layer, x in zip(row[1:], xs[1:], strict=True):
                total = total + layer(x)
            outputs.append(F.relu(total))
        return outputs


def _step(in_channels: int, out_channels: int, stride: int, *, relu: bool = True) -> nn.Sequential:
    """Depthwise 3x3, batch norm, 1x1, batch norm and (``relu``) ReLU; keys 0 to 3."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def _exchange(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From branch ``source`` to ``target``: 1x1 and nearest upsampling, nothing, or a chain of
    strided steps.
    """
    if source == target:
        return nn.Identity()
    a, b = widths[source], widths[target]
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b), up)
    chain = [_step(a, a, 2) for _ in range(target - source - 1)]
    return nn.Sequential(*chain, _step(a, b, 2, relu=False))


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Fit the branches to new widths and make one new branch from the coarsest."""
    kept = [
        nn.Identity() if a == b else _step(a, b, 1) for a, b in zip(before, after, strict=False)
    ]
    made = [nn.Sequential(_step(before[-1], b, 2)) for b in after[len(before) :]]
    return nn.ModuleList([*kept, *made])


class Separable(nn.Module):
    """Depthwise 3x3 and 1x1 convolution with batch norm, a ReLU at the end only."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvBN(in_channels, in_channels, 3, groups=in_channels)
        self.pointwise_conv = ConvBN(in_channels, out_channels, act=nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise_conv(self.depthwise_conv(x))  # type: ignore[no-any-return]


class IterativeHead(nn.Module):
    """From the coarsest branch up: enlarge (bilinear, corners aligned), add, convolve."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        down = [*reversed(widths), widths[0]]
        self.projects = nn.ModuleList(Separable(a, b) for a, b in itertools.pairwise(down))

    def forward(self, xs: list[Tensor]) -> Tensor:
        """Branches, finest first -> features at the finest size."""
        y = self.projects[0](xs[-1])
        for project, x in zip(list(self.projects)[1:], reversed(xs[:-1]), strict=True):
            y = project(x + F.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=True))
        return y  # type: ignore[no-any-return]


class LiteTrunk(nn.Module):
    """Stem, three stages of modules, iterative head and heatmap layer, for any stem and block."""

    def __init__(
        self,
        joints: int,
        depth: int,
        stem: nn.Module,
        block: Callable[[Sequence[int]], nn.Module],
        *,
        relu_first: bool,
    ) -> None:
        super().__init__()
        if depth not in STAGE_MODULES:
            raise ValueError(
                f"depth must be one of {', '.join(map(str, STAGE_MODULES))}, not {depth}"
            )
        self.stem = stem
        before: Sequence[int] = (STEM_WIDTH,)
        for stage, count in enumerate(STAGE_MODULES[depth]):
            after = WIDTHS[: stage + 2]
            self.add_module(f"transition{stage}", _transition(before, after))
            self.add_module(
                f"stage{stage}",
                nn.Sequential(*(LiteModule(after, block, relu_first) for _ in range(count))),
            )
            before = after
        self.head_layer = IterativeHead(WIDTHS)
        self.final_layer = nn.Conv2d(WIDTHS[0], joints, 1)
        init_weights(self)

    def features(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), H and W multiples of 32 -> the four branches, finest first."""
        check_size(x, STRIDE)
        xs = [self.stem(x)]
        for stage in range(len(WIDTHS) - 1):
            transition = self.get_submodule(f"transition{stage}")
            xs = [layer(xs[min(i, len(xs) - 1)]) for i, layer in enumerate(transition.children())]
            xs = self.get_submodule(f"stage{stage}")(xs)
        return xs

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W), H and W multiples of 32 -> heatmaps (B, joints, H/4, W/4)."""
        return self.final_layer(self.head_layer(self.features(x)))  # type: ignore[no-any-return]


class LiteHRNet(LiteTrunk):
    """Lite-HRNet-18 or -30 (``depth``)."""

    def __init__(self, joints: int = 17, depth: int = 18) -> None:
        super().__init__(joints, depth, LiteStem(), ConditionalChannelWeighting, relu_first=False)


def lite_hrnet(joints: int = 17, *, depth: int = 18) -> LiteHRNet:
    """Lite-HRNet-18 or -30."""
    return LiteHRNet(joints, depth)
