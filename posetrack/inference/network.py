"""A network on its way to a runtime: built, and made ready, only if somebody asks."""

from __future__ import annotations

__all__ = ["Network"]

import copy
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import nn

Made = TypeVar("Made")


class Network:
    """``build`` makes the network, one of its own.

    Where ``identity`` is the hash of all that it is made from, runtimes may keep in ``folder`` what
    they make of it, and the next run need not build it.
    """

    def __init__(
        self, build: Callable[[], nn.Module], identity: str = "", folder: Path | None = None
    ) -> None:
        self._build, self.identity, self.folder = build, identity, folder
        self._made: dict[str, Any] = {}

    @classmethod
    def of(cls, net: nn.Module | Network) -> Network:
        """A network at hand, which stays as it is."""
        if isinstance(net, Network):
            return net
        module = net
        return cls(lambda: copy.deepcopy(module))

    @cached_property
    def folded(self) -> nn.Module:
        """In float32 on the processor, in eval mode, batch norms folded; not to be changed."""
        from posetrack.inference.folding import fold_batch_norm

        return fold_batch_norm(self._build().cpu().float().requires_grad_(False)).eval()

    def once(self, what: str, make: Callable[[], Made]) -> Made:
        """What ``make`` makes; the same again when it is asked for again."""
        if what not in self._made:
            self._made[what] = make()
        made: Made = self._made[what]
        return made
