"""Published state dicts find their way into our networks, whole or not at all. (Outputs:
test_nets_golden.)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from posetrack.errors import UsageError, WeightsError
from posetrack.nets import build
from posetrack.weights.convert import net_args, to_native

GOLDEN = Path(__file__).parents[1] / "golden" / "nets"
State = dict[str, torch.Tensor]


@cache
def _native(name: str, **args: Any) -> State:
    """A state dict of ours, without memory."""
    with torch.device("meta"):
        return build(name, **args).state_dict()


def _openmmlab(head: str) -> Callable[[str], str]:
    """OpenMMLab's names: ``keypoint_head`` up to 0.x, ``head`` from 1.0."""

    def rename(key: str) -> str:
        if key.startswith("final_layers."):
            return key.replace("final_layers.", f"{head}.multi_final_layers.")
        return (
            f"{head}." if key.startswith(("final_layer.", "deconv_layers.")) else "backbone."
        ) + key

    return rename


def _rename(state: State, rename: Callable[[str], str]) -> State:
    return {rename(key): tensor for key, tensor in state.items()}


def _assert_same(converted: State, native: State) -> None:
    assert list(converted) == list(native)
    assert all(converted[key] is native[key] for key in native)


# --- layouts
# --------------------------------------------------------------------------------------------------

WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "plain": lambda state: state,
    "parallel": lambda state: {"module." + key: tensor for key, tensor in state.items()},
    "training file": lambda state: {
        "epoch": 3,
        "state_dict": state,
        "optimizer": {"state": {}},
        "perf": 0.7,
    },
    "parallel in a training file": lambda state: {
        "state_dict": _rename(state, lambda key: "module." + key)
    },
    "trainer of the hourglass port": lambda state: {
        "state_dict": _rename(state, lambda key: "model.module." + key)
    },
    "compiled": lambda state: _rename(state, lambda key: "_orig_mod." + key),
    "with notes": lambda state: {**state, "epoch": 4, "arch": "hg"},
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("name", ["simple_baseline_50", "hourglass_2"])
def test_official_files(name: str, wrapping: str) -> None:
    native = _native(name, joints=16)
    _assert_same(to_native(name, WRAPPINGS[wrapping](native)), native)


@pytest.mark.parametrize("head", ["keypoint_head", "head"])
@pytest.mark.parametrize(
    "name", ["hrnet_w32", "simple_baseline_50", "lite_hrnet_18", "hourglass_52"]
)
def test_openmmlab_files(name: str, head: str) -> None:
    native = _native(name, joints=17)
    published = _rename(native, _openmmlab(head))
    published["data_preprocessor.mean"] = torch.zeros(3)
    if name == "hourglass_52":  # owned and never run by the published network
        published["backbone.inters.0.0.conv1.weight"] = torch.zeros(256, 256, 3, 3)
    _assert_same(to_native(name, {"meta": {"config": "..."}, "state_dict": published}), native)


@pytest.mark.parametrize(
    ("file", "name", "args"),
    [
        (
            "hourglass_bearpaw_s2_b1_j16",
            "hourglass_2",
            {"joints": 16, "variant": "bearpaw", "blocks": 1},
        ),
        (
            "hourglass_bearpaw_s1_b4_j16",
            "hourglass_1",
            {"joints": 16, "variant": "bearpaw", "blocks": 4},
        ),
    ],
)
def test_the_other_hourglass_port(file: str, name: str, args: dict[str, Any]) -> None:
    rows = json.loads((GOLDEN / f"{file}_keys.json").read_text())
    published = {key: torch.empty(shape, device="meta") for key, shape in rows}
    assert net_args(name, published) == args
    converted = to_native(name, published)
    assert len(converted) == len(published)
    assert {id(t) for t in converted.values()} == {id(t) for t in published.values()}


def test_places_inside_the_other_hourglass_port() -> None:
    rows = json.loads((GOLDEN / "hourglass_bearpaw_s2_b1_j16_keys.json").read_text())
    published = {key: torch.empty(shape, device="meta") for key, shape in rows}
    converted = to_native("hourglass_2", published)
    for theirs, ours in {
        "conv1.weight": "pre.0.conv.weight",
        "layer2.0.downsample.0.bias": "pre.3.skip_layer.conv.bias",
        "hg.1.hg.3.0.0.conv1.weight": "hgs.1.0.up1.conv1.conv.weight",  # outermost
        "hg.0.hg.2.1.0.bn2.running_var": "hgs.0.0.low2.low1.bn2.running_var",
        "hg.0.hg.1.2.0.conv3.bias": "hgs.0.0.low2.low2.low3.conv3.conv.bias",
        "hg.0.hg.0.3.0.conv2.weight": "hgs.0.0.low2.low2.low2.low2.conv2.conv.weight",  # innermost
        "res.1.0.bn3.weight": "features.1.0.bn3.weight",
        "fc.1.1.running_mean": "features.1.1.bn.running_mean",
        "score.0.bias": "outs.0.conv.bias",
        "fc_.0.weight": "merge_features.0.conv.conv.weight",
        "score_.0.weight": "merge_preds.0.conv.conv.weight",
    }.items():
        assert converted[ours] is published[theirs], theirs


