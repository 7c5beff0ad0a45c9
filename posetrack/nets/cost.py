"""What a network costs: parameters and multiply-adds in two conventions, counted without running
it.
"""

from __future__ import annotations

__all__ = ["GIBI", "Cost", "cost"]

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

GIBI = 2**30  # the papers of the HRNet family print multiply-adds over 2^30 as "GFLOPs"


@dataclass(frozen=True, slots=True)
class Cost:
    """For one image. ``macs``: multiply-adds that convolutions (transposed too), linear layers and
    products execute.

    ``paper_macs``: weights times output positions of every convolution, transposed convolution and
    linear module, as the HRNet papers count: it charges a transposed convolution for its output,
    and leaves out kernels made on the fly.
    """

    parameters: int
    macs: int
    paper_macs: int


def cost(net: nn.Module, size_wh: tuple[int, int]) -> Cost:
    """Cost of ``net`` on one image of ``size_wh``. ``net`` is built under ``torch.device("meta")``
    or used as it is.
    """
    paper_macs = 0

    def add(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal paper_macs
        weight = module.weight
        assert isinstance(weight, Tensor)
        paper_macs += weight.numel() * math.prod(output.shape[2:])

    counted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    handles = [m.register_forward_hook(add) for m in net.modules() if isinstance(m, counted)]
    width, height = size_wh
    training = net.training
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            net.eval()(torch.zeros(1, 3, height, width, device=next(net.parameters()).device))
    finally:
        net.train(training)
        for handle in handles:
            handle.remove()
    parameters = sum(p.numel() for p in net.parameters())
    return Cost(parameters, counter.get_total_flops() // 2, paper_macs)
