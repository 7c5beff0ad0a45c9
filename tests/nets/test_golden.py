"""Networks against the published code: names, shapes, parameters, and outputs with weights filled
by a fixed rule.

``golden/nets`` holds, for each published network, the hash of its list of (key, shape), its counts
and a thinned copy of its output in double precision. The filling rule, which both sides follow, is
stated in ``_noise`` and ``_fill``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from posetrack.nets import build
from posetrack.nets.cost import cost
from posetrack.nets.dite_hrnet import (
    ContextBlock,
    DenseContext,
    DiteStem,
    DynamicConv,
    GlobalContext,
)
from posetrack.nets.lite_hrnet import ConditionalChannelWeighting, LiteModule
from posetrack.weights.convert import net_args, to_native

GOLDEN = Path(__file__).parents[1] / "golden" / "nets"
NETS: dict[str, Any] = json.loads((GOLDEN / "nets.json").read_text())
BLOCKS: dict[str, Any] = json.loads((GOLDEN / "blocks.json").read_text())
# of the largest stored value; the references' own float32 runs deviate by 2e-6 at most
TOLERANCE = 1e-5

Rows = list[tuple[str, list[int]]]  # published key, shape


def _noise(tensor: int, count: int) -> np.ndarray:
    """``count`` repeatable values in [-1, 1) for tensor number ``tensor``: an integer hash of the
    element's number.

    x = 2654435761 n + 2246822519 (tensor + 1), then xor-shift 15, times 2246822519, xor-shift 13,
    times 3266489917, xor-shift 16, all modulo 2^32; the value is x / 2^31 - 1.
    """
    x = np.arange(count, dtype=np.uint32)
    x *= np.uint32(2654435761)
    x += np.uint32((tensor + 1) * 2246822519 % 2**32)
    for shift, factor in ((15, 2246822519), (13, 3266489917), (16, 1)):
        x ^= x >> np.uint32(shift)
        x *= np.uint32(factor)
    return x / 2.0**31 - 1.0


def _fill(rows: Rows, bn_gain: float, w_gain: float) -> dict[str, torch.Tensor]:
    """A state dict under the published keys; a tensor's number is its place among all keys in
    alphabetical order.
    """
    numbers = {key: i for i, key in enumerate(sorted(key for key, _ in rows))}
    state = {}
    for key, shape in rows:
        count = math.prod(shape)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
            continue
        values = _noise(numbers[key], count)
        if key.endswith("running_var"):
            values = 1 + 0.3 * values
        elif len(shape) > 1:  # kernels: uniform, variance 2 / fan-in
            values *= w_gain * math.sqrt(6 / (count // shape[0]))
        elif key.endswith(".weight"):  # gains of batch norms
            values = bn_gain + 0.2 * values
        else:  # biases and running means
            values *= 0.1
        state[key] = torch.from_numpy(values.astype(np.float32).reshape(shape))
    return state


def _wave(height: int, width: int) -> torch.Tensor:
    """The input: sin(0.05 (c + 1) x + 0.03 (c + 2) y + c) in channel c."""
    c, y, x = np.ogrid[:3, :height, :width]
    return torch.from_numpy(
        np.sin(0.05 * (c + 1) * x + 0.03 * (c + 2) * y + c)[None].astype(np.float32)
    )


def _rows(net: nn.Module, prefix: str = "") -> Rows:
    """Keys and shapes of ``net`` under their published names: ``prefix`` leads all but the heatmap
    layer.
    """
    head = "keypoint_head." if prefix else ""
    return [
        ((head if key.startswith("final_layer.") else prefix) + key, list(value.shape))
        for key, value in net.state_dict().items()
    ]


def _hash(rows: Iterable[tuple[str, Sequence[int]]]) -> str:
    return hashlib.sha256(
        json.dumps([list(row) for row in rows], separators=(",", ":")).encode()
    ).hexdigest()


def _golden_array(name: str, output: str) -> np.ndarray:
    with np.load(GOLDEN / f"{name.split('_')[0]}.npz") as file:
        return np.asarray(file[f"{name}.{output}"])


def _thin(output: np.ndarray) -> np.ndarray:
    """What of an output is stored: every third row and second column, or every third logit."""
    return output[0, :, ::3, ::2] if output.ndim == 4 else output.reshape(-1)[::3]


def _meta(name: str, **args: Any) -> nn.Module:
    with torch.device("meta"):
        return build(name, **args)


# --- names, shapes and counts
# ----------------------------------------------------------------------------------------

SAME_KEYS = [
    ("hrnet_w32_pose_j15", "hrnet_w32", {"joints": 15}, ""),
    ("hrnet_w32_pose_j16", "hrnet_w32", {"joints": 16}, ""),
    ("hrnet_w32_pose_j17", "hrnet_w32", {"joints": 17}, ""),
    ("hrnet_w48_pose_j16", "hrnet_w48", {"joints": 16}, ""),
    ("hrnet_w32_cls_1000", "hrnet_w32_cls", {"classes": 1000}, ""),
    ("simplebaseline_r50_j15", "simple_baseline_50", {"joints": 15}, ""),
    ("simplebaseline_r50_j16", "simple_baseline_50", {"joints": 16}, ""),
    ("simplebaseline_r50_j17", "simple_baseline_50", {"joints": 17}, ""),
    ("simplebaseline_r152_j17", "simple_baseline_152", {"joints": 17}, ""),
    ("hourglass_princeton_s1_j16", "hourglass_1", {"joints": 16}, ""),
    ("hourglass_princeton_s2_j16", "hourglass_2", {"joints": 16}, ""),
    ("lite_hrnet_18_j17", "lite_hrnet_18", {"joints": 17}, "backbone."),
    ("dite_hrnet_18_j17", "dite_hrnet_18", {"joints": 17}, "backbone."),
]


@pytest.mark.parametrize(("published", "name", "args", "prefix"), SAME_KEYS)
def test_keys_shapes_and_parameters_are_the_published_ones(
    published: str, name: str, args: dict[str, int], prefix: str
) -> None:
    net = _meta(name, **args)
    assert _hash(_rows(net, prefix)) == NETS[published]["keys_sha256"]
    assert sum(p.numel() for p in net.parameters()) == NETS[published]["parameters"]


# Networks whose published files are not here: parameters as counted with the published code.
@pytest.mark.parametrize(
    ("name", "args", "parameters"),
    [
        ("hrnet_w48", {"joints": 17}, 63_595_745),
        ("hrnet_w18_cls", {}, 21_299_004),
        ("hrnet_w48_cls", {}, 77_469_864),
        ("simple_baseline_101", {"joints": 17}, 52_991_825),
        ("hourglass_8", {"joints": 16}, 32_819_328),
        ("hourglass_2", {"joints": 16, "variant": "bearpaw", "blocks": 4}, 24_751_264),
        ("hourglass_1", {"joints": 16, "variant": "bearpaw"}, 3_586_960),
        ("lite_hrnet_30", {"joints": 17}, 1_763_717),
        ("dite_hrnet_30", {"joints": 17}, 1_862_549),
    ],
)
def test_parameters(name: str, args: dict[str, Any], parameters: int) -> None:
    assert sum(p.numel() for p in _meta(name, **args).parameters()) == parameters


@pytest.mark.parametrize(
    ("published", "name"),
    [("simplebaseline_r50_j17", "simple_baseline_50"), ("lite_hrnet_18_j17", "lite_hrnet_18")],
)
def test_multiply_adds_in_both_conventions(published: str, name: str) -> None:
    golden = NETS[published]
    size, executed = next(iter(golden["macs"].items()))
    height, width = map(int, size.split("x"))
    counted = cost(_meta(name), (width, height))
    assert counted.paper_macs == golden["weight_times_output_positions"][size]
    if name.startswith(
        "lite"
    ):  # the published code runs each layer that reads branch 0 twice; once is enough
        executed = golden["weight_times_output_positions"][size]
    assert counted.macs == executed


# --- outputs
# --------------------------------------------------------------------------------------------------

FORWARD = [
    ("hrnet_w32_pose_j15", "hrnet_w32", ""),
    ("hrnet_w32_cls_1000", "hrnet_w32_cls", ""),
    ("simplebaseline_r50_j16", "simple_baseline_50", ""),
    ("hourglass_princeton_s2_j16", "hourglass_2", ""),
    ("hourglass_bearpaw_s2_b1_j16", "hourglass_2", None),
    ("hourglass_bearpaw_s1_b4_j16", "hourglass_1", None),
    ("lite_hrnet_18_j17", "lite_hrnet_18", "backbone."),
    ("dite_hrnet_18_j17", "dite_hrnet_18", "backbone."),
]


def _published_rows(published: str, name: str, prefix: str | None) -> Rows:
    if prefix is None:  # other names than ours: listed in a file
        return [
            (key, shape)
            for key, shape in json.loads((GOLDEN / f"{published}_keys.json").read_text())
        ]
    heads = (
        {"classes": 1000}
        if name.endswith("_cls")
        else {"joints": int(published.rsplit("_j", 1)[1])}
    )
    return _rows(_meta(name, **heads), prefix)


@pytest.mark.parametrize(("published", "name", "prefix"), FORWARD)
def test_outputs_are_the_published_ones(published: str, name: str, prefix: str | None) -> None:
    golden = NETS[published]
    rows = _published_rows(published, name, prefix)
    assert _hash(rows) == golden["keys_sha256"]
    state = _fill(rows, golden["bn_gain"], golden["w_gain"])
    net = _meta(name, **net_args(name, state))
    net.load_state_dict(to_native(name, state), assign=True)
    stored = [g for g in golden["outputs"] if "array" in g]
    with torch.inference_mode():
        outputs = net.eval()(_wave(*stored[0]["input_hw"]))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert len(outputs) == len(stored)
    for output, g in zip(outputs, stored, strict=True):
        ours, bound = output.numpy(), TOLERANCE * g["max_abs"]
        assert list(ours.shape) == g["shape"]
        np.testing.assert_allclose(
            _thin(ours), _golden_array(published, g["output"]), rtol=0, atol=bound
        )
        # the rest of the array, by what is known of the whole
        np.testing.assert_allclose(
            [ours.mean(), ours.std(), np.abs(ours).max()],
            [g["mean"], g["std"], g["max_abs"]],
            atol=bound,
        )
        if "per_channel_max" in g:
            np.testing.assert_allclose(
                ours.max((0, 2, 3)), g["per_channel_max"], rtol=0, atol=bound
            )


@pytest.mark.parametrize("family", ["lite", "dite"])
def test_every_stage_of_the_light_networks(family: str) -> None:
    """Their heatmaps alone hide faults in the attention branches, so each stage is compared."""
    golden = NETS[f"{family}_hrnet_18_j17"]
    state = _fill(
        _rows(_meta(f"{family}_hrnet_18"), "backbone."), golden["bn_gain"], golden["w_gain"]
    )
    net: Any = _meta(f"{family}_hrnet_18")
    net.load_state_dict(to_native(f"{family}_hrnet_18", state), assign=True)
    seen: dict[str, Any] = {}

    def record(name: str) -> Any:
        return lambda _, __, output: seen.update({name: output})

    for name in ("stem", "stage0", "stage1", "stage2"):
        net.get_submodule(name).register_forward_hook(record(name))
    for i, project in enumerate(net.head_layer.projects):
        project.register_forward_hook(record(f"head_layer_branch{3 - i}"))
    with torch.inference_mode():
        seen["heatmaps"] = net.eval()(_wave(64, 64))
    for stage in ("stage0", "stage1", "stage2"):
        seen.update({f"{stage}_branch{i}": y for i, y in enumerate(seen.pop(stage))})
    with np.load(GOLDEN / "stages.npz") as file:
        stored = {
            key.removeprefix(f"{family}."): file[key] for key in file if key.startswith(family)
        }
    assert seen.keys() == {key for key in stored if not key.endswith(".max")}
    for name, output in seen.items():
        bound = TOLERANCE * float(stored[f"{name}.max"])
        np.testing.assert_allclose(
            output.numpy().reshape(-1)[::5], stored[name], rtol=0, atol=bound, err_msg=name
        )


BLOCK_BUILDERS = {
    "lite_conditional_channel_weighting": lambda: ConditionalChannelWeighting((40, 80, 160)),
    "dite_multi_scale_context_block": lambda: ContextBlock((40, 80, 160)),
    "dite_dense_context_modeling": lambda: DenseContext((20, 40, 80)),
    "dite_global_context_modeling": lambda: GlobalContext(40, 4),
    "dite_dynamic_kernel_depthwise_k3": lambda: DynamicConv(20, 20, 3, 1, 20, 4),
    "dite_stem": DiteStem,
    "lite_fuse_module_3_branches": lambda: LiteModule(
        (40, 80, 160), ConditionalChannelWeighting, relu_first=False
    ),
    "dite_fuse_module_3_branches": lambda: LiteModule((40, 80, 160), ContextBlock, relu_first=True),
}


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_blocks_of_the_light_networks(name: str) -> None:
    golden = BLOCKS[name]
    block = BLOCK_BUILDERS[name]().eval()
    rows = [(key, list(value.shape)) for key, value in block.state_dict().items()]
    assert _hash(rows) == golden["keys_sha256"]
    block.load_state_dict(_fill(rows, golden["bn_gain"], golden["w_gain"]))
    inputs = [
        torch.from_numpy(
            (scale * _noise(1000 + k, math.prod(shape))).astype(np.float32).reshape(shape)
        )
        for k, (shape, scale) in enumerate(golden["inputs"])
    ]
    takes_branches = len(inputs) > 1
    with torch.inference_mode():
        outputs = block(inputs if takes_branches else inputs[0])
    with np.load(GOLDEN / "blocks.npz") as file:
        for i, output in enumerate(outputs if takes_branches else [outputs]):
            bound = TOLERANCE * float(file[f"{name}.{i}.max"])
            np.testing.assert_allclose(
                output.numpy().reshape(-1)[::5], file[f"{name}.{i}"], rtol=0, atol=bound
            )
