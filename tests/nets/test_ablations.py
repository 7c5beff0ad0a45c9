"""Networks of the papers' ablations: shapes, equal cost, gradients everywhere, heads that learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from people_on_disk import write_people

from posetrack import checkpoints, nets
from posetrack.nets.cost import cost
from posetrack.nets.published import PUBLISHED
from posetrack.skeletons import POSETRACK_15
from posetrack.training.loop import learn
from posetrack.training.override import changed
from posetrack.training.pose import PoseTask, heatmap_stride
from posetrack.training.recipes import RECIPES
from posetrack.training.setup import check_net, load_data, read_sets

SMALL = {"modules": [1, 1, 1], "blocks": 1, "stem": 16, "stem_blocks": 1}


@pytest.mark.parametrize(
    ("name", "joints"),
    [
        ("hrnet_w26_all_from_start", 17),
        ("hrnet_w59_high_only", 17),
        ("hrnet_w32_four_heads", 17),
        ("hourglass_joined", 16),
    ],
)
def test_counts_are_those_of_the_table(name: str, joints: int) -> None:
    with torch.device("meta"):
        net = nets.build(name, joints=joints)
    for size, macs in PUBLISHED[name].macs.items():
        found = cost(net, size)
        assert (found.macs, found.paper_macs) == macs
        assert found.parameters == PUBLISHED[name].parameters


@pytest.mark.parametrize("name", ["hrnet_w26_all_from_start", "hrnet_w59_high_only"])
def test_ablations_cost_what_the_network_costs(name: str) -> None:
    """Within a hundredth of HRNet-W32's multiply-adds."""
    size = (192, 256)
    assert PUBLISHED[name].macs[size][0] == pytest.approx(
        PUBLISHED["hrnet_w32"].macs[size][0], rel=0.011
    )


def test_the_simple_network_has_no_coarser_branch() -> None:
    net = nets.build("hrnet_w59_high_only", joints=5, **SMALL).eval()
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 36, 20)).shape == (1, 5, 9, 5)  # multiples of 4 will do
    with pytest.raises(ValueError, match="heatmap_from"):
        nets.build("hrnet_w59_high_only", heatmap_from=1)
    with pytest.raises(ValueError, match="branches"):
        nets.build("hrnet_w8", branches=5)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["hourglass_1", "hourglass_joined"])
def test_hourglasses_of_any_order(name: str, order: int) -> None:
    net = nets.build(name, joints=3, order=order)
    least = 4 * 2**order
    maps = net(torch.zeros(2, 3, 2 * least, least))
    assert [tuple(m.shape) for m in maps] == [(2, 3, least // 2, least // 4)] * len(maps)
    with pytest.raises(ValueError, match=f"multiples of {least}"):
        net(torch.zeros(1, 3, 2 * least, least // 2))
    torch.stack([m.sum() for m in maps]).sum().backward()
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)


def test_orders_and_stacks_that_there_are_not() -> None:
    for name, args in (
        ("hourglass_1", {"order": 5}),
        ("hourglass_joined", {"order": 0}),
        ("hourglass_joined", {"stacks": 3}),
    ):
        with pytest.raises(ValueError, match="must be"):
            nets.build(name, **args)


def test_the_joined_hourglass_counts_its_residuals() -> None:
    """Three between halvings and on the skip, one between additions, one at the bottom."""
    net = nets.build("hourglass_joined", joints=3, order=2)
    level = net.get_submodule("hourglasses.0")
    for part in ("up", "down", "inner.up", "inner.down"):
        assert len(list(level.get_submodule(part).children())) == 3
    for part in ("after", "inner.after", "inner.inner"):
        assert type(level.get_submodule(part)).__name__ == "Residual"


@pytest.mark.parametrize(("heatmap_from", "stride"), [(0, 4), (1, 8), (2, 16), (3, 32)])
def test_heatmaps_from_every_resolution_can_be_learnt(
    heatmap_from: int, stride: int, tmp_path: Path
) -> None:
    args = {**SMALL, "heatmap_from": heatmap_from}
    changes = {"net": "hrnet_w8", "net_args": args, "size_wh": [64, 64], "epochs": 2}
    recipe = changed(RECIPES["coco"], {**changes, "batch_size": 4, "sigma": 1.0})
    check_net(recipe, 15)
    assert heatmap_stride(recipe, recipe.stages[0], 15) == stride
    data = load_data(recipe, read_sets([str(write_people(tmp_path, 4))]), [], POSETRACK_15)
    batch = data.batches(recipe, recipe.stages[0]).batch(0, 0)
    assert batch.target.shape == (4, 15, 64 // stride, 64 // stride)
    y, x = np.unravel_index(batch.target[0, 0].argmax(), batch.target.shape[2:])
    if batch.weight[0, 0] and batch.target[0, 0].max() == 1:
        np.testing.assert_array_equal([x, y], np.floor(batch.xy[0, 0] / stride + 0.5))
    run = learn(recipe, data, tmp_path / "run")
    assert run.history[-1]["loss"] > 0
    spec = checkpoints.read_spec(tmp_path / "run" / "last.safetensors")
    assert spec.net_args["heatmap_from"] == heatmap_from


def test_four_heads_on_one_network_learn_and_are_scored_each(tmp_path: Path) -> None:
    args = {**SMALL, "heatmap_from": "each"}
    changes = {"net": "hrnet_w8", "net_args": args, "size_wh": [64, 64], "epochs": 3}
    recipe = changed(RECIPES["coco"], {**changes, "batch_size": 4, "sigma": 1.0})
    check_net(recipe, 15)
    sets = read_sets([str(write_people(tmp_path, 4))])
    data = load_data(recipe, sets, sets, POSETRACK_15)
    run = learn(recipe, data, tmp_path / "run")
    row = run.history[-1]
    name = "person_keypoints"
    assert {f"stride{s}_pck_{name}" for s in (8, 16, 32)} <= row.keys()
    assert f"pck_{name}" in row
    heads = [run.net.get_submodule("final_layer"), *run.net.get_submodule("coarser_layers")]
    task, stage = PoseTask(POSETRACK_15, data.crops), recipe.stages[0]
    batch = task.batches(recipe, stage).batch(0, 0)
    outputs = run.net(torch.zeros(4, 3, 64, 64))
    assert [tuple(o.shape[2:]) for o in outputs] == [(2, 2), (4, 4), (8, 8), (16, 16)]
    run.net.zero_grad()
    task.loss(recipe, stage, outputs, batch).backward()
    for head in heads:
        assert head.weight.grad.abs().sum() > 0  # type: ignore[union-attr]
