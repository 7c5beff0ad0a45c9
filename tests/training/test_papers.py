"""Training by the papers' recipes is training as the official code has it, restated here in short:
initial weights, samples, targets, loss, steps.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from people_on_disk import write_people
from tiny_net import tiny  # noqa: F401
from torch import Tensor, nn

from posetrack import nets
from posetrack.datasets import read
from posetrack.datasets.images import decode_image
from posetrack.samples.augment import PAPER
from posetrack.samples.crops import cut
from posetrack.samples.keypoints import Batch, Sampler, batch_count, who
from posetrack.samples.warp import Reach
from posetrack.skeletons import POSETRACK_15
from posetrack.training import losses
from posetrack.training.loop import learn, start
from posetrack.training.override import changed
from posetrack.training.pose import PoseTask
from posetrack.training.recipes import RECIPES, Stage
from posetrack.training.setup import load_data, read_sets, warn_of_targets

TINY = {"modules": [1, 1, 1], "blocks": 1, "stem": 16, "stem_blocks": 1}
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


# --- initial weights
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hrnet_w18", "simple_baseline_50", "lite_hrnet_18", "cpn_50"])
def test_pose_networks_start_with_a_standard_deviation_of_a_thousandth(name: str) -> None:
    torch.manual_seed(0)
    net = nets.build(name, joints=17)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            many = module.weight.numel()
            weight = module.weight.detach()
            assert abs(float(weight.std()) - 0.001) < 0.001 * 5 / math.sqrt(many)
            assert abs(float(weight.mean())) < 0.001 * 5 / math.sqrt(many)
            assert module.bias is None or not module.bias.any()


def test_recipes_say_how_weights_begin() -> None:
    task = PoseTask(POSETRACK_15, ())
    for name, std in (("coco", 0.001), ("finetune", math.sqrt(2 / (9 * 64)))):
        recipe = changed(RECIPES[name], {"net": "hrnet_w8"})
        run = start(recipe, task, torch.device("cpu"))
        conv2, head = (
            run.net.get_parameter(f"{n}.weight").detach() for n in ("conv2", "final_layer")
        )
        assert float(conv2.std()) == pytest.approx(std, rel=0.05)
        assert float(head.std()) == pytest.approx(0.001, rel=0.3)
    classes = start(
        changed(RECIPES["imagenet"], {"net": "hrnet_w18_cls"}),
        _Classes(),  # type: ignore[arg-type]
        torch.device("cpu"),
    )
    conv2 = classes.net.get_parameter("conv2.weight").detach()
    assert float(conv2.std()) == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.05)


class _Classes:
    def __init__(self) -> None:
        self.outputs = {"classes": 3}

    def __len__(self) -> int:
        return 1


# --- samples
# --------------------------------------------------------------------------------------------------


def test_nothing_that_can_be_seen_is_black_and_pixels_are_those_of_a_test(tmp_path: Path) -> None:
    """Crops in memory give the very samples that whole images give."""
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "im000.png"), rng.integers(30, 255, (900, 1200, 3), dtype=np.uint8))
    path = write_people(tmp_path, 1)
    cv2.imwrite(str(tmp_path / "im000.png"), rng.integers(30, 255, (900, 1200, 3), dtype=np.uint8))
    person = read(path).people[0]
    lying = np.array([430, 400, 770, 480], np.float32)  # 340 px wide in the middle of the picture
    spread = lying[:2] + (person.xy / (90, 120)) * (lying[2:] - lying[:2])
    person = replace(person, xyxy=lying, xy=spread.astype(np.float32))
    recipe = RECIPES["coco"]
    region = Reach(POSETRACK_15, ((recipe.stages[0].size_wh, recipe.padding, PAPER),))
    image = person.store.read(person.image)
    whole = replace(
        cut(image, person, None),
        image=image,
        xyxy=person.xyxy,
        xy=person.xy,
        offset=np.zeros(2, np.float32),
    )
    kept = cut(image, person, None, region)
    assert kept.zoom == 1
    assert kept.image.shape[:2] < image.shape[:2]
    samples = [
        Sampler([crop], POSETRACK_15, recipe.spec(recipe.stages[0]), 2.0, PAPER, 1, 0)
        for crop in (whole, kept)
    ]
    for epoch in range(60):
        a, b = (s.batch(epoch, 0) for s in samples)
        np.testing.assert_allclose(a.xy, b.xy, atol=1e-3)
        assert (
            np.abs(a.image.astype(int) - b.image) > 12
        ).mean() < 0.01  # interpolation's rounding
        assert (b.image.max(axis=3) == 0).mean() < 0.002


def test_the_last_smaller_batch_counts() -> None:
    assert [batch_count(n, 4) for n in (3, 4, 5, 8)] == [1, 1, 2, 2]
    everyone = [i for n in range(2) for i in who(5, 4, 0, 0, n)]
    assert sorted(everyone) == [0, 1, 2, 3, 4]
    assert batch_count(9, 4, 2) == 2  # one sample cannot be shared by two processes
    shares = [who(11, 4, 0, 0, 2, rank=rank, world=2) for rank in (0, 1)]
    assert [len(share) for share in shares] == [1, 1]


def test_exif_turns_are_left_alone() -> None:
    _, data = cv2.imencode(".jpg", np.zeros((20, 40, 3), np.uint8))
    jpeg = data.tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (40, 20, 3)
    assert decode_image(turned, "phone.jpg").shape == (20, 40, 3)


# --- targets
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "sigma"),
    [
        ("coco", {}, 2.0),
        ("coco", {"size_wh": [288, 384]}, 3.0),
        ("posetrack17", {}, 3.0),
        ("posetrack17", {"size_wh": [192, 256]}, 2.0),
        ("posetrack17", {"size_wh": [96, 128]}, 1.0),
        ("posetrack17", {"size_wh": "[96, 128]", "sigma": "3.0"}, 3.0),
        ("mpii", {"size_wh": [384, 384]}, 3.0),
    ],
)
def test_sigma_follows_the_input_size(name: str, changes: dict[str, object], sigma: float) -> None:
    assert changed(RECIPES[name], changes).stages[0].sigma == sigma


def test_heatmaps_too_small_for_their_targets_are_told_of() -> None:
    said: list[str] = []
    recipe = changed(RECIPES["posetrack17"], {"net": "tiny", "size_wh": [96, 128]})
    warn_of_targets(recipe, 15, said.append)
    for name in ("coco", "mpii", "posetrack17"):
        warn_of_targets(changed(RECIPES[name], {"net": "tiny"}), 15, said.append)
    assert not said
    warn_of_targets(changed(recipe, {"sigma": 3.0}), 15, said.append)
    assert len(said) == 1
    assert "19 pixels wide, but the heatmaps only 24" in said[0]


# --- loss
# --------------------------------------------------------------------------------------------------


def test_the_hardest_joints_are_mined_on_the_last_output_only() -> None:
    """CPN: GlobalNet's four outputs get the plain squared error, RefineNet's the hardest eight."""
    rng = torch.Generator().manual_seed(0)
    outputs = [torch.rand(2, 17, 8, 6, generator=rng) for _ in range(5)]
    target, weight = torch.rand(2, 17, 8, 6, generator=rng), torch.ones(2, 17)
    recipe = changed(RECIPES["coco"], {"loss": "ohkm"})
    batch = _batch(target, weight)
    found = PoseTask(POSETRACK_15, ()).loss(recipe, recipe.stages[0], outputs, batch)
    wanted = sum(0.5 * (o - target).square().mean() for o in outputs[:4])
    joints = 0.5 * (outputs[4] - target).square().mean(dim=(2, 3))
    wanted = wanted + joints.sort(dim=1, descending=True).values[:, :8].mean()
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)
    single = PoseTask(POSETRACK_15, ()).loss(recipe, recipe.stages[0], outputs[4], batch)
    assert float(single) == pytest.approx(float(losses.ohkm(outputs[4], target, weight)))


def _batch(target: Tensor, weight: Tensor) -> Batch:

    nobody = np.zeros((len(target), 1, 1, 3), np.uint8)
    xy = np.zeros((*weight.shape, 2), np.float32)
    return Batch(nobody, target.numpy(), weight.numpy(), xy)


# --- some hundred steps
# --------------------------------------------------------------------------------------------------

PEOPLE, BATCH, EPOCHS, SIZE = 24, 8, 70, (64, 64)


def _official_sample(
    image: np.ndarray, box: np.ndarray, joints: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input (3, H, W), targets (K, h, w) and weights (K,) of one person, step by step as the
    official code makes them (all joints labelled).
    """
    joints, count = joints.astype(np.float64).copy(), len(joints)
    w, h = box[2:] - box[:2]
    center = box[:2] + (box[2:] - box[:2]) / 2
    aspect = SIZE[0] / SIZE[1]
    w, h = (w, w / aspect) if w > aspect * h else (h * aspect, h)
    side = w * 1.25
    upper = np.array(
        [not any(p in j for p in ("hip", "knee", "ankle")) for j in POSETRACK_15.joints]
    )
    if count > 8 and rng.random() < 0.3:
        half = joints[upper] if rng.standard_normal() < 0.5 else joints[~upper]
        center = half.mean(axis=0)
        w, h = half.max(axis=0) - half.min(axis=0)
        side = max(w, h * aspect) * 1.5
    side *= np.clip(rng.standard_normal() * 0.35 + 1, 0.65, 1.35)
    angle = np.clip(rng.standard_normal() * 45, -90, 90) if rng.random() <= 0.6 else 0.0
    if rng.random() <= 0.5:
        image = image[:, ::-1]
        joints[:, 0] = image.shape[1] - joints[:, 0] - 1
        joints = joints[list(POSETRACK_15.flip_order)]
        center = np.array([image.shape[1] - center[0] - 1, center[1]])
    affine = cv2.getRotationMatrix2D(tuple(center.tolist()), angle, SIZE[0] / side)
    affine[:, 2] += np.array(SIZE) / 2 - center
    picture = cv2.warpAffine(np.ascontiguousarray(image), affine, SIZE, flags=cv2.INTER_LINEAR)
    joints = joints @ affine[:, :2].T + affine[:, 2]
    maps, weight = np.zeros((count, 16, 16), np.float32), np.ones(count, np.float32)
    for k, (x, y) in enumerate(joints):
        mx, my = int(x / 4 + 0.5), int(y / 4 + 0.5)
        if mx - 3 >= 16 or my - 3 >= 16 or mx + 4 < 0 or my + 4 < 0:
            weight[k] = 0
            continue
        for row in range(max(0, my - 3), min(16, my + 4)):
            for column in range(max(0, mx - 3), min(16, mx + 4)):
                maps[k, row, column] = math.exp(-((column - mx) ** 2 + (row - my) ** 2) / 2)
    return ((picture / 255 - MEAN) / STD).transpose(2, 0, 1), maps, weight


