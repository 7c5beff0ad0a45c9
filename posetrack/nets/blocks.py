"""Building blocks that several papers share: convolutions, residual blocks, weight initialisation.

Module names are those of the official HRNet and SimpleBaseline code (``conv1``, ``bn1``,
``downsample``), so that their published checkpoints load as they are.
"""

from __future__ import annotations

__all__ = ["BasicBlock", "Bottleneck", "check_size", "conv_bn", "init_he", "init_weights"]

from torch import Tensor, nn

# standard deviation of fresh weights in pose networks (official code): heatmaps start near zero
INITIAL_STD = 0.001


def conv_bn(
    in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, *, relu: bool = True
) -> nn.Sequential:
    """Convolution without bias, batch norm and (``relu``) ReLU as keys 0, 1, 2; size is kept but
    for the stride.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a skip (He et al. 2016, figure 5 left)."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y.add_(x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution and a skip (He et al. 2016, figure 5 right); the stride is on
    the 3x3.

    ``dilation`` spreads the 3x3 without changing parameters.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y.add_(x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


def _projection(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    """The 1x1 convolution of a skip whose shape changes, else None."""
    if stride == 1 and in_channels == out_channels:
        return None
    return conv_bn(in_channels, out_channels, 1, stride, relu=False)


def check_size(x: Tensor, stride: int) -> None:
    """ValueError where height or width of images (B, 3, H, W) are no multiples of the coarsest
    ``stride``.
    """
    height, width = x.shape[-2:]
    if height % stride or width % stride:
        raise ValueError(
            f"this network takes images whose sides are multiples of {stride}, not {width}x{height}"
        )


def init_weights(net: nn.Module) -> None:
    """Every convolution and transposed convolution normal with standard deviation 0.001, biases 0:
    how the official code of HRNet, SimpleBaseline and Lite-HRNet starts pose networks.
    """
    for module in _convolutions(net):
        nn.init.normal_(module.weight, std=INITIAL_STD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_he(net: nn.Module, outputs: int | None = None) -> None:
    """He initialisation (fan out, ReLU) of all convolutions, biases 0: classifiers of the official
    code. Heads of pose networks, convolutions with bias to ``outputs`` channels, start near zero.
    """
    for module in _convolutions(net):
        if module.bias is not None:
            nn.init.zeros_(module.bias)
        if module.bias is not None and module.out_channels == outputs:
            nn.init.normal_(module.weight, std=INITIAL_STD)
        else:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _convolutions(net: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    """All of them; none of a network without memory (built under ``torch.device("meta")`` to be
    loaded): that would take seconds.
    """
    if all(parameter.is_meta for parameter in net.parameters()):
        return []
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
