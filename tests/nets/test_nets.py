"""The table of networks: names, outputs, arguments, ablations, bad input, and that every weight can
learn.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from posetrack.errors import UsageError
from posetrack.nets import NETS, build
from posetrack.nets.cost import cost
from posetrack.nets.hrnet import HRNet, ParallelModule
from posetrack.nets.published import PUBLISHED

COMPACT: dict[str, Any] = {
    "width": 8,
    "modules": (1, 2, 2),
    "blocks": 1,
    "stem": 16,
    "stem_blocks": 1,
}
# Outputs of networks with supervision in between; the others give one tensor.
OUTPUTS = {"hourglass_2": 2, "hourglass_52": 1, "cpn_50": 5}


def _meta(name: str, **args: Any) -> nn.Module:
    with torch.device("meta"):
        return build(name, **args)


def _images(height: int, width: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


# --- the table
# --------------------------------------------------------------------------------------------------


def test_published_figures_and_the_table_name_the_same_networks() -> None:
    assert set(PUBLISHED) <= set(NETS)
    documented = """
    hrnet_w32 hrnet_w48 hrnet_w32_cls simple_baseline_50 simple_baseline_101 simple_baseline_152
    cpn_50 hourglass_1 hourglass_2 hourglass_8 lite_hrnet_18 lite_hrnet_30 dite_hrnet_18
    dite_hrnet_30 dilated_resnet_50
    """
    assert set(documented.split()) <= set(PUBLISHED)


FAMILIES = [
    "hrnet_w32",
    "simple_baseline_50",
    "hourglass_2",
    "hourglass_52",
    "lite_hrnet_18",
    "dite_hrnet_18",
    "cpn_50",
    "dilated_resnet_50",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_pose_network_gives_heatmaps_of_a_quarter_of_the_input(name: str) -> None:
    net = build(name, joints=15).eval()
    with torch.inference_mode():
        output = net(_images(128, 256))
    assert isinstance(output, list) == (name in OUTPUTS)
    heatmaps = output if isinstance(output, list) else [output]
    assert len(heatmaps) == OUTPUTS.get(name, 1)
    assert {tuple(h.shape) for h in heatmaps} == {(1, 15, 32, 64)}
    assert all(torch.isfinite(h).all() for h in heatmaps)


@pytest.mark.parametrize(
    "name", ["hourglass_52", "cpn_50", "dilated_resnet_50", "simple_baseline_101", "hourglass_1"]
)
def test_published_parameters_are_counted_ones(name: str) -> None:
    assert sum(p.numel() for p in _meta(name).parameters()) == PUBLISHED[name].parameters


def test_published_multiply_adds_are_counted_ones() -> None:
    """One network counted here; those that other code counted too, against its numbers
    (test_nets_golden counts).
    """
    size, counts = next(iter(PUBLISHED["dilated_resnet_50"].macs.items()))
    counted = cost(_meta("dilated_resnet_50"), size)
    assert (counted.macs, counted.paper_macs) == counts
    golden = json.loads((Path(__file__).parents[1] / "golden" / "nets" / "nets.json").read_text())
    for name, published in {
        "hrnet_w32": "hrnet_w32_pose_j17",
        "hrnet_w32_cls": "hrnet_w32_cls_1000",
        "simple_baseline_50": "simplebaseline_r50_j17",
        "simple_baseline_152": "simplebaseline_r152_j17",
        "hourglass_2": "hourglass_princeton_s2_j16",
        "dite_hrnet_18": "dite_hrnet_18_j17",
    }.items():
        assert PUBLISHED[name].parameters == golden[published]["parameters"]
        for (width, height), (macs, paper_macs) in PUBLISHED[name].macs.items():
            assert (
                paper_macs
                == golden[published]["weight_times_output_positions"][f"{height}x{width}"]
            )
            assert name.startswith("dite") or macs == golden[published]["macs"][f"{height}x{width}"]


def test_multiply_adds_of_the_papers_are_weights_times_outputs_over_a_gibi() -> None:
    printed = {
        "hrnet_w32": 7.1,
        "hrnet_w48": 14.6,
        "simple_baseline_101": 12.4,
        "simple_baseline_152": 15.7,
    }
    for name, number in printed.items():
        assert PUBLISHED[name].macs[192, 256][1] / 2**30 == pytest.approx(number, abs=0.08)


def test_any_hrnet_width_has_a_name() -> None:
    assert "hrnet_w18" not in NETS.keys()  # noqa: SIM118 - not a line of the table, and yet found
    assert build("hrnet_w18", joints=3).get_submodule("final_layer").weight.shape == (3, 18, 1, 1)  # type: ignore
    assert NETS["hrnet_w6"](joints=2, stem=16).conv1.out_channels == 16
    assert _meta("hrnet_w4_cls", classes=7).get_submodule("classifier").out_features == 7


@pytest.mark.parametrize(
    "name", ["hrnet_w", "hrnet_w0", "hrnet_32", "hrnet_w32_", "Hourglass_8", "", "hrnet_w32\n"]
)
def test_an_unknown_name_is_one_sentence(name: str) -> None:
    with pytest.raises(UsageError, match="Unknown network"):
        build(name, joints=17)


def test_the_closest_name_is_suggested() -> None:
    with pytest.raises(UsageError, match="did you mean 'lite_hrnet_18'"):
        build("lite_hrnet18")


def test_classification_gives_logits() -> None:
    assert build("hrnet_w4_cls", classes=10).eval()(_images(64, 96, batch=2)).shape == (2, 10)


# --- arguments of HRNet
# ----------------------------------------------------------------------------------------------


def test_compact_hrnet() -> None:
    net = build("hrnet_w8", joints=4, modules=(1, 2, 2), blocks=1, stem=16, stem_blocks=1).eval()
    assert sum(p.numel() for p in net.parameters()) < 400_000
    assert net(_images(64, 96)).shape == (1, 4, 16, 24)


def _exchanges(net: HRNet) -> int:
    return sum(isinstance(m, ParallelModule) and m.fuse_layers is not None for m in net.modules())


@pytest.mark.parametrize(("fusions", "count"), [("last", 1), ("stages", 3), ("all", 8)])
def test_fusion_ablation_has_the_exchanges_of_the_paper(fusions: str, count: int) -> None:
    net = HRNet(17, **{**COMPACT, "modules": (1, 4, 3)}, fusions=fusions).eval()  # type: ignore[arg-type]
    assert _exchanges(net) == count
    assert net(_images(64, 64)).shape == (1, 17, 16, 16)


def test_without_exchange_a_branch_does_not_see_the_others() -> None:
    """With the last fusion only, what the coarse branches do before it cannot change the fine
    branch's input to it.
    """
    net: Any = HRNet(2, **COMPACT, fusions="last").eval()
    seen: list[torch.Tensor] = []
    net.stage4[1].branches[0].register_forward_hook(lambda _, __, output: seen.append(output))
    net(_images(64, 64))
    with torch.no_grad():
        net.transition2[2][0][0].weight.add_(1)
    before = net(_images(64, 64))
    assert torch.equal(seen[0], seen[1])
    with torch.no_grad():
        net.transition2[2][0][0].weight.sub_(2)
    assert not torch.equal(before, net(_images(64, 64)))  # it does at the very end


def test_all_resolutions_from_the_start() -> None:
    net: Any = HRNet(5, **COMPACT, all_from_start=True).eval()
    assert [len(stage[0].branches) for stage in (net.stage2, net.stage3, net.stage4)] == [4, 4, 4]
    assert net(_images(64, 64)).shape == (1, 5, 16, 16)


@pytest.mark.parametrize("branch", [0, 1, 2, 3])
def test_heatmaps_from_each_resolution(branch: int) -> None:
    net = HRNet(5, **COMPACT, heatmap_from=branch).eval()
    assert net.heatmap_stride == 4 * 2**branch
    assert net(_images(64, 128)).shape == (
        1,
        5,
        64 // net.heatmap_stride,
        128 // net.heatmap_stride,
    )


@pytest.mark.parametrize(
    "args", [{"fusions": "some"}, {"modules": (1, 4)}, {"modules": (1, 0, 3)}, {"heatmap_from": 4}]
)
def test_arguments_that_make_no_hrnet(args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(args))):
        HRNet(**{"joints": 17, **args})


@pytest.mark.parametrize("name", ["simple_baseline_50", "lite_hrnet_18", "hourglass_1"])
def test_depths_and_variants_that_do_not_exist(name: str) -> None:
    wrong = {"variant": "torch7"} if name == "hourglass_1" else {"depth": 34}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(name, **wrong)


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("hrnet_w8", 32),
        ("hourglass_1", 64),
        ("simple_baseline_50", 32),
        ("lite_hrnet_18", 32),
        ("dilated_resnet_50", 8),
    ],
)
def test_a_size_that_the_network_cannot_halve_is_named(name: str, stride: int) -> None:
    with pytest.raises(ValueError, match=f"multiples of {stride}, not 100x128"):
        build(name)(_images(128, 100))


# --- behaviour
# --------------------------------------------------------------------------------------------------

SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "compact hrnet": ("hrnet_w8", {k: v for k, v in COMPACT.items() if k != "width"}),
    "coarse heatmaps": (
        "hrnet_w8",
        {**{k: v for k, v in COMPACT.items() if k != "width"}, "heatmap_from": 2},
    ),
    "fused last": (
        "hrnet_w8",
        {**{k: v for k, v in COMPACT.items() if k != "width"}, "fusions": "last"},
    ),
    "hourglass": ("hourglass_2", {}),
    "lite": ("lite_hrnet_18", {}),
    "dite": ("dite_hrnet_18", {}),
    "cpn": ("cpn_50", {}),
}


@pytest.mark.parametrize("case", SMALL)
def test_every_weight_that_may_learn_receives_a_gradient(case: str) -> None:
    """Else data-parallel training stops with an error about unused parameters."""
    name, args = SMALL[case]
    torch.manual_seed(0)
    net = build(name, joints=3, **args)
    output = net(_images(64, 128, batch=2))
    outputs = output if isinstance(output, list) else [output]
    torch.stack([o.square().mean() for o in outputs]).sum().backward()
    assert [key for key, p in net.named_parameters() if p.requires_grad and p.grad is None] == []
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("case", ["compact hrnet", "lite", "dite"])
def test_images_of_a_batch_and_the_memory_layout_do_not_matter(case: str) -> None:
    name, args = SMALL[case]
    torch.manual_seed(0)
    net = build(name, joints=3, **args).eval()
    images = _images(64, 64, batch=3)
    with torch.inference_mode():
        one_by_one = torch.cat([net(image[None]) for image in images])
        bound = 1e-5 * float(one_by_one.abs().max())
        torch.testing.assert_close(net(images), one_by_one, rtol=0, atol=bound)
        net = net.to(memory_format=torch.channels_last)
        shuffled = net(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(shuffled, one_by_one, rtol=0, atol=bound)


def test_a_fresh_network_predicts_almost_nothing() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        heatmaps = HRNet(17, **COMPACT).train()(_images(64, 64, batch=4))
    assert float(heatmaps.abs().max()) < 0.1


def test_counting_leaves_the_network_as_it_was() -> None:
    net = HRNet(2, **COMPACT).train()
    assert cost(net, (64, 96)) == cost(net, (64, 96))
    assert net.training
    assert not any(m._forward_hooks for m in net.modules())
