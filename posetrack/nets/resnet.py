"""ResNet: deep residual learning for image recognition (He et al., CVPR 2016), as a trunk for pose
networks.
"""

from __future__ import annotations

__all__ = ["STAGE_BLOCKS", "ResNetTrunk"]

from collections.abc import Sequence

from torch import Tensor, nn

from posetrack.nets.blocks import Bottleneck

STAGE_BLOCKS = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}  # depth: bottlenecks of the stages (table 1)
STEM_WIDTH = 64
STRIDES = (1, 2, 2, 2)  # of the stages, after a stem that makes the input 4 times smaller


class ResNetTrunk(nn.Module):
    """ResNet (He et al. 2016) without its classifier, keys as torchvision has them.

    ``strides`` and ``dilations`` are those of the four stages: with dilations instead of strides
    the resolution is kept and ImageNet weights stay valid.
    """

    def __init__(
        self, depth: int, strides: Sequence[int] = STRIDES, dilations: Sequence[int] = (1, 1, 1, 1)
    ) -> None:
        super().__init__()
        if depth not in STAGE_BLOCKS:
            raise ValueError(
                f"depth must be one of {', '.join(map(str, STAGE_BLOCKS))}, not {depth}"
            )
        self.conv1 = nn.Conv2d(3, STEM_WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_WIDTH)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = STEM_WIDTH
        for stage, blocks in enumerate(STAGE_BLOCKS[depth]):
            width = STEM_WIDTH * 2**stage
            # the first 3x3 of a stage still sees the grid of the stage before
            layers: list[nn.Module] = [
                Bottleneck(channels, width, strides[stage], dilations[max(stage - 1, 0)])
            ]
            channels = width * Bottleneck.expansion
            layers += [Bottleneck(channels, width, 1, dilations[stage]) for _ in range(blocks - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.channels = channels

    def stages(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> the outputs of the four stages."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        outputs = []
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
            outputs.append(x)
        return outputs
