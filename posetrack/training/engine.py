"""Where a step is computed: one process and one device in full precision; ``training.fabric`` has
the others.
"""

from __future__ import annotations

__all__ = ["Engine", "compile_net"]

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class Engine:
    """One process, one device, float32: nothing but torch. ``rank`` of ``world`` processes; 0
    writes the files.
    """

    rank = 0
    world = 1

    def __init__(self, device: torch.device | None = None, compiled: bool = False) -> None:
        self.device, self.compiled = device or torch.device("cpu"), compiled

    def wrap(self, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Called once, when network and optimiser are complete and on the device; ``net`` itself
        stays as it is.
        """
        self.net, self.optimizer = compile_net(net) if self.compiled else net, optimizer

    def part(self, last: bool) -> AbstractContextManager[None]:
        """Around forward and backward of a part of a batch; ``last`` is False while more parts
        follow.
        """
        return nullcontext()

    def forward(self, x: Tensor) -> Any:
        """The network's output, in float32."""
        return self.net(x)

    def backward(self, loss: Tensor) -> None:
        """Add to the gradients."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, clip_norm: float) -> None:
        """Move the weights, with gradients at most ``clip_norm`` long (0: any)."""
        if clip_norm:
            nn.utils.clip_grad_norm_(self.net.parameters(), clip_norm)
        self.optimizer.step()

    def mean(self, value: float) -> float:
        """The mean of a number over all processes."""
        return value

    def any(self, flag: bool) -> bool:
        """Whether it holds in one of the processes."""
        return flag

    def from_first(self, value: Any) -> Any:
        """What process 0 says."""
        return value


def compile_net(net: nn.Module) -> nn.Module:
    """``net`` compiled when it is first used; it shares its weights with ``net``, whose names stay
    as they are.
    """
    # torch.compile would make shapes variables once a second input size comes: slower, and stages
    # are few
    compiled: nn.Module = torch.compile(net, dynamic=False)  # type: ignore[assignment]
    return compiled
