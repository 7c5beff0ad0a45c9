"""The networks, one file per paper. ``NETS[name](joints=K)`` or ``build(name, joints=K, ...)`` gives an nn.Module.

Every pose network takes images (B, 3, H, W) and gives heatmaps (B, K, H/4, W/4), or a list of them, the last one being
the final, where the paper supervises in between. Any HRNet width has a name: ``hrnet_w18``, ``hrnet_w40``...
Add yours: a file, and a line in ``NETS``.
"""

from __future__ import annotations

__all__ = ["NETS", "build"]

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from posetrack.errors import unknown_name
from posetrack.nets.hrnet import hrnet

_HRNET = re.compile(r"hrnet_w([1-9]\d{0,2})")

Builder = Callable[..., nn.Module]


class _Nets(dict[str, Builder]):
    """A plain table, with HRNet of every width in it without a line for each."""

    def __missing__(self, name: str) -> Builder:
        match = _HRNET.fullmatch(name)
        if match is None:
            raise unknown_name("network", name, [*self, "hrnet_wN"])
        return partial(hrnet, width=int(match[1]))


NETS: dict[str, Builder] = _Nets(
    {
        "hrnet_w32": partial(hrnet, width=32),
        "hrnet_w48": partial(hrnet, width=48),
    }
)


def build(name: str, **args: Any) -> nn.Module:
    """The network ``name`` with ``args`` (``joints=K`` ...). Raises UsageError for a name that does not exist."""
    return NETS[name](**args)
