"""Detectors: people only, pixels of the image given, sentences for wrong names and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from posetrack.detect import detectors as detect
from posetrack.detect.detectors import (
    FileBoxes,
    HogDetector,
    TorchvisionDetector,
    detect_frames,
    recognise_torchvision,
    torchvision_names,
)
from posetrack.errors import UsageError, WeightsError
from posetrack.inference.devices import full_batches
from posetrack.structures import Boxes, Frame
from posetrack.weights import load_detector

SSD = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def ssd_state() -> dict[str, torch.Tensor]:
    import torchvision

    torch.manual_seed(0)
    return torchvision.models.get_model(SSD, weights=None, weights_backbone=None).state_dict()


def _frames(count: int) -> list[Frame]:
    return [Frame(i, i / 25, np.full((48, 64, 3), i, np.uint8)) for i in range(count)]


def test_a_torchvision_detector_gives_people_of_each_image(ssd_state, monkeypatch) -> None:
    monkeypatch.setattr(detect, "HOPELESS_SCORE", 0.0)  # an untrained network believes in nothing
    detector = TorchvisionDetector(SSD, ssd_state, batch_size=2)
    images = [
        np.random.default_rng(i).integers(0, 255, (60 + i, 90, 3), np.uint8) for i in range(3)
    ]
    found = detector.detect(images)
    assert [type(boxes) for boxes in found] == [Boxes] * 3
    for image, boxes in zip(images, found, strict=True):
        assert (boxes.xyxy >= 0).all()
        assert (boxes.xyxy[:, [0, 2]] <= image.shape[1]).all()
        assert (boxes.xyxy[:, [1, 3]] <= image.shape[0]).all()


def test_the_company_of_an_image_does_not_change_its_boxes(ssd_state, monkeypatch) -> None:
    monkeypatch.setattr(detect, "HOPELESS_SCORE", 0.0)
    detector = TorchvisionDetector(SSD, ssd_state)
    images = [np.random.default_rng(i).integers(0, 255, (60, 90, 3), np.uint8) for i in range(2)]
    for image, boxes in zip(images, detector.detect(images), strict=True):
        [alone] = detector.detect([image])
        np.testing.assert_array_equal(boxes.xyxy, alone.xyxy)
        np.testing.assert_array_equal(boxes.score, alone.score)


def test_batches_have_one_size_whatever_their_number() -> None:
    assert list(full_batches("abc", 2, "cuda:0")) == [(["a", "b"], 2), (["c", "c"], 1)]
    assert list(full_batches("ab", 2, "cpu")) == [(["a"], 1), (["b"], 1)]
    assert list(full_batches("", 2, "cuda")) == []


def test_only_label_1_above_the_hopeless_score_is_a_person() -> None:
    result = {
        "boxes": torch.tensor([[0.0, 0, 4, 8], [1, 1, 5, 9], [2, 2, 6, 10]]),
        "labels": torch.tensor([1, 18, 1]),
        "scores": torch.tensor([0.9, 0.99, 0.01]),
    }
    people = detect._people(result)
    np.testing.assert_array_equal(people.xyxy, [[0, 0, 4, 8]])
    np.testing.assert_allclose(people.score, [0.9])


def test_building_a_detector_downloads_nothing(ssd_state, monkeypatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    TorchvisionDetector(SSD, ssd_state)


def test_names_and_weights_are_checked(ssd_state) -> None:
    assert {"fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2", SSD} <= set(
        torchvision_names()
    )
    with pytest.raises(
        UsageError,
        match=r"Unknown detector 'fasterrcnn_resnet50'.*Known: .*fasterrcnn_resnet50_fpn",
    ):
        TorchvisionDetector("fasterrcnn_resnet50", {})
    with pytest.raises(WeightsError, match=f"not weights of {SSD}"):
        TorchvisionDetector(SSD, {"a": torch.zeros(1)})


def test_hog_finds_nobody_in_an_empty_picture_of_any_size() -> None:
    found = HogDetector().detect(
        [np.zeros((20, 900, 3), np.uint8), np.full((300, 200, 3), 99, np.uint8)]
    )
    assert [len(boxes) for boxes in found] == [0, 0]


def test_hog_boxes_come_back_in_the_pixels_of_the_image(monkeypatch) -> None:
    detector = HogDetector()

    class Fixed:
        def detectMultiScale(self, image, **_):  # noqa: N802 - OpenCV's name
            assert image.shape == (360, 640)
            return np.array([[10, 20, 64, 128]]), np.array([0.0])

    monkeypatch.setattr(detector, "_hog", Fixed())
    boxes = detector.detect([np.zeros((720, 1280, 3), np.uint8)])[0]
    np.testing.assert_allclose(boxes.xyxy, [[52, 72, 116, 264]])  # without the window's margin
    np.testing.assert_allclose(boxes.score, [0.5])


def test_boxes_of_a_file_are_looked_up_by_frame() -> None:
    boxes = Boxes([[0, 0, 5, 5]], [0.7])
    found = detect_frames(FileBoxes({1: boxes}), _frames(3))
    assert [len(b) for b in found] == [0, 1, 0]
    assert found[1] is boxes


def test_no_frames_no_call() -> None:
    class Never:
        def detect(self, images):
            raise AssertionError

    assert detect_frames(Never(), []) == []


def test_a_torchvision_state_dict_is_told_by_its_tensors(tmp_path: Path) -> None:
    torch.manual_seed(0)
    build = torchvision.models.get_model
    net = build("ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None)
    torch.save({"model": net.state_dict(), "epoch": 3}, tmp_path / "mine.pth")
    detector = load_detector(tmp_path / "mine.pth", device="cpu")
    assert isinstance(detector, TorchvisionDetector)
    assert len(detector.detect([np.zeros((64, 64, 3), np.uint8)])) == 1
    with torch.device("meta"):
        twin = build("fasterrcnn_mobilenet_v3_large_fpn", weights=None, weights_backbone=None)
    assert recognise_torchvision(twin.state_dict()) == [
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "fasterrcnn_mobilenet_v3_large_fpn",
    ]


def test_a_file_of_which_nothing_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="no torchvision detector by the names"):
        load_detector(tmp_path / "other.pth", device="cpu")
    with pytest.raises(WeightsError, match="These are not weights of ssdlite"):
        load_detector(tmp_path / "other.pth", device="cpu", net="ssdlite320_mobilenet_v3_large")
    monkeypatch.setattr(detect, "recognise_torchvision", lambda state: ["one", "two"])
    with pytest.raises(WeightsError, match="one or two; say which with --detector-net"):
        load_detector(tmp_path / "other.pth", device="cpu")
