"""Files of other projects, and of one's own, converted into the cache under a name: ``posetrack
weights add``.
"""

from __future__ import annotations

__all__ = ["add_file"]

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posetrack.errors import UsageError, WeightsError, unknown_name
from posetrack.weights.hashes import check_file, forget
from posetrack.weights.load import NATIVE_SUFFIX, build_net, published_state, read_checkpoint
from posetrack.weights.manifest import Entry, added_folder, entries
from posetrack.weights.pickles import read_pickle

if TYPE_CHECKING:
    import torch
    from torch import nn

    from posetrack.checkpoints import ModelSpec
    from posetrack.structures import Skeleton


def add_file(
    path: Path,
    *,
    name: str | None = None,
    net: str | None = None,
    skeleton: str | None = None,
    joints: Sequence[str] = (),
    size_wh: tuple[int, int] | None = None,
    trust: bool = False,
) -> Path:
    """Convert ``path`` to posetrack's own kind of file in the cache, and return where it lies.

    A file that posetrack wrote needs nothing else, nor does a published one under its publisher's
    name; for others the network, the skeleton (a name, or the names of the ``joints``) and the
    input size have to be given. The network is built and run once. Raises UsageError and
    WeightsError.
    """
    from posetrack import checkpoints

    name = name or re.sub(r"\.(pth|pt|tar|safetensors)", "", path.name)
    if name in entries():
        raise UsageError(f"The manifest has a {name!r} already; give another name with --name.")
    if not re.fullmatch(r"[\w.-]+", name):
        raise UsageError(f"{name!r} cannot be the name: use letters, digits and . _ - only.")
    state, spec = _read(path, net, skeleton, joints, size_wh, trust)
    _try(build_net(path, state, spec), path, spec)
    target = added_folder() / f"{name}{NATIVE_SUFFIX}"
    checkpoints.save(target, state, spec)
    forget(target)
    check_file(target, "")
    return target


def _read(
    path: Path,
    net: str | None,
    skeleton: str | None,
    joints: Sequence[str],
    size_wh: tuple[int, int] | None,
    trust: bool,
) -> tuple[dict[str, torch.Tensor], ModelSpec]:
    if path.suffix == NATIVE_SUFFIX:
        return read_checkpoint(path)
    content = read_pickle(path, trust=trust)
    published = next(
        (e for e in entries().values() if e.file == path.name and e.task == "pose"), None
    )
    if net is None and published is not None:
        return published_state(published, content)
    if net is None or size_wh is None or not (skeleton or joints):
        raise UsageError(
            f"Nothing says which network {path.name} holds: give --net, --input WxH, and "
            f"--skeleton or --joints."
        )
    body = _skeleton(skeleton, joints)
    return published_state(
        Entry(path.name, "pose", path.name, net=net, input=size_wh), content, body
    )


def _skeleton(name: str | None, joints: Sequence[str]) -> Skeleton:
    from posetrack.skeletons import SKELETONS, make_skeleton

    if joints:
        try:
            return make_skeleton(name or "custom", joints)
        except ValueError as error:
            raise UsageError(f"--joints cannot be used: {error}.") from error
    if name not in SKELETONS:
        raise unknown_name("skeleton", str(name), SKELETONS)
    return SKELETONS[name]


def _try(net: nn.Module, path: Path, spec: ModelSpec) -> None:
    """Run the network once on nothing. Raises WeightsError where it does not give a heatmap for
    every joint.
    """
    import torch

    width, height = spec.input.size_wh
    try:
        with torch.inference_mode():
            output = net.float().eval()(torch.zeros(1, 3, height, width))
    except (ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{path} does not run at an input of {width}x{height}: {error}."
        ) from error
    if spec.task != "pose":
        return
    maps = output[-1] if isinstance(output, list | tuple) else output
    if maps.shape[1] != len(spec.skeleton):
        raise WeightsError(
            f"{path} gives {maps.shape[1]} heatmaps, but {spec.skeleton.name} has "
            f"{len(spec.skeleton)}."
        )
