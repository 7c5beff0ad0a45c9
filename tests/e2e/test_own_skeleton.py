"""Joints of one's own from labels to a score: train, track a clip with given boxes, evaluate what
was found.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from people_on_disk import write_people

from posetrack.cli import _root
from posetrack.skeletons import make_skeleton

OWN = make_skeleton("own", ["left_ear", "right_ear", "tail", "tip"])
SMALL = {"modules": [1, 1, 1], "blocks": 1, "stem": 16, "stem_blocks": 1}


def _run(*args: object) -> Result:
    return CliRunner().invoke(
        _root, [*map(str, args)], catch_exceptions=False, standalone_mode=False
    )


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of one animal each, numbered and called as somebody might: from 101,
    category 7.
    """
    path = write_people(tmp_path_factory.mktemp("clip"), 6, OWN)
    data = json.loads(path.read_text())
    for image in data["images"]:
        image["id"] += 101
    for one in data["annotations"]:
        one |= {"image_id": one["image_id"] + 101, "category_id": 7, "id": one["id"] + 1}
    data["categories"] = [
        {"id": 3, "name": "tree"},
        {"id": 7, "name": "fox", "keypoints": list(OWN.joints)},
    ]
    path.write_text(json.dumps(data))
    return path


def test_train_track_and_eval(labels: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "tracked"
    _run(
        "train",
        f"{labels}*8",
        "--val",
        labels,
        "--metric",
        "ap",
        "-o",
        run,
        "--net",
        "hrnet_w8",
        "--epochs",
        8,
        "--set",
        f"net_args={json.dumps(SMALL)}",
        "--batch-size",
        8,
        "--input",
        "64x64",
        "--lr",
        0.01,
        "--device",
        "cpu",
        "--set",
        "loss=ce_mse",
        "--set",
        "sigma=1",
        "--set",
        "ema=0.9",
        "--set",
        "augmentation.p_flip=0",
        "--set",
        "augmentation.p_rotation=0",
        "--set",
        "augmentation.colour=0",
        "--set",
        "augmentation.p_half_body=0",
        "--quiet",
    )
    # the epochs are scored with the flip test; these figures do not mirror, so it is left out here
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all("ap_person_keypoints" in row for row in rows)
    plain = ("--model", run / "last.safetensors", "--no-flip", "--device", "cpu")
    result = _run("eval", "coco", labels, tmp_path / "plain.json", *plain, "--json")
    best = json.loads(result.stdout)["figures"]["AP"]
    assert best > 50
    _run(
        "track",
        labels.parent,
        "--weights",
        run / "last.safetensors",
        "--boxes",
        labels,
        "--flow",
        "none",
        "-o",
        out,
        "--no-video",
        "--format",
        "coco",
        "--device",
        "cpu",
        "--no-flip",
    )
    (found,) = out.glob("*.coco.json")
    assert len(json.loads(found.read_text())[0]["keypoints"]) == 3 * len(OWN)
    result = _run("eval", "coco", labels, found, "--json")
    ap = json.loads(result.stdout)["figures"]["AP"]
    assert ap == pytest.approx(best, abs=10)  # decoded by quarters of a pixel there
