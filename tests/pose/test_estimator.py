"""Pose estimation: geometry end to end, equality with the plain one-by-one procedure, batches,
folding, bad input.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from posetrack import geometry, heatmaps
from posetrack.errors import UsageError
from posetrack.inference import devices
from posetrack.inference.folding import fold_batch_norm
from posetrack.nets import build
from posetrack.oks import rescore
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import POSETRACK_15, make_skeleton
from posetrack.structures import Boxes, InputSpec

SPEC = InputSpec((96, 128))
SMALL = {"width": 8, "modules": (1, 1, 1), "blocks": 1, "stem": 16, "stem_blocks": 1}
DOTS = make_skeleton("dots", ("red", "green", "blue"), limbs=())


def randomise(net: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and batch-norm statistics that make every layer matter."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(module.weight, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2, generator=generator)
            module.running_var.uniform_(0.6, 1.4, generator=generator)
    return net


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return randomise(build("hrnet_w32", joints=15, **SMALL))


@pytest.fixture(scope="module")
def people() -> tuple[list[np.ndarray], list[Boxes]]:
    """Three images of different sizes with 3, 0 and 2 people; one box lies partly outside."""
    rng = np.random.default_rng(0)
    small = [rng.integers(0, 255, (12, 16, 3), dtype=np.uint8) for _ in range(3)]
    images = [
        im.repeat(20 + 5 * i, axis=0).repeat(20 + 5 * i, axis=1) for i, im in enumerate(small)
    ]
    boxes = [
        Boxes(
            np.array([[10, 10, 100, 200], [50, 5, 120, 130], [-30, 100, 60, 300]]),
            np.array([0.9, 0.8, 0.4]),
        ),
        Boxes.empty(),
        Boxes(np.array([[200, 40, 420, 300], [30, 30, 60, 200]]), np.array([1.0, 0.5])),
    ]
    return images, boxes


class Pooled(nn.Module):
    """The "network" whose heatmaps are the colour channels of its input, brought back to 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(SPEC.std).view(1, 3, 1, 1))
        self.shift = nn.Parameter(torch.tensor(SPEC.mean).view(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = nn.functional.avg_pool2d(x * self.gain + self.shift, 4)
        return [torch.zeros_like(maps), maps]  # with intermediate supervision the last one counts


def dots_image(points: np.ndarray) -> np.ndarray:
    """A blurred dot of each colour at ``points`` (3, 2)."""
    y, x = np.mgrid[:240, :320]
    channels = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 6.0**2)) for px, py in points]
    return (np.stack(channels, axis=2) * 255).astype(np.uint8)


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("decode", ["quarter", "dark", "smooth"])
def test_dots_are_found_where_they_are(flip_test: bool, decode: str) -> None:
    # The boxes have the input's zoom: 4 image pixels a heatmap pixel. The shift of the flip test
    # presumes a network trained with the official targets; this one is off by the half heatmap
    # pixel between cell corner and cell centre.
    points = np.array(
        [[[130.0, 90], [170, 130], [150, 160]], [[121.0, 103], [163, 91], [177, 171]]]
    )
    box = Boxes(np.array([[150 - 38.4, 125 - 51.2, 150 + 38.4, 125 + 51.2]]), np.array([0.5]))
    estimator = PoseEstimator(
        Pooled(), SPEC, DOTS, device="cpu", flip_test=flip_test, decode=decode
    )
    found = estimator.estimate([dots_image(p) for p in points], [box, box])
    for pose, truth in zip(found, points, strict=True):
        assert np.abs(pose.xy[0] - truth).max() < 3.0
        assert (pose.score > 0.8).all()
        assert pose.boxes.score[0] == pytest.approx(0.5 * pose.score.mean(), rel=1e-5)


