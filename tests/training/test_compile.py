"""``--compile``: the same run through torch.compile; files, names and resuming do not change."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from people_on_disk import write_people
from tiny_net import TinyNet, tiny  # noqa: F401

from posetrack import checkpoints
from posetrack.datasets import read
from posetrack.errors import UsageError
from posetrack.samples.augment import PAPER
from posetrack.samples.crops import CropStore
from posetrack.skeletons import POSETRACK_15
from posetrack.training import loop as training
from posetrack.training.engine import Engine
from posetrack.training.fabric import FabricEngine, make_engine
from posetrack.training.recipes import Recipe, Stage

# Milestones far away: a rate that does not depend on how many epochs there are.
RECIPE = Recipe(
    "test",
    "tiny",
    {},
    (Stage(2, (32, 32), 2, 1.0, PAPER),),
    loss="mse",
    optimizer="sgd",
    lr=0.1,
    ema=0.5,
    warmup=0.0,
    milestones=(9,),
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return CropStore(read(write_people(tmp_path_factory.mktemp("data"), 4)).people, 60)


def _run(
    crops: CropStore, out: Path, engine: Engine, recipe: Recipe = RECIPE, **more: Any
) -> training.Run:
    return training.learn_poses(recipe, POSETRACK_15, crops, out, engine=engine, **more)


@pytest.mark.skipif(
    shutil.which("c++") is None and shutil.which("g++") is None, reason="there is no C++ compiler"
)
@pytest.mark.skipif(sys.platform == "win32", reason="needs the compiler's own prompt")
@pytest.mark.filterwarnings("ignore")  # torch's own, of its own parts
def test_a_compiled_run_is_the_same_run(crops: CropStore, tmp_path: Path) -> None:
    plain = _run(crops, tmp_path / "plain", Engine(), RECIPE)
    whole = _run(crops, tmp_path / "whole", make_engine("cpu", "float32", compiled=True))
    assert type(whole.engine.net) is not TinyNet
    assert whole.history[-1]["loss"] == pytest.approx(plain.history[-1]["loss"], rel=1e-4)
    # one epoch, and a second one of the resumed run: as if never stopped
    first = replace(RECIPE, stages=(replace(RECIPE.stages[0], epochs=1),))
    _run(crops, tmp_path / "cut", Engine(CPU, compiled=True), first)
    _run(crops, tmp_path / "cut", Engine(CPU, compiled=True), resume=True)
    states = [
        checkpoints.read_state(tmp_path / run / "last.safetensors")
        for run in ("plain", "whole", "cut")
    ]
    assert all(state.keys() == TinyNet(15).state_dict().keys() for state in states)
    assert all(torch.equal(states[1][key], states[2][key]) for key in states[1])
    state = torch.load(tmp_path / "whole" / "state.pt", weights_only=True)
    assert state["net"].keys() == states[0].keys()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_engine_is_told_to_compile(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    seen: list[Any] = []

    def compile_nothing(what: Any, **_: Any) -> Any:
        seen.append(what)
        return what

    monkeypatch.setattr(torch, "compile", compile_nothing)
    engine = make_engine("cpu", precision, compiled=True)
    net = TinyNet(2)
    engine.wrap(net, torch.optim.SGD(net.parameters(), 0.1))
    assert net in seen
    assert isinstance(engine, FabricEngine) == (precision != "float32")


def test_a_missing_compiler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nand pages of traceback")

    monkeypatch.setattr(torch, "compile", missing)
    with pytest.raises(
        UsageError, match=r"No working C\+\+ compiler found\); install a C\+\+ compiler"
    ) as caught:
        make_engine("cpu", "float32", compiled=True)
    assert "\n" not in str(caught.value)
