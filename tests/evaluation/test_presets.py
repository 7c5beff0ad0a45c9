"""One preset, one meaning: what runs in ``eval`` is what runs in ``track``, and the reports say it.
Files for the servers of test sets.
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
from scipy.io import loadmat, savemat

from posetrack import PoseTracker, assemble
from posetrack.checkpoints import ModelSpec, save
from posetrack.detect.detectors import FileBoxes
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.errors import InputError, UsageError
from posetrack.evaluation.evaluate import evaluate_coco, evaluate_mpii, evaluate_posetrack
from posetrack.evaluation.model import ModelRun
from posetrack.evaluation.predict import OKS_NMS, PYRAMID
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.structures import Boxes, Image, InputSpec
from posetrack.weights import PRESETS

SMALL = {"joints": 15, "modules": [1, 1, 1], "blocks": 1, "stem": 16, "stem_blocks": 1}
QUICK = {"device": "cpu", "precision": "float32", "runtime": "torch"}


class Finder:
    """A detector that finds one box in every image."""

    def detect(self, images: list[Image]) -> list[Boxes]:
        return [Boxes([[5, 5, 60, 60]], [0.9])] * len(images)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn PoseTrack folder, its first frames as COCO labels, a small network."""
    folder = tmp_path_factory.mktemp("set")
    clip = draw_sequence(3, frames=2, size_wh=(96, 72), people=2, name="clip")
    write_posetrack_dataset(folder, [clip], "2018", "val")
    labels = next((folder / "annotations" / "val").iterdir())
    (folder / "coco.json").write_text(labels.read_text())
    torch.manual_seed(0)
    net = build("hrnet_w8", **SMALL)
    init_he(net, 15)
    torch.nn.init.constant_(net.get_parameter("final_layer.bias"), 0.05)  # every map has a peak
    for name, notes in (("noted", {"decode": "dark"}), ("plain", {})):
        spec = ModelSpec("hrnet_w8", SMALL, input=InputSpec((32, 32)), notes=notes)
        save(folder / f"{name}.safetensors", net.state_dict(), spec)
    return folder


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, here: Path) -> dict[str, Any]:
    """The names by which networks are loaded; a small one stands in for all of them."""
    names: dict[str, Any] = {}
    real = assemble.weights.find_pose

    def find_pose(name: str, **more: Any) -> Any:
        names["weights"] = name
        return real(name if Path(name).is_file() else here / "plain.safetensors", **more)

    def load_detector(name: str, **more: Any) -> Finder:
        names["detector"] = name
        names["min_score"] = more["min_score"]
        return Finder()

    monkeypatch.setattr(assemble.weights, "find_pose", find_pose)
    monkeypatch.setattr(assemble.weights, "load_detector", load_detector)
    return names


def _tracked(preset: str, loaded: dict[str, Any]) -> dict[str, Any]:
    """What ``posetrack track --preset`` builds."""
    stages = PoseTracker(preset=preset, **QUICK).stages
    assert not isinstance(stages.detector, FileBoxes)
    pose = stages.pose
    tests = {"flip": pose.flip_test, "upright": pose.upright_test, "decode": pose.decode}
    return {**tests, "detector": loaded["detector"], "weights": loaded["weights"]}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_means_the_same_in_track_and_in_all_of_eval(
    preset: str, here: Path, loaded: dict[str, Any], tmp_path: Path
) -> None:
    tracked = _tracked(preset, loaded)
    loaded.clear()
    run = ModelRun(preset, images=here, boxes="detector", options=QUICK)
    ran = evaluate_coco(here / "coco.json", tmp_path / "coco.json", run).ran
    assert {**{k: ran[k] for k in ("flip", "upright", "decode")}, **_names(loaded)} == tracked
    assert ran["detector"] == tracked["detector"]
    assert (ran["oks_nms"], loaded["min_score"]) == (OKS_NMS, 0.05)
    run = ModelRun(preset, images=here, options=QUICK)
    ran = evaluate_mpii(_mpii(tmp_path), tmp_path / "pred.json", replace(run, images=None)).ran
    assert {k: ran[k] for k in ("flip", "upright", "decode")} == {
        k: tracked[k] for k in ("flip", "upright", "decode")
    }
    loaded.clear()
    scores = evaluate_posetrack(here / "annotations" / "val", tmp_path / "pred", run)
    ran = scores.settings["run"]["track_options"]
    assert {k: ran[k] for k in tracked} == tracked
    assert _names(loaded) == {k: tracked[k] for k in ("detector", "weights")}


