"""HRNet: deep high-resolution representation learning for human pose estimation (Sun et al., CVPR
2019).

Four branches at 1/4, 1/8, 1/16 and 1/32 of the input run in parallel and exchange what they know
after every module (section 3). Names of parameters are the official ones, so the published
checkpoints load as they are.
"""

from __future__ import annotations

__all__ = ["Fusions", "HRNet", "HRNetTrunk", "ParallelModule", "hrnet"]

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from posetrack.nets.blocks import BasicBlock, Bottleneck, check_size, conv_bn, init_weights

BRANCHES = 4
HEATMAP_STRIDE = 4  # pixels of the input per position of the finest branch

Fusions = Literal["all", "stages", "last"]


class ParallelModule(nn.Module):
    """Residual blocks on every branch, then each branch in ``outputs`` receives all others (paper
    eq. 1).

    ``fuse=False`` leaves the exchange out: the branches stay by themselves (ablation of section
    4.4).
    """

    def __init__(
        self, widths: Sequence[int], blocks: int, outputs: Sequence[int], fuse: bool = True
    ) -> None:
        super().__init__()
        self.outputs = tuple(outputs)
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(w, w) for _ in range(blocks))) for w in widths
        )
        # keyed by the output branch: a module that feeds one branch only has no weights for the
        # others
        rows = {
            str(i): nn.ModuleList(_exchange(widths, j, i) for j in range(len(widths)))
            for i in self.outputs
        }
        self.fuse_layers = nn.ModuleDict(rows) if fuse else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """One tensor a branch, finest first -> one tensor for each branch in ``outputs``."""
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        if self.fuse_layers is None:
            return [xs[i] for i in self.outputs]
        return [self._receive(xs, row) for row in self.fuse_layers.values()]

    def _receive(self, xs: list[Tensor], row: nn.Module) -> Tensor:
        terms = [layer(x) for layer, x in zip(row.children(), xs, strict=True)]
        total = terms[0] + terms[1]
        for term in terms[2:]:
            total += term
        return self.relu(total)  # type: ignore[no-any-return]