@pytest.mark.parametrize("flip_test", [False, True])
def test_equals_the_plain_procedure_one_by_one(net: nn.Module, people, flip_test: bool) -> None:
    images, boxes = people
    poses = PoseEstimator(
        net, SPEC, POSETRACK_15, device="cpu", precision="float32", flip_test=flip_test
    ).estimate(images, boxes)
    assert [len(p) for p in poses] == [3, 0, 2]
    net.eval()
    for image, found in zip(images, poses, strict=True):
        for i, box in enumerate(found.boxes.xyxy):
            center, scale = geometry.box_to_center_scale(box[None], SPEC.size_wh)
            crop = geometry.crop_image(
                image, geometry.crop_affine(center, scale, SPEC.size_wh)[0], SPEC.size_wh
            )
            x = torch.from_numpy(
                ((crop / 255 - SPEC.mean) / SPEC.std).astype(np.float32).transpose(2, 0, 1)[None]
            )
            with torch.no_grad():
                maps, mirrored = net(x).numpy(), net(x.flip(3)).numpy()
            if flip_test:
                maps = heatmaps.flip_average(maps, mirrored, POSETRACK_15.flip_order)
            points, score = heatmaps.decode(maps, "quarter")
            xy = geometry.heatmap_to_image(points, center, scale, (24, 32))
            np.testing.assert_allclose(
                found.score[i], score[0], rtol=1e-4, atol=1e-4 * np.abs(maps).max()
            )
            np.testing.assert_allclose(found.xy[i], xy[0], atol=1e-3)


def test_batching_changes_nothing(net: nn.Module, people) -> None:
    images, boxes = people
    estimator = PoseEstimator(
        net, SPEC, POSETRACK_15, device="cpu", precision="float32", batch_size=8
    )
    together = estimator.estimate(images, boxes)
    for image, given, found in zip(images, boxes, together, strict=True):
        for i in range(len(given)):
            (alone,) = estimator.estimate([image], [given[[i]]])
            np.testing.assert_array_equal(alone.xy, found.xy[[i]])
            np.testing.assert_array_equal(alone.score, found.score[[i]])
    (first,) = estimator.estimate(images[:1], boxes[:1])
    np.testing.assert_array_equal(first.score, together[0].score)


def test_batch_sizes_that_disagree_are_not_used(
    net: nn.Module, people, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, boxes = people
    estimator = PoseEstimator(
        net, SPEC, POSETRACK_15, device="cpu", precision="float32", batch_size=8
    )
    plain, shapes = estimator._forward, []

    def forward(crops: np.ndarray) -> np.ndarray:
        shapes.append(len(crops))
        return plain(crops) + (1e-7 if len(crops) in (1, 2) else 0)

    monkeypatch.setattr(estimator, "_forward", forward)
    assert estimator.full_size(1) > 2
    assert estimator.full_size(8) == 8
    shapes.clear()
    estimator.estimate(images[:1], [boxes[0][:1]])
    assert shapes == [estimator.full_size(1)]


def test_bfloat16_stays_near_float32(net: nn.Module, people) -> None:
    images, boxes = people
    options = {"device": "cpu", "batch_size": 8}
    full = PoseEstimator(net, SPEC, POSETRACK_15, precision="float32", **options)
    half = PoseEstimator(net, SPEC, POSETRACK_15, precision="bfloat16", **options)
    crops = np.random.default_rng(1).integers(0, 255, (2, 128, 96, 3), dtype=np.uint8)
    a, b = full.heatmaps(crops), half.heatmaps(crops)
    assert b.dtype == np.float32
    assert np.abs(a - b).max() < 0.05 * np.abs(a).max()
    assert [len(p) for p in half.estimate(images, boxes)] == [3, 0, 2]


def test_rescoring_is_the_official_one(net: nn.Module, people) -> None:
    images, boxes = people
    poses = PoseEstimator(net, SPEC, POSETRACK_15, device="cpu").estimate(images, boxes)
    for given, found in zip(boxes, poses, strict=True):
        np.testing.assert_array_equal(given.xyxy, found.boxes.xyxy)
        np.testing.assert_allclose(found.boxes.score, rescore(found.score, given.score), rtol=1e-6)


def test_nobody_means_no_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: np.ndarray) -> np.ndarray:
        raise AssertionError("the network was run")

    estimator = PoseEstimator(nn.Conv2d(3, 15, 1), SPEC, POSETRACK_15, device="cpu")
    monkeypatch.setattr(estimator, "_forward", never)
    image = np.zeros((10, 10, 3), np.uint8)
    assert [len(p) for p in estimator.estimate([image], [Boxes.empty()])] == [0]
    assert estimator.estimate([], []) == []


