"""``--recipe imagenet``: pictures in folders by class, through the same loop, files and resuming as
poses.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from people_on_disk import write_people
from tiny_net import TinyClassifier, tiny  # noqa: F401

from posetrack import checkpoints
from posetrack.cli import _root
from posetrack.errors import InputError, PosetrackError, TrainingError, UsageError, WeightsError
from posetrack.samples.augment import NO_AUGMENTATION
from posetrack.samples.classes import (
    ClassImages,
    ClassSampler,
    centre_crop,
    random_crop,
    read_classes,
)
from posetrack.training import loop as training
from posetrack.training.classes import ClassTask, top_shares
from posetrack.training.override import changed
from posetrack.training.recipes import RECIPES
from posetrack.training.setup import check_net, check_recipe, follow, load_classes
from posetrack.weights import load_pose

COLOURS = {
    "blue": (20, 40, 220),
    "green": (20, 200, 40),
    "red": (220, 30, 20),
    "yellow": (220, 210, 30),
}
QUICK = (
    "--recipe",
    "imagenet",
    "--net",
    "tiny_cls",
    "--batch-size",
    4,
    "--input",
    "32x32",
    "--device",
    "cpu",
)


def write_classes(folder: Path, each: int = 2, seed: int = 0) -> Path:
    """Pictures of one colour a class with some noise, of several sizes; the last class has a folder
    within.
    """
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        place = folder / name / "deep" if name == "yellow" else folder / name
        place.mkdir(parents=True)
        for n in range(each):
            size = (int(rng.integers(30, 70)), int(rng.integers(30, 70)), 3)
            picture = np.clip(np.array(colour) + rng.normal(0, 30, size), 0, 255).astype(np.uint8)
            cv2.imwrite(str(place / f"{name}{n}.JPEG"), picture[:, :, ::-1])
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write_classes(tmp_path / "data" / "train")
    write_classes(tmp_path / "data" / "val", 1, seed=1)
    return tmp_path / "data"


def _train(*args: object) -> Result:
    return CliRunner().invoke(
        _root, ["train", *map(str, args)], catch_exceptions=False, standalone_mode=False
    )


def _rows(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "samples_per_s"} for row in rows]


# --- the recipe
# --------------------------------------------------------------------------------------------------


def test_the_papers_schedule() -> None:
    recipe, stage = RECIPES["imagenet"], RECIPES["imagenet"].stages[0]
    assert (recipe.optimizer, recipe.lr, recipe.weight_decay, recipe.decay_all) == (
        "sgd",
        0.1,
        1e-4,
        True,
    )
    assert (recipe.milestones, stage.epochs, stage.batch_size, stage.size_wh) == (
        (30, 60, 90),
        100,
        256,
        (224, 224),
    )
    task = ClassTask(ClassImages(("a", "b"), [(Path("x"), 0)] * 256))
    run = training.start(changed(recipe, {"net": "tiny_cls"}), task, torch.device("cpu"))
    (decayed, plain) = run.optimizer.param_groups
    assert (decayed["momentum"], decayed["nesterov"], plain["weight_decay"]) == (0.9, True, 1e-4)
    rates = []
    for run.step in (0, 29, 30, 60, 90):
        rates.append(round(run.rate(), 6))
    assert rates == [0.1, 0.1, 0.01, 0.001, 0.0001]


@pytest.mark.parametrize("name", ["hrnet_w18_cls", "hrnet_w32_cls", "hrnet_w48_cls"])
def test_the_classifiers_fit_and_poses_do_not(name: str) -> None:
    recipe = changed(RECIPES["imagenet"], {"net": name})
    check_recipe(recipe)
    check_net(recipe, 10)
    with pytest.raises(UsageError, match="cannot be trained so"):
        check_net(changed(recipe, {"net": name.removesuffix("_cls")}), 10)
    with pytest.raises(UsageError, match="Unknown loss"):
        check_recipe(changed(recipe, {"loss": "mse"}))
    with pytest.raises(UsageError, match="it is a share"):
        check_recipe(changed(recipe, {"augmentation.area": 2}))


# --- samples
# --------------------------------------------------------------------------------------------------


def test_crops_have_the_networks_size_and_repeat() -> None:
    image = np.random.default_rng(0).integers(0, 255, (50, 90, 3), dtype=np.uint8)
    for seed in range(20):
        one, two = (
            random_crop(image, (32, 24), 0.08, np.random.default_rng(seed)) for _ in range(2)
        )
        assert one.shape == (24, 32, 3)
        assert (one == two).all()
    line = np.zeros((2, 400, 3), np.uint8)  # no crop of the usual shapes has enough of it
    assert random_crop(line, (32, 32), 1.0, np.random.default_rng(0)).shape == (32, 32, 3)
    assert centre_crop(line, (32, 32)).shape == (32, 32, 3)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, axis=0).repeat(3, axis=2)
    middle = centre_crop(ramp, (224, 224))
    assert (middle[0, 0, 0], middle[0, -1, 0]) == (16, 239)  # 224 of 256


def test_two_processes_share_a_batch(tree: Path) -> None:
    images = read_classes(tree / "train")
    whole = ClassSampler(images, (32, 32), NO_AUGMENTATION, 4, 7).batch(1, 1)
    shares = [
        ClassSampler(images, (32, 32), NO_AUGMENTATION, 4, 7, rank, 2).batch(1, 1)
        for rank in (0, 1)
    ]
    assert whole.names[0::2] == shares[0].names
    assert (whole.image[1::2] == shares[1].image).all()
    assert (whole.part(1, 3).label == whole.label[1:3]).all()


def test_labels_are_the_folders_in_order(tree: Path) -> None:
    images = read_classes(tree / "train")
    assert images.names == ("blue", "green", "red", "yellow")
    assert [(path.name, label) for path, label in images.files][-1] == ("yellow1.JPEG", 3)
    task = load_classes(
        changed(RECIPES["imagenet"], {"net": "tiny_cls"}), tree / "train", [tree / "val"] * 2
    )
    assert [name for name, _ in task.held_out] == ["val_1", "val_2"]


def test_top_1_and_top_5() -> None:
    class Fixed(TinyClassifier):
        """Says class 9 first, then 8 and so on, whatever it sees."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.arange(10.0).repeat(len(x), 1)

    class Grey(ClassImages):
        def read(self, index: int) -> Any:
            if index == 4:
                raise InputError("broken")
            return np.zeros((40, 40, 3), np.uint8)

    recipe = RECIPES["imagenet"]
    images = Grey(tuple("abcdefghij"), [(Path("x"), label) for label in (9, 5, 4, 8, 9)])
    shares = top_shares(Fixed(10), images, recipe, replace(recipe.stages[0], size_wh=(32, 32)))
    assert shares == {1: 25, 5: 75}


