"""INT8 for processors: a network that rounds weights and activations to 256 steps, which OpenVINO
computes as bytes.

``calibrate`` looks at pictures and gives the range of every activation, a few numbers that a
checkpoint keeps in its notes; ``quantised`` puts the rounding into the network. Weights need no
calibration, theirs are ranges of a channel.
"""

from __future__ import annotations

__all__ = ["Ranges", "calibrate", "quantised"]

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.inference.folding import fold_batch_norm

# of an activation from its lowest to its highest value, of a weight from 0
STEPS, WEIGHT_STEPS = 255, 127

# lowest and highest value by place: the module's name and number of call
Ranges = Mapping[str, tuple[float, float]]


class _Conv(nn.Module):
    """A convolution whose weights are rounded, every output channel by itself."""

    scale: Tensor
    zero: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        scale = conv.weight.detach().abs().amax(dim=(1, 2, 3)).clamp(min=1e-8) / WEIGHT_STEPS
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros(len(scale), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        conv, least = self.conv, -WEIGHT_STEPS
        weight = torch.fake_quantize_per_channel_affine(
            conv.weight, self.scale, self.zero, 0, least, WEIGHT_STEPS
        )
        return conv._conv_forward(x, weight, conv.bias)


def quantised(net: nn.Module, ranges: Ranges) -> nn.Module:
    """A copy of ``net`` for inference, batch norms folded, that rounds; places without a range stay
    as they are.
    """
    net = fold_batch_norm(copy.deepcopy(net).cpu().float().requires_grad_(False)).eval()

    def rounded(place: str, x: Tensor) -> Tensor:
        if place not in ranges:
            return x
        scale, zero = _grid(*ranges[place])
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, STEPS)

    for name, conv in [(n, m) for n, m in net.named_modules() if isinstance(m, nn.Conv2d)]:
        owner, _, last = name.rpartition(".")
        setattr(net.get_submodule(owner), last, _Conv(conv))
    _visit(net, rounded)
    return net


@torch.inference_mode()
def calibrate(net: nn.Module, pictures: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    """The ranges of ``net`` on ``pictures`` (B, 3, H, W), as it is fed them: means of every
    person's own range.
    """
    net = fold_batch_norm(copy.deepcopy(net).cpu().float().requires_grad_(False)).eval()
    low: dict[str, list[Tensor]] = {}
    high: dict[str, list[Tensor]] = {}

    def seen(place: str, x: Tensor) -> Tensor:
        low.setdefault(place, []).append(x.flatten(1).amin(dim=1))
        high.setdefault(place, []).append(x.flatten(1).amax(dim=1))
        return x

    _visit(net, seen)
    for batch in pictures:
        net(batch)
    return {p: (float(torch.cat(low[p]).mean()), float(torch.cat(high[p]).mean())) for p in low}


def _visit(net: nn.Module, change: Callable[[str, Tensor], Tensor]) -> None:
    """Pass what ReLUs give, and what else convolutions take, through ``change(place, tensor)``."""
    done: dict[int, Tensor] = {}  # by identity; the tensors are kept while the network runs
    calls: Counter[str] = Counter()

    def changed(place: str, x: Tensor) -> Tensor:
        if id(x) in done:
            return done[id(x)]
        result = change(place, x)
        done[id(x)] = done[id(result)] = result
        kept.extend((x, result))
        return result

    kept: list[Tensor] = []

    def start(*_: Any) -> None:
        for store in (done, calls, kept):
            store.clear()

    def after(name: str) -> Callable[..., Tensor]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
            calls[name] += 1
            done.pop(id(output), None)  # changed in place
            return changed(f"{name}:{calls[name]}", output)

        return hook

    def before(name: str) -> Callable[..., tuple[Tensor, ...]]:
        return lambda _, given: (changed(name, given[0]), *given[1:])

    net.register_forward_pre_hook(start)
    for name, module in net.named_modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(after(name))
        elif isinstance(module, nn.Conv2d | _Conv):
            module.register_forward_pre_hook(before(name))


def _grid(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point of the steps between two values; 0 is one of the steps."""
    low, high = min(low, 0.0), max(high, 1e-6)
    scale = (high - low) / STEPS
    return scale, round(-low / scale)
