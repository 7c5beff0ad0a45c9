"""``posetrack train``: from a label file with joints of its own to tracks, and every mistake in one
sentence.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import click
import cv2
import pytest
import torch
from click.testing import CliRunner, Result
from people_on_disk import write_people
from tiny_net import tiny  # noqa: F401

from posetrack import checkpoints
from posetrack.cli import _root, main
from posetrack.errors import InputError, PosetrackError, TrainingError, UsageError
from posetrack.skeletons import LSP_14, make_skeleton
from posetrack.training import loop as training

OWN = make_skeleton("own", ["left_ear", "right_ear", "tail", "tip"])
QUICK = (
    "--net",
    "tiny",
    "--epochs",
    "2",
    "--batch-size",
    "2",
    "--input",
    "32x32",
    "--device",
    "cpu",
)


def _train(*args: object, **more: Any) -> Result:
    arguments = ["train", *(str(a) for a in args)]
    return CliRunner().invoke(
        _root, arguments, catch_exceptions=False, standalone_mode=False, **more
    )


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_people(tmp_path / "data", 4, OWN)


def test_joints_of_ones_own_from_labels_to_tracks(labels: Path, tmp_path: Path) -> None:
    from posetrack import PoseTracker
    from posetrack.drawn.clip import draw_sequence

    run = tmp_path / "run"
    result = _train(labels, "--val", labels, "-o", run, *QUICK, "--tensorboard")
    assert result.stdout == f"{run / 'best.safetensors'}\n"
    assert "4 people with 4 joints; tiny" in result.stderr
    assert "All weights are random" in result.stderr
    assert "epoch 2 of 2: loss" in result.stderr
    assert "pck_person_keypoints" in result.stderr
    assert "samples/s" in result.stderr
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((run / "tensorboard").iterdir())
    spec = checkpoints.read_spec(run / "best.safetensors")
    assert spec.skeleton.joints == OWN.joints
    assert spec.input.size_wh == (32, 32)
    (tmp_path / "clip").mkdir()
    for i, image in enumerate(draw_sequence(3, frames=2, size_wh=(96, 64), people=1).images):
        cv2.imwrite(str(tmp_path / "clip" / f"{i}.png"), image)
    tracker = PoseTracker(
        weights=str(run / "best.safetensors"), detector="hog", device="cpu", min_new_score=0.0
    )
    found = list(tracker.track(tmp_path / "clip"))
    assert len(found) == 2


def test_a_run_goes_on_with_resume_only(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    _train(labels, "-o", whole, *QUICK, "--quiet")
    steps = training._step

    def killed(run: training.Run, *rest: Any) -> float:
        if run.step == 3:
            raise KeyboardInterrupt
        return steps(run, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_step", killed)
        with pytest.raises((KeyboardInterrupt, click.exceptions.Abort)):
            _train(labels, "-o", cut, *QUICK)
    with pytest.raises(TrainingError, match="--resume"):
        _train(labels, "-o", cut, *QUICK)
    with pytest.raises(TrainingError, match="lr was"):
        _train(labels, "-o", cut, *QUICK, "--resume", "--lr", "0.5")
    said = _train(labels, "-o", cut, *QUICK, "--resume", "--quiet").stderr
    assert said.startswith("The targets (sigma 1) are 7 pixels wide")  # of heatmaps of 8x8
    assert said.count("\n") == 1
    a, b = (checkpoints.read_state(run / "best.safetensors") for run in (whole, cut))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_resume_with_more_epochs_goes_on_to_the_new_end(labels: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    _train(labels, "-o", run, *QUICK)
    said = _train(labels, "-o", run, *QUICK, "--epochs", 3, "--resume").stderr
    assert "The run had 2 epochs and now has 3" in said
    assert "epoch 3 of 3" in said
    assert "epoch 2 of" not in said
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 3
    with pytest.raises(TrainingError, match="epochs was 3 and is now 2"):
        _train(labels, "-o", run, *QUICK, "--resume")


def test_a_run_that_got_no_better_says_so(labels: Path, tmp_path: Path) -> None:
    how = (*QUICK, "--val", labels, "--lr", "1e-12", "--set", "patience=1", "--epochs", 4)
    said = _train(labels, "-o", tmp_path / "run", *how).stderr
    assert "Ended early: no better score within the recipe's patience (1)." in said


def test_images_that_lie_elsewhere(labels: Path, tmp_path: Path) -> None:
    (tmp_path / "disk/day 1").mkdir(parents=True)
    for picture in labels.parent.glob("*.png"):
        picture.rename(tmp_path / "disk/day 1" / picture.name)
    with pytest.raises(TrainingError, match="name it with --images"):
        _train(labels, "-o", tmp_path / "run", *QUICK)
    how = ("--val", labels, *QUICK, "--epochs", "1", "--images", tmp_path / "disk")
    said = _train(labels, "-o", tmp_path / "run", *how).stderr
    assert "4 people with 4 joints" in said
    assert "Skipped" not in said
    with pytest.raises(InputError, match="no image folder"):
        _train(labels, "-o", tmp_path / "run", *QUICK, "--images", tmp_path / "gone")


def test_starts_from_weights_with_other_joints(labels: Path, tmp_path: Path) -> None:
    (tmp_path / "lsp").mkdir()
    _train(write_people(tmp_path / "lsp", 2, LSP_14), "-o", tmp_path / "a", *QUICK, "--quiet")
    first = tmp_path / "a" / "best.safetensors"
    result = _train(
        labels,
        "-o",
        tmp_path / "b",
        "--init",
        first,
        "--epochs",
        1,
        "--device",
        "cpu",
        "--lr",
        1e-4,
    )
    assert "9 tensors loaded, 2 sorted by joint" in result.stderr
    assert "does not know, random: left_ear, right_ear, tail, tip" in result.stderr
    spec = checkpoints.read_spec(tmp_path / "b" / "best.safetensors")
    assert (spec.net, spec.input.size_wh) == (
        "tiny",
        (32, 32),
    )  # the checkpoint's, without being told


def test_the_recipe_is_printed_with_its_changes() -> None:
    result = _train(
        "--recipe",
        "coco",
        "--print-recipe",
        "--epochs",
        21,
        "--set",
        "augmentation.rotation_deg=30",
    )
    recipe = json.loads(result.stdout)
    assert (recipe["net"], recipe["lr"], recipe["milestones"]) == ("hrnet_w32", 1e-3, [17, 20])
    assert recipe["stages"][0]["augmentation"]["rotation_deg"] == 30


def test_a_broken_image_is_told_and_skipped(labels: Path, tmp_path: Path) -> None:
    (labels.parent / "im002.png").write_bytes(b"no image")
    result = _train(labels, "-o", tmp_path / "run", *QUICK)
    assert "Skipped: Image im002.png is damaged" in result.stderr
    assert "3 people" in result.stderr


def _wrong(labels: Path, **changes: Any) -> Path:
    data = {**json.loads(labels.read_text()), **changes}
    path = labels.with_name("wrong_keypoints.json")
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("args", "kind", "words"),
    [
        (["{labels}"], UsageError, "-o RUN"),
        (["-o", "{run}"], UsageError, "at least one dataset"),
        (["{labels}x", "-o", "{run}"], InputError, "There is no dataset at"),
        (["{empty}", "-o", "{run}"], InputError, "holds no labelled person"),
        (["{labels}", "-o", "{run}", "--recipe", "cocoo"], UsageError, "did you mean 'coco'"),
        (
            ["{labels}", "-o", "{run}", "--skeleton", "tail,noze"],
            UsageError,
            "Unknown joint 'noze'",
        ),
        (["{labels}", "-o", "{run}", "--net", "hrnet32"], UsageError, "Unknown network"),
        (["{labels}", "-o", "{run}", "--input", "big"], UsageError, "WIDTHxHEIGHT"),
        (["{labels}", "-o", "{run}", "--set", "lr"], UsageError, "KEY=VALUE"),
        (["{labels}", "-o", "{run}", "--set", "rl=1"], UsageError, "Unknown setting"),
        (
            ["{labels}", "-o", "{run}", "--init", "nothing.safetensors"],
            PosetrackError,
            "no checkpoint at",
        ),
        (["{labels}", "-o", "{run}", "--init", "nothing_like_it"], UsageError, "Unknown weights"),
        (
            ["{labels}", "-o", "{run}", "--net", "tiny", "--device", "tpu"],
            UsageError,
            "Unknown device",
        ),
    ],
)
def test_mistakes_are_one_sentence_before_anything_starts(
    labels: Path, tmp_path: Path, args: list[str], kind: type[PosetrackError], words: str
) -> None:
    names = {"labels": labels, "run": tmp_path / "run", "empty": _wrong(labels, annotations=[])}
    with pytest.raises(kind, match=words):
        _train(*(a.format(**names) for a in args))
    assert not list(tmp_path.glob("run/*.safetensors"))


def test_ctrl_c_saves_says_how_to_go_on_and_exits_130(
    labels: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = training._step

    def interrupted(run: training.Run, *rest: Any) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return steps(run, *rest)

    monkeypatch.setattr(training, "_step", interrupted)
    with pytest.raises(SystemExit) as end:
        main(["train", str(labels), "-o", str(tmp_path / "run"), *QUICK])
    assert end.value.code == 130
    assert "the same command with --resume goes on" in capsys.readouterr().err
    assert (tmp_path / "run" / "state.pt").is_file()


def test_what_workers_are_given_survives_being_sent(labels: Path) -> None:
    """Where processes are spawned (macOS, Windows) the samples are pickled, messages and archives
    included.
    """
    import pickle

    from posetrack.cli.train import _say, _silent
    from posetrack.datasets import read
    from posetrack.samples.crops_on_disk import CropFiles

    people = read(str(labels))
    for tell in (_say, _silent):
        crops = CropFiles(people.people, 40.0, tell)
        sent = pickle.loads(pickle.dumps(crops))
        assert (sent[1].image == crops[1].image).all()
        assert sent.report is crops.report
