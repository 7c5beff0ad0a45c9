"""OpenVINO for networks on a processor: converted from PyTorch and checked against it once,
compiled, and kept for the next run, which then needs PyTorch no more.
"""

from __future__ import annotations

__all__ = ["openvino_forward"]

import logging
import queue
import warnings
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from posetrack.errors import UsageError
from posetrack.inference.kept import keep, kept, kept_path
from posetrack.inference.privacy import no_calls_home
from posetrack.inference.threads import stream_count, thread_count
from posetrack.inference.trials import processor
from posetrack.structures import FloatArray

if TYPE_CHECKING:
    from torch import Tensor, nn

    from posetrack.inference.network import Network
    from posetrack.inference.quantisation import Ranges

# From PyTorch in float32, of the largest value: rounding stays a thousand times below in float32.
MAX_DEVIATION = {"float32": 1e-3, "bfloat16": 5e-2}
# from the same rounding in PyTorch: a value between two steps may go either way
MAX_INT8_DEVIATION = 0.15
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}

Forward = Callable[[FloatArray], tuple[FloatArray, ...]]

_log = logging.getLogger(__name__)


def openvino_forward(
    network: Network,
    example_hw: tuple[int, int],
    precision: str,
    *,
    int8: Ranges | None = None,
) -> Forward:
    """Normalised images (B, 3, H, W) float32 to the outputs of ``network``; with ``int8`` it rounds
    to these ranges.

    May be called from several threads at once: ``threads.stream_count()`` of them compute side by
    side. Raises UsageError where OpenVINO cannot run it.
    """
    if network.folder is None:
        return _forward(_compiled(network, example_hw, precision, int8))
    ranges = sorted((place, *limits) for place, limits in (int8 or {}).items())
    what = (network.identity, example_hw, precision, ranges)
    path = kept_path(network.folder, *what, version("openvino"), processor())
    model = _imported(kept(path), precision)
    if model is None:
        model = _compiled(network, example_hw, precision, int8)
        keep(path, _exported(model))  # what comes back has the same bits
    return _forward(model)


def _settings(precision: str) -> dict[str, Any]:
    return {
        "NUM_STREAMS": stream_count(),
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
        "INFERENCE_NUM_THREADS": thread_count(),
        "ENABLE_CPU_PINNING": False,  # other programs want the processor too
    }


def _forward(model: Any) -> Forward:
    idle: queue.LifoQueue[Any] = queue.LifoQueue()  # the last one's memory is at hand
    for _ in range(stream_count()):
        idle.put(model.create_infer_request())

    def forward(images: FloatArray) -> tuple[FloatArray, ...]:
        request = idle.get()
        try:
            found = request.infer({0: np.ascontiguousarray(images)}, share_inputs=True)
            return tuple(found[i] for i in range(len(found)))
        finally:
            idle.put(request)

    return forward


def _imported(content: bytes | None, precision: str) -> Any:
    """A compiled network from its bytes; None where there are none, or OpenVINO refuses them."""
    if content is None:
        return None
    try:
        return _core().import_model(content, "CPU", _settings(precision))
    except Exception as error:  # it has no class for that
        _log.info("A kept network is not used: %s", error)
        return None


def _exported(model: Any) -> bytes:
    content = model.export_model()
    return content if isinstance(content, bytes) else bytes(content.getvalue())


def _compiled(
    network: Network, example_hw: tuple[int, int], precision: str, int8: Ranges | None
) -> Any:
    """``network`` converted, compiled and compared with PyTorch. Raises UsageError."""
    import torch

    example = torch.randn(2, 3, *example_hw, generator=torch.Generator().manual_seed(0))
    net = _rounding(network, int8) if int8 else network.folded
    most = MAX_INT8_DEVIATION if int8 else MAX_DEVIATION[precision]
    kind = f"{'int8' if int8 else 'plain'} {example_hw}"
    try:  # converted once for all number formats; what holds the weights lives as long
        model, _ = network.once(f"{kind} model", lambda: _converted(net, example))
        compiled = _core().compile_model(model, "CPU", _settings(precision))
        found = _forward(compiled)(example.numpy())
    except Exception as error:  # whatever it says, PyTorch can do it
        raise UsageError("OpenVINO cannot run this network; use --runtime torch.") from error
    _compare(network.once(f"{kind} output", lambda: _output(net, example)), found, most)
    return compiled


def _rounding(network: Network, ranges: Ranges) -> nn.Module:
    from posetrack.inference.quantisation import quantised

    return quantised(network.folded, ranges)


def _output(net: nn.Module, example: Tensor) -> list[FloatArray]:
    import torch

    with torch.inference_mode():
        return [a.numpy() for a in _tensors(net(example))]


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
    import torch
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


def _compare(
    expected: list[FloatArray], found: tuple[FloatArray, ...], max_deviation: float
) -> None:
    """Raise UsageError where ``found`` is not what PyTorch gives."""
    for a, b in zip(expected, found, strict=True):
        if not float(np.abs(a - b).max()) <= max_deviation * float(np.abs(a).max()):
            raise UsageError(
                "OpenVINO gives other numbers than PyTorch for this network; use --runtime torch."
            )


def _tensors(output: Any) -> tuple[Tensor, ...]:
    """The tensors of a network's output, in order; what is None is left out."""
    import torch

    if isinstance(output, torch.Tensor):
        return (output,)
    return tuple(x for x in output if x is not None)
