"""Dite-HRNet: dynamic lightweight high-resolution network for human pose estimation (Li et al.,
IJCAI 2022).

Lite-HRNet's layout with dynamic split convolutions, dense context modelling over all branches and
global context modelling within one (section 3). Names of parameters are those of the published code
without its ``backbone.`` prefix.
"""

from __future__ import annotations

__all__ = [
    "ContextBlock",
    "DenseContext",
    "DiteHRNet",
    "DiteStem",
    "DynamicConv",
    "DynamicConvBN",
    "GlobalContext",
    "KernelAttention",
    "KernelBank",
    "SplitConv",
    "dite_hrnet",
]

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posetrack.nets.lite_hrnet import STEM_WIDTH, ConvBN, LiteTrunk, interleave, scale_branches

KERNELS = 4  # candidate kernels of a dynamic convolution in the stem
BRANCH_KERNELS = (4, 4, 2, 1)  # the same on each branch; one kernel is a plain convolution
BRANCH_GROUPS = (1, 1, 2, 4)  # kernel sizes (3, 5, 7, 9) side by side on each branch
GLOBAL_REDUCTIONS = (
    4,
    4,
    8,
    8,
)  # of the hidden channels of global context modelling on each branch
DENSE_REDUCTION = 8
KERNEL_REDUCTION = 4


class KernelAttention(nn.Module):
    """Weights (B, kernels) of the candidate kernels, each by itself between 0 and 1, from the
    average of the input.
    """

    def __init__(self, channels: int, kernels: int) -> None:
        super().__init__()
        hidden = channels // KERNEL_REDUCTION
        self.conv1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.bn = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, kernels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.bn(self.conv1(x.mean((2, 3), keepdim=True))))
        return self.conv2(hidden).flatten(1).sigmoid()  # type: ignore[no-any-return]


