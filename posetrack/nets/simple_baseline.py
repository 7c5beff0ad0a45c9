"""SimpleBaseline: simple baselines for human pose estimation and tracking (Xiao et al., ECCV 2018).

A ResNet and three transposed convolutions. Names of parameters are the official ones.
"""

from __future__ import annotations

__all__ = ["SimpleBaseline", "simple_baseline"]

from torch import Tensor, nn

from posetrack.nets.blocks import check_size, init_weights
from posetrack.nets.resnet import ResNetTrunk

STRIDE = 32  # pixels of the input per position of the ResNet's last stage
DECONVS = 3
DECONV_WIDTH = 256  # section 4.1, "deconvolution filters"


class SimpleBaseline(ResNetTrunk):
    """Input 32 times smaller after the ResNet, 4 times smaller after three 4x4 transposed
    convolutions.
    """

    def __init__(self, joints: int = 17, depth: int = 50) -> None:
        super().__init__(depth)
        layers: list[nn.Module] = []
        channels = self.channels
        for _ in range(DECONVS):
            up = nn.ConvTranspose2d(channels, DECONV_WIDTH, 4, 2, 1, bias=False)
            layers += [up, nn.BatchNorm2d(DECONV_WIDTH), nn.ReLU(inplace=True)]
            channels = DECONV_WIDTH
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(DECONV_WIDTH, joints, 1)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W), H and W multiples of 32 -> heatmaps (B, joints, H/4, W/4)."""
        check_size(x, STRIDE)
        return self.final_layer(self.deconv_layers(self.stages(x)[-1]))  # type: ignore[no-any-return]


def simple_baseline(joints: int = 17, *, depth: int = 50) -> SimpleBaseline:
    """SimpleBaseline on ResNet-50, -101 or -152."""
    return SimpleBaseline(joints, depth)
