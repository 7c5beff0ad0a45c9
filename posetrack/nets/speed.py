"""How many crops a network sees in a second on this machine, in the state that ``posetrack track``
runs it.
"""

from __future__ import annotations

__all__ = ["Speed", "measure"]

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from posetrack.inference.devices import pick_device, pick_precision
from posetrack.inference.folding import fold_batch_norm

SECONDS_A_RUN = 1.0  # a run repeats the batch until it has taken this long


@dataclass(frozen=True, slots=True)
class Speed:
    """Crops per second: median, lowest and highest of the runs."""

    median: float
    lowest: float
    highest: float


def measure(
    net: nn.Module,
    size_wh: tuple[int, int],
    *,
    batch: int = 8,
    runs: int = 3,
    device: str = "auto",
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Speed of ``net`` (changed: batch norm folded, moved, cast) on batches of crops of
    ``size_wh``.

    One batch of warming up, then ``runs`` runs of at least a second; the clock stops when the
    device has finished. With ``clock=time.process_time`` and one thread the figure holds on a
    machine that is busy with other work too.
    """
    where = pick_device(device)
    dtype = pick_precision(where)
    width, height = size_wh
    ready = fold_batch_norm(net.float().requires_grad_(False), (height, width)).to(where, dtype)
    ready = ready.to(memory_format=torch.channels_last)
    crops = torch.randn(batch, 3, height, width, device=where, dtype=dtype).to(
        memory_format=torch.channels_last
    )
    with torch.inference_mode():
        _run(ready, crops, 0, clock)
        rates = [_run(ready, crops, SECONDS_A_RUN, clock) for _ in range(runs)]
    return Speed(statistics.median(rates), min(rates), max(rates))


def _run(net: nn.Module, crops: torch.Tensor, seconds: float, clock: Callable[[], float]) -> float:
    """Crops per second of as many batches as fill ``seconds``, at least one."""
    start, done = clock(), 0
    while True:
        net(crops)
        if crops.is_cuda:
            torch.cuda.synchronize()
        done += len(crops)
        if (spent := clock() - start) >= seconds:
            return done / spent