# --- runs
# --------------------------------------------------------------------------------------------------


def test_eight_pictures_are_learnt_by_heart(tree: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = _train(
        tree / "train",
        "--val",
        tree / "train",
        "--val",
        tree / "val",
        "-o",
        run,
        *QUICK,
        "--epochs",
        12,
        "--set",
        "milestones=[]",
        "--set",
        "augmentation.area=0.7",
    )
    assert result.stdout == f"{run / 'best.safetensors'}\n"
    assert "8 pictures with 4 classes; tiny_cls" in result.stderr
    assert "top1_train" in result.stderr
    assert (
        _rows(run)[-1]["top1_train"]
        == _rows(run)[-1]["top1_val"]
        == _rows(run)[-1]["top5_val"]
        == 100
    )
    spec = checkpoints.read_spec(run / "best.safetensors")
    assert (spec.task, spec.net_args, spec.input.size_wh) == ("classify", {"classes": 4}, (32, 32))
    assert spec.notes["classes"] == list(COLOURS)
    assert (run / "curves.png").is_file()


def test_a_killed_run_goes_on_bit_for_bit(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (tree / "train", "--val", tree / "val", *QUICK, "--epochs", 3, "--quiet")
    _train(*words, "-o", tmp_path / "whole")
    steps = training._step

    def killed(run: training.Run, *rest: Any) -> float:
        if run.step == 3:
            raise SystemError
        return steps(run, *rest)

    monkeypatch.setattr(training, "CHECKPOINT_EVERY_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(training, "_step", killed)
        with pytest.raises(SystemError):
            _train(*words, "-o", tmp_path / "cut")
    _train(*words, "-o", tmp_path / "cut", "--resume", "--workers", 1)
    assert _rows(tmp_path / "whole") == _rows(tmp_path / "cut")
    for file in ("last", "best"):
        a, b = (
            checkpoints.read_state(tmp_path / run / f"{file}.safetensors")
            for run in ("whole", "cut")
        )
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_classifier_is_a_start_for_poses(tree: Path, tmp_path: Path) -> None:
    first = tmp_path / "classes" / "best.safetensors"
    _train(tree / "train", "-o", first.parent, *QUICK, "--epochs", 1, "--quiet")
    (tmp_path / "people").mkdir()
    labels, run = write_people(tmp_path / "people", 2), tmp_path / "poses"
    more = (
        "--init",
        first,
        "--net",
        "tiny",
        "--input",
        "32x32",
        "--batch-size",
        2,
        "--device",
        "cpu",
        "--lr",
        1e-9,
    )
    result = _train(labels, "-o", run, *more, "--epochs", 1)
    assert "The head that tells 4 classes apart is left out." in result.stderr
    assert "Left random: final_layer" in result.stderr
    assert "In the checkpoint only: classifier" in result.stderr
    key = "stem.0.weight"
    torch.testing.assert_close(
        checkpoints.read_state(run / "last.safetensors")[key], checkpoints.read_state(first)[key]
    )
    with pytest.raises(WeightsError, match="network to classify, not one that finds poses"):
        load_pose(first)
    # other classes, the same trunk
    others = write_classes(tmp_path / "two")
    (others / "red" / "red0.JPEG").rename(others / "blue" / "red0.JPEG")
    (others / "red" / "red1.JPEG").unlink()
    (others / "red").rmdir()
    result = _train(others, "-o", tmp_path / "again", *QUICK, "--epochs", 1, "--init", first)
    assert "9 tensors loaded" in result.stderr


def test_a_start_from_a_classifier_chooses_the_network() -> None:
    spec = checkpoints.ModelSpec("hrnet_w18_cls", {"classes": 1000}, "classify")
    assert follow(RECIPES["coco"], spec, {}).net == "hrnet_w18"
    assert follow(RECIPES["coco"], spec, {"net": "hrnet_w32"}).net == "hrnet_w32"
    assert follow(RECIPES["imagenet"], spec, {}).net == "hrnet_w18_cls"


def test_broken_pictures_are_told_once_and_skipped(tree: Path, tmp_path: Path) -> None:
    (tree / "train" / "red" / "red0.JPEG").write_bytes(b"no picture")
    (tree / "val" / "red" / "red0.JPEG").write_bytes(b"")
    words = (tree / "train", "--val", tree / "val", *QUICK, "--epochs", 2, "--set", "batch_size=8")
    result = _train(*words, "-o", tmp_path / "run")
    assert result.stderr.count("Skipped: Image") == 2
    assert "red0.JPEG is damaged" in result.stderr
    assert len(_rows(tmp_path / "run")) == 2
    for path in (tree / "val").rglob("*.JPEG"):
        path.write_bytes(b"no picture")
    with pytest.raises(TrainingError, match="None of 4 held-out pictures can be read"):
        _train(*words, "-o", tmp_path / "none")


@pytest.mark.parametrize(
    ("args", "kind", "words"),
    [
        (["{data}/trian"], InputError, "There is no folder"),
        (["{data}/train/red"], InputError, "holds 0 folders"),
        (["{data}/train/red/red0.JPEG"], InputError, "There is no folder"),
        (
            ["{data}/train", "--val", "{data}"],
            UsageError,
            "class 'empty' that is not among the 4 learnt",
        ),
        (["{data}/train", "--val", "{data}/val/red"], InputError, "holds 0 folders"),
        (["{data}/empty"], InputError, "The class .*a holds no picture"),
        (["{data}/train", "{data}/val"], UsageError, "one folder of classes"),
        (["{data}/train", "--skeleton", "coco17"], UsageError, "leave --skeleton out"),
        (["{data}/train", "--metric", "pck"], UsageError, "Unknown metric 'pck'"),
        (["{data}/train", "--net", "tiny"], UsageError, "cannot be trained so"),
        ([], UsageError, "at least one dataset"),
    ],
)
def test_mistakes_are_one_sentence(
    tree: Path, args: list[str], kind: type[PosetrackError], words: str
) -> None:
    for name in "ab":
        (tree / "empty" / name).mkdir(parents=True)
    with pytest.raises(kind, match=words) as caught:
        _train("-o", tree / "run", *QUICK, *(a.format(data=tree) for a in args))
    assert "\n" not in str(caught.value)
    assert not (tree / "run").exists()