def test_boxes_without_size_give_absent_poses(net: nn.Module) -> None:
    nan = float("nan")
    boxes = Boxes(np.array([[nan] * 4, [5, 5, 5, 5], [9, 9, 2, 2], [2, 2, 40, 60]]), np.ones(4))
    (poses,) = PoseEstimator(net, SPEC, POSETRACK_15, device="cpu").estimate(
        [np.zeros((64, 64, 3), np.uint8)], [boxes]
    )
    assert poses.present.any(axis=1).tolist() == [False, False, False, True]
    assert poses.boxes.score[:3].tolist() == [0, 0, 0]


def test_the_callers_network_stays_as_it_is(net: nn.Module) -> None:
    net.train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    PoseEstimator(net, SPEC, POSETRACK_15, device="cpu", precision="bfloat16")
    assert net.training
    after = net.state_dict()
    assert list(before) == list(after)
    assert all(
        torch.equal(before[k], after[k]) and before[k].dtype == after[k].dtype for k in before
    )


def test_names_that_do_not_exist(net: nn.Module) -> None:
    for option, known in (
        ({"decode": "best"}, "dark"),
        ({"device": "tpu"}, "cuda"),
        ({"precision": "int8"}, "bfloat16"),
    ):
        with pytest.raises(UsageError, match=known):
            PoseEstimator(net, SPEC, POSETRACK_15, **{"device": "cpu", **option})
    with pytest.raises(ValueError, match="batch_size"):
        PoseEstimator(net, SPEC, POSETRACK_15, device="cpu", batch_size=0)


def test_wrong_joint_count_and_lengths(net: nn.Module) -> None:
    image, box = np.zeros((64, 64, 3), np.uint8), Boxes(np.array([[2, 2, 40, 60]]), np.ones(1))
    with pytest.raises(ValueError, match="dots has 3 joints, but the network gives 15"):
        PoseEstimator(net, SPEC, DOTS, device="cpu", flip_test=False).estimate([image], [box])
    with pytest.raises(ValueError, match="1 images, but 2"):
        PoseEstimator(net, SPEC, POSETRACK_15, device="cpu").estimate([image], [box, box])


# --- devices
# --------------------------------------------------------------------------------------------------


def test_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_native_bfloat16", lambda: False)
    assert devices.pick_precision(torch.device("cpu")) == torch.float32
    monkeypatch.setattr(devices, "has_native_bfloat16", lambda: True)
    assert devices.pick_precision(torch.device("cpu")) == torch.bfloat16
    assert devices.pick_precision(torch.device("cpu"), "float32") == torch.float32
    assert devices.pick_precision(torch.device("cuda")) == torch.float16
    assert devices.pick_precision(torch.device("mps")) == torch.float32


def test_bfloat16_is_read_from_the_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False}, raising=False
    )
    assert not devices.has_native_bfloat16()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert devices.has_native_bfloat16()
    monkeypatch.setattr(devices.platform, "machine", lambda: "aarch64")
    assert not devices.has_native_bfloat16()


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no cuda device"):
        devices.pick_device("cuda:1")
    assert devices.pick_device(torch.device("cpu")).type == "cpu"


# --- folding
# --------------------------------------------------------------------------------------------------


def norms(net: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())


def test_all_norms_of_hrnet_are_folded(net: nn.Module) -> None:
    folded = fold_batch_norm(randomise(build("hrnet_w32", joints=15, **SMALL)))
    assert norms(folded) == 0 < norms(net)
    x = torch.randn(2, 3, 128, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net.eval()(x)
        torch.testing.assert_close(
            folded(x), expected, rtol=0, atol=1e-5 * float(expected.abs().max())
        )


def test_transposed_convolutions_fold_too() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.ConvTranspose2d(4, 6, 4, 2, 1, bias=False), nn.BatchNorm2d(6)
    )
    randomise(net)
    x = torch.randn(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net.eval()(x)
        torch.testing.assert_close(fold_batch_norm(net)(x), expected)
    assert norms(net) == 0


class Shared(nn.Module):
    """One convolution before two norms: not to be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.a, self.b = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"a": self.a(self.conv(x)), "b": self.b(self.conv(x.flip(3)))}


class UsedTwice(nn.Module):
    """The raw output of the convolution is used beside the norm's: a fold is undone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return self.norm(y) + y


@pytest.mark.parametrize("kind", [Shared, UsedTwice])
def test_what_cannot_be_folded_is_left(kind: type[nn.Module]) -> None:
    net = randomise(kind())
    count = norms(net)
    assert norms(fold_batch_norm(net)) == count
