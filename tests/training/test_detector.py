"""``--recipe detector``: boxes of COCO-style files, through the same loop, files and resuming as
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
from stick_people import drawn_person

from posetrack import checkpoints
from posetrack.cli import _root
from posetrack.drawn.clip import draw_sequence
from posetrack.errors import InputError, PosetrackError, TrainingError, UsageError
from posetrack.evaluation.boxes import score_boxes
from posetrack.formats import FORMATS
from posetrack.geometry import iou_matrix
from posetrack.nets.person_detector import cell_centers
from posetrack.samples.boxes import BoxImage
from posetrack.samples.mosaics import Picture
from posetrack.structures import Boxes
from posetrack.training import loop
from posetrack.training.detector import DetectorTask, MosaicBatches, make_batch
from posetrack.training.detector_loss import detector_loss, joint_loss
from posetrack.training.detector_setup import load_boxes
from posetrack.training.feed import to_input
from posetrack.training.recipes import RECIPES, Recipe, Stage
from posetrack.training.setup import check_recipe
from posetrack.weights import load_detector

TINY = {"channels": [8, 8, 16, 24, 32], "blocks": [0, 1, 1, 1], "width": 16, "depth": 1}
RECIPE = replace(
    RECIPES["detector"],
    net_args=TINY,
    stages=(Stage(2, (128, 128), 4, sides=(96, 128)),),
    lr=5e-3,
    ema=0.8,
)
QUICK = (
    *("--recipe", "detector", "--set", f"net_args={json.dumps(TINY)}", "--device", "cpu"),
    *("--batch-size", 4, "--input", "128x128", "--set", "sides=[128]", "--lr", 5e-3),
)
FRAMES = 8


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of a drawn clip with two people, and their boxes in a COCO-style file."""
    folder = tmp_path_factory.mktemp("boxes")
    drawn = draw_sequence(3, frames=FRAMES, size_wh=(128, 96), people=2, camera="still")
    images, people = [], []
    for i, frame in enumerate(drawn):
        name = f"{i}.png"
        cv2.imwrite(str(folder / name), frame.frame.image[:, :, ::-1])
        images.append({"id": str(i), "file_name": name, "width": 128, "height": 96})
        for x1, y1, x2, y2 in frame.labels.tracks.poses.boxes.xyxy.tolist():
            people.append({"image_id": i, "category_id": 3, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    categories = [{"id": 3, "name": "person"}, {"id": 4, "name": "dog"}]
    dog = {"image_id": 0, "category_id": 4, "bbox": [1, 1, 9, 9]}
    path = folder / "train.json"
    path.write_text(
        json.dumps({"images": images, "annotations": [*people, dog], "categories": categories})
    )
    return path


def _train(*args: object) -> Result:
    return CliRunner().invoke(_root, ["train", *(str(a) for a in args)], prog_name="posetrack")


def _stick_people() -> list[BoxImage]:
    places = [(40, 8, 70), (80, 20, 90), (64, 30, 60), (50, 5, 110)]
    colours = (0, 60, 120, 250)
    return [drawn_person(128, *p, colour) for p, colour in zip(places, colours, strict=True)]


def _losses(net: torch.nn.Module, batch: Any) -> dict[str, float]:
    output = net.train()(to_input(batch.image, RECIPE.spec(RECIPE.stages[0]), torch.device("cpu")))
    targets = batch.targets(torch.device("cpu"))
    _, parts = detector_loss(*output[:2], targets, *cell_centers((128, 128)))
    return {**parts, "joints": float(joint_loss(output[2], targets).detach())}


class _OneBatch:
    """The same pictures again and again."""

    def __init__(self, batch: Any) -> None:
        self.only = batch

    def __len__(self) -> int:
        return 30

    def batch(self, epoch: int, number: int) -> Any:
        return self.only


class _OneBatchTask(DetectorTask):
    def __len__(self) -> int:
        return 30 * 4

    def batches(self, *_: Any) -> Any:
        ground = np.zeros((16, 16), np.uint8)
        return _OneBatch(
            make_batch([Picture(d.image, ground, d.boxes, d.joints) for d in self.scenes])
        )


def test_learns_four_drawn_images(tmp_path: Path) -> None:
    drawn = _stick_people()
    task = _OneBatchTask([], drawn)
    recipe = replace(RECIPE, weight_decay=0.0, warmup=0.08)
    batch = task.batches().only
    first = _losses(loop.start(recipe, task, torch.device("cpu")).net, batch)
    run = loop.learn(recipe, task, tmp_path)
    last = _losses(run.net, batch)
    assert last["box"] < 0.5 * first["box"]
    assert last["score"] < first["score"]
    assert last["joints"] < first["joints"]
    found = load_detector(tmp_path / "last.safetensors", device="cpu").detect(
        [d.image for d in drawn]
    )
    for image, boxes in zip(drawn, found, strict=True):
        assert iou_matrix(boxes.xyxy[:1], image.boxes[:1])[0, 0] > 0.6


def test_batches_are_a_function_of_seed_epoch_and_number() -> None:
    task = DetectorTask([], _stick_people())
    batches = task.batches(RECIPE, RECIPE.stages[0])
    again = task.batches(RECIPE, RECIPE.stages[0])
    again.batch(1, 0)
    a, b = batches.batch(0, 0), again.batch(0, 0)
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.boxes, b.boxes)
    assert not np.array_equal(a.image, batches.batch(1, 0).image)
    sides = {batches.batch(epoch, 0).image.shape[1] for epoch in range(8)}
    assert sides == {96, 128}
    shares = [MosaicBatches(batches.sampler, RECIPE.stages[0], 4, 0, r, 2) for r in (0, 1)]
    mine, theirs = (share.batch(0, 0) for share in shares)
    assert len(mine.image) == len(theirs.image) == 2
    assert mine.image.shape == theirs.image.shape
    assert not np.array_equal(mine.image, theirs.image)
    part = a.part(1, 3)
    assert len(part.image) == len(part.boxes) == len(part.heatmaps) == 2


def test_a_loss_that_blows_up_stops_the_run(tmp_path: Path) -> None:
    def spoil(net: torch.nn.Module) -> None:
        torch.nn.init.constant_(net.head.score.bias, float("nan"))

    with pytest.raises(TrainingError, match="lower the learning rate"):
        loop.learn(RECIPE, DetectorTask([], _stick_people()), tmp_path, initialise=spoil)


def test_a_run_goes_on_as_if_never_stopped(
    tmp_path: Path, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after its first epoch, and resumed: the same weights."""
    command = (labels, *QUICK, "--epochs", 1, "--quiet")
    assert _train(*command, "-o", tmp_path / "whole").exit_code == 0

    class EnoughError(Exception):
        pass

    def stop(*_: Any) -> Any:
        raise EnoughError

    monkeypatch.setattr(loop, "_finish_epoch", _stopping(loop._finish_epoch, stop))
    with pytest.raises(EnoughError):
        loop.learn(_recipe(labels), load_boxes(_recipe(labels), [labels], []), tmp_path / "part")
    monkeypatch.undo()
    task = load_boxes(_recipe(labels), [labels], [])
    loop.learn(_recipe(labels), task, tmp_path / "part", resume=True)
    whole = checkpoints.read_state(tmp_path / "whole/last.safetensors")
    part = checkpoints.read_state(tmp_path / "part/last.safetensors")
    assert whole.keys() == part.keys()
    assert all(torch.equal(whole[name], part[name]) for name in whole)


def _stopping(finish: Any, stop: Any) -> Any:
    def finished(run: Any, *rest: Any) -> None:
        finish(run, *rest)
        stop()

    return finished


def _recipe(labels: Path) -> Recipe:
    stages = tuple(
        replace(s, epochs=1, batch_size=4, size_wh=(128, 128), sides=(128,))
        for s in RECIPES["detector"].stages
    )
    resized = tuple(replace(s, sigma=1.0) for s in stages)
    return replace(RECIPES["detector"], net_args=TINY, stages=resized, lr=5e-3)


def test_the_command_trains_what_track_detects_with(tmp_path: Path, labels: Path) -> None:
    """Labels without joints, ids as text, another category in between; the loss falls, AP is told,
    the weights find people in track.
    """
    done = _train(f"{labels}*8", *QUICK, "--epochs", 6, "--val", labels, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert rows[-1]["ap50_train"] > 50
    assert rows[-1]["ap50_train"] >= rows[-1]["ap_train"] > 0
    best = tmp_path / "run/best.safetensors"
    spec = checkpoints.read_spec(best)
    assert (spec.task, spec.net, spec.input.size_wh) == ("detect", "person_detector", (128, 128))
    frames = tmp_path / "clip"
    frames.mkdir()
    for picture in labels.parent.glob("*.png"):
        (frames / picture.name).write_bytes(picture.read_bytes())
    out = tmp_path / "tracks"
    args = ["track", frames, "--detector", best, "-o", out, "--device", "cpu", "--threads", 1]
    tracked = CliRunner().invoke(_root, [str(a) for a in args], prog_name="posetrack")
    assert tracked.exit_code == 0, tracked.output
    found = load_detector(best, device="cpu").detect(
        [cv2.imread(str(p))[:, :, ::-1] for p in sorted(labels.parent.glob("*.png"))]
    )
    assert sum(len(boxes) for boxes in found) >= FRAMES
    [tracks] = out.glob("*.jsonl")
    assert len(list(FORMATS["native"].read(tracks)[0].frames)) == FRAMES


def test_init_takes_a_detectors_network(tmp_path: Path, labels: Path) -> None:
    first = _train(labels, *QUICK, "--epochs", 1, "--quiet", "-o", tmp_path / "a")
    assert first.exit_code == 0, first.output
    start = tmp_path / "a/last.safetensors"
    quick = [a for a in QUICK if "net_args" not in str(a)]
    quick.remove("--set")
    done = _train(labels, *quick, "--epochs", 1, "--init", start, "-o", tmp_path / "b")
    assert done.exit_code == 0, done.output
    assert "0 random" in done.output
    assert checkpoints.read_spec(tmp_path / "b/last.safetensors").net_args == TINY


@pytest.mark.parametrize(
    ("args", "error", "words"),
    [
        (("--input", "100x100"), UsageError, "multiples of 32"),
        (("--set", "mix=mxed"), UsageError, "did you mean 'mixed'"),
        (("--set", "loss=mse"), UsageError, "Unknown loss"),
        (("--net", "hrnet_w18_cls"), UsageError, "cannot be trained so|finds no boxes"),
        (("--metric", "pck"), UsageError, "scored by their AP"),
        (("--skeleton", "coco17"), UsageError, "--skeleton"),
        (("--images", "gone"), InputError, "no image folder gone"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    tmp_path: Path, labels: Path, args: tuple[str, ...], error: type[PosetrackError], words: str
) -> None:
    done = _train(labels, *QUICK, *args, "-o", tmp_path / "run")
    assert isinstance(done.exception, (error, SystemExit))
    assert done.exit_code
    with pytest.raises(error, match=words):
        raise done.exception if isinstance(done.exception, error) else error(done.output)


def test_labels_without_boxes_and_broken_images(tmp_path: Path, labels: Path) -> None:
    content = json.loads(labels.read_text())
    (tmp_path / "0.png").write_bytes(b"no picture")
    (tmp_path / "1.png").write_bytes((labels.parent / "1.png").read_bytes())
    path = tmp_path / "l.json"
    path.write_text(json.dumps({**content, "images": content["images"][:2], "annotations": []}))
    told: list[str] = []
    with pytest.raises(InputError, match="no person with a box"):
        load_boxes(RECIPE, [path], [], report=told.append)
    assert "1 of 2 images are left out" in told[0]
    with pytest.raises(UsageError, match="COCO-style boxes"):
        load_boxes(RECIPE, [f"mpii:{path}"], [])
    check_recipe(RECIPES["detector"])


def test_score_boxes_is_100_where_all_is_found_and_crowds_do_not_count() -> None:
    box = np.array([[10.0, 10, 50, 90]], np.float32)
    crowd = np.array([[100.0, 10, 200, 90]], np.float32)
    nobody = np.zeros((0, 4), np.float32)
    found = Boxes(np.array([[10, 10, 50, 90], [110, 20, 150, 80]], np.float32), np.array([0.5, 1]))
    assert score_boxes([(box, crowd)], [found]) == pytest.approx({"ap": 100, "ap50": 100})
    assert score_boxes([(box, nobody)], [found])["ap50"] == pytest.approx(50, abs=1)
    assert score_boxes([(nobody, nobody)], [found]) == {"ap": 0.0, "ap50": 0.0}
