"""The core learns, stops and goes on exactly, and what it leaves on disk runs by itself."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from posetrack import checkpoints, nets
from posetrack.datasets import read
from posetrack.errors import TrainingError
from posetrack.samples.augment import NO_AUGMENTATION, PAPER
from posetrack.samples.crops import CropStore
from posetrack.skeletons import POSETRACK_15
from posetrack.training import loop as training
from posetrack.training import losses
from posetrack.training.recipes import RECIPES, Recipe, Stage
from posetrack.training.setup import check_net, check_recipe
from posetrack.training.validation import predict, score_pck, torso_px

_spec = importlib.util.spec_from_file_location(
    "people_on_disk", Path(__file__).parents[1] / "people_on_disk.py"
)
assert _spec
assert _spec.loader
disk = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(disk)

TINY = {"modules": [1, 1, 1], "blocks": 1, "stem": 16, "stem_blocks": 1}
ALL = tuple(range(15))


def _recipe(*stages: Stage, **changes: object) -> Recipe:
    return replace(
        Recipe("test", "hrnet_w8", TINY, stages, lr=5e-3, ema=0.9, betas=(0.9, 0.99)), **changes
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return CropStore(read(disk.write_people(tmp_path_factory.mktemp("data"), 8)).people, 200)


def test_eight_people_are_learnt_by_heart(crops: CropStore, tmp_path: Path) -> None:
    how = NO_AUGMENTATION
    recipe = _recipe(
        Stage(6, (64, 64), 8, 1.0, how), Stage(4, (64, 64), 8, 1.0, how, 0.1, 10.0), lr=1e-2
    )
    eight_times = [crops[i] for i in range(8)] * 8
    run = training.learn_poses(recipe, POSETRACK_15, eight_times, tmp_path)
    spec = checkpoints.read_spec(tmp_path / "last.safetensors")
    net = nets.build(spec.net, **spec.net_args)
    net.load_state_dict(checkpoints.read_state(tmp_path / "last.safetensors"))
    xy, score = predict(net, crops, spec.input, spec.skeleton)
    assert score_pck(xy, crops, POSETRACK_15, ALL) == 100
    assert 0.3 < score.mean() < 1.2  # the maximum of a map is a confidence
    assert run.history[5]["loss"] < run.history[0]["loss"]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in lines] == list(range(1, 11))


def test_a_stopped_run_goes_on_bit_for_bit(
    crops: CropStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(Stage(2, (32, 64), 2, 1.0, PAPER), Stage(1, (64, 64), 4, 1.0, PAPER))
    whole = training.learn_poses(recipe, POSETRACK_15, crops, tmp_path / "whole")
    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0.0)  # a state file after every step
    steps = training._step

    def killed(run: training.Run, *rest: object) -> float:
        if run.step == 6:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return steps(run, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        training.learn_poses(recipe, POSETRACK_15, crops, tmp_path / "cut")
    monkeypatch.setattr(training, "_step", steps)
    resumed = training.learn_poses(recipe, POSETRACK_15, crops, tmp_path / "cut", resume=True)
    assert resumed.step == whole.step == 10
    for a, b in ((whole.net, resumed.net), (whole.averaged, resumed.averaged)):
        for key, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[key]), key


def test_a_state_of_another_recipe_is_refused(crops: CropStore, tmp_path: Path) -> None:
    stage = Stage(1, (32, 32), 8, 1.0, NO_AUGMENTATION)
    training.learn_poses(_recipe(stage), POSETRACK_15, crops, tmp_path)
    with pytest.raises(TrainingError, match="does not belong to this recipe"):
        training.learn_poses(
            _recipe(stage, net="hrnet_w16"), POSETRACK_15, crops, tmp_path, resume=True
        )


def test_a_loss_that_is_no_number_stops_the_run(crops: CropStore, tmp_path: Path) -> None:
    recipe = _recipe(
        Stage(30, (32, 32), 8, 1.0, NO_AUGMENTATION), lr=1e30, clip_norm=1e30, warmup=0.0
    )
    with pytest.raises(TrainingError, match="The loss is"):
        training.learn_poses(recipe, POSETRACK_15, crops, tmp_path)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_build_and_fit_their_sizes(name: str) -> None:
    check_recipe(RECIPES[name])
    check_net(RECIPES[name], 15)  # joints or classes


def _maps(peak: tuple[int, int]) -> torch.Tensor:
    maps = torch.zeros(1, 1, 16, 12)
    maps[0, 0, peak[1], peak[0]] = 1
    return maps


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_losses_prefer_the_right_place_and_obey_weights(name: str) -> None:
    loss, target = losses.LOSSES[name], _maps((3, 4))
    weight = torch.ones(1, 1)
    assert loss(target, target, weight) < loss(_maps((8, 8)), target, weight)
    assert float(loss(_maps((8, 8)), target, weight * 0)) == 0


def test_a_joint_outside_the_picture_is_pushed_down_by_the_squared_error_only() -> None:
    nothing, weight = torch.zeros(1, 1, 16, 12), torch.ones(1, 1)
    assert float(losses.spatial_ce(_maps((3, 4)), nothing, weight)) == 0
    assert float(losses.mse(_maps((3, 4)), nothing, weight)) > 0


def test_pck_uses_the_torso_and_its_other_diagonal(crops: CropStore) -> None:
    names = list(POSETRACK_15.joints)
    xy = np.full((15, 2), np.nan, np.float32)
    xy[names.index("left_shoulder")], xy[names.index("right_hip")] = (0, 0), (30, 40)
    assert torso_px(xy, POSETRACK_15) == 50
    xy[names.index("left_shoulder")] = np.nan
    assert torso_px(xy, POSETRACK_15) == 0
    crop = replace(crops[0])
    for offset, expected in ((0.19, 100.0), (0.21, 0.0)):
        found = crop.xy + np.array([offset * torso_px(crop.xy, POSETRACK_15), 0])
        assert score_pck(found[None], [crop], POSETRACK_15, ALL) == expected