class KernelBank(nn.Module):
    """The candidate kernels (kernels, out, in / groups, k, k) under the key ``weight``."""

    def __init__(self, kernels: int, out_channels: int, in_channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(kernels, out_channels, in_channels, kernel, kernel))
        for candidate in self.weight.data:
            nn.init.kaiming_uniform_(candidate)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moves and casts see a matrix: torch takes five dimensions for video, which has no
        channels_last of images.
        """
        return super()._apply(lambda t: fn(t.flatten(1)).view(t.shape), recurse)  # type: ignore[no-any-return, no-untyped-call]


class DynamicConv(nn.Module):
    """A convolution whose kernel is a sum of candidates weighted for each image (paper eq. 3)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
        groups: int,
        kernels: int,
    ) -> None:
        super().__init__()
        self.attention = KernelAttention(in_channels, kernels)
        self.aggregation = KernelBank(kernels, out_channels, in_channels // groups, kernel)
        self.stride, self.groups = stride, groups

    def forward(self, x: Tensor) -> Tensor:
        bank = self.aggregation.weight
        batch, (out_channels, _, kernel, _) = x.shape[0], bank.shape[1:]
        weight = (self.attention(x) @ bank.flatten(1)).view(batch * out_channels, *bank.shape[2:])
        # one group per image: each has its own kernel
        y = F.conv2d(
            x.reshape(1, -1, *x.shape[2:]),
            weight,
            None,
            self.stride,
            kernel // 2,
            1,
            self.groups * batch,
        )
        return y.view(batch, out_channels, *y.shape[2:])


class DynamicConvBN(ConvBN):
    """``ConvBN`` with a dynamic kernel where there is more than one candidate."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: nn.Module | None = None,
        *,
        kernels: int = KERNELS,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, groups, act)
        if kernels > 1:
            self.conv = DynamicConv(in_channels, out_channels, kernel, stride, groups, kernels)


class SplitConv(nn.Module):
    """Dynamic split convolution: parts of the channels under depthwise kernels 3, 5, 7, 9, then
    shuffled (eq. 1).
    """

    def __init__(self, width: int, branch: int) -> None:
        super().__init__()
        groups = BRANCH_GROUPS[branch]
        part = width // groups
        self.parts = [width - part * (groups - 1)] + [part] * (groups - 1)
        self.conv = nn.ModuleList(
            DynamicConvBN(w, w, 3 + 2 * i, groups=w, kernels=BRANCH_KERNELS[branch])
            for i, w in enumerate(self.parts)
        )

    def forward(self, x: Tensor) -> Tensor:
        ys = [
            conv(part) for conv, part in zip(self.conv, torch.split(x, self.parts, 1), strict=True)
        ]
        if len(ys) == 1:
            return ys[0]  # type: ignore[no-any-return]
        y = torch.cat(ys, 1)
        return torch.unflatten(y, 1, (len(ys), -1)).transpose(1, 2).flatten(1, 2)


def _channel_attention(channels: int, hidden: int) -> nn.Sequential:
    """Two 1x1 convolutions to weights between 0 and 1."""
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, channels, 1),
        nn.Sigmoid(),
    )


class GlobalContext(nn.Module):
    """Channel weights of one branch from its attention-weighted sum over all positions, then batch
    norm (eq. 8).
    """

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.conv_mask = nn.Conv2d(width, 1, 1)
        self.channel_attention = _channel_attention(width, width // reduction)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        mask = self.conv_mask(x).flatten(2).softmax(2)  # (B, 1, H W)
        context = (x.flatten(2) @ mask.transpose(1, 2)).unsqueeze(-1)  # (B, C, 1, 1)
        return self.bn(x * self.channel_attention(context))  # type: ignore[no-any-return]


class DenseContext(nn.Module):
    """Channel weights at every position of the coarsest branch from all branches (eq. 5 to 7)."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        total = sum(widths)
        self.conv_mask = nn.ModuleList(nn.Conv2d(w, 1, 1) for w in widths)
        self.conv_mask[-1].requires_grad_(False)  # stored by the published code, never used
        self.channel_attention = _channel_attention(total, total // DENSE_REDUCTION)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        size = xs[-1].shape[-2:]
        # the last mask belongs to the coarsest branch, which is not pooled
        pooled = [_pool(x, mask(x), size) for x, mask in zip(xs[:-1], self.conv_mask, strict=False)]
        return scale_branches(xs, self.channel_attention(torch.cat([*pooled, xs[-1]], 1)))


def _pool(x: Tensor, mask: Tensor, size: torch.Size) -> Tensor:
    """(B, C, H, W) -> (B, C, h, w) as the published code does it.

    The softmax runs over all H W positions, and the memory of x is read again as (h w, C, H W / h
    w) without moving it, so a cell of the result does not look at its own window: the checkpoints
    were trained so.
    """
    cells = size[0] * size[1]
    batch, channels = x.shape[:2]
    weights = mask.flatten(1).softmax(1).view(batch, cells, -1, 1)
    pooled = x.reshape(batch, cells, channels, -1) @ weights  # (B, h w, C, 1)
    return pooled.squeeze(-1).transpose(1, 2).reshape(batch, channels, *size)


class ContextBlock(nn.Module):
    """Half of the channels pass; the others go through dense context, split convolution, global
    context (figure 2).
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        halves = [w // 2 for w in widths]
        self.dcm = DenseContext(halves)
        self.conv = nn.ModuleList(SplitConv(w, i) for i, w in enumerate(halves))
        self.gcm = nn.ModuleList(
            GlobalContext(w, GLOBAL_REDUCTIONS[i]) for i, w in enumerate(halves)
        )

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        pairs = [x.chunk(2, 1) for x in xs]
        ys = self.dcm([second for _, second in pairs])
        ys = [gcm(conv(y)) for conv, gcm, y in zip(self.conv, self.gcm, ys, strict=True)]
        return [interleave(first, y) for (first, _), y in zip(pairs, ys, strict=True)]


class DiteStem(nn.Module):
    """A strided 3x3, then two dynamic branches that halve again: the input 4 times smaller."""

    def __init__(self) -> None:
        super().__init__()
        half = STEM_WIDTH // 2
        narrow = half // 4
        relu = nn.ReLU(inplace=True)
        self.conv1 = ConvBN(3, STEM_WIDTH, 3, 2, act=relu)
        self.branch1 = nn.Sequential(
            DynamicConvBN(half, half, 3, 2, groups=half),
            GlobalContext(half, GLOBAL_REDUCTIONS[0]),
            DynamicConvBN(half, half, act=relu),
        )
        self.branch2 = nn.Sequential(
            DynamicConvBN(half, half, 3, groups=half),
            GlobalContext(half, GLOBAL_REDUCTIONS[0]),
            DynamicConvBN(half, narrow, act=relu),
            DynamicConvBN(narrow, half),
            DynamicConvBN(half, half, 3, 2, groups=half, act=relu),
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.conv1(x).chunk(2, 1)
        return interleave(self.branch1(first), self.branch2(second))


class DiteHRNet(LiteTrunk):
    """Dite-HRNet-18 or -30 (``depth``)."""

    def __init__(self, joints: int = 17, depth: int = 18) -> None:
        super().__init__(joints, depth, DiteStem(), ContextBlock, relu_first=True)


def dite_hrnet(joints: int = 17, *, depth: int = 18) -> DiteHRNet:
    """Dite-HRNet-18 or -30."""
    return DiteHRNet(joints, depth)
