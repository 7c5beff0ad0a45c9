"""Start from a checkpoint: tensors of the same name and shape are taken, those of joints sorted by
joint name.
"""

from __future__ import annotations

__all__ = ["Loaded", "load_same", "load_weights"]

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from posetrack import nets
from posetrack.errors import WeightsError
from posetrack.skeletons import joint_map
from posetrack.structures import Skeleton

SHOWN = 6  # names listed in a sentence


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a network got: names of tensors ``taken``, ``remapped``, left ``random`` and not
    ``used``; joints without any weights of their own (``new_joints``).
    """

    taken: tuple[str, ...]
    remapped: tuple[str, ...]
    random: tuple[str, ...]
    unused: tuple[str, ...]
    new_joints: tuple[str, ...]

    def describe(self) -> str:
        """Some sentences for the user."""
        lines = [
            f"{len(self.taken)} tensors loaded, {len(self.remapped)} sorted by joint, "
            f"{len(self.random)} random."
        ]
        if self.remapped:
            lines.append(f"Sorted by joint: {_some(self.remapped)}.")
        if self.new_joints:
            lines.append(
                f"Joints that the checkpoint does not know, random: {', '.join(self.new_joints)}."
            )
        if self.random:
            lines.append(f"Left random: {_some(self.random)}.")
        if self.unused:
            lines.append(f"In the checkpoint only: {_some(self.unused)}.")
        return "\n".join(lines)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:SHOWN]) + (
        f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    )


def load_weights(
    net: nn.Module,
    build: tuple[str, Mapping[str, Any]],
    skeleton: Skeleton,
    state: Mapping[str, Tensor],
    source: Skeleton | None,
) -> Loaded:
    """Copy ``state`` into ``net``, which is the network ``build`` (name, arguments) with the joints
    of ``skeleton``.

    ``source`` are the joints of ``state``, None where it has none (a classifier). Raises
    WeightsError where not one tensor fits.
    """
    mine = net.state_dict()
    heads = _joint_axes(build, len(skeleton))
    order = joint_map(source, skeleton) if source else [-1] * len(skeleton)
    same_joints = (
        source is not None
        and [j for j in order if j >= 0] == list(range(len(source)))
        and -1 not in order
    )
    taken, remapped = [], []
    for name in (n for n in mine if n in state):
        if name in heads and not same_joints:
            if source is not None and _fits(state[name], mine[name], heads[name], len(source)):
                mine[name].copy_(_sorted(state[name], mine[name], heads[name], order))
                remapped.append(name)
        elif mine[name].shape == state[name].shape:
            mine[name].copy_(state[name])
            taken.append(name)
    new_joints = tuple(j for j, k in zip(skeleton.joints, order, strict=True) if k < 0)
    return _loaded(build[0], mine, state, taken, remapped, new_joints)


def load_same(net: nn.Module, name: str, state: Mapping[str, Tensor]) -> Loaded:
    """Copy the tensors of ``state`` that have the same name and shape in ``net``, the network
    ``name``.

    So a classifier of other classes starts with a random head. Raises WeightsError where not one
    tensor fits.
    """
    mine = net.state_dict()
    taken = [n for n in mine if n in state and mine[n].shape == state[n].shape]
    for tensor in taken:
        mine[tensor].copy_(state[tensor])
    return _loaded(name, mine, state, taken, [], ())


def _loaded(
    name: str,
    mine: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    taken: list[str],
    remapped: list[str],
    new_joints: tuple[str, ...],
) -> Loaded:
    if not taken:
        raise WeightsError(
            f"No tensor of the checkpoint fits {name}; start from weights of the same network."
        )
    done = {*taken, *remapped}
    random, unused = (tuple(n for n in names if n not in done) for names in (mine, state))
    return Loaded(tuple(taken), tuple(remapped), random, unused, new_joints)


def _joint_axes(build: tuple[str, Mapping[str, Any]], joints: int) -> dict[str, tuple[int, ...]]:
    """The tensors, and their axes, that grow with the number of joints: found by building one with
    a joint more.
    """
    make = partial(nets.build, build[0], **build[1])
    with torch.device("meta"):
        shapes = make(joints=joints).state_dict(), make(joints=joints + 1).state_dict()
    axes = {
        name: tuple(
            axis
            for axis, (a, b) in enumerate(zip(t.shape, shapes[1][name].shape, strict=True))
            if a != b
        )
        for name, t in shapes[0].items()
    }
    return {name: found for name, found in axes.items() if found}


def _fits(theirs: Tensor, mine: Tensor, axes: tuple[int, ...], joints: int) -> bool:
    """Whether the shapes are the same but for the joints."""
    wanted = [joints if axis in axes else size for axis, size in enumerate(mine.shape)]
    return list(theirs.shape) == wanted


def _sorted(theirs: Tensor, mine: Tensor, axes: tuple[int, ...], order: list[int]) -> Tensor:
    """``theirs`` with the joints in my order; mine where a joint is new."""
    index = torch.tensor([max(j, 0) for j in order])
    known = torch.tensor([j >= 0 for j in order])
    out = theirs.to(mine.dtype).to(mine.device)
    keep = torch.ones((), dtype=torch.bool)
    for axis in axes:
        out = out.index_select(axis, index.to(out.device))
        keep = keep & known.view([-1 if a == axis else 1 for a in range(mine.ndim)])
    return torch.where(keep.to(mine.device), out, mine)
