"""INT8: what rounding costs, what OpenVINO makes of it, and when a pose network is run so."""

from __future__ import annotations

import platform

import pytest
import torch
from torch import nn

from posetrack.inference import openvino_runner, runtimes
from posetrack.inference.quantisation import calibrate, quantised
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.pose import estimator as pose
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import InputSpec

CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="a dependency on x86 processors only",
)


def small() -> nn.Module:
    """A network with batch norms, shared ReLUs, residuals and exchanges, whose heatmaps reach some
    height.
    """
    torch.manual_seed(0)
    net = build(
        "hrnet_w32", joints=15, width=8, modules=(1, 1, 1), blocks=1, stem=16, stem_blocks=1
    ).eval()
    init_he(net, 15)  # the initial weights of the papers give heatmaps of next to nothing
    nn.init.normal_(net.final_layer.weight, std=0.1)
    return net


def pictures(batch: int) -> torch.Tensor:
    return torch.randn(batch, 3, 64, 64, generator=torch.Generator().manual_seed(batch))


def test_rounding_changes_little_and_no_range_changes_only_weights() -> None:
    net, x = small(), pictures(4)
    ranges = calibrate(net, [pictures(8), pictures(8)])
    with torch.inference_mode():
        plain, rounded, weights_only = net(x), quantised(net, ranges)(x), quantised(net, {})(x)
    unit = float(plain.abs().max())
    assert 0 < float((weights_only - plain).abs().max()) < 0.05 * unit
    assert 0 < float((rounded - plain).abs().max()) < 0.2 * unit


def test_ranges_are_those_of_the_activations() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 1, 1))
    nn.init.constant_(net[0].weight, 2.0)
    two = torch.tensor([[-1.0, 0.5], [0.0, 3.0]])[:, None, None]
    assert calibrate(_OnAnySize(net), [two]) == {"net.0": (-0.5, 1.75), "net.1:1": (0.0, 3.5)}


class _OnAnySize(nn.Module):
    """Takes the mean of the colours, as the network above has one."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.mean(dim=1, keepdim=True))


@needs_openvino
def test_openvino_computes_in_bytes_what_pytorch_rounds() -> None:
    net, x = small(), pictures(3)
    ranges = {
        k: list(v) for k, v in calibrate(net, [pictures(8)]).items()
    }  # as from a checkpoint's notes
    run = runtimes.make_runner(net, (64, 64), device=CPU, int8=ranges)
    assert run.int8
    with torch.inference_mode():
        expected = quantised(net, ranges)(x)
    assert float((run(x)[0] - expected).abs().max()) <= openvino_runner.MAX_INT8_DEVIATION * float(
        expected.abs().max()
    )


@needs_openvino
@pytest.mark.parametrize(
    ("precision", "native", "expected"),
    [("auto", True, "int8"), ("auto", False, None), ("float32", True, "float32")],
)
def test_bytes_are_taken_where_the_processor_is_good_at_them(
    monkeypatch: pytest.MonkeyPatch, precision: str, native: bool, expected: str | None
) -> None:
    monkeypatch.setattr(pose, "has_native_int8", lambda: native)
    ranges = calibrate(small(), [pictures(2)])
    made = PoseEstimator(
        small(),
        InputSpec((64, 64)),
        POSETRACK_15,
        device="cpu",
        precision=precision,
        runtime="auto",
        int8=ranges,
    )
    assert made.precision == expected if expected else made.precision != "int8"


def test_torch_never_computes_in_bytes() -> None:
    ranges = calibrate(small(), [pictures(2)])
    assert not runtimes.make_runner(
        small(), (64, 64), device=CPU, runtime="torch", int8=ranges
    ).int8
