"""Networks as ONNX files: written, and compared with PyTorch by running both on the same pictures.

The file holds the network alone: normalised crops (N, 3, H, W) in, the final heatmaps (N, K, h, w)
out, N open. What surrounds it (input size, normalisation, skeleton) is the checkpoint's
description, as JSON under ``posetrack``.
"""

from __future__ import annotations

__all__ = ["MAX_DEVIATION", "OPSET", "compare", "export_onnx"]

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posetrack.checkpoints import METADATA_KEY, ModelSpec
from posetrack.errors import OutputError, UsageError
from posetrack.files import write_beside
from posetrack.inference.folding import fold_batch_norm

if TYPE_CHECKING:
    from torch import nn

OPSET = 18  # the oldest that torch.onnx.export writes without converting
# of the largest heatmap value, float32 against float32; rounding gives about 1e-6
MAX_DEVIATION = 1e-3
BATCHES = (1, 3)  # sizes that are compared, to see that the batch is really open


def export_onnx(net: nn.Module, spec: ModelSpec, path: str | Path) -> float:
    """Write ``net`` to ``path``, compare it with PyTorch; the largest deviation, as a share of the
    largest value.

    Batch norms are folded. Nothing stands at ``path`` unless the comparison came out well. Raises
    UsageError where the packages of the ``export`` extra are missing, OutputError where the file
    cannot be written or differs.
    """
    import torch

    _require()
    width, height = spec.input.size_wh
    model = _last_output(fold_batch_norm(copy.deepcopy(net).cpu().float())).eval()
    with write_beside(path) as part:
        example = torch.zeros(2, 3, height, width)
        try:
            with _quiet():
                program: Any = torch.onnx.export(
                    model,
                    (example,),
                    input_names=["input"],
                    output_names=["heatmaps"],
                    opset_version=OPSET,
                    dynamo=True,
                    dynamic_shapes=({0: torch.export.Dim("batch")},),
                    verbose=False,
                )
        except torch.onnx.OnnxExporterError as error:
            raise OutputError(
                f"{spec.net} cannot be written as ONNX: {str(error).splitlines()[0]}"
            ) from error
        program.model.metadata_props[METADATA_KEY] = spec.to_json()
        program.save(part)
        deviation = compare(model, part, (height, width))
        if deviation > MAX_DEVIATION:
            raise OutputError(
                f"The ONNX file of {spec.net} differs from PyTorch by {deviation:.1e}; it was "
                f"not kept."
            )
    return deviation


def compare(net: nn.Module, path: str | Path, size_hw: tuple[int, int]) -> float:
    """The largest difference between ``net`` and the ONNX file on random inputs, relative to the
    largest value.
    """
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    worst = 0.0
    for batch in BATCHES:
        x = rng.standard_normal((batch, 3, *size_hw), np.float32)
        with torch.inference_mode():
            expected = net(torch.from_numpy(x)).numpy()
        found = session.run(None, {session.get_inputs()[0].name: x})[0]
        scale = max(float(np.abs(expected).max()), 1e-12)
        worst = max(worst, float(np.abs(found - expected).max()) / scale)
    return worst


def _require() -> None:
    """Raise UsageError unless the packages of the ``export`` extra are there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"Exporting needs {error.name}; install it with: pip install 'posetrack[export]'."
        ) from error


def _last_output(net: nn.Module) -> nn.Module:
    """A module that gives only the final heatmaps of ``net``."""
    from torch import Tensor, nn

    class LastOutput(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            output = self.net(x)
            last: Tensor = output[-1] if isinstance(output, list | tuple) else output
            return last

    return LastOutput()


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns about its own insides and logs its steps; only its errors matter here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