def _names(loaded: dict[str, Any]) -> dict[str, Any]:
    return {k: loaded[k] for k in ("detector", "weights")}


@pytest.mark.parametrize(("name", "decode"), [("noted", "dark"), ("plain", "quarter")])
def test_a_checkpoint_by_itself_runs_as_in_the_papers(
    name: str, decode: str, here: Path, tmp_path: Path
) -> None:
    model = str(here / f"{name}.safetensors")
    run = ModelRun(model, images=here, options=QUICK)
    coco = evaluate_coco(here / "coco.json", tmp_path / "coco.json", run).ran
    mpii = evaluate_mpii(_mpii(tmp_path), tmp_path / "pred.json", replace(run, images=None)).ran
    scores = evaluate_posetrack(here / "annotations" / "val", tmp_path / "pred", run)
    for ran in (coco, mpii, scores.settings["run"]["track_options"]):
        assert (ran["flip"], ran["upright"], ran["decode"]) == (True, False, decode)
    run = ModelRun(model, images=here, force=True, options={**QUICK, "flip": False, "oks_nms": 0.5})
    ran = evaluate_coco(here / "coco.json", tmp_path / "coco.json", run).ran
    assert (ran["flip"], ran["oks_nms"]) == (False, 0.5)


def test_six_scales_and_the_upright_test(
    here: Path, loaded: dict[str, Any], tmp_path: Path
) -> None:
    run = ModelRun("lite", images=here, six_scales=True, options=QUICK)
    ran = evaluate_coco(here / "coco.json", tmp_path / "coco.json", run).ran
    assert (ran["upright"], ran["scale_factors"]) == (False, PYRAMID)
    assert PYRAMID == (0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
    run = ModelRun("lite", images=here, six_scales=True, options={**QUICK, "upright": True})
    with pytest.raises(UsageError, match="not turned upright"):
        evaluate_coco(here / "coco.json", tmp_path / "other.json", run)


def test_predictions_on_sequences_keep_their_weak_joints(here: Path, tmp_path: Path) -> None:
    """So that mAP before dropping is before; matching has a threshold of its own."""
    options = {**QUICK, "min_pose_score": 0.0, "min_new_score": 0.0, "flow": "none"}
    kept = []
    for name, more in (("all", {}), ("strong", {"min_output_score": 0.2})):
        run = ModelRun(
            str(here / "plain.safetensors"), images=here, boxes="truth", options=options | more
        )
        scores = evaluate_posetrack(
            here / "annotations" / "val", tmp_path / name, run, metrics=("ap",)
        )
        options_in_force = scores.settings["run"]["track_options"]
        assert options_in_force["min_joint_score"] == 0.2
        data = json.loads(next((tmp_path / name).iterdir()).read_text())
        values = np.array([p["keypoints"] for p in data["annotations"]]).reshape(-1, 3)
        kept.append(int((values[:, 2] > 0).sum()))
    assert kept[0] > 0.9 * 15 * len(data["annotations"])  # but for heatmaps without a peak
    assert kept[1] < kept[0]


# --- test sets
# --------------------------------------------------------------------------------------------------


def test_a_coco_file_without_annotations_is_predicted_but_not_scored(
    here: Path, tmp_path: Path
) -> None:
    content = json.loads((here / "coco.json").read_text())
    images = tmp_path / "image_info_test-dev2017.json"
    images.write_text(json.dumps({"images": content["images"], "categories": []}))
    boxes = tmp_path / "boxes.json"
    rows = [
        {"image_id": image["id"], "category_id": 1, "bbox": [5, 5, 50, 50], "score": 0.8}
        for image in content["images"]
    ]
    boxes.write_text(json.dumps(rows))
    run = ModelRun(str(here / "plain.safetensors"), images=here, boxes=str(boxes), options=QUICK)
    scores = evaluate_coco(images, tmp_path / "out.json", run)
    assert scores.figures is None
    found = json.loads((tmp_path / "out.json").read_text())
    assert {row["image_id"] for row in found} == {image["id"] for image in content["images"]}
    assert {len(row["keypoints"]) for row in found} == {51}
    no_boxes = ModelRun(str(here / "plain.safetensors"), images=here, options=QUICK)
    with pytest.raises(UsageError, match="--boxes detector"):
        evaluate_coco(images, tmp_path / "other.json", no_boxes)


def _mpii(folder: Path) -> Path:
    """One labelled person in HRNet's JSON, and the picture."""
    cv2.imwrite(str(folder / "a.png"), np.zeros((80, 80, 3), np.uint8))
    joints = np.random.default_rng(0).uniform(10, 70, (16, 2)).tolist()
    row = {"image": "a.png", "center": [40, 40], "scale": 0.3, "joints": joints}
    path = folder / "mpii_gt.json"
    path.write_text(json.dumps([{**row, "joints_vis": [1] * 16, "headbox": [0, 0, 10, 10]}]))
    return path


def _release(folder: Path) -> Path:
    """Two test images, one of them with somebody without a position, and one for training."""
    rects = np.zeros((1, 2), [("scale", object), ("objpos", object)])
    rects[0, 0] = (0.3, {"x": 30.0, "y": 30.0})
    rects[0, 1] = (np.zeros((0, 0)), np.zeros((0, 0)))
    one = np.zeros((1, 1), [("scale", object), ("objpos", object)])
    one[0, 0] = (0.25, {"x": 41.0, "y": 43.0})
    images = np.zeros((1, 3), [("image", object), ("annorect", object)])
    for i, (name, people) in enumerate((("a.png", rects), ("b.png", one), ("c.png", one))):
        images[0, i] = ({"name": name}, people)
        cv2.imwrite(str(folder / name), np.full((80, 80, 3), 90, np.uint8))
    release = {"annolist": images, "img_train": np.array([[0, 1, 0]])}
    savemat(folder / "release.mat", {"RELEASE": release})
    return folder / "release.mat"


def test_the_test_part_of_mpii_is_written_as_its_server_wants_it(
    here: Path, tmp_path: Path
) -> None:
    release = _release(tmp_path)
    run = ModelRun(str(here / "plain.safetensors"), options=QUICK)
    scores = evaluate_mpii(release, tmp_path / "pred.mat", run, split="test")
    assert scores.result is None
    content = loadmat(tmp_path / "pred.mat", struct_as_record=False, squeeze_me=True)
    assert content["preds"].shape == (2, 16, 2)
    assert [image.image.name for image in content["pred"]] == ["a.png", "c.png"]
    predicted, without = content["pred"][0].annorect
    points = predicted.annopoints.point
    assert [point.id for point in points] == list(range(16))
    np.testing.assert_allclose([(p.x, p.y) for p in points], content["preds"][0])
    assert np.size(without.annopoints.point) == 0
    assert np.isfinite(content["preds"]).all()
    with pytest.raises(UsageError, match=r"does not end in \.mat"):
        evaluate_mpii(release, tmp_path / "pred.json", run, split="test")
    with pytest.raises(UsageError, match="no labels"):
        evaluate_mpii(release, tmp_path / "pred.mat", split="test")
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match="--images"):
        evaluate_mpii(release, tmp_path / "again.mat", run, split="test")
    elsewhere = replace(run, images=tmp_path, boxes="poses")
    with pytest.raises(InputError, match="check --images"):
        evaluate_posetrack(here / "annotations" / "val", tmp_path / "pred", elsewhere)
