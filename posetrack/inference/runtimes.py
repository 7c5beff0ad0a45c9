"""What runs a network for inference: PyTorch, torch.compile, or OpenVINO on a processor.

Every runtime gives the same numbers up to rounding (``MAX_DEVIATION`` is checked), at other speeds:
``benchmarks/pose_speed.py``. Add yours to ``RUNTIMES``.
"""

from __future__ import annotations

__all__ = ["AUTO", "RUNTIMES", "Runner", "make_runner"]

import copy
import platform
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.errors import UsageError, unknown_name
from posetrack.inference.devices import check_compiler
from posetrack.inference.folding import fold_batch_norm
from posetrack.inference.privacy import no_calls_home
from posetrack.inference.quantisation import Ranges, quantised

AUTO = "auto"
# From PyTorch in float32, of the largest value: rounding stays a thousand times below in float32.
MAX_DEVIATION = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
# from the same rounding in PyTorch: a value between two steps may go either way
MAX_INT8_DEVIATION = 0.15
_OPENVINO_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}


@dataclass(frozen=True, slots=True)
class Runner:
    """A network ready for inference: images (B, 3, H, W) -> its tensors, B of each, in the order it
    gives them.
    """

    runtime: str
    forward: Callable[[Tensor], tuple[Tensor, ...]]
    int8: bool = False  # whether it computes in bytes, from images in float32

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.forward(images)


def make_runner(
    net: nn.Module,
    example_hw: tuple[int, int],
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    runtime: str = AUTO,
    int8: Ranges | None = None,
) -> Runner:
    """``net`` ready for inference on images of ``dtype`` on ``device``.

    ``net`` is copied, put into eval mode and its batch norms are folded. ``example_hw`` is a size
    that it takes; it takes others afterwards if the network does. ``runtime`` is a name in
    ``RUNTIMES``, or "auto": OpenVINO where that is installed, the device is an x86 processor and
    the network can be converted, else PyTorch. Where OpenVINO runs it, ``int8`` makes it compute in
    bytes, by these ranges of its activations. Raises UsageError for a name that does not exist, or
    a runtime that cannot run this network here.
    """
    if runtime != AUTO and runtime not in RUNTIMES:
        raise unknown_name("runtime", runtime, (AUTO, *RUNTIMES))
    ready = fold_batch_norm(copy.deepcopy(net).cpu().float().requires_grad_(False)).eval()
    if int8 and device.type == "cpu" and (runtime == "openvino" or (runtime == AUTO and _is_x86())):
        with suppress(UsageError):
            bytewise = _openvino(
                quantised(ready, int8), example_hw, device, torch.float32, MAX_INT8_DEVIATION
            )
            return replace(bytewise, int8=True)
    if runtime == AUTO:
        try:
            return RUNTIMES["openvino" if _is_x86() else "torch"](ready, example_hw, device, dtype)
        except UsageError:
            runtime = "torch"
    return RUNTIMES[runtime](ready, example_hw, device, dtype)


def _torch(
    net: nn.Module, example_hw: tuple[int, int], device: torch.device, dtype: torch.dtype
) -> Runner:
    """PyTorch as it is, channels last."""
    return Runner("torch", _without_gradients(_moved(net, device, dtype)))


def _compiled(
    net: nn.Module, example_hw: tuple[int, int], device: torch.device, dtype: torch.dtype
) -> Runner:
    """torch.compile, on CUDA with CUDA graphs: minutes of preparation for every shape, for long
    videos.
    """
    check_compiler(device)
    mode = "reduce-overhead" if device.type == "cuda" else None
    return Runner(
        "compiled", _without_gradients(torch.compile(_moved(net, device, dtype), mode=mode))
    )


def _moved(net: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    moved: nn.Module = net.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def _without_gradients(run: Callable[[Tensor], Any]) -> Callable[[Tensor], tuple[Tensor, ...]]:
    def forward(images: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return _tensors(run(images))

    return forward


def _openvino(
    net: nn.Module,
    example_hw: tuple[int, int],
    device: torch.device,
    dtype: torch.dtype,
    max_deviation: float | None = None,
) -> Runner:
    """OpenVINO on as many threads as PyTorch may use now, checked against PyTorch."""
    if device.type != "cpu" or dtype not in _OPENVINO_PRECISIONS:
        raise UsageError(
            f"OpenVINO runs on processors in float32 or bfloat16 here, not on {device} in {dtype}."
        )
    if find_spec("openvino") is None:
        raise UsageError(
            "OpenVINO is not installed; install it with pip install openvino, or use --runtime "
            "torch."
        )
    example = torch.randn(2, 3, *example_hw, generator=torch.Generator().manual_seed(0))
    try:
        model, holder = _converted(net, example)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _OPENVINO_PRECISIONS[dtype],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "ENABLE_CPU_PINNING": False,  # other programs want the processor too
        }
        request = _core().compile_model(model, "CPU", settings).create_infer_request()
    except Exception as error:  # whatever it says, PyTorch can do it
        raise UsageError("OpenVINO cannot run this network; use --runtime torch.") from error
    one_at_a_time = threading.Lock()

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        with one_at_a_time:
            _ = holder  # lives as long as the model
            found = request.infer({0: images.float().contiguous().numpy()}, share_inputs=True)
            return tuple(torch.from_numpy(found[i]) for i in range(len(found)))

    runner = Runner("openvino", forward)
    _compare(net, runner, example, max_deviation or MAX_DEVIATION[dtype])
    return runner


@cache
def _core() -> Any:
    """OpenVINO itself, kept until the process ends.

    Where it was unloaded again, the next Ctrl-C ended the process with a segmentation fault
    (2026.4).
    """
    no_calls_home()
    import openvino

    return openvino.Core()


def _converted(net: nn.Module, example: Tensor) -> tuple[Any, Any]:
    """The OpenVINO model of ``net``, its batch and picture size open, and what holds its weights.

    By the parts of ``openvino.convert_model``: that takes three times as long, and may report home.
    """
    no_calls_home()
    from openvino import PartialShape
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from openvino.passes import ConstantFolding, Manager

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # checks of the input's size are meant to be done once
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]
            lambda x: _tensors(net(x)), example, check_trace=False
        )
        reader = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced, example_input=example)
        model = reader.convert(reader.load(decoder))
    model.reshape({model.inputs[0]: PartialShape([-1, 3, -1, -1])})
    fold = Manager()
    fold.register_pass(
        ConstantFolding()
    )  # of the ranges that weights are rounded in: only constants make it bytes
    fold.run_passes(model)
    return model, decoder


def _compare(net: nn.Module, run: Runner, example: Tensor, max_deviation: float) -> None:
    """Raise UsageError where ``run`` does not give what ``net`` gives."""
    with torch.inference_mode():
        expected, found = _tensors(net(example)), run(example)
    for a, b in zip(expected, found, strict=True):
        if not float((a - b).abs().max()) <= max_deviation * float(a.abs().max()):
            raise UsageError(
                "OpenVINO gives other numbers than PyTorch for this network; use --runtime torch."
            )


def _tensors(output: Any) -> tuple[Tensor, ...]:
    """The tensors of a network's output, in order; what is None is left out."""
    if isinstance(output, Tensor):
        return (output,)
    return tuple(x for x in output if x is not None)


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


RUNTIMES: dict[str, Callable[[nn.Module, tuple[int, int], torch.device, torch.dtype], Runner]] = {
    "torch": _torch,
    "openvino": _openvino,
    "compiled": _compiled,
}
