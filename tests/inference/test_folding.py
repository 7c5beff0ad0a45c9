"""Batch-norm folding keeps what every network of the table computes, transposed convolutions
included.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from posetrack.inference.folding import fold_batch_norm
from posetrack.nets import build

COMPACT: dict[str, Any] = {"modules": (1, 1, 1), "blocks": 1, "stem": 16, "stem_blocks": 1}
# network, arguments, side of the input, batch norms that no convolution feeds and that therefore
# stay
CASES = [
    ("hrnet_w8", COMPACT, 64, 0),
    ("hrnet_w4_cls", {}, 64, 0),
    ("simple_baseline_50", {}, 64, 0),
    ("hourglass_1", {}, 64, 17),  # the first of each pre-activation residual sees a sum
    ("lite_hrnet_18", {}, 64, 0),
    (
        "dite_hrnet_18",
        {},
        64,
        112,
    ),  # behind a product, or a convolution whose kernel is made on the fly
    ("cpn_50", {}, 64, 0),
    ("dilated_resnet_50", {}, 64, 0),
]


def _lived_in(net: nn.Module) -> nn.Module:
    """Batch norms as after training: statistics and gains that are not 0 and 1."""
    generator = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.6, 1.4),
                (module.weight, 0.3, 0.7),
                (module.bias, -0.1, 0.1),
            ):
                assert tensor is not None
                tensor.data.uniform_(low, high, generator=generator)
    return net.eval()


@pytest.mark.parametrize(("name", "args", "side", "left"), CASES)
def test_a_folded_network_computes_the_same(
    name: str, args: dict[str, Any], side: int, left: int
) -> None:
    torch.manual_seed(0)
    net = _lived_in(build(name, **args))
    images = torch.randn(2, 3, side, side)
    folded = fold_batch_norm(copy.deepcopy(net), (side, side))
    with torch.inference_mode():
        before, after = net(images), folded(images)
    for a, b in zip(*((x if isinstance(x, list) else [x]) for x in (before, after)), strict=True):
        assert float((a - b).abs().max()) <= 1e-5 * float(a.abs().max())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in folded.modules()) == left
