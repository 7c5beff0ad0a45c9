"""The networks, one file per paper. ``NETS[name](joints=K)`` or ``build(name, joints=K, ...)``
gives an nn.Module.

Every pose network takes images (B, 3, H, W) and gives heatmaps (B, K, H/4, W/4), or a list of them,
the last one being the final, where the paper supervises in between; those of ablations may be 1/8
to 1/32 of the input. Any HRNet width has a name:
``hrnet_w18``, ``hrnet_w40``... Add yours: a file, and a line in ``NETS``.
"""

from __future__ import annotations

__all__ = ["NETS", "build"]

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from posetrack.errors import unknown_name
from posetrack.nets.cpn import cpn
from posetrack.nets.dilated_resnet import dilated_resnet
from posetrack.nets.dite_hrnet import dite_hrnet
from posetrack.nets.hourglass import hourglass
from posetrack.nets.hourglass_52 import hourglass_52
from posetrack.nets.hourglass_joined import hourglass_joined
from posetrack.nets.hrnet import hrnet
from posetrack.nets.hrnet_cls import hrnet_cls
from posetrack.nets.lite_hrnet import lite_hrnet
from posetrack.nets.person_detector import PersonDetector
from posetrack.nets.simple_baseline import simple_baseline

_HRNET = re.compile(r"hrnet_w([1-9]\d{0,2})(_cls)?")

Builder = Callable[..., nn.Module]


class _Nets(dict[str, Builder]):
    """A plain table, with HRNet of every width in it without a line for each."""

    def __missing__(self, name: str) -> Builder:
        match = _HRNET.fullmatch(name)
        if match is None:
            raise unknown_name("network", name, [*self, "hrnet_wN"])
        return partial(hrnet_cls if match[2] else hrnet, width=int(match[1]))


NETS: dict[str, Builder] = _Nets(
    {
        "hrnet_w32": partial(hrnet, width=32),
        "hrnet_w48": partial(hrnet, width=48),
        "hrnet_w26_all_from_start": partial(hrnet, width=26, all_from_start=True),
        "hrnet_w59_high_only": partial(hrnet, width=59, branches=1),
        "hrnet_w32_four_heads": partial(hrnet, width=32, heatmap_from="each"),
        "hrnet_w18_cls": partial(hrnet_cls, width=18),
        "hrnet_w32_cls": partial(hrnet_cls, width=32),
        "hrnet_w48_cls": partial(hrnet_cls, width=48),
        "simple_baseline_50": partial(simple_baseline, depth=50),
        "simple_baseline_101": partial(simple_baseline, depth=101),
        "simple_baseline_152": partial(simple_baseline, depth=152),
        "hourglass_1": partial(hourglass, stacks=1),
        "hourglass_2": partial(hourglass, stacks=2),
        "hourglass_8": partial(hourglass, stacks=8),
        "hourglass_52": hourglass_52,
        "hourglass_joined": hourglass_joined,
        "lite_hrnet_18": partial(lite_hrnet, depth=18),
        "lite_hrnet_30": partial(lite_hrnet, depth=30),
        "dite_hrnet_18": partial(dite_hrnet, depth=18),
        "dite_hrnet_30": partial(dite_hrnet, depth=30),
        "cpn_50": partial(cpn, depth=50),
        "dilated_resnet_50": partial(dilated_resnet, depth=50),
        "person_detector": PersonDetector,
    }
)


def build(name: str, **args: Any) -> nn.Module:
    """The network ``name`` with ``args`` (``joints=K`` ...). Raises UsageError for a name that does
    not exist.
    """
    return NETS[name](**args)
