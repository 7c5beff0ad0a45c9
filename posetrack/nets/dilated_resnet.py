"""Dilated ResNet with light upsampling: the fourth design of figure 2 of the HRNet paper (Sun et
al., CVPR 2019).

As in DeeperCut (Insafutdinov et al., ECCV 2016) the last stages trade their strides for dilations.
The figure leaves the upsampling open; here a 1x1 convolution to SimpleBaseline's width and one of
its transposed convolutions.
"""

from __future__ import annotations

__all__ = ["DilatedResNet", "dilated_resnet"]

from torch import Tensor, nn

from posetrack.nets.blocks import check_size, conv_bn, init_weights
from posetrack.nets.resnet import ResNetTrunk

STAGE_STRIDES = (1, 2, 1, 1)
STAGE_DILATIONS = (1, 1, 2, 4)
DECONV_WIDTH = 256
STRIDE = 8  # pixels of the input per position of the trunk


class DilatedResNet(ResNetTrunk):
    """A ResNet of stride 8, narrowed, and one 4x4 transposed convolution."""

    def __init__(self, joints: int = 17, depth: int = 50) -> None:
        super().__init__(depth, STAGE_STRIDES, STAGE_DILATIONS)
        self.reduce = conv_bn(self.channels, DECONV_WIDTH, 1)
        self.deconv_layers = nn.Sequential(
            nn.ConvTranspose2d(DECONV_WIDTH, DECONV_WIDTH, 4, 2, 1, bias=False),
            nn.BatchNorm2d(DECONV_WIDTH),
            nn.ReLU(inplace=True),
        )
        self.final_layer = nn.Conv2d(DECONV_WIDTH, joints, 1)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W), H and W multiples of 8 -> heatmaps (B, joints, H/4, W/4)."""
        check_size(x, STRIDE)
        return self.final_layer(self.deconv_layers(self.reduce(self.stages(x)[-1])))  # type: ignore[no-any-return]


def dilated_resnet(joints: int = 17, *, depth: int = 50) -> DilatedResNet:
    """Dilated ResNet-50, -101 or -152."""
    return DilatedResNet(joints, depth)
