"""Runtimes: the numbers of PyTorch for every network of the project, any batch and size, and honest
refusals.
"""

from __future__ import annotations

import gc
import os
import platform
import signal
import sys

import numpy as np
import pytest
import torch
from torch import nn

from posetrack import weights
from posetrack.errors import UsageError
from posetrack.inference import openvino_runner, runtimes
from posetrack.inference.runtimes import AUTO, RUNTIMES, make_runner
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.offered import OFFERED
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, InputSpec

CPU = torch.device("cpu")
SMALL = {
    "hrnet_w32": {"width": 8, "modules": (1, 1, 1), "blocks": 1, "stem": 16, "stem_blocks": 1},
    "lite_hrnet_18": {},
    "simple_baseline_50": {},
    "hourglass_1": {},
    "cpn_50": {},
    "dilated_resnet_50": {},
}
needs_openvino = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="a dependency on x86 processors only",
)


def pictures(batch: int, height: int, width: int) -> torch.Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(batch))


def test_the_option_offers_what_there_is() -> None:
    assert set(OFFERED["runtime"]) == {AUTO, *RUNTIMES}
    with pytest.raises(UsageError, match="runtime"):
        make_runner(nn.Conv2d(3, 15, 1), (8, 8), device=CPU, runtime="tensorrt")


@needs_openvino
@pytest.mark.parametrize("name", SMALL)
def test_openvino_gives_what_pytorch_gives(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, joints=15, **SMALL[name]).eval()
    for p in net.parameters():  # some networks start with a last layer of next to nothing
        nn.init.normal_(p, std=0.05) if p.ndim > 1 else None
    run = make_runner(net, (128, 128), device=CPU, runtime="openvino")
    assert run.runtime == "openvino"
    for batch in (1, 3, 2):
        x = pictures(batch, 128, 128)
        with torch.inference_mode():
            expected = net(x)
        expected = expected[-1] if isinstance(expected, list | tuple) else expected
        found = run(x)[-1]
        assert found.shape == expected.shape
        assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


@needs_openvino
def test_openvino_takes_pictures_of_any_size() -> None:
    detector = weights.load_detector("bundled", device="cpu", runtime="openvino")
    plain = weights.load_detector("bundled", device="cpu", runtime="torch")
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 255, (*hw, 3), dtype=np.uint8)
        for hw in ((120, 200), (200, 120), (90, 300), (120, 200))
    ]
    runs = detector._run, plain._run
    assert [run.runtime for run in runs] == ["openvino", "torch"]
    for hw in ((224, 384), (384, 224), (32, 384), (384, 384)):
        for a, b in zip(runs[0](pictures(1, *hw)), runs[1](pictures(1, *hw)), strict=True):
            assert a.shape == b.shape
            assert float((a - b).abs().max()) < 1e-4 * float(b.abs().max())
    assert [len(boxes) for boxes in detector.detect(images)] == [
        len(boxes) for boxes in plain.detect(images)
    ]


@needs_openvino
def test_poses_are_the_same_bits_in_any_batch() -> None:
    net, spec = weights.load_pose("pose_lite")
    estimator = PoseEstimator(
        net, spec.input, spec.skeleton, device="cpu", flip_test=False, runtime="openvino"
    )
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)
    low = rng.uniform(0, 100, (11, 2))
    boxes = Boxes(np.concatenate([low, low + rng.uniform(40, 90, (11, 2))], axis=1), np.ones(11))
    together = estimator.estimate([image], [boxes])[0]
    for some in (slice(0, 1), slice(3, 8), slice(9, 11)):
        apart = estimator.estimate([image], [boxes[some]])[0]
        np.testing.assert_array_equal(apart.xy, together.xy[some])
        np.testing.assert_array_equal(apart.score, together.score[some])


@needs_openvino
def test_auto_falls_back_where_openvino_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build("hrnet_w32", joints=15, **SMALL["hrnet_w32"])
    assert make_runner(net, (64, 64), device=CPU).runtime == "openvino"
    assert make_runner(net, (64, 64), device=CPU, dtype=torch.float16).runtime == "torch"
    with pytest.raises(UsageError, match="float32 or bfloat16"):
        make_runner(net, (64, 64), device=CPU, dtype=torch.float16, runtime="openvino")
    odd = build("dite_hrnet_18", joints=15)  # its kernels are made from the picture, one for each
    assert make_runner(odd, (64, 64), device=CPU).runtime == "torch"
    with pytest.raises(UsageError, match="cannot run this network"):
        make_runner(odd, (64, 64), device=CPU, runtime="openvino")
    monkeypatch.setattr(runtimes, "find_spec", lambda _: None)
    assert make_runner(net, (64, 64), device=CPU).runtime == "torch"
    with pytest.raises(UsageError, match="pip install openvino"):
        make_runner(net, (64, 64), device=CPU, runtime="openvino")


@needs_openvino
def test_a_version_of_openvino_that_has_moved_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino.frontend.pytorch.ts_decoder", None)
    net = build("hrnet_w32", joints=15, **SMALL["hrnet_w32"])
    assert make_runner(net, (64, 64), device=CPU).runtime == "torch"
    with pytest.raises(UsageError, match="--runtime torch"):
        make_runner(net, (64, 64), device=CPU, runtime="openvino")


@needs_openvino
def test_other_numbers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    net = build("hrnet_w32", joints=15, **SMALL["hrnet_w32"])
    init_he(net, 15)  # the paper's initial weights give heatmaps of next to nothing
    convert = openvino_runner._converted

    def wrong(net: nn.Module, example: torch.Tensor) -> tuple[object, object]:
        return convert(nn.Sequential(net, nn.Hardtanh(-1e-3, 1e-3)), example)

    monkeypatch.setattr(openvino_runner, "_converted", wrong)
    with pytest.raises(UsageError, match="other numbers"):
        make_runner(net, (64, 64), device=CPU, runtime="openvino")
    assert make_runner(net, (64, 64), device=CPU).runtime == "torch"


def test_the_given_network_stays_as_it_is() -> None:
    net = build("hrnet_w32", joints=15, **SMALL["hrnet_w32"]).train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    make_runner(net, (64, 64), device=CPU)(pictures(1, 64, 64))
    assert net.training
    assert all(p.requires_grad for p in net.parameters())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_torch_keeps_the_bits_of_the_network() -> None:
    net = nn.Conv2d(3, 15, 3, bias=False).eval()
    x = pictures(2, 16, 16)
    found = make_runner(net, (16, 16), device=CPU, runtime="torch")(x)[0]
    torch.testing.assert_close(found, net(x).detach())


def test_estimators_say_what_runs_them() -> None:
    net = build("hrnet_w32", joints=15, **SMALL["hrnet_w32"])
    assert PoseEstimator(net, InputSpec((64, 64)), POSETRACK_15, device="cpu").runtime == "torch"


@needs_openvino
def test_ctrl_c_reaches_python_when_openvino_is_gone() -> None:
    """Unloading OpenVINO's processor plugin once made the next signal fatal."""
    detector = weights.load_detector("bundled", device="cpu", runtime="openvino")
    detector.detect([np.zeros((90, 160, 3), np.uint8)])
    del detector
    gc.collect()
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_without_a_compiler_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiler(*_: object, **__: object) -> object:
        raise RuntimeError("no C++ compiler\nmore")

    monkeypatch.setattr(torch, "compile", compiler)
    with pytest.raises(UsageError, match=r"no C\+\+ compiler"):
        make_runner(nn.Conv2d(3, 15, 1), (8, 8), device=CPU, runtime="compiled")
