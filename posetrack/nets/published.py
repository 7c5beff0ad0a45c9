"""What the papers and this package say of each network: size, cost and scores. Plain numbers, no
network is built.

Parameters and multiply-adds are this package's own count (``posetrack.nets.cost``, a test compares
them) with 17 joints (COCO), 16 for the hourglasses (MPII), 1000 classes. Scores are those that the
papers print, with their detector and flip test (of Hourglass-52: OpenMMLab's, of CPN: the HRNet
paper's); ours are in the model cards of the weights.
"""

from __future__ import annotations

__all__ = ["PUBLISHED", "Published", "Score"]

from dataclasses import dataclass, field

Size = tuple[int, int]  # width and height of the input, pixels

COCO: tuple[Size, Size] = ((192, 256), (288, 384))
MPII: Size = (256, 256)
IMAGENET: Size = (224, 224)


@dataclass(frozen=True, slots=True)
class Score:
    """A further figure that somebody printed: ``value`` of ``metric`` on ``data``, and where."""

    value: float
    metric: str
    data: str
    source: str


@dataclass(frozen=True, slots=True)
class Published:
    """``macs``: size -> (multiply-adds executed, weights x output positions as the papers count),
    for one image.

    ``paper`` is the one that ``coco_ap``, ``mpii_pckh`` and ``top1`` stand in; ``further`` figures
    name theirs. ``coco_ap``: size -> AP on COCO val2017; ``mpii_pckh``: PCKh@0.5 on MPII val;
    ``top1``: % on ImageNet val.
    """

    paper: str
    parameters: int
    macs: dict[Size, tuple[int, int]]
    coco_ap: dict[Size, float] = field(default_factory=dict)
    mpii_pckh: float | None = None
    top1: float | None = None
    further: tuple[Score, ...] = ()


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
_ABLATION = "Sun 2019, section 4.4"


def _imagenet_scores(top5: float, later: float) -> tuple[Score, ...]:
    return (
        Score(top5, "top-5", "ImageNet val", "Sun 2019, supplement"),
        Score(later, "top-1", "ImageNet val", _CLS),
    )


PUBLISHED: dict[str, Published] = {
    "hrnet_w32": Published(
        _HRNET,
        28536113,
        _same(7645003776, 17201258496, 10193338368),
        _coco((74.4, 75.8)),
        mpii_pckh=90.3,
        further=(
            Score(73.4, "AP", "COCO val, 256x192, no pretraining", "Sun 2019, section 4.1"),
            Score(74.9, "AP", "COCO test-dev, 384x288", "Sun 2019, section 4.1"),
            Score(92.3, "PCKh", "MPII test", "Sun 2019, section 4.2"),
        ),
    ),
    "hrnet_w48": Published(
        _HRNET,
        63595745,
        _same(15691825152, 35306606592),
        _coco((75.1, 76.3)),
        further=(
            Score(75.5, "AP", "COCO test-dev, 384x288", "Sun 2019, section 4.1"),
            Score(77.3, "mAP", "PoseTrack17 val", "Sun 2019, section 4.3"),
            Score(74.9, "mAP", "PoseTrack17 test", "Sun 2019, section 4.3"),
            Score(57.9, "MOTA", "PoseTrack17 test", "Sun 2019, section 4.3"),
        ),
    ),
    "hrnet_w18_cls": Published(_CLS, 21299004, _imagenet(4283537072), top1=76.8),
    "hrnet_w32_cls": Published(
        _HRNET,
        41232680,
        _imagenet(8921133056),
        top1=77.3,
        further=_imagenet_scores(top5=93.5, later=78.5),
    ),
    "hrnet_w48_cls": Published(
        _HRNET,
        77469864,
        _imagenet(17277996032),
        top1=77.9,
        further=_imagenet_scores(top5=93.9, later=79.3),
    ),
    # The ablations: of about the multiply-adds of hrnet_w32, by this package's choice of width.
    "hrnet_w26_all_from_start": Published(
        _ABLATION, 39781079, _same(7569995520, 17032489920), _coco((72.5,))
    ),
    "hrnet_w59_high_only": Published(_ABLATION, 2474738, _same(7582909440, 17061546240)),
    "hrnet_w32_four_heads": Published(_ABLATION, 29313764, _same(7733563392, 17400517632)),
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
    "hourglass_8": Published(
        _HOURGLASS,
        32819328,
        _mpii(27440185344),
        mpii_pckh=90.2,
        further=(Score(66.9, "AP", "COCO val, 256x192", "Sun 2019, section 4.1"),),
    ),
    "hourglass_joined": Published("Newell 2016, code", 26353824, _mpii(26196049920)),
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
