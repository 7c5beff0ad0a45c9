"""Recipes are plain values, checked before a run; a checkpoint with other joints is sorted by joint
name.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from people_on_disk import write_people
from tiny_net import TinyNet, tiny  # noqa: F401
from torch import nn

from posetrack import checkpoints, nets
from posetrack.datasets import read
from posetrack.errors import TrainingError, UsageError, WeightsError
from posetrack.samples.crops import CropStore
from posetrack.samples.crops_on_disk import CropFiles, memory_bytes
from posetrack.skeletons import COCO_17, LSP_14, POSETRACK_15, make_skeleton
from posetrack.structures import InputSpec
from posetrack.training.override import changed, to_json
from posetrack.training.recipes import RECIPES
from posetrack.training.setup import (
    check_net,
    check_recipe,
    follow,
    load_data,
    pick_skeleton,
    remember_recipe,
)
from posetrack.training.start import load_weights
from posetrack.training.validation import score_pck

# --- recipes
# --------------------------------------------------------------------------------------------------


def test_the_papers_schedules() -> None:
    coco, posetrack = RECIPES["coco"], RECIPES["posetrack17"]
    assert (coco.lr, coco.milestones, coco.stages[0].epochs, coco.optimizer) == (
        1e-3,
        (170, 200),
        210,
        "adam",
    )
    assert (posetrack.lr, posetrack.milestones, posetrack.stages[0].epochs) == (1e-4, (10, 15), 20)
    assert RECIPES["mpii"].stages[0].size_wh == (256, 256)
    how = coco.stages[0].augmentation
    assert (how.rotation_deg, how.scale, how.p_flip) == (45, 0.35, 0.5)


def test_settings_change_by_name() -> None:
    recipe = changed(
        RECIPES["coco"],
        {
            "epochs": 21,
            "lr": "1e-4",
            "size_wh": "[96, 128]",
            "augmentation.rotation_deg": "30",
            "frozen": '["stem"]',
            "net": "simple_baseline_50",
            "fixed_norms": "true",
            "loss": "ohkm",
        },
    )
    assert recipe.milestones == (17, 20)
    assert recipe.stages[0].size_wh == (96, 128)
    assert recipe.stages[0].augmentation.rotation_deg == 30
    assert (recipe.frozen, recipe.net, recipe.fixed_norms, recipe.loss) == (
        ("stem",),
        "simple_baseline_50",
        True,
        "ohkm",
    )
    assert to_json(recipe)["stages"][0]["size_wh"] == [96, 128]


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("learning_rate", "1", "Unknown setting 'learning_rate'"),
        ("lrr", "1", "did you mean 'lr'"),
        ("augmentation.rotate", "1", "augmentation.rotation_deg"),
        ("lr", "fast", "cannot be 'fast'"),
        ("epochs", "1.5", "a whole number"),
        ("epochs", "true", "a whole number"),
        ("size_wh", "[1, 2, 3]", "a list, say"),
        ("net_args", "[]", "an object"),
    ],
)
def test_a_wrong_setting_is_named(key: str, value: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        changed(RECIPES["coco"], {key: value})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("loss", "mes", "did you mean 'mse'"),
        ("optimizer", "adamm", "Unknown optimizer"),
        ("targets", "round", "Unknown targets"),
        ("lr", 0, "lr is 0"),
        ("epochs", 0, "epochs of stage 1 is 0"),
        ("batch_size", 0, "batch_size is 0"),
        ("size_wh", [90, 128], "multiple of 4"),
        ("ema", 1, "ema is 1"),
        ("net", "hrnet32", "Unknown network"),
    ],
)
def test_a_recipe_that_cannot_run_is_refused(key: str, value: object, words: str) -> None:
    check_recipe(RECIPES["coco"])
    with pytest.raises(UsageError, match=words):
        check_recipe(changed(RECIPES["coco"], {key: value}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net": "hrnet_w8", "size_wh": [32, 48]}, "multiples of 32, not 32x48"),
        ({"net": "tiny", "net_args": {"depth": 1}}, "unexpected keyword"),
        ({"net": "hrnet_w18_cls"}, "cannot be trained so|makes no heatmaps"),
        ({"net": "person_detector"}, "cannot be trained so|makes no heatmaps"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(changes: dict[str, object], words: str) -> None:
    check_net(changed(RECIPES["coco"], {"net": "tiny"}), 3)
    with pytest.raises(UsageError, match=words):
        check_net(changed(RECIPES["coco"], changes), 3)


def test_a_run_is_not_overwritten_and_resumed_with_its_own_recipe_only(tmp_path: Path) -> None:
    recipe = RECIPES["coco"]
    remember_recipe(tmp_path, recipe, 5, resume=False)
    (tmp_path / "state.pt").touch()
    with pytest.raises(TrainingError, match="holds a run already"):
        remember_recipe(tmp_path, recipe, 5, resume=False)
    remember_recipe(tmp_path, recipe, 5, resume=True)
    with pytest.raises(TrainingError, match=r"other settings \(lr\): lr was 0.001 and is now 0.1"):
        remember_recipe(tmp_path, changed(recipe, {"lr": 0.1}), 5, resume=True)
    with pytest.raises(TrainingError, match="people was 5 and is now 6"):
        remember_recipe(tmp_path, recipe, 6, resume=True)
    older = json.loads((tmp_path / "recipe.json").read_text())
    del older["decay_all"], older["stages"][0]["augmentation"]["area"]  # settings that came later
    (tmp_path / "recipe.json").write_text(json.dumps(older))
    remember_recipe(tmp_path, recipe, 5, resume=True)


def test_a_resumed_run_may_be_longer_and_nothing_else(tmp_path: Path) -> None:
    said: list[str] = []
    recipe = RECIPES["coco"]
    remember_recipe(tmp_path, recipe, 5, resume=False)
    longer = changed(recipe, {"epochs": 420})
    assert longer.milestones == (340, 400)  # they move along
    for changes in ({"epochs": 420, "lr": 0.1}, {"epochs": 209}, {"milestones": [1]}):
        with pytest.raises(TrainingError, match="other settings"):
            remember_recipe(tmp_path, changed(recipe, changes), 5, resume=True)
    remember_recipe(tmp_path, longer, 5, resume=True, report=said.append)
    assert len(said) == 1
    assert said[0].startswith("The run had 210 epochs and now has 420")
    remember_recipe(tmp_path, longer, 5, resume=True, report=said.append)  # from now on its own
    assert len(said) == 1
    with pytest.raises(TrainingError, match="epochs was 420 and is now 210"):
        remember_recipe(tmp_path, recipe, 5, resume=True)


def test_only_the_last_stage_may_be_longer(tmp_path: Path) -> None:
    """A longer first stage would move steps that are done."""
    stage = RECIPES["coco"].stages[0]
    first, last = (replace(stage, epochs=n) for n in (2, 3))
    recipe = replace(RECIPES["coco"], stages=(first, last))
    remember_recipe(tmp_path, recipe, 5, resume=False)
    with pytest.raises(TrainingError, match="epochs was 2 and is now 4"):
        remember_recipe(
            tmp_path, replace(recipe, stages=(replace(first, epochs=4), last)), 5, resume=True
        )
    remember_recipe(
        tmp_path, replace(recipe, stages=(first, replace(last, epochs=4))), 5, resume=True
    )


def test_fine_tuning_follows_the_checkpoint() -> None:
    spec = checkpoints.ModelSpec("tiny", {"joints": 15, "width": 4}, "pose", InputSpec((64, 96)))
    recipe = follow(RECIPES["finetune"], spec, {})
    assert (recipe.net, recipe.net_args, recipe.stages[0].size_wh) == (
        "tiny",
        {"width": 4},
        (64, 96),
    )
    assert follow(RECIPES["coco"], spec, {}).stages == RECIPES["coco"].stages
    assert follow(RECIPES["coco"], spec, {"net": "hrnet_w32"}).net == "hrnet_w32"


# --- joints
# --------------------------------------------------------------------------------------------------


def test_joints_by_name_or_from_the_data(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    lsp = read(write_people(tmp_path, 1, LSP_14))
    coco = read(write_people(tmp_path / "a", 1, COCO_17))
    said: list[str] = []
    assert pick_skeleton(None, [lsp]) == LSP_14
    assert pick_skeleton("posetrack15", [lsp], said.append) == POSETRACK_15
    assert said == ["No dataset labels nose: these joints of posetrack15 are not learnt."]
    assert pick_skeleton("left_knee, right_knee,nose", [lsp, coco]).joints == (
        "left_knee",
        "right_knee",
        "nose",
    )
    for name, words in (
        (None, "different joints"),
        ("coco", "did you mean 'coco17'"),
        ("nose,left_kne", "did you mean 'left_knee'"),
        ("nose,nose", "names repeat"),
    ):
        with pytest.raises(UsageError, match=words):
            pick_skeleton(name, [lsp, coco])


def test_validation_sets_count_the_joints_they_have(tmp_path: Path) -> None:
    people = read(write_people(tmp_path, 2, LSP_14))
    recipe = changed(RECIPES["finetune"], {"size_wh": [32, 32]})
    data = load_data(recipe, [people], [people, people], POSETRACK_15)
    assert [v.name for v in data.validations] == ["person_keypoints_1", "person_keypoints_2"]
    assert POSETRACK_15.joints.index("nose") not in data.validations[0].joints
    assert len(data.validations[0].joints) == 14
    with pytest.raises(UsageError, match="none of the joints"):
        load_data(recipe, [people], [people], make_skeleton("tail", ["tail"]))


def test_people_that_do_not_fit_into_memory_stay_on_disk(tmp_path: Path) -> None:
    people = read(write_people(tmp_path, 4)).people
    kept, said = CropStore(people, 60), []
    files = CropFiles(people, 60, said.append)
    assert all((a.image == b.image).all() for a, b in zip(kept, files, strict=True))
    used = sum(c.image.nbytes for c in kept)
    assert used <= memory_bytes(people, 60) < 8 * used
    (tmp_path / "im001.png").write_bytes(b"?")
    assert files[1].name == files[1].name == "im002.png"
    assert len(said) == 1
    data = load_data(
        changed(RECIPES["finetune"], {"size_wh": [32, 32]}),
        [read(tmp_path)],
        [],
        POSETRACK_15,
        memory=0,
    )
    assert isinstance(data.crops, CropFiles)


# --- weights
# --------------------------------------------------------------------------------------------------


def test_the_same_joints_take_everything() -> None:
    source, net = TinyNet(15), TinyNet(15)
    loaded = load_weights(net, ("tiny", {}), POSETRACK_15, source.state_dict(), POSETRACK_15)
    assert not loaded.remapped
    assert not loaded.random
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in source.state_dict().items())


def test_a_head_is_sorted_by_joint_name() -> None:
    skeleton = make_skeleton("mine", ["tail", "right_ankle", "nose"])
    source, net = TinyNet(17), TinyNet(3)
    tail = net.final_layer.weight[0].clone()
    loaded = load_weights(net, ("tiny", {}), skeleton, source.state_dict(), COCO_17)
    assert set(loaded.remapped) == {"final_layer.weight", "final_layer.bias"}
    assert loaded.new_joints == ("tail",)
    assert torch.equal(net.final_layer.weight[0], tail)
    for row, joint in ((1, "right_ankle"), (2, "nose")):
        assert torch.equal(
            net.final_layer.weight[row], source.final_layer.weight[COCO_17.joints.index(joint)]
        )
    assert "Sorted by joint: final_layer" in loaded.describe()
    assert "random: tail" in loaded.describe()


def test_as_many_joints_in_another_order_are_sorted_too() -> None:
    turned = make_skeleton("turned", POSETRACK_15.joints[::-1])
    source, net = TinyNet(15), TinyNet(15)
    load_weights(net, ("tiny", {}), turned, source.state_dict(), POSETRACK_15)
    assert torch.equal(net.final_layer.weight.flip(0), source.final_layer.weight)


def test_a_classifier_gives_all_but_the_head() -> None:
    source = {**TinyNet(15).state_dict(), "classifier.weight": torch.zeros(3)}
    loaded = load_weights(TinyNet(15), ("tiny", {}), POSETRACK_15, source, None)
    assert set(loaded.random) == {"final_layer.weight", "final_layer.bias"}
    assert "classifier.weight" in loaded.unused
    assert "Left random: final_layer" in loaded.describe()


class _FeedbackNet(TinyNet):
    """Joints go in again, as between the stacks of an hourglass."""

    def __init__(self, joints: int) -> None:
        super().__init__(joints)
        self.back = nn.Conv2d(joints, joints, 1)


def test_joints_that_go_in_again_are_sorted_on_both_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nets.NETS, "feedback", _FeedbackNet)
    ab, ba = make_skeleton("ab", ["a", "b"]), make_skeleton("ba", ["b", "a"])
    source, net = _FeedbackNet(2), _FeedbackNet(2)
    load_weights(net, ("feedback", {}), ba, source.state_dict(), ab)
    assert torch.equal(net.back.weight.flip(0, 1), source.back.weight)


def test_a_checkpoint_of_another_network_is_refused() -> None:
    with pytest.raises(WeightsError, match="No tensor of the checkpoint fits tiny"):
        load_weights(
            TinyNet(2), ("tiny", {}), make_skeleton("ab", "ab"), {"x": torch.zeros(1)}, COCO_17
        )


def test_pck_of_a_skeleton_without_a_torso_goes_by_the_box(tmp_path: Path) -> None:
    own = make_skeleton("own", ["tail", "tip", "paw"])
    crop = CropStore(read(write_people(tmp_path, 1, own)).people, 1000)[0]
    side = (crop.xyxy[2:] - crop.xyxy[:2]).max()
    for share, expected in ((0.09, 100), (0.11, 0)):
        assert (
            score_pck((crop.xy + np.array([share * side, 0]))[None], [crop], own, (0, 1, 2))
            == expected
        )
