"""A network that learns next to nothing in next to no time, for tests of what is around it."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from posetrack import nets


class TinyNet(nn.Module):
    """Two strided convolutions, a batch norm, and a head of one map a joint."""

    def __init__(self, joints: int, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 2, 1),
            nn.ReLU(),
        )
        self.final_layer = nn.Conv2d(width, joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.final_layer(self.stem(x))
        return maps


class TinyClassifier(nn.Module):
    """The stem of ``TinyNet``, and a number a class."""

    def __init__(self, classes: int, width: int = 8) -> None:
        super().__init__()
        self.stem = TinyNet(1, width).stem
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.stem(x).mean((2, 3)))
        return logits


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """``tiny`` is a name in ``NETS``, and ``tiny_cls``."""
    monkeypatch.setitem(nets.NETS, "tiny", TinyNet)
    monkeypatch.setitem(nets.NETS, "tiny_cls", TinyClassifier)