def _official_run(
    people: list[tuple[np.ndarray, np.ndarray, np.ndarray]], net: nn.Module
) -> list[float]:
    """The mean loss of every epoch: Adam at 0.001, half the squared error, all samples."""
    rng = np.random.default_rng(5)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    curve = []
    net.train()
    for _ in range(EPOCHS):
        order, total = rng.permutation(len(people)), 0.0
        for begin in range(0, len(order), BATCH):
            made = [_official_sample(*people[i], rng) for i in order[begin : begin + BATCH]]
            x, y, w = (torch.from_numpy(np.stack(part)).float() for part in zip(*made, strict=True))
            output = net(x)
            loss = torch.zeros(())
            for k in range(output.shape[1]):
                apart = (output[:, k] - y[:, k]) * w[:, k, None, None]
                loss = loss + 0.5 * apart.square().mean() / output.shape[1]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(loss.detach())
        curve.append(total / math.ceil(len(order) / BATCH))
    return curve


def test_training_by_coco_learns_as_the_official_definition_does(tmp_path: Path) -> None:
    """210 steps from the same weights, each with draws of its own: the same curve within noise."""
    path = write_people(tmp_path, PEOPLE)
    recipe = replace(
        RECIPES["coco"],
        net="hrnet_w8",
        net_args=TINY,
        stages=(Stage(EPOCHS, SIZE, BATCH, 1.0, PAPER),),
        milestones=(EPOCHS,),
    )
    sets = read_sets([str(path)])
    task = load_data(recipe, sets, [], POSETRACK_15)
    begin = start(recipe, task, torch.device("cpu")).net
    state = {k: v.clone() for k, v in begin.state_dict().items()}
    people = [(p.store.read(p.image), p.xyxy, p.xy) for p in sets[0].people]
    theirs = _official_run(people, begin)
    run = learn(recipe, task, tmp_path / "run", initialise=lambda net: net.load_state_dict(state))
    mine = [row["loss"] for row in run.history]
    assert run.step == EPOCHS * PEOPLE // BATCH
    assert mine[0] == pytest.approx(theirs[0], rel=0.1)
    assert theirs[-1] < 0.7 * theirs[0]  # something is learnt
    for part in (slice(5, 20), slice(20, 40), slice(40, 70)):
        assert np.mean(mine[part]) == pytest.approx(np.mean(theirs[part]), rel=0.08)
