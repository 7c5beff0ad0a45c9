"""CPN: cascaded pyramid network for multi-person pose estimation (Chen et al., CVPR 2018).

GlobalNet is a feature pyramid that predicts at four scales; RefineNet joins all scales and predicts
again. The paper trains GlobalNet on all joints and RefineNet on the hardest ones (OHKM), which is a
matter of the loss.
"""

from __future__ import annotations

__all__ = ["CPN", "GlobalNet", "PyramidBottleneck", "RefineNet", "cpn"]

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posetrack.nets.blocks import check_size, conv_bn, init_weights
from posetrack.nets.resnet import STEM_WIDTH, ResNetTrunk

WIDTH = 256  # channels of the pyramid (section 3.2.1)
REFINE_WIDTH = 128  # inner channels of RefineNet's bottlenecks (figure 1)
LEVELS = 4  # scales 1/4 to 1/32
STRIDE = 32


class PyramidBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution and a skip; the output has twice the inner channels."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        out_channels = 2 * width
        self.body = nn.Sequential(
            conv_bn(in_channels, width, 1),
            conv_bn(width, width),
            conv_bn(width, out_channels, 1, relu=False),
        )
        self.skip = (
            conv_bn(in_channels, out_channels, 1, relu=False)
            if in_channels != out_channels
            else nn.Identity()
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.body(x) + self.skip(x))  # type: ignore[no-any-return]


class GlobalNet(nn.Module):
    """Feature pyramid: each scale receives the coarser ones; each predicts heatmaps, enlarged to
    the finest size.
    """

    def __init__(self, joints: int) -> None:
        super().__init__()
        stages = [STEM_WIDTH * 4 * 2**i for i in range(LEVELS)]
        self.laterals = nn.ModuleList(conv_bn(c, WIDTH, 1) for c in stages)
        self.ups = nn.ModuleList(conv_bn(WIDTH, WIDTH, 1, relu=False) for _ in range(LEVELS - 1))
        self.necks = nn.ModuleList(conv_bn(WIDTH, WIDTH, 1) for _ in range(LEVELS))
        self.heads = nn.ModuleList(nn.Conv2d(WIDTH, joints, 3, 1, 1) for _ in range(LEVELS))

    def forward(self, xs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Stages, finest first -> (pyramid, heatmaps), both coarsest first, the heatmaps at the
        finest size.
        """
        pyramid = [self.laterals[-1](xs[-1])]
        for i in reversed(range(LEVELS - 1)):
            pyramid.append(self.laterals[i](xs[i]) + self.ups[i](_enlarge(pyramid[-1], xs[i])))
        scales = zip(reversed(list(self.necks)), reversed(list(self.heads)), pyramid, strict=True)
        return pyramid, [_enlarge(head(neck(y)), xs[0]) for neck, head, y in scales]


class RefineNet(nn.Module):
    """More bottlenecks on coarser scales, all enlarged, joined and refined (section 3.2.2)."""

    def __init__(self, joints: int) -> None:
        super().__init__()
        counts = range(LEVELS - 1, -1, -1)
        self.cascades = nn.ModuleList(
            nn.Sequential(*(PyramidBottleneck(WIDTH, REFINE_WIDTH) for _ in range(count)))
            for count in counts
        )
        self.join = PyramidBottleneck(LEVELS * WIDTH, REFINE_WIDTH)
        self.head = nn.Conv2d(2 * REFINE_WIDTH, joints, 3, 1, 1)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Pyramid, coarsest first -> heatmaps at the finest size."""
        ys = [
            _enlarge(cascade(y), pyramid[-1])
            for cascade, y in zip(self.cascades, pyramid, strict=True)
        ]
        return self.head(self.join(torch.cat(ys, 1)))  # type: ignore[no-any-return]


class CPN(ResNetTrunk):
    """ResNet, GlobalNet and RefineNet; ``refine=False`` is GlobalNet alone."""

    def __init__(self, joints: int = 17, depth: int = 50, *, refine: bool = True) -> None:
        super().__init__(depth)
        self.global_net = GlobalNet(joints)
        self.refine_net = RefineNet(joints) if refine else None
        init_weights(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), H and W multiples of 32 -> heatmaps (B, joints, H/4, W/4).

        Four of GlobalNet from the coarsest scale to the finest, then RefineNet's.
        """
        check_size(x, STRIDE)
        pyramid, heatmaps = self.global_net(self.stages(x))
        return heatmaps if self.refine_net is None else [*heatmaps, self.refine_net(pyramid)]


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear to the height and width of ``like``."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)


def cpn(joints: int = 17, *, depth: int = 50, refine: bool = True) -> CPN:
    """CPN on ResNet-50, -101 or -152."""
    return CPN(joints, depth, refine=refine)
