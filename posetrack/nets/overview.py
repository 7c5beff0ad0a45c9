"""The rows of ``posetrack nets``: published figures where there are any, counted ones for other
networks, speeds.
"""

from __future__ import annotations

__all__ = ["Row", "Speeds", "committed_speeds", "overview", "speeds_here"]

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posetrack.nets.published import COCO, IMAGENET, MPII, PUBLISHED, Published, Score, Size

RESULTS = Path(__file__).parent / "speeds.json"  # written by benchmarks/nets_speed.py
Speeds = dict[str, dict[Size, float]]  # network -> input size -> crops per second


@dataclass(frozen=True, slots=True)
class Row:
    """One network at one input size; multiply-adds as in ``posetrack.nets.cost.Cost``."""

    name: str
    paper: str
    parameters: int
    size_wh: Size
    macs: int
    paper_macs: int
    coco_ap: float | None = None
    mpii_pckh: float | None = None
    top1: float | None = None
    further: tuple[Score, ...] = ()

    @property
    def scores(self) -> str:
        """The published scores as text."""
        named = ((self.coco_ap, "AP"), (self.mpii_pckh, "PCKh"), (self.top1, "top-1"))
        return ", ".join(f"{score} {name}" for score, name in named if score is not None)

    @property
    def size_text(self) -> str:
        """The input as the papers write it: height x width."""
        return f"{self.size_wh[1]}x{self.size_wh[0]}"

    def as_json(self) -> dict[str, Any]:
        """Everything, under stable names."""
        return {
            "name": self.name,
            "paper": self.paper,
            "parameters": self.parameters,
            "input_wh": list(self.size_wh),
            "multiply_adds": self.macs,
            "weights_times_output_positions": self.paper_macs,
            "published": {
                "coco_ap": self.coco_ap,
                "mpii_pckh": self.mpii_pckh,
                "imagenet_top1": self.top1,
            },
            "further": [asdict(score) for score in self.further],
        }


def overview(names: Sequence[str] = ()) -> list[Row]:
    """A row for each network and input size; ``names`` narrows it. Raises UsageError for an unknown
    name.
    """
    return [
        row
        for name in names or PUBLISHED
        for row in _rows(name, PUBLISHED.get(name) or _counted(name))
    ]


def _rows(name: str, facts: Published) -> list[Row]:
    """PCKh was measured at MPII's size: it stands in the only row of a network that has
    no other.
    """
    alone = len(facts.macs) == 1
    rows: list[Row] = []
    for size, (macs, paper_macs) in facts.macs.items():
        pckh = facts.mpii_pckh if alone or size == MPII else None
        rows.append(
            Row(
                name,
                facts.paper,
                facts.parameters,
                size,
                macs,
                paper_macs,
                facts.coco_ap.get(size),
                pckh,
                facts.top1,
                facts.further if not rows else (),
            )
        )
    return rows


def _counted(name: str) -> Published:
    """Figures of a network that no paper printed."""
    import torch

    from posetrack.nets import build
    from posetrack.nets.cost import cost

    with torch.device("meta"):
        net = build(name)
    costs = {size: cost(net, size) for size in ([IMAGENET] if name.endswith("_cls") else COCO)}
    parameters = next(iter(costs.values())).parameters
    return Published("", parameters, {size: (c.macs, c.paper_macs) for size, c in costs.items()})


def committed_speeds() -> tuple[str, Speeds]:
    """The machine and the speeds of the last benchmark run, empty where the package was installed
    without them.
    """
    try:
        content = json.loads(RESULTS.read_text())
    except OSError:
        return "", {}
    m = content["machine"]
    threads = f"{m['threads']} thread" + "s" * (m["threads"] != 1)
    machine = (
        f"{m['device']}, {threads}, {m['precision']}, batch {m['batch']}, {m['clock']} "
        f"(benchmarks/nets_speed.py)"
    )
    return machine, {
        name: {tuple(n["size_wh"]): n["crops_per_s"]} for name, n in content["networks"].items()
    }


def speeds_here(
    rows: Sequence[Row], batch: int, device: str, report: Callable[[str], None]
) -> Speeds:
    """Measure each network of ``rows`` at its first size; ``report`` receives a line for each."""
    from posetrack.nets import build
    from posetrack.nets.speed import measure

    speeds: Speeds = {}
    for row in rows:
        if row.name not in speeds:
            speed = measure(build(row.name), row.size_wh, batch=batch, device=device)
            report(
                f"{row.name} {speed.median:.1f} crops/s ({speed.lowest:.1f} to {speed.highest:.1f})"
            )
            speeds[row.name] = {row.size_wh: round(speed.median, 2)}
    return speeds
