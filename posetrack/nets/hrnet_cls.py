"""HRNet for image classification: deep high-resolution representation learning (Wang et al., TPAMI
2020, section 3.4).

Its trunk is the pose network's, so ImageNet checkpoints (keys as published) initialise pose
networks.
"""

from __future__ import annotations

__all__ = ["HRNetClassifier", "hrnet_cls"]

import itertools

from torch import Tensor, nn

from posetrack.nets.blocks import Bottleneck, init_he
from posetrack.nets.hrnet import BRANCHES, HRNetTrunk

HEAD_WIDTHS = (32, 64, 128, 256)  # of the bottleneck on each branch; its output has 4 times as many
FEATURES = 2048  # channels before the classifier


class HRNetClassifier(HRNetTrunk):
    """Every branch is widened, then added down to the coarsest, averaged and classified."""

    def __init__(self, classes: int = 1000, width: int = 32) -> None:
        super().__init__(range(BRANCHES), width)
        wide = [w * Bottleneck.expansion for w in HEAD_WIDTHS]
        widen = (Bottleneck(width * 2**i, w) for i, w in enumerate(HEAD_WIDTHS))
        self.incre_modules = nn.ModuleList(nn.Sequential(block) for block in widen)
        pairs = itertools.pairwise(wide)
        self.downsamp_modules = nn.ModuleList(_conv_with_bias(a, b, 3, 2) for a, b in pairs)
        self.final_layer = _conv_with_bias(wide[-1], FEATURES, 1, 1)
        self.classifier = nn.Linear(FEATURES, classes)
        init_he(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W), H and W multiples of 32 -> logits (B, classes)."""
        widened = [widen(y) for widen, y in zip(self.incre_modules, self.features(x), strict=True)]
        total: Tensor = widened[0]
        for down, y in zip(self.downsamp_modules, widened[1:], strict=True):
            total = y + down(total)
        return self.classifier(self.final_layer(total).mean((2, 3)))  # type: ignore[no-any-return]


def _conv_with_bias(in_channels: int, out_channels: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


def hrnet_cls(classes: int = 1000, *, width: int = 32) -> HRNetClassifier:
    """An HRNet-W-C of any width; published are 18, 32 and 48 (and others)."""
    return HRNetClassifier(classes, width)
