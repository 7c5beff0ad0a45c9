"""The detector's network, its decoding, its loss, its data and its inference."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from stick_people import drawn_person

from posetrack import assemble
from posetrack.assemble import build_detector
from posetrack.checkpoints import ModelSpec, read_spec, read_state, save
from posetrack.detect.bundled import BundledDetector, letterbox
from posetrack.detect.cells import cell_boxes, cell_scores
from posetrack.errors import InputError, UsageError
from posetrack.geometry import iou_matrix
from posetrack.inference.quantisation import calibrate
from posetrack.nets import build
from posetrack.nets.person_detector import PersonDetector, cell_centers, decode_boxes
from posetrack.options import TrackOptions
from posetrack.samples.boxes import (
    JOINTS,
    BoxImage,
    joint_boxes,
    merge_sources,
    read_box_images,
    taught,
)
from posetrack.samples.mosaics import IGNORED, TRUSTED, UNKNOWN, MosaicSampler, Picture
from posetrack.samples.silhouettes import silhouette
from posetrack.structures import Boxes, InputSpec
from posetrack.training.detector_loss import Targets, assign, detector_loss, giou, joint_targets
from posetrack.weights import load_detector

TINY = {"channels": (8, 8, 16, 24, 32), "blocks": (0, 1, 1, 1), "width": 16, "depth": 1}


def tiny(**args: object) -> PersonDetector:
    torch.manual_seed(0)
    return PersonDetector(**TINY, **args)  # type: ignore[arg-type]


def detector(net: torch.nn.Module, side: int = 128, **args: object) -> BundledDetector:
    spec = ModelSpec("person_detector", {}, "detect", InputSpec((side, side)))
    return BundledDetector(net, spec, device="cpu", **args)  # type: ignore[arg-type]


@pytest.mark.parametrize("wh", [(64, 64), (96, 64), (160, 224)])
def test_forward_shapes(wh):
    net = tiny(joints=14)
    images = torch.zeros(2, 3, wh[1], wh[0])
    logits, sides, heatmaps = net.train()(images)
    cells = sum((wh[0] // s) * (wh[1] // s) for s in (8, 16, 32))
    assert logits.shape == (2, cells)
    assert sides.shape == (2, cells, 4)
    assert heatmaps is not None
    assert heatmaps.shape == (2, 14, wh[1] // 8, wh[0] // 8)
    assert net.eval()(images)[2] is None
    centers, strides = cell_centers(wh)
    assert centers.shape == (cells, 2)
    assert strides.shape == (cells,)


def test_table_builds_it():
    assert isinstance(build("person_detector", **TINY), PersonDetector)


def test_cells_and_decoding_are_exact():
    centers, strides = cell_centers((64, 32))
    assert centers[0].tolist() == [3.5, 3.5]
    assert centers[1].tolist() == [11.5, 3.5]
    assert centers[8].tolist() == [3.5, 11.5]
    assert centers[-1].tolist() == [47.5, 15.5]
    assert strides[-1] == 32
    sides = torch.log(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).expand(len(centers), 4)
    assert torch.allclose(
        decode_boxes(sides, centers, strides)[0], torch.tensor([-4.5, -12.5, 27.5, 35.5])
    )
    assert torch.isfinite(decode_boxes(torch.full((len(centers), 4), 1e4), centers, strides)).all()


class Constructed(torch.nn.Module):
    """Says what it is told: logits and boxes for one input shape."""

    def __init__(self, wh, says):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.centers, self.strides = cell_centers(wh)
        self.logits = torch.full((1, len(self.strides)), -20.0)
        self.sides = torch.zeros(1, len(self.strides), 4)
        for cell, box, logit in says:
            reach = torch.cat(
                (
                    self.centers[cell] - torch.tensor(box[:2]),
                    torch.tensor(box[2:]) - self.centers[cell],
                )
            )
            self.sides[0, cell] = (reach / self.strides[cell]).log()
            self.logits[0, cell] = logit

    def forward(self, x):
        return self.logits.expand(len(x), -1), self.sides.expand(len(x), -1, -1), None


def test_boxes_come_back_in_image_pixels_without_repeats(monkeypatch):
    monkeypatch.setattr("posetrack.inference.folding.fold_batch_norm", lambda net: net)
    says = [
        (9, [2.0, 1.0, 30.0, 60.0], 2.0),
        (10, [3.0, 1.0, 31.0, 60.0], 1.0),
        (13, [33.0, 4.0, 60.0, 60.0], 0.0),
    ]
    says.append((20, [0.0, 0.0, 50.0, 50.0], -4.0))  # hopeless
    boxes = detector(Constructed((64, 64), says), 64).detect([np.zeros((128, 128, 3), np.uint8)])[0]
    assert np.allclose(boxes.xyxy, [[4.5, 2.5, 60.5, 120.5], [66.5, 8.5, 120.5, 120.5]], atol=1e-3)
    assert np.allclose(boxes.score, [1 / (1 + np.exp(-2)), 0.5])


def test_nobody_in_nothing():
    net = tiny()
    torch.nn.init.constant_(net.head.score.bias, -9.0)
    found = detector(net).detect(
        [np.zeros((0, 0, 3), np.uint8), np.full((90, 120, 3), 128, np.uint8)]
    )
    assert [len(boxes) for boxes in found] == [0, 0]
    assert detector(tiny()).detect([]) == []


@pytest.mark.parametrize("shape", [(1, 1), (7, 300), (301, 5), (241, 427), (128, 128)])
def test_odd_sizes(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    boxed, scale = letterbox(image, 128)
    assert boxed.shape[0] % 32 == 0
    assert boxed.shape[1] % 32 == 0
    assert max(boxed.shape) == 128
    assert scale == 128 / max(shape)
    boxes = detector(tiny(), min_score=0.001).detect([image])[0]
    assert (boxes.xyxy >= 0).all()
    assert (boxes.xyxy[:, 2] <= shape[1]).all()
    assert (boxes.xyxy[:, 3] <= shape[0]).all()


def test_a_batch_gives_what_single_images_give():
    rng = np.random.default_rng(1)
    images = [
        rng.integers(0, 256, (*hw, 3), np.uint8)
        for hw in [(90, 120), (120, 90), (45, 60), (90, 120), (64, 128)]
    ]
    net = tiny()
    torch.nn.init.constant_(net.head.score.bias, 0.0)
    one = detector(net, batch_size=2)
    together, apart = one.detect(images), [one.detect([image])[0] for image in images]
    for a, b in zip(together, apart, strict=True):
        assert len(a) == len(b) > 0
        np.testing.assert_array_equal(a.xyxy, b.xyxy)
        np.testing.assert_array_equal(a.score, b.score)


def test_giou_of_known_boxes():
    a = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 1.0, 1.0]])
    b = torch.tensor([[0.0, 0.0, 2.0, 2.0], [2.0, 0.0, 3.0, 1.0]])
    assert torch.allclose(giou(a, b), torch.tensor([1.0, -1 / 3]))


def test_assignment_takes_the_best_cells_inside():
    centers, _strides = cell_centers((64, 64))
    people = torch.tensor([[[8.0, 8.0, 40.0, 56.0], [0.0, 0.0, 0.0, 0.0]]])
    boxes = people[:, :1].expand(1, len(centers), 4)
    given = assign(torch.full((1, len(centers)), 0.5), boxes, people, centers)
    taken = given.person[0] >= 0
    x, y = centers[taken].T
    assert 9 <= int(taken.sum()) <= 12
    assert ((x > 8) & (x < 40) & (y > 8) & (y < 56)).all()
    assert given.score.max() == pytest.approx(1.0)
    assert set(given.person[0].tolist()) == {0, -1}
    nobody = assign(torch.rand(1, len(centers)), boxes, torch.zeros(1, 1, 4), centers)
    assert (nobody.person == -1).all()
    assert (nobody.score == 0).all()


@pytest.mark.parametrize(("value", "order"), [(IGNORED, 0.0), (UNKNOWN, 0.1), (TRUSTED, 1.0)])
def test_ground_decides_what_a_false_alarm_costs(value, order):
    centers, strides = cell_centers((64, 64))
    ground = torch.full((1, 8, 8), value, dtype=torch.uint8)
    targets = Targets(
        torch.zeros(1, 1, 4), ground, torch.zeros(1, 14, 8, 8), torch.ones(1, 14, 8, 8)
    )
    alarm = torch.full((1, len(centers)), 2.0)
    loss = detector_loss(alarm, torch.zeros(1, len(centers), 4), targets, centers, strides)[0]
    p = torch.sigmoid(torch.tensor(2.0))
    full = len(centers) * p.square() * torch.nn.functional.softplus(torch.tensor(2.0))
    assert float(loss) == pytest.approx(order * float(full), rel=1e-4)


def test_joint_boxes_reach_beyond_the_joints():
    person = drawn_person(96, 48, 10, 70, 30)
    low, high = np.nanmin(person.joints[0], axis=0), np.nanmax(person.joints[0], axis=0)
    assert (person.boxes[0, :2] < low).all()
    assert (person.boxes[0, 2:] > high).all()
    assert person.boxes[0, 3] - high[1] < 0.2 * 70
    few = np.where(np.arange(14)[:, None] < 12, person.joints, np.nan)  # no head: still a box
    assert np.isfinite(joint_boxes(few.astype(np.float32))).all()


def test_pictures_are_sound_and_repeatable():
    singles = [drawn_person(96, 48, 10, 70, c) for c in (0, 80)]
    singles = [BoxImage("one", p.image, p.boxes, p.joints, False) for p in singles]
    scenes = [
        drawn_person(200, 60, 40, 100, 200),
        BoxImage(
            "empty",
            singles[0].image,
            np.zeros((0, 4), np.float32),
            np.zeros((0, 14, 2), np.float32),
            True,
        ),
    ]
    sampler, again = MosaicSampler(singles, scenes, 7), MosaicSampler(singles, scenes, 7)
    people = 0
    for _ in range(40):
        picture, same = sampler.draw(128), again.draw(128)
        assert np.array_equal(picture.image, same.image)
        assert np.array_equal(picture.boxes, same.boxes)
        assert picture.image.shape == (128, 128, 3)
        assert picture.ground.shape == (16, 16)
        assert picture.boxes.shape == (len(picture.joints), 4)
        assert (picture.boxes >= 0).all()
        assert (picture.boxes <= 127).all()
        assert ((picture.boxes[:, 2:] - picture.boxes[:, :2]).max(axis=1) >= 12).all()
        known = picture.joints[~np.isnan(picture.joints)]
        assert ((known >= 0) & (known <= 127)).all()
        people += len(picture.boxes)
    assert people > 60
    with pytest.raises(ValueError, match="no images"):
        MosaicSampler([], [])


def test_a_silhouette_covers_the_body_and_little_else():
    joints = drawn_person(128, 64, 10, 100, 0).joints[0]
    shape = silhouette(joints, np.array([4, 2]), (110, 120))
    assert shape is not None
    assert shape.shape == (120, 110)
    at = (joints - [4, 2]).round().astype(int)
    assert (shape[at[:12, 1], at[:12, 0]] > 0.5).all()
    ys, xs = np.nonzero(shape > 0.5)
    box = joint_boxes(joints[None])[0] - [4, 2, 4, 2]
    assert (np.array([xs.min(), ys.min()]) >= box[:2] - 4).all()
    assert (np.array([xs.max(), ys.max()]) <= box[2:] + 4).all()
    assert 0.2 < (shape > 0.5).sum() / (box[2:] - box[:2]).prod() < 0.7
    joints[3] = np.nan
    assert silhouette(joints, np.zeros(2), (128, 128)) is None


def test_a_pasted_shape_hides_what_lies_under_it_only():
    picture = Picture(np.zeros((64, 64, 3), np.uint8), np.zeros((8, 8), np.uint8))
    picture.boxes = np.array([[0, 0, 20, 40], [30, 0, 50, 40]], np.float32)
    picture.joints = np.tile(np.array([[[10, 10]], [[40, 10]]], np.float32), (1, 14, 1))
    shape = np.zeros((60, 60), bool)
    shape[:, :24] = True
    shape[5:15, 35:45] = True
    MosaicSampler._cover(picture, (0, 0, 60, 60), shape)
    assert picture.boxes.tolist() == [[30, 0, 50, 40]]
    assert np.isnan(picture.joints).all()  # the remaining person's joints lie under the paste
    assert picture.ground[0, 0] == IGNORED
    assert picture.ground[0, 5] == TRUSTED


def test_joint_targets_peak_on_the_joint_and_mask_the_unknown():
    person = drawn_person(128, 64, 10, 100, 0)
    joints = person.joints.copy()
    joints[0, 3] = np.nan
    heat, weight = joint_targets(
        Picture(person.image, np.zeros((16, 16), np.uint8), person.boxes, joints)
    )
    x, y = (joints[0, 0] // 8).astype(int)
    assert heat[0, y, x] == 1
    assert heat[3].max() == 0
    assert weight[3, 8, 8] == 0
    assert weight[0, 8, 8] == 1
    assert weight[3, 0, 0] == 1


def test_weights_make_the_round_trip(tmp_path):
    net = tiny()
    state = {
        k: v.half() if v.is_floating_point() and v.ndim > 1 else v
        for k, v in net.state_dict().items()
    }
    save(
        tmp_path / "d.safetensors",
        state,
        ModelSpec("person_detector", TINY, "detect", InputSpec((416, 416))),
    )
    spec = read_spec(tmp_path / "d.safetensors")
    again = build(spec.net, **spec.net_args)
    again.load_state_dict(read_state(tmp_path / "d.safetensors"))
    assert spec.task == "detect"
    assert next(again.parameters()).dtype == torch.float32


def write_labels(folder, name, boxes, keypoints=None):
    category = {"id": 1, "name": "person"} | (
        {"keypoints": list(JOINTS.joints)} if keypoints else {}
    )
    people = [{"id": i, "image_id": 1, "bbox": b} for i, b in enumerate(boxes)]
    for person, points in zip(people, keypoints or [], strict=False):
        person["keypoints"] = points
    images = [{"id": 1, "file_name": "a.png"}]
    (folder / name).write_text(
        json.dumps({"images": images, "annotations": people, "categories": [category]})
    )
    return folder / name


def test_label_files(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 50, 3), np.uint8))
    points = [10.0, 20.0, 2.0] * 13 + [0.0, 0.0, 0.0]
    boxed = read_box_images(
        write_labels(tmp_path, "b.json", [[5, 5, 10, 20], [30, 5, 10, 10]]),
        [tmp_path],
        complete=True,
    )
    partial = read_box_images(
        write_labels(tmp_path, "k.json", [[5, 5, 10, 21]], [points]), [tmp_path], complete=False
    )
    assert boxed[0].boxes.tolist() == [[5, 5, 15, 25], [30, 5, 40, 15]]
    assert np.isnan(boxed[0].joints).all()
    assert np.isnan(partial[0].joints[0, 13]).all()
    assert partial[0].joints[0, 0].tolist() == [10, 20]
    merged = merge_sources(boxed, partial)
    assert len(merged) == 1
    assert merged[0].complete
    assert merged[0].joints[0, 0].tolist() == [10, 20]
    assert np.isnan(merged[0].joints[1]).all()


def test_bad_label_files(tmp_path):
    with pytest.raises(InputError, match="check the path"):
        read_box_images(tmp_path / "none.json", [tmp_path], complete=True)
    labels = write_labels(tmp_path, "b.json", [])
    with pytest.raises(InputError, match="None of the images"):
        read_box_images(labels, [tmp_path], complete=True)
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="cannot be decoded"):
        read_box_images(labels, [tmp_path], complete=True)
    with pytest.raises(InputError, match="tar"):
        read_box_images(labels, [tmp_path / "a.png"], complete=True)


def test_a_teachers_boxes_stand_beside_the_labels() -> None:
    """Sure ones are people, the labelled one takes its box, doubtful ones are ignored ground."""
    one = drawn_person(200, 60, 40, 100, 200)
    label = one.boxes[0]
    single = BoxImage("one", one.image, one.boxes, one.joints, False)
    near, far, doubtful = label + np.array([2, -3, 2, 3]), [150, 20, 180, 90], [10, 120, 40, 190]
    rows = [[*near, 0.9], [*far, 0.7], [*doubtful, 0.3], [5, 5, 15, 30, 0.12]]
    [found] = taught([single], {"one": rows}, joints_only=True)
    assert found.complete
    np.testing.assert_allclose(found.boxes, [near, far], rtol=1e-6)
    np.testing.assert_allclose(found.doubtful, [doubtful])
    assert found.joints.shape == (2, len(JOINTS), 2)
    assert np.isnan(found.joints[1]).all()
    sampler = MosaicSampler([], [found], seed=1)
    grounds = [sampler.draw(128).ground for _ in range(30)]
    assert any((ground == IGNORED).any() for ground in grounds)
    assert not any((ground == UNKNOWN).any() for ground in grounds)


def test_cells_without_torch_are_those_of_training():
    generator = torch.Generator().manual_seed(0)
    for wh in ((64, 32), (384, 224)):
        centers, strides = cell_centers(wh)
        sides = torch.randn(2, len(strides), 4, generator=generator) * 3
        expected = decode_boxes(sides, centers, strides).numpy()
        np.testing.assert_allclose(cell_boxes(sides.numpy(), wh), expected, rtol=1e-5, atol=1e-4)
    logits = torch.linspace(-200, 200, 99)[None]
    np.testing.assert_allclose(cell_scores(logits.numpy()), logits.sigmoid().numpy(), 1e-6, 1e-30)


# --- as a user runs it ------------------------------------------------------------------------


@pytest.fixture
def on_disk(tmp_path):
    """A checkpoint with the ranges of its activations, as the bundled one has them."""
    net = tiny().eval()
    with torch.no_grad():
        net.head.score.bias.fill_(1.0)  # it finds people everywhere
    pictures = [
        torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(n)) for n in (1, 2)
    ]
    notes = {"int8": {k: list(v) for k, v in calibrate(net, pictures).items()}}
    spec = ModelSpec("person_detector", TINY, "detect", InputSpec((128, 128)), notes=notes)
    save(tmp_path / "tiny.safetensors", net.state_dict(), spec)
    return tmp_path / "tiny.safetensors"


def test_the_size_of_detection_is_the_users(on_disk):
    options = TrackOptions(detector=str(on_disk), device="cpu", runtime="torch")
    assert build_detector(options).long_side == 128
    assert build_detector(replace(options, detector_size=256)).long_side == 256
    with pytest.raises(UsageError, match="hog has a size of its own"):
        build_detector(replace(options, detector="hog", detector_size=256))


def test_small_people_are_looked_at_again_in_more_detail(monkeypatch):
    notes = {"first_side": 128}
    spec = ModelSpec("person_detector", {}, "detect", InputSpec((256, 256)), notes=notes)
    found = BundledDetector(tiny(), spec, device="cpu", runtime="torch")
    sides = []

    def look(images, side):
        sides.append((side, [int(image[0, 0, 0]) for image in images]))
        height = {128: [10, 60], 256: [11, 61]}[side]
        return [Boxes([[0, 0, 8, height[int(image[0, 0, 0])]]], [0.9]) for image in images]

    monkeypatch.setattr(found, "_look", look)
    far, near = (np.full((100, 100, 3), value, np.uint8) for value in (0, 1))
    heights = [boxes.wh[0, 1] for boxes in found.detect([near, far, near])]
    assert heights == [60, 11, 60]
    assert sides == [(128, [1, 0, 1]), (256, [0])]


@pytest.mark.parametrize("quick", ["float32", "int8"])
def test_the_faster_number_format_detects(monkeypatch, tmp_path, on_disk, quick):
    """Found out once, by detecting; remembered beside the networks."""
    asked = []
    monkeypatch.setattr(assemble.weights, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(assemble, "has_native_int8", lambda: True)
    monkeypatch.setattr(assemble, "quickest", lambda jobs: asked.append(sorted(jobs)) or quick)
    options = TrackOptions(detector=str(on_disk), device="cpu", precision="auto")
    found = [build_detector(options).precision for _ in range(2)]
    assert found == [quick, quick]
    assert asked == [["float32", "int8"]]
    assert build_detector(replace(options, precision="float32")).precision == "float32"


def test_bytes_find_what_float32_finds(on_disk):
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    plain, bytewise = (
        load_detector(on_disk, "cpu", runtime="openvino", int8=int8).detect([image])[0]
        for int8 in (False, True)
    )
    assert len(plain) > 3
    overlap = iou_matrix(plain.xyxy, bytewise.xyxy).max(axis=1)
    assert np.median(overlap) > 0.8
