"""Checkpoint files of posetrack: safetensors whose metadata says everything needed to run the
network.

A file travels alone: network name and arguments, task, input size, normalisation, skeleton and free
notes (scores, data, versions) are JSON under one metadata key, so ``posetrack track --weights
run/best.safetensors`` needs no more.
"""

from __future__ import annotations

__all__ = ["METADATA_KEY", "ModelSpec", "read_spec", "read_state", "save"]

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.errors import WeightsError
from posetrack.files import cannot_write, write_beside
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import InputSpec, Skeleton

if TYPE_CHECKING:
    import torch

METADATA_KEY = "posetrack"
SCHEMA = 1  # version of the JSON under METADATA_KEY


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """How to build and feed a network.

    ``net`` is a name in ``posetrack.nets.NETS``, ``net_args`` its keyword arguments (``joints=15``
    ...), ``task`` is "pose", "detect" or "classify". ``notes`` is free JSON: licence, training
    data, scores.
    """

    net: str
    net_args: dict[str, Any]
    task: str = "pose"
    input: InputSpec = field(default_factory=lambda: InputSpec((192, 256)))
    skeleton: Skeleton = POSETRACK_15
    notes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The metadata text."""
        s, i = self.skeleton, self.input
        return json.dumps(
            {
                "schema": SCHEMA,
                "net": self.net,
                "net_args": self.net_args,
                "task": self.task,
                "input": {"size_wh": i.size_wh, "mean": i.mean, "std": i.std, "padding": i.padding},
                "skeleton": {
                    "name": s.name,
                    "joints": s.joints,
                    "limbs": s.limbs,
                    "flip_pairs": s.flip_pairs,
                    "oks_sigmas": s.oks_sigmas,
                },
                "notes": self.notes,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Parse the metadata text; raises KeyError, TypeError or ValueError where it is not one."""
        d = json.loads(text)
        if d["schema"] > SCHEMA:
            raise ValueError(f"schema {d['schema']} is newer than {SCHEMA}")
        for key, kind in (("net", str), ("net_args", dict), ("task", str), ("notes", dict)):
            if not isinstance(d[key], kind):
                raise ValueError(f"{key} is {d[key]!r}")
        i, s = d["input"], d["skeleton"]
        spec = InputSpec(tuple(i["size_wh"]), tuple(i["mean"]), tuple(i["std"]), i["padding"])
        skeleton = Skeleton(
            s["name"],
            tuple(s["joints"]),
            tuple((a, b) for a, b in s["limbs"]),
            tuple((a, b) for a, b in s["flip_pairs"]),
            tuple(s["oks_sigmas"]),
        )
        return cls(d["net"], d["net_args"], d["task"], spec, skeleton, d["notes"])


def save(path: str | Path, state: Mapping[str, torch.Tensor], spec: ModelSpec) -> None:
    """Write a state_dict and its spec atomically: beside the target first, then renamed. Raises
    OutputError.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in state.items()}
    try:
        with write_beside(path) as part:
            part.touch()
            mode = part.stat().st_mode
            save_file(tensors, part, {METADATA_KEY: spec.to_json()})
            part.chmod(mode)  # safetensors makes a file for its owner alone
    except SafetensorError as error:  # its own class, for a full disk too
        raise cannot_write(path, error) from error


def read_spec(path: str | Path) -> ModelSpec:
    """The spec of a checkpoint, without its tensors. Raises WeightsError for a missing, corrupt or
    foreign file.
    """
    with _open(path, "numpy") as file:
        metadata = file.metadata() or {}
    if METADATA_KEY not in metadata:
        raise WeightsError(
            f"{path} does not say which network it holds: it was not written by posetrack. "
            "Give the network with it (posetrack weights add FILE --net NAME)."
        )
    try:
        return ModelSpec.from_json(metadata[METADATA_KEY])
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise WeightsError(f"The description inside {path} cannot be read: {error}.") from error


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, on the CPU. Raises WeightsError."""
    with _open(path, "pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(
                f"{path}: the weights {key} hold NaN or infinity; the training that wrote it "
                f"failed, take an earlier checkpoint."
            )
    return state


def _open(path: str | Path, framework: str) -> Any:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise WeightsError(f"There is no checkpoint at {path}; check the path.")
    try:
        return safe_open(path, framework=framework, device="cpu")
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is not a readable safetensors file: {error}; copy or download it again."
        ) from error
