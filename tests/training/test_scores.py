"""AP, PCKh and mAP of every epoch are what ``posetrack eval`` would say; the metric asked for
decides which is best.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from people_on_disk import draw_person, write_people
from tiny_net import tiny  # noqa: F401

from posetrack.cli import _root
from posetrack.datasets import read
from posetrack.datasets.people import PersonSet
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.errors import FormatError, UsageError
from posetrack.evaluation.evaluate import evaluate_coco
from posetrack.evaluation.model import ModelRun
from posetrack.samples.crops import CropStore
from posetrack.skeletons import COCO_17, MPII_16, POSETRACK_15, make_skeleton
from posetrack.structures import InputSpec, Skeleton
from posetrack.training.loop import _score
from posetrack.training.scores import coco_score, mpii_score, posetrack_score
from posetrack.training.train import train

SPEC = InputSpec((48, 64))
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
    "--quiet",
)


def _coco(folder: Path) -> Path:
    return write_people(folder, 3, OWN)


def _mpii(folder: Path) -> Path:
    """Three people in two images, a fourth without joints in the middle; head boxes of 10
    x 10 px.
    """
    rng = np.random.default_rng(2)
    rows: list[dict[str, Any]] = []
    for i, image in enumerate(("a.png", "b.png")):
        picture, xy = draw_person(rng, 16)
        cv2.imwrite(str(folder / image), picture)
        row = {
            "image": image,
            "center": [45, 60],
            "scale": 0.5,
            "headbox": [0, 0, 10, 10],
            "joints_vis": [1] * 16,
        }
        rows.append({**row, "joints": (xy + 1).tolist()})
        if i == 0:
            rows.append({**row, "joints": np.zeros((16, 2)).tolist(), "joints_vis": [0] * 16})
            rows.append({**row, "joints": (xy + 9).tolist()})
    path = folder / "mpii.json"
    path.write_text(json.dumps(rows))
    return path


def _posetrack(folder: Path, layout: str = "2017") -> Path:
    drawn = [
        draw_sequence(seed, frames=2, size_wh=(96, 72), people=2, name=f"clip{seed}")
        for seed in (1, 2)
    ]
    write_posetrack_dataset(folder, drawn, layout, "val")
    return folder / "annotations" / "val"


def _joints(people: PersonSet, skeleton: Skeleton) -> tuple[CropStore, np.ndarray]:
    people = people.mapped(skeleton)
    return CropStore(people.people, 50), np.stack([p.xy for p in people.people])


def test_perfect_joints_have_an_ap_of_100(tmp_path: Path) -> None:
    people = read(f"{_coco(tmp_path)}[:2]")
    turned = make_skeleton("turned", OWN.joints[::-1])
    crops, xy = _joints(people, turned)
    score = coco_score(people, crops, turned, SPEC)
    assert score(xy, np.ones(xy.shape[:2], np.float32)) == {"ap": 100}
    assert score(xy + 1000, np.ones(xy.shape[:2], np.float32)) == {"ap": 0}


def test_pckh_is_in_head_sizes_and_of_the_right_people(tmp_path: Path) -> None:
    people = read(_mpii(tmp_path))
    assert (people.kind, len(people)) == ("mpii", 3)
    crops, xy = _joints(people, MPII_16)
    score, ones = mpii_score(people, crops, MPII_16, SPEC), np.ones((3, 16), np.float32)
    half_head = 0.5 * 0.6 * 10 * 2**0.5
    assert score(xy, ones) == {"pckh": 100}
    assert score(xy + np.array([half_head - 0.01, 0]), ones) == {"pckh": 100}
    assert score(xy + np.array([half_head + 0.01, 0]), ones) == {"pckh": 0}
    one_off = xy.copy()
    one_off[2] += 100
    assert score(one_off, ones)["pckh"] == pytest.approx(100 * 2 / 3)
    # of the 14 joints counted, COCO has no upper neck and no head top
    other, known = _joints(people, COCO_17)
    found = mpii_score(people, other, COCO_17, SPEC)(
        np.nan_to_num(known), np.ones((3, 17), np.float32)
    )
    assert found["pckh"] == pytest.approx(100 * 12 / 14)


def test_pckh_without_head_boxes_is_refused(tmp_path: Path) -> None:
    path = _mpii(tmp_path)
    people = read(path)
    rows = json.loads(path.read_text())
    path.write_text(json.dumps([row | {"image": "other.png"} for row in rows]))
    with pytest.raises(FormatError, match=r"nobody in image a\.png has a head box"):
        mpii_score(people, CropStore(people.people, 50), MPII_16, SPEC)


@pytest.mark.parametrize("layout", ["2017", "2018"])
def test_perfect_joints_have_a_map_of_100(tmp_path: Path, layout: str) -> None:
    people = read(_posetrack(tmp_path, layout))
    assert people.kind == "posetrack"
    crops, xy = _joints(people, POSETRACK_15)
    score, ones = (
        posetrack_score(people, crops, POSETRACK_15, SPEC),
        np.ones((len(xy), 15), np.float32),
    )
    assert score(xy, ones) == {"map": 100}
    wrong = xy.copy()
    wrong[: len(xy) // 2] += 500
    assert 20 < score(wrong, ones)["map"] < 80
    few = read(
        f"{tmp_path / 'annotations' / 'val'}[1:3]"
    )  # of some images: the others are not missed
    crops, xy = _joints(few, POSETRACK_15)
    assert posetrack_score(few, crops, POSETRACK_15, SPEC)(
        xy, np.ones((len(xy), 15), np.float32)
    ) == {"map": 100}


@pytest.mark.parametrize(("metric", "write"), [("ap", _coco), ("pckh", _mpii), ("map", _posetrack)])
def test_the_metric_asked_for_is_in_every_epoch_and_decides(
    tmp_path: Path, metric: str, write: Any
) -> None:
    (tmp_path / "data").mkdir()
    labels, run = write(tmp_path / "data"), tmp_path / "run"
    _train(labels, "--val", labels, "-o", run, *QUICK, "--metric", metric)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    for row in rows:
        (name,) = (key for key in row if key.startswith(f"{metric}_"))
        assert 0 <= row[name] <= 100
        assert _score({**row, name: 77.0}) == 77


def test_a_metric_needs_labels_of_its_kind(tmp_path: Path) -> None:
    labels = _coco(tmp_path)
    for metric, words in (("ap", "COCO-style"), ("pckh", "MPII's"), ("map", "PoseTrack")):
        held_out = () if metric == "ap" else ("--val", labels)
        with pytest.raises(UsageError, match=f"metric {metric} needs --val with {words}"):
            _train(labels, *held_out, "-o", tmp_path / "run", *QUICK, "--metric", metric)
    with pytest.raises(UsageError, match="Unknown metric"):
        _train(labels, "-o", tmp_path / "run", *QUICK, "--metric", "oks")


def _train(*args: object) -> Result:
    return CliRunner().invoke(
        _root, ["train", *map(str, args)], catch_exceptions=False, standalone_mode=False
    )


def test_the_ap_of_training_is_that_of_eval(tmp_path: Path) -> None:
    """The same weights and boxes: flip test, rescoring and suppression of doubles included."""
    labels = _crowd(tmp_path)
    out = train(
        [labels],
        tmp_path / "run",
        recipe="coco",
        changes={
            "net": "hrnet_w8",
            "net_args": {"modules": [1, 1, 1], "blocks": 1, "stem": 16, "stem_blocks": 1},
            "size_wh": [64, 64],
            "epochs": 40,
            "batch_size": 6,
            "augmentation.scale": 0.0,
            "augmentation.p_rotation": 0.0,
            "augmentation.p_half_body": 0.0,
        },
        val=[labels],
        metric="ap",
        device="cpu",
    )
    rows = [
        json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    exact = {"device": "cpu", "precision": "float32", "runtime": "torch"}
    scores = evaluate_coco(labels, tmp_path / "out.json", ModelRun(str(out), options=exact))
    assert scores.figures is not None
    assert scores.figures["AP"] > 5  # something to compare
    best = max(row["ap_person_keypoints"] for row in rows)
    assert scores.figures["AP"] == pytest.approx(best, abs=0.01)


def _crowd(folder: Path) -> Path:
    """Six images, each labelled twice over: doubles that the suppression takes away."""
    path = write_people(folder, 6)
    content = json.loads(path.read_text())
    for person in list(content["annotations"]):
        x, y, w, h = person["bbox"]
        twin = {**person, "id": person["id"] + 100, "bbox": [x + 1, y + 1, w - 2, h - 2]}
        content["annotations"].append(twin)
    for person in content["annotations"]:
        person["area"] = person["bbox"][2] * person["bbox"][3]
    path.write_text(json.dumps(content))
    return path
