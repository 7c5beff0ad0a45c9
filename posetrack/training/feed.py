"""Batches ahead of the network: from a thread, or from worker processes; the same batches in the
same order.
"""

from __future__ import annotations

__all__ = ["batches", "to_input"]

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from posetrack.structures import InputSpec
from posetrack.training.task import B, Batches


def batches(samples: Batches[B], epoch: int, start: int, workers: int = 0) -> Iterator[B]:
    """The batches of an epoch from number ``start`` on, each made while the one before is
    learnt.
    """
    return (
        _from_processes(samples, epoch, start, workers)
        if workers
        else _from_thread(samples, epoch, start)
    )


def _from_thread(samples: Batches[B], epoch: int, start: int) -> Iterator[B]:
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(samples.batch, epoch, start)
        for number in range(start + 1, len(samples)):
            ready, pending = pending.result(), thread.submit(samples.batch, epoch, number)
            yield ready
        yield pending.result()


@dataclass(frozen=True, slots=True)
class _Epoch:
    """The batches of an epoch by number, as a loader wants them."""

    samples: Batches[Any]
    epoch: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int) -> Any:
        return self.samples.batch(self.epoch, number)


def _from_processes(samples: Batches[B], epoch: int, start: int, workers: int) -> Iterator[B]:
    from torch.utils.data import DataLoader

    yield from DataLoader(
        _Epoch(samples, epoch),  # type: ignore[arg-type]
        batch_size=None,
        sampler=range(start, len(samples)),
        num_workers=workers,
        collate_fn=_unchanged,
        worker_init_fn=_one_thread,
    )


def _unchanged(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    """Workers are many: each uses one core. Ctrl-C is for the main process, which ends them."""
    import signal

    import cv2

    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def to_input(images: npt.NDArray[np.uint8], spec: InputSpec, device: torch.device) -> Tensor:
    """Pictures (B, H, W, 3) uint8 -> normalised (B, 3, H, W) float32, channels last in memory."""
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    mean, std = (
        torch.from_numpy(levels).to(device).view(1, 3, 1, 1)
        for levels in (spec.grey_mean, spec.grey_std)
    )
    return (x - mean) / std
