"""Running networks over datasets: boxes, crops, pyramid, written predictions, and what the tables
say about them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence as SequenceABC
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from posetrack import geometry
from posetrack.checkpoints import ModelSpec, save
from posetrack.cli import main
from posetrack.errors import FormatError, InputError
from posetrack.evaluation.coco import score_coco
from posetrack.evaluation.mpii import MpiiTruth
from posetrack.evaluation.predict import (
    PYRAMID,
    detection_boxes,
    estimate_pyramid,
    mpii_boxes,
    predict_coco,
    predict_mpii,
    truth_boxes,
)
from posetrack.formats import FORMATS
from posetrack.nets import build
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import COCO_17, MPII_16, POSETRACK_15, make_skeleton
from posetrack.structures import Boxes, FrameLabels, Image, InputSpec, Poses, Sequence, Tracks

SIZE = 96  # pixels, both sides of the pictures


class Brightness(nn.Module):
    """A "network" whose only heatmap is the picture's brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Conv2d(3, 1, 4, stride=4)
        nn.init.constant_(self.mean.weight, 1 / 48)
        nn.init.constant_(self.mean.bias, 2.2)  # black is about -2.1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.mean(x)
        return maps


class Known:
    """An estimator that knows the answer: the joints of the person whose box it is given."""

    batch_size = 2

    def __init__(
        self, people: dict[tuple[float, ...], np.ndarray], skeleton: object = COCO_17
    ) -> None:
        self.people, self.skeleton, self.spec = people, skeleton, InputSpec((48, 64))
        self.calls: list[int] = []

    def estimate(
        self, images: SequenceABC[Image], boxes: SequenceABC[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        self.calls.append(len(images))
        result = []
        for given in boxes:
            xy = [self.people[tuple(np.round(box, 2).tolist())] for box in given.xyxy]
            joints = len(self.skeleton)  # type: ignore[arg-type]
            score = np.full((len(given), joints), 0.9)
            result.append(Poses(np.array(xy).reshape(-1, joints, 2), score, given, self.skeleton))  # type: ignore[arg-type]
        return result


def dot(x: float, y: float) -> Image:
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    cv2.circle(picture, (round(x), round(y)), 3, (255, 255, 255), -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.5).astype(np.uint8)


def estimator() -> PoseEstimator:
    one = make_skeleton("one", ["nose"])
    return PoseEstimator(
        Brightness(), InputSpec((64, 64)), one, precision="float32", device="cpu", batch_size=2
    )


def test_the_pyramid_finds_what_one_scale_finds() -> None:
    images = [dot(40, 50), dot(60, 30), dot(52, 66)]
    boxes = [Boxes([[10, 10, 86, 86]], [1.0])] * 3
    single = estimate_pyramid(estimator(), images, boxes)
    pyramid = estimate_pyramid(estimator(), images, boxes, PYRAMID)
    for image, a, b, place in zip(
        images, single, pyramid, [(40, 50), (60, 30), (52, 66)], strict=True
    ):
        assert image.shape == (SIZE, SIZE, 3)
        np.testing.assert_allclose(a.xy[0, 0], place, atol=4)
        np.testing.assert_allclose(b.xy[0, 0], place, atol=4)
        assert b.score[0, 0] > 0


def test_one_factor_of_one_is_the_estimator_itself() -> None:
    given = ([dot(40, 50)], [Boxes([[10, 10, 86, 86]], [0.5])])
    a, b = estimator().estimate(*given)[0], estimate_pyramid(estimator(), *given, (1.0,))[0]
    np.testing.assert_array_equal(a.xy, b.xy)


def coco_truth() -> tuple[dict[str, object], dict[tuple[float, ...], np.ndarray]]:
    rng = np.random.default_rng(1)
    people, known = [], {}
    for n in range(4):
        box = [10.0 + n, 20.0, 60.0, 70.0]
        xy = rng.uniform(box[:2], np.add(box[:2], box[2:]), (17, 2)).astype(np.float32)
        keypoints = np.column_stack([xy, np.full(17, 2)]).ravel().tolist()
        area = box[2] * box[3]
        people.append(
            {
                "id": n,
                "image_id": n // 2,
                "keypoints": keypoints,
                "bbox": box,
                "area": area,
                "iscrowd": 0,
                "num_keypoints": 17,
                "category_id": 1,
            }
        )
        known[
            tuple(np.round(geometry.clean_coco_boxes(np.array([box]), (96, 96))[0], 2).tolist())
        ] = xy
    images = [{"id": i, "file_name": f"{i}.png", "width": SIZE, "height": SIZE} for i in range(3)]
    return {
        "images": images,
        "annotations": people,
        "categories": [{"id": 1, "name": "person"}],
    }, known


def test_coco_on_true_boxes_of_a_knowing_network() -> None:
    truth, known = coco_truth()
    network, seen = Known(known), []
    rows = predict_coco(
        truth,
        lambda name: dot(1, 1),
        network,
        truth_boxes(truth),
        progress=lambda *a: seen.append(a),  # type: ignore[arg-type]
    )
    assert network.calls == [2, 1]
    assert seen == [(2, 3), (3, 3)]
    assert score_coco(truth, rows)["AP"] == pytest.approx(100)
    assert {len(row["keypoints"]) for row in rows} == {51}


def test_doubles_are_suppressed_and_detections_read(tmp_path: Path) -> None:
    truth, _ = coco_truth()
    person = truth["annotations"][0]  # type: ignore[index]
    box = [10.0, 20.0, 60.0, 70.0]
    kinds = ((0.9, 1), (0.6, 1), (0.8, 3), (0.1, 1))
    rows = [{"image_id": 0, "bbox": box, "score": s, "category_id": c} for s, c in kinds]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    boxes = detection_boxes(tmp_path / "boxes.json", min_score=0.2)
    assert boxes[0].score.tolist() == pytest.approx([0.9, 0.6])
    xy = np.array(person["keypoints"]).reshape(17, 3)[:, :2]
    found = predict_coco(
        truth, lambda name: dot(1, 1), Known({(10.0, 20.0, 70.0, 90.0): xy}), boxes
    )  # type: ignore[arg-type]
    assert len(found) == 1
    (tmp_path / "boxes.json").write_text('[{"image_id": 0}]')
    with pytest.raises(FormatError, match="detection 0: image_id, bbox or score"):
        detection_boxes(tmp_path / "boxes.json")
    with pytest.raises(InputError, match="Nobody was found"):
        predict_coco(truth, lambda name: dot(1, 1), Known({}), {})  # type: ignore[arg-type]


def mpii_truth(n: int = 3) -> MpiiTruth:
    rng = np.random.default_rng(2)
    xy = rng.uniform(10, 80, (n, 16, 2)).astype(np.float32).astype(np.float64)
    places = np.column_stack([np.full(n, 50.0), np.full(n, 40.0), np.full(n, 0.4)])
    names = tuple(f"{i}.png" for i in range(n))
    return MpiiTruth(
        xy + 1, np.zeros((n, 16), bool), np.tile([0, 0, 20.0, 20], (n, 1)), names, places
    )


def test_mpii_boxes_are_the_official_crops() -> None:
    """centre y + 15 scale, both minus 1; scale x 1.25, square."""
    center, scale = geometry.box_to_center_scale(mpii_boxes(mpii_truth(1)).xyxy, (256, 256))
    np.testing.assert_allclose(center, [[49, 45]], rtol=1e-6)
    np.testing.assert_allclose(scale, [[0.5, 0.5]], rtol=1e-6)


def test_mpii_of_a_knowing_network() -> None:
    truth = mpii_truth()
    order = [list(MPII_16.joints).index(j) for j in MPII_16.joints]
    network = Known({}, MPII_16)
    answers = iter(truth.xy - 1)
    network.estimate = lambda images, boxes: [  # type: ignore[method-assign]
        Poses(next(answers)[None, order], np.ones((1, 16)), b, MPII_16) for b in boxes
    ]
    xy = predict_mpii(truth, lambda name: dot(1, 1), network)  # type: ignore[arg-type]
    np.testing.assert_allclose(xy, truth.xy - 1, rtol=1e-6)
    nowhere = MpiiTruth(truth.xy, truth.missing, truth.head_xyxy, ("",) * 3, truth.center_scale)
    with pytest.raises(InputError, match="image names, centers and scales"):
        mpii_boxes(nowhere)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sequences of four pictures with two people each, a tiny network, and COCO labels of one
    picture.
    """
    folder = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(3)
    body = rng.uniform(0, 25, (2, 15, 2)) + np.array([[[10, 10]], [[55, 50]]])
    for name in ("000001_made", "000002_made"):
        frames = []
        for f in range(4):
            file = folder / "images" / name / f"{f:06d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))
            boxes = Boxes([[5, 5, 40, 40], [50, 45, 90, 90]], [1, 1])
            poses = Poses(body + f, np.full((2, 15), np.nan), boxes, POSETRACK_15)
            heads = np.array([[0, 0, 20, 20]] * 2, np.float32)
            frames.append(
                FrameLabels(
                    f, f / 25, Tracks([0, 1], poses), f"images/{name}/{f:06d}.png", head_xyxy=heads
                )
            )
        clip = Sequence(name, (SIZE, SIZE), 25.0, POSETRACK_15, tuple(frames))
        FORMATS["posetrack18"].write(folder / "labels" / f"{name}.json", clip)
    net = build("hrnet_w4", joints=15)
    spec = ModelSpec("hrnet_w4", {"joints": 15}, input=InputSpec((64, 64)))
    save(folder / "tiny.safetensors", net.state_dict(), spec)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(["eval", *map(str, words)])
    out, err = capsys.readouterr()
    assert isinstance(done.value.code, int)
    return done.value.code, out, err


def test_matching_alone_says_so_and_is_perfect_here(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "posetrack",
        dataset / "labels",
        tmp_path / "pred",
        "--images",
        dataset,
        "--boxes",
        "poses",
    )
    code, out, _ = run(capsys, *words, "--json", "--track", "flow=none")
    assert code == 0
    data = json.loads(out)
    assert data["source"] == "GROUND-TRUTH POSES, matching alone"
    assert data["total"]["MOT"]["mota"][-1] == pytest.approx(100)
    assert data["settings"]["run"]["track_options"]["flow"] == "none"
    code, _, err = run(capsys, *words)
    assert code == 1
    assert "exists already; --force replaces it" in err
    _, out, _ = run(capsys, *words, "--force", "--track", "flow=none")
    tables = [line for line in out.splitlines() if "(protocol" in line]
    assert all("GROUND-TRUTH POSES, matching alone" in line for line in tables)


def test_the_tracker_runs_over_a_dataset_on_true_boxes(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "--model",
        dataset / "tiny.safetensors",
        "--images",
        dataset,
        "--boxes",
        "truth",
        "--track",
        "flow=none",
    )
    few = (
        "--track",
        "min_joint_score=0",
        "--track",
        "min_pose_score=0",
        "--track",
        "min_new_score=0",
        "--no-flip",
    )
    files = (dataset / "labels", tmp_path / "pred")
    code, out, err = run(capsys, "posetrack", *files, *words, *few, "--protocol", "corrected")
    assert code == 0, err
    assert "GROUND-TRUTH BOXES, not end to end" in out
    written = sorted(p.name for p in (tmp_path / "pred").iterdir())
    assert written == ["000001_made.json", "000002_made.json"]
    content = json.loads((tmp_path / "pred" / "000001_made.json").read_text())
    assert [image["file_name"][-10:] for image in content["images"]] == [
        f"{f:06d}.png" for f in range(4)
    ]


def test_coco_with_a_model(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = json.loads((dataset / "labels" / "000001_made.json").read_text())
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    words = (
        "coco",
        tmp_path / "gt.json",
        tmp_path / "out.json",
        "--model",
        dataset / "tiny.safetensors",
    )
    code, out, err = run(
        capsys, *words, "--images", dataset, "--six-scales", "--json", "--batch-size", 4
    )
    assert code == 0, err
    data = json.loads(out)
    assert data["settings"]["boxes"] == "truth"
    assert data["settings"]["scale_factors"] == list(PYRAMID)
    assert len(json.loads((tmp_path / "out.json").read_text())) > 0


def test_options_that_would_do_nothing(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(
        capsys, "posetrack", dataset / "labels", dataset / "labels", "--boxes", "truth"
    )
    assert (code, err) == (2, "Error: --boxes and --images only matter with --model.\n")
    words = (
        "posetrack",
        dataset / "labels",
        tmp_path / "x",
        "--images",
        dataset,
        "--boxes",
        "poses",
    )
    code, _, err = run(capsys, *words, "--track", "memry=3")
    assert code == 2
    assert "did you mean 'memory'" in err
    assert run(capsys, *words, "--track", "memory=few")[0] == 2
    code, _, err = run(capsys, "mpii", "gt.mat", "pred.npy", "--model", "lite")
    assert "written as JSON" in err
