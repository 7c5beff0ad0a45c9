"""A run killed anywhere and resumed is the run that was never killed, bit for bit."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from people_on_disk import write_people
from tiny_net import tiny  # noqa: F401

from posetrack import checkpoints
from posetrack.datasets import read
from posetrack.errors import OutputError, TrainingError
from posetrack.samples.augment import PAPER
from posetrack.samples.crops import CropStore
from posetrack.samples.keypoints import Batch
from posetrack.skeletons import POSETRACK_15
from posetrack.training import loop as training
from posetrack.training import run as training_run
from posetrack.training.optimizer import rate
from posetrack.training.pose import PoseTask
from posetrack.training.recipes import Recipe, Stage
from posetrack.training.run import blame

RECIPE = Recipe(
    "test",
    "tiny",
    {},
    (Stage(2, (32, 64), 2, 1.0, PAPER), Stage(1, (64, 64), 4, 1.0, PAPER)),
    lr=1e-2,
    ema=0.5,
)
STEPS = 2 * 3 + 2  # the last, smaller batch of an epoch counts


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return CropStore(read(write_people(tmp_path_factory.mktemp("data"), 6)).people, 100)


def _run(crops: CropStore, out: Path, recipe: Recipe = RECIPE, **more: Any) -> training.Run:
    return training.learn_poses(
        recipe, POSETRACK_15, crops, out, validations=[_validation(crops)], **more
    )


def _validation(crops: CropStore) -> training.Validation:
    return training.Validation("v", crops, tuple(range(15)))


class _KilledError(BaseException):
    """As sudden as a kill: nobody catches it."""


def _nth_call(n: int, of: Callable[..., Any]) -> Callable[..., Any]:
    calls = 0

    def killing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == n:
            raise _KilledError
        return of(*args, **kwargs)

    return killing


def _losses(out: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "samples_per_s"} for row in rows]


@pytest.mark.parametrize(
    ("module", "function", "call"),
    [
        (training, "_step", 1),
        (training, "_step", 5),
        (training, "move_average", 4),
        (PoseTask, "validate", 1),
        (training, "save_state", 4),
        (checkpoints, "save", 4),
        (training, "write_beside", 2),
        (training_run, "write_beside", 6),
        (torch, "save", 5),
    ],
)
@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        replace(RECIPE, optimizer="sgd", ema=0.0, accumulate=2),
        replace(RECIPE, optimizer="muon"),
    ],
)
def test_killed_and_resumed(
    crops: CropStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    recipe: Recipe,
    module: Any,
    function: str,
    call: int,
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0.0)
    whole = _run(crops, tmp_path / "whole", recipe)
    assert whole.step == STEPS
    with monkeypatch.context() as patch:
        patch.setattr(module, function, _nth_call(call, getattr(module, function)))
        with pytest.raises(_KilledError):
            _run(crops, tmp_path / "cut", recipe)
    resumed = _run(crops, tmp_path / "cut", recipe, resume=True)
    assert resumed.step == whole.step == STEPS
    assert _losses(tmp_path / "whole") == _losses(tmp_path / "cut")
    for name in ("last.safetensors", "best.safetensors"):
        a, b = (checkpoints.read_state(tmp_path / side / name) for side in ("whole", "cut"))
        assert all(torch.equal(a[key], b[key]) for key in a), name
    for key, value in whole.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[key]), key
    assert not list((tmp_path / "cut").glob("*.part"))


def test_a_finished_run_goes_on_to_a_new_end(crops: CropStore, tmp_path: Path) -> None:
    first, last = RECIPE.stages
    longer = replace(RECIPE, stages=(first, replace(last, epochs=3)))
    short = _run(crops, tmp_path)
    before = _losses(tmp_path)
    run = _run(crops, tmp_path, longer, resume=True)
    assert (short.step, run.step) == (STEPS, STEPS + 2 * 2)
    rows = _losses(tmp_path)
    assert rows[:3] == before
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    # the cosine of the short run was at its end; that of the longer one is on its way
    assert rate(RECIPE, STEPS, short.total_steps, 3) == 0
    assert rate(longer, STEPS, run.total_steps, 3) > 0.1 * RECIPE.lr
    assert not any(
        torch.equal(value, run.net.state_dict()[key])
        for key, value in short.net.state_dict().items()
        if key.endswith("weight") and value.ndim > 1
    )


def test_ctrl_c_finishes_the_step_and_saves(
    crops: CropStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = training._step

    def interrupted(run: training.Run, *rest: Any) -> float:
        if run.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return steps(run, *rest)

    monkeypatch.setattr(training, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(crops, tmp_path)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 4
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_workers_make_the_same_batches(crops: CropStore, tmp_path: Path) -> None:
    alone, helped = (_run(crops, tmp_path / str(n), workers=n) for n in (0, 1))
    assert [r["loss"] for r in alone.history] == [r["loss"] for r in helped.history]


def test_a_full_disk_is_one_sentence(crops: CropStore, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    (tmp_path / "state.pt.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"Cannot write .*state\.pt: .*free space"):
        _run(crops, tmp_path)


def test_parts_of_a_batch_add_up_to_it(crops: CropStore, tmp_path: Path) -> None:
    frozen = replace(RECIPE, fixed_norms=True, loss="mse", optimizer="sgd", lr=1.0, clip_norm=0.0)
    whole, parts = (_run(crops, tmp_path / str(n), replace(frozen, accumulate=n)) for n in (1, 2))
    for key, value in whole.net.state_dict().items():
        torch.testing.assert_close(value, parts.net.state_dict()[key], rtol=1e-4, atol=1e-6)


def test_frozen_parts_stay_as_they_are(crops: CropStore, tmp_path: Path) -> None:
    recipe = replace(RECIPE, frozen=("stem.",))
    before = training.start(
        recipe, PoseTask(POSETRACK_15, crops), torch.device("cpu")
    ).net.state_dict()
    after = _run(crops, tmp_path, recipe).net.state_dict()
    changed = {k for k in before if not torch.equal(before[k], after[k])}
    assert changed == {"final_layer.weight", "final_layer.bias"}


def test_a_run_that_gets_no_better_ends(
    crops: CropStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PoseTask, "validate", lambda *_: {"pck_v": 50.0})
    recipe = replace(RECIPE, patience=2, stages=(Stage(9, (32, 32), 6, 1.0, PAPER),))
    assert [r["epoch"] for r in _run(crops, tmp_path, recipe).history] == [1, 2, 3]
    assert len(_run(crops, tmp_path, recipe, resume=True).history) == 3


def test_milestones_are_epochs(crops: CropStore) -> None:
    recipe = replace(RECIPE, milestones=(1, 2), warmup=0.0, lr=1.0)
    run = training.start(recipe, PoseTask(POSETRACK_15, crops), torch.device("cpu"))
    rates = []
    for run.step in range(STEPS):
        rates.append(round(run.rate(), 6))
    assert rates == [1.0] * 3 + [0.1] * 3 + [0.01] * 2


def test_the_image_behind_a_loss_that_is_no_number_is_named() -> None:
    maps, weight = torch.zeros(3, 2, 4, 4), torch.ones(3, 2)
    bad = maps.clone()
    bad[1, 0, 0, 0] = float("nan")
    pictures, xy = np.zeros((3, 16, 16, 3), np.uint8), np.zeros((3, 2, 2), np.float32)
    batch = Batch(pictures, maps.numpy(), weight.numpy(), xy, ("a.png", "b.png", "c.png"))
    recipe = replace(RECIPE, loss="mse")
    error = blame(
        [maps, bad],
        partial(PoseTask(POSETRACK_15, ()).loss, recipe, recipe.stages[0]),
        batch,
        (4, 7),
    )
    assert isinstance(error, TrainingError)
    assert "epoch 5, batch 8 in 1 of 3 samples, first in image b.png" in str(error)