def test_files_older_than_the_counters_of_batch_norm() -> None:
    native = _native("simple_baseline_50", joints=17)
    old = {key: tensor for key, tensor in native.items() if not key.endswith("num_batches_tracked")}
    converted = to_native("simple_baseline_50", old)
    assert list(converted) == list(native)
    assert int(converted["bn1.num_batches_tracked"]) == 0


def test_our_own_files_stay_as_they_are() -> None:
    for name in ("lite_hrnet_18", "hourglass_1"):
        native = _native(name, joints=5)
        _assert_same(to_native(name, native), native)


def test_arguments_are_read_from_the_tensors() -> None:
    assert net_args("hrnet_w32", _rename(_native("hrnet_w32", joints=17), _openmmlab("head"))) == {
        "joints": 17
    }
    assert net_args("hourglass_2", _native("hourglass_2", joints=9)) == {"joints": 9}
    assert net_args("hrnet_w4_cls", _native("hrnet_w4_cls", classes=11)) == {"classes": 11}


def test_other_arguments_can_be_given() -> None:
    compact = {"modules": (1, 1, 1), "blocks": 1, "stem": 8}
    native = _native("hrnet_w4", joints=3, **compact)
    _assert_same(to_native("hrnet_w4", native, **compact), native)


# --- what does not fit
# -----------------------------------------------------------------------------------------------


def _baseline() -> State:
    return dict(_native("simple_baseline_50", joints=17))


def test_a_missing_tensor_is_named() -> None:
    state = _baseline()
    del state["layer1.0.conv2.weight"]
    with pytest.raises(WeightsError, match=r"1 missing \(layer1\.0\.conv2\.weight\)"):
        to_native("simple_baseline_50", state)


def test_unexpected_tensors_are_named_and_counted() -> None:
    state = {**_baseline(), **{f"extra{i}.weight": torch.zeros(1) for i in range(5)}}
    with pytest.raises(
        WeightsError,
        match=r"5 unexpected \(extra0\.weight, extra1\.weight, extra2\.weight \.\.\.\)",
    ):
        to_native("simple_baseline_50", state)


def test_a_wrong_shape_is_shown_with_the_right_one() -> None:
    state = {**_baseline(), "conv1.weight": torch.zeros(64, 3, 3, 3)}
    with pytest.raises(
        WeightsError, match=r"conv1\.weight \(64, 3, 3, 3\) instead of \(64, 3, 7, 7\)"
    ):
        to_native("simple_baseline_50", state)


def test_joints_that_contradict_the_tensors() -> None:
    with pytest.raises(
        WeightsError, match=r"final_layer\.weight \(17, 256, 1, 1\) instead of \(15, 256, 1, 1\)"
    ):
        to_native("simple_baseline_50", _baseline(), joints=15)


@pytest.mark.parametrize(
    "name", ["hrnet_w32", "simple_baseline_101", "hourglass_1", "lite_hrnet_18", "hrnet_w32_cls"]
)
def test_the_weights_of_another_network(name: str) -> None:
    with pytest.raises(WeightsError, match=f"not those of {name}"):
        to_native(name, _baseline())


@pytest.mark.parametrize(
    "content", [{}, {"epoch": 3}, {"state_dict": {}}, [1, 2], None, "weights", {"state_dict": 3}]
)
def test_no_tensors_at_all(content: Any) -> None:
    with pytest.raises(WeightsError, match="no tensors"):
        to_native("hrnet_w32", content)


def test_two_tensors_of_one_name() -> None:
    state = {**_baseline(), "head.final_layer.bias": torch.zeros(17)}
    with pytest.raises(WeightsError, match=r"both become 'final_layer\.bias'"):
        to_native("simple_baseline_50", state)


def test_an_unknown_network() -> None:
    with pytest.raises(UsageError, match="Unknown network"):
        to_native("simple_baseline_34", _baseline())
