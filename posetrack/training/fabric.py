"""Training on several devices, or in half precision: Lightning Fabric behind the interface of
``Engine``.
"""

from __future__ import annotations

__all__ = ["FabricEngine", "is_first", "make_engine"]

import os
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.errors import UsageError, unknown_name
from posetrack.inference.devices import PRECISIONS, check_compiler, pick_device
from posetrack.inference.privacy import no_calls_home
from posetrack.training.engine import Engine, compile_net

_NAMES: dict[str, Any] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
}  # posetrack's -> Fabric's


def make_engine(
    device: str = "auto",
    precision: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    compiled: bool = False,
) -> Engine:
    """One device in float32 is plain torch; all else is Fabric, which starts the other processes by
    itself.

    "auto" precision is a half one on CUDA and float32 elsewhere. Under ``torchrun`` its processes
    are used. ``compiled`` runs the network through torch.compile. Raises UsageError.
    """
    picked = pick_device(device)
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    if precision == "auto":
        precision = _best(picked)
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if compiled:
        check_compiler(picked)
    if devices * nodes * started == 1 and precision == "float32":
        return Engine(picked, compiled)
    return FabricEngine(_fabric(picked, precision, max(devices, started // nodes), nodes), compiled)


def is_first() -> bool:
    """Whether this is the process that others were or will be started by."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def _best(device: torch.device) -> str:
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"


def _fabric(device: torch.device, precision: str, devices: int, nodes: int) -> Any:
    no_calls_home()
    from lightning.fabric import Fabric

    several = devices * nodes > 1
    which: Any = [device.index] if device.index is not None and not several else devices
    strategy = "ddp" if several else "auto"
    try:
        return Fabric(
            accelerator=device.type,
            devices=which,
            num_nodes=nodes,
            strategy=strategy,
            precision=_NAMES[precision],
        )
    except Exception as error:  # Fabric has many classes for what a machine does not have
        raise UsageError(
            f"This machine cannot train on {devices} {device.type} devices: {error}"
        ) from error


class FabricEngine(Engine):
    """A step under Fabric. Every process learns its share of each batch; gradients and batch norms
    are common.
    """

    def __init__(self, fabric: Any, compiled: bool = False) -> None:
        fabric.launch()
        super().__init__(fabric.device, compiled)
        self.fabric = fabric
        self.rank, self.world = int(fabric.global_rank), int(fabric.world_size)

    def wrap(self, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if (
            self.world > 1 and self.device.type == "cuda"
        ):  # on the CPU torch has no common batch norm
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        if self.compiled:  # Fabric takes it apart and compiles again around its own wrapping
            net = compile_net(net)
        self.net, self.optimizer = self.fabric.setup(net, optimizer)

    def part(self, last: bool) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = self.fabric.no_backward_sync(
            self.net, enabled=not last
        )
        return context

    def backward(self, loss: Tensor) -> None:
        self.fabric.backward(loss)

    def step(self, clip_norm: float) -> None:
        if clip_norm:
            self.fabric.clip_gradients(
                self.net, self.optimizer, max_norm=clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()

    def mean(self, value: float) -> float:
        return float(
            self.fabric.all_reduce(torch.tensor(value, device=self.device), reduce_op="mean")
        )

    def any(self, flag: bool) -> bool:
        return flag if self.world == 1 else self.mean(float(flag)) > 0

    def from_first(self, value: Any) -> Any:
        return self.fabric.broadcast(value, src=0)
