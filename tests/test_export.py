"""ONNX files: equal to PyTorch, with an open batch and everything about the network in them; never
half-written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from posetrack import export as module
from posetrack.checkpoints import METADATA_KEY, ModelSpec
from posetrack.cli import main
from posetrack.errors import OutputError, UsageError
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import InputSpec

SPEC = ModelSpec("tiny", {"joints": 15}, input=InputSpec((32, 64)))


class Tiny(nn.Module):
    """Convolution, batch norm and intermediate supervision: two maps, the last one counts."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8)
        self.heads = nn.ModuleList(nn.Conv2d(8, 15, 1) for _ in range(2))
        nn.init.uniform_(self.norm.running_var, 0.5, 2.0)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features = torch.relu(self.norm(self.conv(x)))
        return [head(features) for head in self.heads]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path, float]:
    net, path = Tiny().eval(), tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    return net, path, module.export_onnx(net, SPEC, path)


def test_equals_pytorch_for_any_batch(exported: tuple[nn.Module, Path, float]) -> None:
    import onnxruntime

    net, path, deviation = exported
    assert deviation < 1e-5
    assert [p.name for p in path.parent.iterdir()] == ["tiny.onnx"]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = torch.randn(5, 3, 64, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net(x)[-1]
    torch.testing.assert_close(
        torch.from_numpy(session.run(["heatmaps"], {"input": x.numpy()})[0]), expected
    )


def test_the_description_travels_with_the_file(exported: tuple[nn.Module, Path, float]) -> None:
    import onnx

    metadata = {p.key: p.value for p in onnx.load(str(exported[1])).metadata_props}
    spec = ModelSpec.from_json(metadata[METADATA_KEY])
    assert spec.input == SPEC.input
    assert spec.skeleton == POSETRACK_15


def test_the_callers_network_is_not_changed(exported: tuple[nn.Module, Path, float]) -> None:
    assert isinstance(exported[0].norm, nn.BatchNorm2d)


def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "compare", lambda *_: 0.5)
    with pytest.raises(OutputError, match="differs from PyTorch by 5"):
        module.export_onnx(Tiny(), SPEC, tmp_path / "tiny.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"onnxruntime.*pip install 'posetrack\[export\]'"):
        module.export_onnx(Tiny(), SPEC, tmp_path / "tiny.onnx")


def test_an_existing_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.onnx").write_text("mine")
    with pytest.raises(SystemExit) as info:
        main(["export", "pose_lite", str(tmp_path / "a.onnx")])
    assert info.value.code == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "a.onnx").read_text() == "mine"
