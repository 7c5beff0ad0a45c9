"""Published state dicts, of any known layout, to the names of ``posetrack.nets``, strictly.

Known are: the official files of HRNet (pose and ImageNet), SimpleBaseline, Lite-HRNet and
Dite-HRNet; OpenMMLab's of HRNet, SimpleBaseline, Lite-HRNet and Hourglass-52 (0.x and 1.x); the
Hourglass ports of princeton-vl and bearpaw. Every tensor must find its place and its shape, or the
error says which do not.
"""

from __future__ import annotations

__all__ = ["check_state", "net_args", "to_native"]

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from posetrack.errors import WeightsError

if TYPE_CHECKING:
    import torch

State = dict[str, "torch.Tensor"]
Rename = Callable[
    [str], str | None
]  # a published key -> ours; None for a tensor that no computation uses

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
)  # keys under which training code files a state dict
PREFIXES = (
    "module.",
    "model.",
    "net.",
    "_orig_mod.",
)  # added to every key by parallel and compiled modules
FOREIGN = ("data_preprocessor.",)  # buffers of OpenMMLab's input pipeline
SHOWN = 3  # keys of each kind in an error


def to_native(name: str, state_dict: Mapping[str, Any], **args: Any) -> State:
    """The tensors of ``state_dict`` under the keys of ``posetrack.nets.build(name, **net_args(name,
    state_dict))``.

    ``state_dict`` is the content of a checkpoint file: the dictionary itself, or one that holds it.
    ``args`` override what is read from the tensors (joints ...). Raises WeightsError where a key is
    missing, unexpected or of another shape, UsageError for an unknown network.
    """
    state = _rename(name, _unwrap(state_dict))
    expected = _expected(name, {**_args(name, state), **args})
    for key, tensor in expected.items():
        if key.endswith(".num_batches_tracked"):  # old files have no such counters
            state.setdefault(key, tensor.new_zeros((), device="cpu"))
    check_state(name, state, expected)
    return {key: state[key] for key in expected}


