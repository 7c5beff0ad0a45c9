"""What runs a network for inference: PyTorch, torch.compile, or OpenVINO on a processor.

Every runtime gives the same numbers up to rounding (``openvino_runner.MAX_DEVIATION`` is checked),
at other speeds: ``benchmarks/pose_speed.py``. Add yours to ``RUNTIMES``.
"""

from __future__ import annotations

__all__ = ["AUTO", "RUNTIMES", "Runner", "make_runner"]

import copy
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from posetrack.errors import UsageError, unknown_name
from posetrack.inference.devices import check_compiler
from posetrack.inference.network import Network
from posetrack.inference.openvino_runner import openvino_forward
from posetrack.structures import FloatArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from posetrack.inference.quantisation import Ranges

AUTO = "auto"
_OPENVINO_PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class Runner:
    """A network ready for inference: images (B, 3, H, W) -> its tensors, B of each, in the order it
    gives them.

    ``arrays`` does the same from numpy to numpy in float32, where the runtime needs no PyTorch.
    """

    runtime: str
    forward: Callable[[Tensor], tuple[Tensor, ...]]
    int8: bool = False  # whether it computes in bytes, from images in float32
    arrays: Callable[[FloatArray], tuple[FloatArray, ...]] | None = None

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.forward(images)


def make_runner(
    net: nn.Module | Network,
    example_hw: tuple[int, int],
    *,
    device: str | torch.device,
    dtype: str | torch.dtype = "float32",
    runtime: str = AUTO,
    int8: Ranges | None = None,
) -> Runner:
    """``net`` ready for inference on images of ``dtype`` on ``device``.

    ``net`` is copied, put into eval mode and its batch norms are folded; a ``Network`` is not
    even built where the runtime has kept it. ``example_hw`` is a size that it takes; it takes
    others afterwards if the network does. ``runtime`` is a name in ``RUNTIMES``, or "auto":
    OpenVINO where that is installed, the device is an x86 processor and the network can be
    converted, else PyTorch. Where OpenVINO runs it, ``int8`` makes it compute in bytes, by these
    ranges of its activations. Raises UsageError for a name that does not exist, or a runtime that
    cannot run this network here.
    """
    if runtime != AUTO and runtime not in RUNTIMES:
        raise unknown_name("runtime", runtime, (AUTO, *RUNTIMES))
    network, place, precision = Network.of(net), str(device), str(dtype).removeprefix("torch.")
    if int8 and place == "cpu" and (runtime == "openvino" or (runtime == AUTO and _is_x86())):
        with suppress(UsageError):
            return _openvino(network, example_hw, place, "float32", int8)
    if runtime == AUTO:
        try:
            return RUNTIMES["openvino" if _is_x86() else "torch"](
                network, example_hw, place, precision
            )
        except UsageError:
            runtime = "torch"
    return RUNTIMES[runtime](network, example_hw, place, precision)


def _torch(network: Network, example_hw: tuple[int, int], device: str, precision: str) -> Runner:
    """PyTorch as it is, channels last."""
    return Runner("torch", _without_gradients(_moved(network, device, precision)))


def _compiled(network: Network, example_hw: tuple[int, int], device: str, precision: str) -> Runner:
    """torch.compile, on CUDA with CUDA graphs: minutes of preparation for every shape, for long
    videos.
    """
    import torch

    check_compiler(torch.device(device))
    mode = "reduce-overhead" if device.startswith("cuda") else None
    net = torch.compile(_moved(network, device, precision), mode=mode)
    return Runner("compiled", _without_gradients(net))


def _moved(network: Network, device: str, precision: str) -> nn.Module:
    import torch

    own: Any = copy.deepcopy(network.folded)
    moved: nn.Module = own.to(
        device=device, dtype=getattr(torch, precision), memory_format=torch.channels_last
    )
    return moved


def _without_gradients(run: Callable[[Tensor], Any]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    import torch

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            output = run(images)
            if isinstance(output, torch.Tensor):
                return (output,)
            return tuple(x for x in output if x is not None)

    return forward


def _openvino(
    network: Network,
    example_hw: tuple[int, int],
    device: str,
    precision: str,
    int8: Ranges | None = None,
) -> Runner:
    """OpenVINO on as many threads as PyTorch may use now, checked against PyTorch."""
    if device != "cpu" or precision not in _OPENVINO_PRECISIONS:
        raise UsageError(
            f"OpenVINO runs on processors in float32 or bfloat16 here, not on {device} in "
            f"{precision}."
        )
    if find_spec("openvino") is None:
        raise UsageError(
            "OpenVINO is not installed; install it with pip install openvino, or use --runtime "
            "torch."
        )

    arrays = openvino_forward(network, example_hw, precision, int8=int8)

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        import torch

        return tuple(torch.from_numpy(a) for a in arrays(images.float().contiguous().numpy()))

    return Runner("openvino", forward, bool(int8), arrays)


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


RUNTIMES: dict[str, Callable[[Network, tuple[int, int], str, str], Runner]] = {
    "torch": _torch,
    "openvino": _openvino,
    "compiled": _compiled,
}
