"""What the papers and this package say of each network: size, cost and scores. Plain numbers, no
network is built.

Parameters and multiply-adds are this package's own count (``posetrack.nets.cost``, a test compares
them) with 17 joints (COCO), 16 for the hourglasses (MPII), 1000 classes. Scores are those that the
papers print, with their detector and flip test (of Hourglass-52: OpenMMLab's, of CPN: the HRNet
paper's); ours are in the model cards of the weights.
"""

from __future__ import annotations

__all__ = ["PUBLISHED", "Published"]

from dataclasses import dataclass, field

Size = tuple[int, int]  # width and height of the input, pixels

COCO: tuple[Size, Size] = ((192, 256), (288, 384))
MPII: Size = (256, 256)
IMAGENET: Size = (224, 224)


@dataclass(frozen=True, slots=True)
class Published:
    """``macs``: size -> (multiply-adds executed, weights x output positions as the papers count),
    for one image.

    ``coco_ap``: size -> AP on COCO val2017; ``mpii_pckh``: PCKh@0.5 on MPII val; ``top1``: % on
    ImageNet val.
    """

    paper: str
    parameters: int
    macs: dict[Size, tuple[int, int]]
    coco_ap: dict[Size, float] = field(default_factory=dict)
    mpii_pckh: float | None = None
    top1: float | None = None


def _coco(scores: tuple[float, ...]) -> dict[Size, float]:
    """AP at 256x192 and, where the paper has it, 384x288."""
    return dict(zip(COCO, scores, strict=False))


def _same(*counts: int) -> dict[Size, tuple[int, int]]:
    """Counts at the COCO sizes, and MPII's where given, that are the same in both conventions."""
    return {size: (count, count) for size, count in zip((*COCO, MPII), counts, strict=False)}


def _mpii(count: int) -> dict[Size, tuple[int, int]]:
    return {MPII: (count, count)}


def _imagenet(count: int) -> dict[Size, tuple[int, int]]:
    return {IMAGENET: (count, count)}


_BASELINE = "Xiao 2018"
_HRNET = "Sun 2019"
_CLS = "Wang 2020"
_HOURGLASS = "Newell 2016"
_LITE = "Yu 2021"
_DITE = "Li 2022"

PUBLISHED: dict[str, Published] = {
    "hrnet_w32": Published(
        _HRNET,
        28536113,
        _same(7645003776, 17201258496, 10193338368),
        _coco((74.4, 75.8)),
        mpii_pckh=90.3,
    ),
    "hrnet_w48": Published(_HRNET, 63595745, _same(15691825152, 35306606592), _coco((75.1, 76.3))),
    "hrnet_w18_cls": Published(_CLS, 21299004, _imagenet(4283537072), top1=76.8),
    "hrnet_w32_cls": Published(_CLS, 41232680, _imagenet(8921133056), top1=78.5),
    "hrnet_w48_cls": Published(_CLS, 77469864, _imagenet(17277996032), top1=79.3),
    "simple_baseline_50": Published(
        _BASELINE,
        33999697,
        {
            (192, 256): (5426380800, 9654239232),
            (288, 384): (12209356800, 21722038272),
            MPII: (7235174400, 12872318976),
        },
        _coco((70.4, 72.2)),
        mpii_pckh=88.5,
    ),
    "simple_baseline_101": Published(
        _BASELINE,
        52991825,
        {
            (192, 256): (9062842368, 13290700800),
            (288, 384): (20391395328, 29904076800),
            MPII: (12083789824, 17720934400),
        },
        _coco((71.4, 73.6)),
        mpii_pckh=89.1,
    ),
    "simple_baseline_152": Published(
        _BASELINE,
        68635473,
        {
            (192, 256): (12699303936, 16927162368),
            (288, 384): (28573433856, 38086115328),
            MPII: (16932405248, 22569549824),
        },
        _coco((72.0, 74.3)),
        mpii_pckh=89.6,
    ),
    "hourglass_1": Published(_HOURGLASS, 4364048, _mpii(5150343168)),
    "hourglass_2": Published(_HOURGLASS, 8429088, _mpii(8334606336), mpii_pckh=88.3),
    "hourglass_8": Published(_HOURGLASS, 32819328, _mpii(27440185344), mpii_pckh=90.2),
    "hourglass_52": Published("Law 2018", 93666960, _mpii(28619112448), mpii_pckh=88.9),
    "lite_hrnet_18": Published(_LITE, 1130769, _same(198626688, 446778048), _coco((64.8, 67.6))),
    "lite_hrnet_30": Published(_LITE, 1763717, _same(309451488, 696046848), _coco((67.2, 70.4))),
    "dite_hrnet_18": Published(
        _DITE,
        1186933,
        {(192, 256): (202862264, 178025336), (288, 384): (456251384, 400456376)},
        _coco((65.9, 69.0)),
    ),
    "dite_hrnet_30": Published(
        _DITE,
        1862549,
        {(192, 256): (320146984, 280342376), (288, 384): (720005704, 630599816)},
        _coco((68.3, 71.5)),
    ),
    "cpn_50": Published("Chen 2018", 27010453, _same(7230615552, 16268884992), _coco((69.4,))),
    "dilated_resnet_50": Published(
        "Sun 2019, figure 2 d",
        25086289,
        {(192, 256): (19909312512, 22325231616), (288, 384): (44795953152, 50231771136)},
    ),
}
