"""Batch-norm folding: a network for inference with each batch norm multiplied into the convolution
before it.

Works on any network, without tracing its code: one forward pass on a small input shows which batch
norm takes exactly the output of which convolution. Measured for HRNet-W32 on two cores: see
``benchmarks/pose_speed.py``.
"""

from __future__ import annotations

__all__ = ["fold_batch_norm"]

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_Conv = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
_Transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_Norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MAX_DEVIATION = 1e-3  # of the largest output: rounding stays far below, a wrong pair far above


def fold_batch_norm(net: nn.Module, example_hw: tuple[int, int] = (64, 64)) -> nn.Module:
    """Fold in place and return ``net`` (put into eval mode); ``example_hw`` is an input size that
    the network takes.

    A pair is folded where the batch norm always takes the output of one convolution and that
    convolution feeds no other batch norm. If the outputs of the folded network are not those of the
    original (a convolution's raw output is used twice), everything is undone and the network is
    returned as it was.
    """
    net.eval()
    if not any(isinstance(module, _Norm) for module in net.modules()):
        return net
    parameter = next(net.parameters())
    generator = torch.Generator().manual_seed(0)
    example = torch.randn(1, 3, *example_hw, generator=generator).to(
        parameter.device, parameter.dtype
    )
    before, pairs = _trace(net, example)
    undo = [_replace(net, name, module) for name, module in _fused(net, pairs).items()]
    with torch.inference_mode():
        after = _tensors(net(example))
    scale = max(float(a.abs().max()) for a in before)
    if any(
        float((a - b).abs().max()) > MAX_DEVIATION * max(scale, 1e-6)
        for a, b in zip(before, after, strict=True)
    ):
        for name, module in undo:
            _replace(net, name, module)
    return net


def _trace(net: nn.Module, example: torch.Tensor) -> tuple[list[torch.Tensor], dict[str, str]]:
    """Outputs of ``net`` and the pairs {name of batch norm: name of its convolution} seen in one
    forward pass.
    """
    made: dict[
        int, tuple[str, torch.Tensor]
    ] = {}  # the tensor is kept so that its id stays its own
    sources: dict[str, set[str | None]] = {}

    def remember(name: str) -> Any:
        def hook(_: nn.Module, __: tuple[Any, ...], output: torch.Tensor) -> None:
            made[id(output)] = (name, output)

        return hook

    def look_up(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            sources.setdefault(name, set()).add(made.get(id(inputs[0]), (None,))[0])

        return hook

    handles = []
    for name, module in net.named_modules():
        if isinstance(module, _Conv):
            handles.append(module.register_forward_hook(remember(name)))
        elif isinstance(module, _Norm) and module.track_running_stats:
            handles.append(module.register_forward_pre_hook(look_up(name)))
    try:
        with torch.inference_mode():
            outputs = _tensors(net(example))
    finally:
        for handle in handles:
            handle.remove()
    single = {norm: convs.pop() for norm, convs in sources.items() if len(convs) == 1}
    taken = list(single.values())
    return outputs, {
        norm: conv for norm, conv in single.items() if conv is not None and taken.count(conv) == 1
    }


def _fused(net: nn.Module, pairs: dict[str, str]) -> dict[str, nn.Module]:
    """The modules to put in place, by name: fused convolutions, and nothing for the batch norms."""
    modules = dict(net.named_modules())
    new: dict[str, nn.Module] = {}
    for norm, conv in pairs.items():
        module: Any = modules[conv]
        new[conv] = fuse_conv_bn_eval(module, modules[norm], isinstance(module, _Transposed))
        new[norm] = nn.Identity()
    return new


def _replace(net: nn.Module, name: str, module: nn.Module) -> tuple[str, nn.Module]:
    """Put ``module`` at ``name`` and return what was there."""
    parent, _, last = name.rpartition(".")
    owner = net.get_submodule(parent)
    old = owner.get_submodule(last)
    setattr(owner, last, module)
    return name, old


def _tensors(output: Any) -> list[torch.Tensor]:
    """The tensors of an output that is a tensor or a (nested) collection of them; others are left
    out.
    """
    if isinstance(output, torch.Tensor):
        return [output.float()]
    parts = (
        output.values()
        if isinstance(output, dict)
        else output
        if isinstance(output, list | tuple)
        else ()
    )
    return [t for part in parts for t in _tensors(part)]
