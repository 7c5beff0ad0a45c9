"""The tables of section 4.4 of the HRNet paper and their neighbours, under one equal budget.

    python benchmarks/paper_tables.py RUNS --train coco/person_keypoints_train2017.json \
        coco/person_keypoints_more.json --val coco/person_keypoints_val2017.json [--real]
        [--only NAME ...]

Every network learns the same people by the recipe ``coco`` (from random weights, milestones moved
along), for the same number of epochs, once a seed, and is judged by AP from the labelled boxes as
``posetrack eval coco`` has it. Small versions of the networks stand in for the real ones, which
``--real`` trains (on a GPU). Goes on where it was stopped, run by run and within a run; after each
run ``--results`` is written: figures, a plot, and which of the papers' trends are seen. A trend
counts as seen where the means of the seeds differ by more than the seeds do.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posetrack import nets, train
from posetrack.nets.cost import cost

RESULTS = Path(__file__).parent / "results" / "paper_tables"
JOINTS = 17
SIZE_WH = (96, 128)  # of all but the comparison of sizes; the widest table that two cores can make
SIZES = ((96, 128), (128, 160), (192, 256))
SMALL = {"width": 16, "blocks": 1, "stem": 32, "stem_blocks": 1}
REAL = {"width": 32}


@dataclass(frozen=True, slots=True)
class Row:
    """A network in a table: its name in ``NETS``, arguments small and real, and how it differs."""

    table: str
    net: str
    small: dict[str, Any] = field(default_factory=dict)
    real: dict[str, Any] = field(default_factory=dict)
    size_wh: tuple[int, int] = SIZE_WH
    loss: str = "mse"
    equal_to: str = ""  # the row whose multiply-adds the width is chosen for

    def args(self, real: bool) -> dict[str, Any]:
        """The arguments of the network."""
        args = dict(self.real if real else self.small)
        if self.equal_to:
            target = ROWS[self.equal_to]
            macs = _macs(target.net, json.dumps(target.args(real)), self.size_wh)
            args["width"] = _width(self.net, json.dumps(args), self.size_wh, macs)
        return args


def _hrnet(table: str, equal_to: str = "", **args: Any) -> Row:
    return Row(table, "hrnet_w32", {**SMALL, **args}, {**REAL, **args}, equal_to=equal_to)


def _at(size: tuple[int, int], net: str) -> Row:
    if net == "hrnet_w32":
        return Row("input size", net, SMALL, REAL, size)
    return Row("input size", net, size_wh=size)


ROWS: dict[str, Row] = {
    "8 fusions": _hrnet("fusions", fusions="all"),
    "3 fusions": _hrnet("fusions", fusions="stages"),
    "1 fusion": _hrnet("fusions", fusions="last"),
    "all resolutions from the start": _hrnet("resolutions", "8 fusions", all_from_start=True),
    "high resolution only": _hrnet("resolutions", "8 fusions", branches=1),
    "four heads": _hrnet("heatmaps", heatmap_from="each"),
    **{f"HRNet {w}x{h}": _at((w, h), "hrnet_w32") for w, h in SIZES},
    **{f"SimpleBaseline {w}x{h}": _at((w, h), "simple_baseline_50") for w, h in SIZES},
    "Hourglass, 1 stack": Row("papers", "hourglass_1", {"order": 3}, {"order": 3}),
    "Hourglass, 2 stacks": Row("papers", "hourglass_2", {"order": 3}, {"order": 3}),
    "CPN": Row("papers", "cpn_50"),
    "CPN + OHKM": Row("papers", "cpn_50", loss="ohkm"),
    "dilated ResNet-50": Row("papers", "dilated_resnet_50"),
    "Lite-HRNet-18": Row("papers", "lite_hrnet_18"),
    "Dite-HRNet-18": Row("papers", "dite_hrnet_18"),
}
# better row (or its figure), worse row, whose claim
TRENDS: tuple[tuple[str, str, str], ...] = (
    ("8 fusions", "3 fusions", "Sun 2019, section 4.4"),
    ("3 fusions", "1 fusion", "Sun 2019, section 4.4"),
    ("8 fusions", "all resolutions from the start", "Sun 2019, section 4.4"),
    ("8 fusions", "high resolution only", "Sun 2019, section 4.4"),
    ("four heads@4", "four heads@8", "Sun 2019, section 4.4"),
    ("four heads@8", "four heads@16", "Sun 2019, section 4.4"),
    ("four heads@16", "four heads@32", "Sun 2019, section 4.4"),
    ("HRNet 128x160", "HRNet 96x128", "Sun 2019, section 4.4"),
    ("HRNet 192x256", "HRNet 128x160", "Sun 2019, section 4.4"),
    *((f"HRNet {w}x{h}", f"SimpleBaseline {w}x{h}", "Sun 2019, section 4.4") for w, h in SIZES),
    ("Hourglass, 2 stacks", "Hourglass, 1 stack", "Newell 2016"),
    ("CPN + OHKM", "CPN", "Chen 2018"),
    ("Dite-HRNet-18", "Lite-HRNet-18", "Li 2022"),
)


@cache
def _macs(net: str, args: str, size_wh: tuple[int, int]) -> int:
    with torch.device("meta"):
        return cost(nets.build(net, joints=JOINTS, **json.loads(args)), size_wh).macs


@cache
def _width(net: str, args: str, size_wh: tuple[int, int], macs: int) -> int:
    """The width of the network whose multiply-adds are nearest."""
    off = {
        w: abs(_macs(net, json.dumps({**json.loads(args), "width": w}), size_wh) - macs)
        for w in range(4, 97)
    }
    return min(off, key=lambda w: off[w])


def tell(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def learn(name: str, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """One run; the scores of its last epoch by output stride."""
    row = ROWS[name]
    out = args.runs / ("".join(c if c.isalnum() else "_" for c in name) + f"_{seed}")
    changes = {
        "net": row.net,
        "net_args": row.args(args.real),
        "size_wh": row.size_wh,
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "loss": row.loss,
        "seed": seed,
    }
    train(
        args.train,
        out,
        recipe="coco",
        changes=changes,
        val=[args.val],
        metric="ap",
        resume=True,
        device=args.device,
        threads=args.threads,
        report=tell,
        warn=tell,
    )
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    scores = {"4": next(v for k, v in last.items() if k.startswith("ap_"))}
    for key, value in last.items():
        if key.startswith("stride") and "_ap_" in key:
            scores[key.partition("_")[0].removeprefix("stride")] = value
    return {"ap": scores, "loss": last["loss"], "epochs": last["epoch"]}


def figures(runs: dict[str, dict[str, Any]], name: str) -> list[float]:
    """The APs of a row's seeds; "row@16" is its head of that stride."""
    row, _, stride = name.partition("@")
    return [run["ap"][stride or "4"] for run in runs.get(row, {}).values()]