def net_args(name: str, state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``posetrack.nets.build`` that fit a published state dict: ``joints``,
    ``classes`` ...
    """
    return _args(name, _rename(name, _unwrap(state_dict)))


def _unwrap(content: Mapping[str, Any]) -> State:
    """The state dict inside a checkpoint, without prefixes that all keys share. Raises
    WeightsError.
    """
    import torch

    while isinstance(content, Mapping) and any(
        isinstance(content.get(key), Mapping) for key in WRAPPERS
    ):
        content = next(content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping))
    if not isinstance(content, Mapping) or not any(
        isinstance(v, torch.Tensor) for v in content.values()
    ):
        raise WeightsError(
            "There are no tensors in the checkpoint; give a state dict, or a file that holds one."
        )
    state = {
        str(k): v
        for k, v in content.items()
        if isinstance(v, torch.Tensor) and not str(k).startswith(FOREIGN)
    }
    while prefix := next((p for p in PREFIXES if all(key.startswith(p) for key in state)), None):
        state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    return state


def _rename(name: str, state: State) -> State:
    """All keys in our names. Raises WeightsError where two tensors claim one name."""
    rename = _layout(name, state)
    renamed: State = {}
    for key, tensor in state.items():
        native = rename(key)
        if native in renamed:
            raise WeightsError(
                f"Two tensors of the checkpoint would both become {native!r} of {name}."
            )
        if native is not None:
            renamed[native] = tensor
    return renamed


def _layout(name: str, state: State) -> Rename:
    """Which published layout ``state`` has."""
    if name == "hourglass_52":
        return _openmmlab_hourglass
    if name.startswith("hourglass") and "conv1.weight" in state:
        several = any(re.match(r"hg\.0\.hg\.0\.0\.1\.", key) for key in state)
        return _bearpaw_blocks if several else _bearpaw
    return _without_parts


def _without_parts(key: str) -> str:
    """Official keys, and OpenMMLab's, which are the same behind the part of the network that they
    belong to.
    """
    return re.sub(r"^(backbone|keypoint_head|head)\.", "", key)


def _openmmlab_hourglass(key: str) -> str | None:
    if re.match(r"(backbone\.)?inters\.0\.", key):
        return None  # a block that the published one-stack network owns and never runs
    return _without_parts(key).replace("multi_final_layers.", "final_layers.")


_BEARPAW_STEM = {
    "layer1.0.": "pre.1.",
    "layer2.0.": "pre.3.",
    "layer3.0.": "pre.4.",
    "conv1.": "pre.0.conv.",
    "bn1.": "pre.0.bn.",
}
_BEARPAW_POSITIONS = ("up1", "low1", "low3", "low2")  # by the third number of hg.S.hg.D.P
_BEARPAW_HEADS = {
    "score": "outs.{}.conv.",
    "fc_": "merge_features.{}.conv.conv.",
    "score_": "merge_preds.{}.conv.conv.",
}
_BEARPAW_FC = {"0": "features.{}.1.conv.", "1": "features.{}.1.bn."}
_DEPTH = 4  # levels of an hourglass


def _bearpaw(key: str, *, blocks: bool = False) -> str:
    """bearpaw/pytorch-pose; ``blocks``: several residuals a position, numbered, where one has no
    number of its own.
    """
    for old, new in _BEARPAW_STEM.items():
        if key.startswith(old):
            return new + _bearpaw_residual(key.removeprefix(old), stem=not old.startswith("layer"))
    if m := re.match(r"hg\.(\d+)\.hg\.(\d+)\.(\d)\.(\d+)\.(.+)", key):
        # depth counts from the innermost level here, from the outermost in the authors' port
        level = ".low2" * (_DEPTH - 1 - int(m[2]))
        number = f"{m[4]}." if blocks else ""
        return (
            f"hgs.{m[1]}.0{level}.{_BEARPAW_POSITIONS[int(m[3])]}.{number}{_bearpaw_residual(m[5])}"
        )
    if m := re.match(r"res\.(\d+)\.(\d+)\.(.+)", key):
        number = f"{m[2]}." if blocks else ""
        return f"features.{m[1]}.0.{number}{_bearpaw_residual(m[3])}"
    if m := re.match(r"fc\.(\d+)\.([01])\.(.+)", key):
        return _BEARPAW_FC[m[2]].format(m[1]) + m[3]
    if m := re.match(r"(score_?|fc_)\.(\d+)\.(.+)", key):
        return _BEARPAW_HEADS[m[1]].format(m[2]) + m[3]
    return key


def _bearpaw_blocks(key: str) -> str:
    return _bearpaw(key, blocks=True)


def _bearpaw_residual(key: str, *, stem: bool = False) -> str:
    """Keys inside a residual block: convolutions are wrapped, the projection is called a skip."""
    if stem:
        return key
    key = key.replace("downsample.0.", "skip_layer.conv.")
    return re.sub(r"^(conv\d)\.", r"\1.conv.", key)


def _args(name: str, native: State) -> dict[str, Any]:
    """Arguments of the network that the shapes of ``native`` tell; empty where a head is
    not found.
    """
    if name.endswith("_cls"):
        return (
            {"classes": len(native["classifier.weight"])} if "classifier.weight" in native else {}
        )
    heads = ("final_layer.weight", "outs.0.conv.weight", "final_layers.0.weight")
    joints = next((len(native[key]) for key in heads if key in native), None)
    args: dict[str, Any] = {} if joints is None else {"joints": joints}
    wide = native.get("pre.3.conv3.conv.weight")
    if name.startswith("hourglass") and wide is not None and len(wide) == 256:
        args["variant"] = "bearpaw"
        args["blocks"] = (
            len({m[1] for key in native if (m := re.match(r"hgs\.0\.0\.up1\.(\d+)\.", key))}) or 1
        )
    return args


def _expected(name: str, args: Mapping[str, Any]) -> State:
    """Keys and shapes of our network, without memory for its weights."""
    import torch

    from posetrack import nets

    with torch.device("meta"):
        return nets.build(name, **args).state_dict()


def check_state(name: str, state: State, expected: State) -> None:
    """Raises WeightsError with the first keys that are missing, unexpected or of another shape."""
    faults = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "of another shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
            for key, tensor in expected.items()
            if key in state and state[key].shape != tensor.shape
        ],
    }
    found = [f"{len(keys)} {kind} ({_few(keys)})" for kind, keys in faults.items() if keys]
    if found:
        raise WeightsError(
            f"The weights are not those of {name}: of {len(expected)} tensors "
            f"{', '.join(found)}; name the network that they were made for."
        )


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (" ..." if len(keys) > SHOWN else "")