def _exchange(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From branch ``source`` to ``target``: 1x1 and nearest upsampling, nothing, or a chain of
    strided 3x3.
    """
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(*conv_bn(widths[source], widths[target], 1, relu=False), up)
    w, steps = widths[source], target - source
    chain = [conv_bn(w, w, 3, 2) for _ in range(steps - 1)]
    return nn.Sequential(*chain, conv_bn(w, widths[target], 3, 2, relu=False))


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """Fit the branches to new widths; each new branch is made from the coarsest old one by strided
    3x3.
    """
    layers: list[nn.Module] = []
    for i, width in enumerate(after):
        if i < len(before):
            layers.append(nn.Identity() if width == before[i] else conv_bn(before[i], width))
            continue
        steps = i + 1 - len(before)
        chain = [conv_bn(before[-1], before[-1], 3, 2) for _ in range(steps - 1)]
        layers.append(nn.Sequential(*chain, conv_bn(before[-1], width, 3, 2)))
    return nn.ModuleList(layers)


class HRNetTrunk(nn.Module):
    """Stem, first stage and the three multi-branch stages; ``features`` gives the branches in
    ``outputs``.

    ``width`` is the channels of the finest branch (doubled at each coarser one), ``modules`` the
    modules of stages 2 to 4, ``blocks`` the residual blocks of a branch in a module, ``stem`` the
    channels of the stem (the first stage has 4 times as many) and ``stem_blocks`` the bottlenecks
    of the first stage. With fewer than four ``branches`` the coarser ones are left out: 1 is the
    simple high-resolution network of section 4.4. ``fusions``: "all" exchanges after every module
    (8 with the default modules), "stages" after each stage's last (3), "last" only at the very end
    (1); ``all_from_start`` has all branches from stage 2 on (section 4.4).
    """

    def __init__(
        self,
        outputs: Sequence[int],
        width: int = 32,
        *,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: int = 64,
        stem_blocks: int = 4,
        fusions: Fusions = "all",
        all_from_start: bool = False,
        branches: int = BRANCHES,
    ) -> None:
        super().__init__()
        if not 1 <= branches <= BRANCHES:
            raise ValueError(f"branches must be 1 to {BRANCHES}, not {branches}")
        if fusions not in ("all", "stages", "last"):
            raise ValueError(f"fusions must be 'all', 'stages' or 'last', not {fusions!r}")
        if not all(0 <= i < branches for i in outputs):
            raise ValueError(
                f"heatmap_from must be a branch, 0 to {branches - 1}, not {outputs[0]}"
            )
        if len(modules) != BRANCHES - 1 or min(modules) < 1:
            raise ValueError(
                f"modules must be three counts of at least 1, for stages 2 to 4, not "
                f"{tuple(modules)}"
            )
        self.conv1, self.bn1 = nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem)
        self.conv2, self.bn2 = nn.Conv2d(stem, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        wide = stem * Bottleneck.expansion
        self.layer1 = nn.Sequential(
            *(Bottleneck(stem if n == 0 else wide, stem) for n in range(stem_blocks))
        )
        self.coarsest_stride = HEATMAP_STRIDE * 2 ** (branches - 1)
        widths = [width * 2**i for i in range(branches)]
        before = [wide]
        for stage, count in enumerate(modules, start=2):
            after = widths if all_from_start else widths[:stage]
            self.add_module(f"transition{stage - 1}", _transition(before, after))
            end = stage == BRANCHES
            plan = [
                len(after) > 1 and _fuses(fusions, last=n == count - 1, end=end)
                for n in range(count)
            ]
            keep = [range(len(after))] * (count - 1) + [outputs if end else range(len(after))]
            layers = (
                ParallelModule(after, blocks, out, fuse)
                for out, fuse in zip(keep, plan, strict=True)
            )
            self.add_module(f"stage{stage}", nn.Sequential(*layers))
            before = after

    def features(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W), H and W multiples of 32 (of the coarsest branch's stride) -> the
        branches in ``outputs``, finest first.
        """
        check_size(x, self.coarsest_stride)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        xs = [self.layer1(x)]
        for stage in range(2, BRANCHES + 1):
            transition = self.get_submodule(f"transition{stage - 1}")
            xs = [layer(xs[min(i, len(xs) - 1)]) for i, layer in enumerate(transition.children())]
            xs = self.get_submodule(f"stage{stage}")(xs)
        return xs


def _fuses(fusions: Fusions, *, last: bool, end: bool) -> bool:
    """Whether a module exchanges: ``last`` of its stage, ``end`` = its stage is the last one."""
    return fusions == "all" or (last and (fusions == "stages" or end))


class HRNet(HRNetTrunk):
    """HRNet with a heatmap head on one branch; ``heatmap_from`` 0 is 1/4 of the input, 3 is 1/32.

    ``heatmap_from="each"`` has a head on every branch, as for figure 5 of the paper (section 4.4):
    the outputs are coarsest first, so that the last one is the finest and the one that counts.
    """

    def __init__(
        self,
        joints: int = 17,
        width: int = 32,
        *,
        modules: Sequence[int] = (1, 4, 3),
        blocks: int = 4,
        stem: int = 64,
        stem_blocks: int = 4,
        fusions: Fusions = "all",
        all_from_start: bool = False,
        branches: int = BRANCHES,
        heatmap_from: int | Literal["each"] = 0,
    ) -> None:
        each = heatmap_from == "each"
        super().__init__(
            tuple(range(branches)) if heatmap_from == "each" else (heatmap_from,),
            width,
            modules=modules,
            blocks=blocks,
            stem=stem,
            stem_blocks=stem_blocks,
            fusions=fusions,
            all_from_start=all_from_start,
            branches=branches,
        )
        finest = 0 if heatmap_from == "each" else heatmap_from
        self.heatmap_stride = HEATMAP_STRIDE * 2**finest
        self.final_layer = nn.Conv2d(width * 2**finest, joints, 1)
        coarser = range(branches - 1, 0, -1) if each else ()
        self.coarser_layers = nn.ModuleList(nn.Conv2d(width * 2**i, joints, 1) for i in coarser)
        init_weights(self)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Images (B, 3, H, W) -> heatmaps (B, joints, H / heatmap_stride, W / heatmap_stride); a
        list of them, coarsest first, with a head on each branch.
        """
        finest, *coarser = self.features(x)
        heatmaps: Tensor = self.final_layer(finest)
        if not self.coarser_layers:
            return heatmaps
        heads = zip(self.coarser_layers, reversed(coarser), strict=True)
        return [*(head(y) for head, y in heads), heatmaps]


def hrnet(joints: int = 17, *, width: int = 32, **args: object) -> HRNet:
    """A pose HRNet of any width; ``args`` as in ``HRNet`` (a compact one: modules, blocks, stem,
    stem_blocks).
    """
    return HRNet(joints, width, **args)  # type: ignore[arg-type]