def trends(runs: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Which claims are seen, in plain words; those without runs are left out."""
    found = []
    for better, worse, source in TRENDS:
        a, b = figures(runs, better), figures(runs, worse)
        if not a or not b:
            continue
        gain, spread = float(np.mean(a) - np.mean(b)), max(np.ptp(a), np.ptp(b))
        seen = "seen" if gain > spread else "not seen" if gain < -spread else "within the seeds"
        words = f"{better} against {worse}: {gain:+.1f} AP, seeds differ by {spread:.1f}: {seen}"
        found.append({"claim": f"{better} > {worse}", "source": source, "words": words})
    return found


def draw(runs: dict[str, dict[str, Any]], path: Path) -> None:
    """A bar a row with its seeds as points, tables apart; figure 6 and the heads as lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5), layout="constrained")
    FigureCanvasAgg(figure)
    bars, sizes, heads = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    shown = [name for name, row in ROWS.items() if name in runs and row.table != "input size"]
    for place, name in enumerate(shown):
        values = figures(runs, name)
        bars.barh(place, np.mean(values), color="lightgrey")
        bars.plot(values, [place] * len(values), "k.", markersize=4)
    bars.set(yticks=range(len(shown)), yticklabels=shown, xlabel="AP on COCO val, percent")
    bars.invert_yaxis()
    for net in ("HRNet", "SimpleBaseline"):
        have = [(h, figures(runs, f"{net} {w}x{h}")) for w, h in SIZES]
        have = [(h, values) for h, values in have if values]
        if have:
            x, y = zip(*[(h, np.mean(values)) for h, values in have], strict=True)
            sizes.plot(x, y, marker="o", label=net)
    sizes.set(xlabel="height of the input, px", ylabel="AP")
    sizes.legend()
    if "four heads" in runs:
        found = [figures(runs, f"four heads@{s}") for s in (4, 8, 16, 32)]
        heads.plot(["4", "8", "16", "32"], [np.mean(values) for values in found], marker="o")
    heads.set(xlabel="input pixels per heatmap pixel, one network", ylabel="AP")
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png", dpi=90)
    part.replace(path)


def write(runs: dict[str, dict[str, Any]], args: argparse.Namespace) -> None:
    """Figures, rows, trends and the setting, after every run; then the plot."""
    rows = {}
    for name in ROWS:
        if name in runs:
            row = ROWS[name]
            net_args = row.args(args.real)
            macs = _macs(row.net, json.dumps(net_args), row.size_wh)
            rows[name] = {
                "table": row.table,
                "net": row.net,
                "args": net_args,
                "size_wh": row.size_wh,
                "multiply_adds": macs,
                "seeds": runs[name],
            }
    setting = {
        "recipe": "coco",
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "train": [Path(source).name for source in args.train],
        "val": Path(args.val).name,
        "networks": "real" if args.real else "small",
        "machine": platform.processor() or platform.machine(),
        "device": args.device,
        "torch": torch.__version__,
    }
    content = {"setting": setting, "rows": rows, "trends": trends(runs)}
    target = args.results.with_suffix(".json")
    part = target.with_name(target.name + ".part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(target)
    draw(runs, args.results.with_suffix(".png"))


def _known(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Runs that were finished before under the same setting."""
    path = args.results.with_suffix(".json")
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    same = content["setting"]["epochs"] == args.epochs and content["setting"]["networks"] == (
        "real" if args.real else "small"
    )
    if not same:
        raise SystemExit(f"{path} is of another budget; give another --results.")
    return {name: row["seeds"] for name, row in content["rows"].items()}


def main(words: Sequence[str] | None = None) -> None:
    """Train what is missing; print the trends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--only", nargs="+", default=[], help=f"of {', '.join(ROWS)}")
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--val", required=True)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1))
    parser.add_argument("--real", action="store_true", help="the papers' networks, not small ones")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS, help="without suffix")
    args = parser.parse_args(words)
    if unknown := [name for name in args.only if name not in ROWS]:
        parser.error(f"no such row: {', '.join(unknown)}")
    runs = _known(args)
    for seed in args.seeds:  # all rows once before any a second time
        for name in args.only or ROWS:
            if str(seed) in runs.get(name, {}):
                continue
            tell(f"{name}, seed {seed}")
            runs.setdefault(name, {})[str(seed)] = learn(name, seed, args)
            write(runs, args)
    for trend in trends(runs):
        print(trend["words"], f"({trend['source']})")


if __name__ == "__main__":
    main()
