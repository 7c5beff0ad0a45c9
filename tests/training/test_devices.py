"""Two processes that share every batch learn what one learns alone; half precision and parts of
batches work there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from people_on_disk import write_people
from tiny_net import tiny  # noqa: F401

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
from posetrack.training.setup import check_share

# Batch norms keep their statistics: on the CPU each process would take those of its own half of a
# batch.
RECIPE = Recipe(
    "test",
    "tiny",
    {},
    (Stage(2, (32, 32), 4, 1.0, PAPER),),
    loss="mse",
    optimizer="sgd",
    lr=0.5,
    fixed_norms=True,
    accumulate=2,
    ema=0.5,
)

SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {tests!r} + "/.."]
import torch
torch.set_num_threads(1)
import test_devices as t
from posetrack import nets
from tiny_net import TinyNet
nets.NETS["tiny"] = TinyNet
t.learn({data!r}, {out!r}, t.make_engine("cpu", "float32", devices=2))
"""


def learn(labels: str, out: str, engine: Engine, recipe: Recipe = RECIPE) -> training.Run:
    crops = CropStore(read(labels).people, 60)
    held_out = training.Validation("v", crops, tuple(range(15)))
    return training.learn_poses(
        recipe, POSETRACK_15, crops, Path(out), validations=[held_out], engine=engine
    )


def test_two_processes_are_one(tmp_path: Path) -> None:
    labels = write_people(tmp_path, 8)
    script = tmp_path / "two.py"
    tests = str(Path(__file__).parent)
    script.write_text(SCRIPT.format(tests=tests, data=str(labels), out=str(tmp_path / "two")))
    environment = {
        k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")
    }
    done = subprocess.run(
        [sys.executable, "-P", str(script)],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    alone = learn(str(labels), str(tmp_path / "one"), Engine())
    two = checkpoints.read_state(tmp_path / "two" / "last.safetensors")
    for key, value in alone.averaged.state_dict().items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-6)
    assert len((tmp_path / "two" / "metrics.jsonl").read_text().splitlines()) == 2


def test_half_precision_learns(tmp_path: Path) -> None:
    labels = str(write_people(tmp_path, 4))
    engine = make_engine("cpu", "bfloat16")
    assert isinstance(engine, FabricEngine)
    half = learn(labels, str(tmp_path / "half"), engine, replace(RECIPE, accumulate=1))
    full = learn(labels, str(tmp_path / "full"), make_engine("cpu"), replace(RECIPE, accumulate=1))
    losses = [[row["loss"] for row in run.history] for run in (half, full)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert next(half.net.parameters()).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"precision": "half"}, "Unknown precision"), ({"device": "gpu"}, "Unknown device")],
)
def test_what_a_machine_does_not_have_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make_engine(**arguments)


def test_batches_must_be_shared_equally() -> None:
    check_share(RECIPE, 2)
    with pytest.raises(UsageError, match="A batch of 4 cannot be shared by 3"):
        check_share(RECIPE, 3)
