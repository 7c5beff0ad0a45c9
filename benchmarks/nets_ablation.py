"""Train networks side by side on the same people, steps, loss and input size: fusions, papers,
compact candidates.

    python benchmarks/nets_ablation.py RUNS --lspet lspet/person_keypoints.json \
        --coco coco/person_keypoints_train2017.json --coco-val coco/person_keypoints_val2017.json
        [NAME ...]

Every network sees the same batches (same seed, same augmentation) and is judged by PCK@0.2 of the
torso on people it never saw: 500 of LSPET, and COCO val. Seconds are those of the processor. Writes
benchmarks/results/nets_ablation.json and .png; networks that are not named keep the figures they
had, and a broken run goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from bundled_recipes import BUNDLED_NET, LIGHT
from train_bundled_pose import COCO_JOINTS, HELD_BACK, crops

from posetrack import nets
from posetrack.nets.cost import cost
from posetrack.nets.speed import measure
from posetrack.skeletons import POSETRACK_15
from posetrack.training.loop import Validation, learn_poses
from posetrack.training.recipes import DETAIL, Recipe, Stage

RESULTS = Path(__file__).parent / "results" / "nets_ablation"
SIZE_WH = (64, 64)  # the smallest that all of these networks take; hourglasses want multiples of 64
PEOPLE = 2500  # of LSPET; with COCO's 350 or so one epoch
EPOCHS = 3
SMALL = {"blocks": 2, "stem": 32, "stem_blocks": 1}

# name -> (network, arguments, what it is compared for)
CANDIDATES: dict[str, tuple[str, dict[str, Any], str]] = {
    "fusion: one, at the end": ("hrnet_w18", {**SMALL, "fusions": "last"}, "fusions"),
    "fusion: 3, across stages": ("hrnet_w18", {**SMALL, "fusions": "stages"}, "fusions"),
    "fusion: all 8": ("hrnet_w18", {**SMALL, "fusions": "all"}, "fusions"),
    "Dite-HRNet-18": ("dite_hrnet_18", {}, "papers"),
    "Hourglass, 1 stack": ("hourglass_1", {}, "papers"),
    "SimpleBaseline-50": ("simple_baseline_50", {}, "papers"),
    "Lite-HRNet-18": ("lite_hrnet_18", {}, "compact"),
    "compact HRNet-W16": ("hrnet_w16", BUNDLED_NET, "compact"),
    "compact HRNet-W18": ("hrnet_w18", BUNDLED_NET, "compact"),
    "compact HRNet-W24 (bundled)": ("hrnet_w24", BUNDLED_NET, "compact"),
    "compact HRNet-W32": ("hrnet_w32", BUNDLED_NET, "compact"),
}


def recipe(name: str, args: dict[str, Any]) -> Recipe:
    """What all of them are trained by."""
    stages = (Stage(EPOCHS, SIZE_WH, 32, 1.0, LIGHT),)
    return Recipe(
        "ablation",
        name,
        args,
        stages,
        lr=2e-3,
        betas=(0.9, 0.99),
        ema=0.99,
        initial="he",
        detail=DETAIL,
    )


def learn(name: str, out: Path, data: Any, validations: Sequence[Validation]) -> dict[str, Any]:
    """Train one network; its scores, size, cost and speed."""
    net_name, args, group = CANDIDATES[name]
    began = time.process_time()
    run = learn_poses(
        recipe(net_name, args),
        POSETRACK_15,
        data,
        out,
        validations=validations,
        resume=True,
        report=tell,
    )
    seconds = time.process_time() - began
    with torch.device("meta"):
        price = cost(nets.build(net_name, joints=len(POSETRACK_15), **args), SIZE_WH)
    speed = measure(run.averaged, SIZE_WH, batch=16, device="cpu", clock=time.process_time)
    return {
        "net": net_name,
        "args": args,
        "group": group,
        "curve": [
            {k: row[k] for k in ("epoch", "loss", "pck_lspet", "pck_coco")} for row in run.history
        ],
        "training_processor_s": round(seconds),
        "parameters": price.parameters,
        "macs": price.macs,
        "crops_per_s": round(speed.median, 1),
    }


def draw(networks: dict[str, Any], path: Path) -> None:
    """Left: PCK over epochs. Right: PCK after the last one over crops per second."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    curves, speed = figure.subplots(1, 2)
    for number, (name, row) in enumerate(networks.items()):
        look = {
            "color": f"C{number}",
            "marker": "osD"[("fusions", "papers", "compact").index(row["group"])],
        }
        curves.plot(
            [r["epoch"] for r in row["curve"]],
            [r["pck_lspet"] for r in row["curve"]],
            label=name,
            **look,
        )
        speed.plot([row["crops_per_s"]], [row["curve"][-1]["pck_lspet"]], linestyle="none", **look)
        speed.annotate(
            name,
            (row["crops_per_s"], row["curve"][-1]["pck_lspet"]),
            (5, 4),
            textcoords="offset points",
        )
    curves.set(xlabel="epoch", ylabel="PCK@0.2 of the torso, LSPET, percent")
    curves.legend(fontsize=8)
    speed.set(
        xlabel="crops a second, one thread, float32",
        xscale="log",
        ylabel="PCK after the last epoch, percent",
    )
    part = path.with_name(path.name + ".part")
    figure.savefig(part, format="png", dpi=90)
    part.replace(path)


def write(networks: dict[str, Any], people: int) -> None:
    """After every network, so that an interrupted run keeps what it has."""
    setting = {
        "size_wh": list(SIZE_WH),
        "people": people,
        "epochs": EPOCHS,
        "recipe": {
            k: v
            for k, v in dataclasses.asdict(recipe("", {})).items()
            if k in ("lr", "ema", "stages", "loss")
        },
        "clock": "processor time of one thread, float32; crops per second in batches of 16",
    }
    part = RESULTS.with_suffix(".json.part")
    part.write_text(json.dumps({"setting": setting, "networks": networks}, indent=1) + "\n")
    part.replace(RESULTS.with_suffix(".json"))


def tell(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Train what is named, keep the rest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    for flag in ("--lspet", "--coco", "--coco-val"):
        parser.add_argument(flag, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = crops(f"{args.lspet}[:{PEOPLE}]", args.coco)
    validations = (
        Validation(
            "lspet", crops(f"{args.lspet}[-{HELD_BACK}:-{HELD_BACK // 2}]"), tuple(range(3, 15))
        ),
        Validation("coco", crops(args.coco_val), COCO_JOINTS),
    )
    there = RESULTS.with_suffix(".json")
    networks: dict[str, Any] = json.loads(there.read_text())["networks"] if there.exists() else {}
    for name in args.names or CANDIDATES:
        tell(name)
        folder = args.runs / "".join(c if c.isalnum() else "_" for c in name)
        networks[name] = learn(name, folder, data, validations)
        networks = {n: networks[n] for n in CANDIDATES if n in networks}
        write(networks, len(data))
    draw(networks, RESULTS.with_suffix(".png"))


if __name__ == "__main__":
    main()
